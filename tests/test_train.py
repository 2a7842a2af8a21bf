from __future__ import annotations

import contextlib
import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg import edits
from napari_cellseg.config import Config, Optimiser, parse_config
from napari_cellseg.data import AHEAD, Loader, TrainingSet
from napari_cellseg.engine import PredictJob, TrainJob, decide, open_round, record_round, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Judged, Notice, Predicted, Saved, StepDone, Stopped, TrainStarted, Validated
from napari_cellseg.models import read_weights, write_tensors
from napari_cellseg.project import Project, difference, kinds_of_images, unfinished_runs
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.train import Loop, rate, show_training, train
from napari_cellseg.train._runs import RunFolder

from .conftest import train_once


def approve_a_field(project: Project, truth: np.ndarray, box=(slice(0, 100), slice(0, 110))) -> None:
    """A handful of painted objects in one approved field: all that a first round has."""
    store = project.store("cells")
    store.apply(difference("brush", store.labels, store.state, box, truth[box], np.ones(truth[box].shape, np.uint8)))
    store.apply(edits.approve_box(edits.EditContext.on(store), box))


def test_one_corrected_field_is_enough(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    events = list(run(TrainJob(project.path, small_config)))
    kinds = [type(e) for e in events]
    assert kinds[0] is TrainStarted
    assert kinds[-2:] == [Saved, Judged]
    losses = [e.loss for e in events if isinstance(e, StepDone)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert any(isinstance(e, Validated) and e.best for e in events)
    judged = events[-1]
    assert judged.before == {}
    assert judged.after["images"] == 1
    card = project.model_card(judged.child)
    assert card.parent is None
    assert card.images == ("cells",)
    assert card.versions["torch"] == torch.__version__.split("+")[0] or card.versions["torch"]
    names = sorted(p.name for p in project.model_path(judged.child).iterdir())
    assert names == ["card.json", "config.toml", "curves.csv", "events.jsonl", "weights.safetensors"]
    assert not unfinished(project)


def test_the_child_starts_from_the_parent_and_rounds_are_recorded(project, picture, small_config):
    approve_a_field(project, picture[1])
    first = train_once(project, small_config)
    open_round(project)
    events = list(run(TrainJob(project.path, small_config.with_values(["train.steps=10", "train.seed=5"]))))
    assert events[0].parent == first
    judged = events[-1]
    assert judged.parent == first
    assert set(judged.before) == set(judged.after)
    record = record_round(project, judged)
    assert record.decision == "open"
    assert project.current_model == (judged.child if judged.better else first)
    assert decide(project, "roll back").decision == "roll back"
    assert project.current_model == first
    decide(project, "keep")
    assert project.current_model == judged.child
    assert len(project.models()) == 2


def test_held_out_voxels_are_never_learnt_from(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    patches = TrainingSet(project, small_config)
    (plane,) = patches.planes
    assert plane.known.any()
    assert plane.held_out.any()
    assert not (plane.known & plane.held_out).any()
    poisoned = np.where(plane.held_out, 77.0, 0.0).astype(np.float32)
    plane.pixels[0] = poisoned  # a patch may show held-out pixels, but must not call them known
    with Loader(patches, 1) as loader:
        batches = [loader.take()[1] for _ in range(10)]
    for batch in batches:
        marked = (batch.pixels[:, :1] > 40) & (batch.known > 0)
        assert marked.float().mean() < 0.01  # interpolation at the border


def test_unknown_voxels_are_ignored_not_background(project, picture, small_config):
    store = project.store("cells")
    truth = picture[1]
    for id in (1, 2, 3):
        store.apply(edits.paint(edits.EditContext.on(store), np.flatnonzero(truth == id), id))
    patches = TrainingSet(project, small_config)
    known = patches.planes[0].known | patches.planes[0].held_out
    known = known[0]
    assert known[np.isin(truth, (1, 2, 3))].all()
    assert known.mean() < 0.5
    far = np.isin(truth, (4, 5, 6)) & ~known
    assert far.any()


def test_new_corrections_come_first_and_earlier_ones_are_replayed(project, picture, small_config):
    approve_a_field(project, picture[1], (slice(0, 128), slice(0, 80)))
    until = project.db.last_edit()
    approve_a_field(project, picture[1], (slice(0, 128), slice(100, 160)))
    (plane,) = TrainingSet(project, small_config, until).planes
    assert len(plane.new)
    assert len(plane.old)
    assert plane.new[:, 2].min() >= 75
    assert not set(map(tuple, plane.new)) & set(map(tuple, plane.old))


def test_nothing_to_learn_from(project, small_config):
    with pytest.raises(CellsegError, match="Nothing is corrected"):
        list(train(project, small_config))
    assert project.models() == []


@pytest.mark.parametrize(
    ("task", "kind", "hint"), [("instance", "semantic", "distance"), ("semantic", "distance", "semantic")]
)
def test_a_target_of_the_other_task_is_refused(tmp_path, picture, small_config, task, kind, hint):
    with Project.create(tmp_path / "p", task, ("cell",)) as project:
        project.add_image(picture[0], labels=np.minimum(picture[1], 1))
        with pytest.raises(CellsegError, match="is for (objects|classes)") as refused:
            list(train(project, small_config.with_values([f"target.kind={kind}"])))
        assert f"target.kind={hint}" in refused.value.hint
        assert project.models() == []
        assert not unfinished(project)


def test_one_channel_is_for_one_class(tmp_path, picture, small_config):
    with Project.create(tmp_path / "p", "semantic", ("nucleus", "cell")) as project:
        project.add_image(picture[0], labels=np.minimum(picture[1], 1))
        with pytest.raises(CellsegError, match="one class") as refused:
            list(train(project, small_config.with_values(["target.kind=foreground"])))
        assert "target.kind=semantic" in refused.value.hint
        assert project.models() == []


def test_different_channels_are_refused(project, picture, small_config, tmp_path):
    project.approve_labels("cells", picture[1])
    np.save(tmp_path / "c.npy", np.random.default_rng(0).random((3, 128, 160)))
    project.add_image(tmp_path / "c.npy", axes="CYX", labels=picture[1])
    with pytest.raises(CellsegError, match="different numbers of channels"):
        list(train(project, small_config))


def test_cancel_keeps_the_best_so_far(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    steps = []
    for event in train(project, small_config, stop=lambda: len(steps) >= 7):
        if isinstance(event, StepDone):
            steps.append(event)
    assert isinstance(event, Saved)
    assert event.stopped_by == "person"
    assert project.model_card(event.model).steps == 7


@pytest.mark.parametrize("after_a_check", [False, True])
def test_nan_stops_and_leaves_the_parent(project, picture, small_config, monkeypatch, after_a_check):
    approve_a_field(project, picture[1])
    parent = train_once(project, small_config.with_values(["train.steps=5"]))
    weights = (project.model_path(parent) / "weights.safetensors").read_bytes()
    real, count = Loop._step, []

    def broken(self, *arguments):
        count.append(1)
        return (math.nan, []) if len(count) > (40 if after_a_check else 2) else real(self, *arguments)

    monkeypatch.setattr(Loop, "_step", broken)
    job = TrainJob(project.path, small_config)
    if after_a_check:
        events = list(run(job))
        assert any(isinstance(e, Notice) and "not a number" in e.text for e in events)
        assert next(e for e in events if isinstance(e, Saved)).stopped_by == "nan"
    else:
        with pytest.raises(CellsegError, match="not a number"):
            list(run(job))
        assert [m.id for m in project.models()] == [parent]
    assert project.current_model == parent
    assert (project.model_path(parent) / "weights.safetensors").read_bytes() == weights


def test_a_network_that_only_gives_nan_is_no_model(project, picture, small_config):
    """Its running variance is infinite: training works, since batches have their own, but what it learns is useless."""
    approve_a_field(project, picture[1])
    parent = train_once(project, small_config.with_values(["train.steps=2"]))
    path = project.model_path(parent) / "weights.safetensors"
    weights = read_weights(path)
    for name, value in weights.items():
        if name.endswith("running_var"):
            value.fill_(math.inf)
    write_tensors(path, weights)
    with pytest.raises(CellsegError, match="not a number"):
        list(train(project, small_config.with_values(["train.steps=3", "train.checks=1"])))
    assert [m.id for m in project.models()] == [parent]


def test_the_same_seed_gives_the_same_weights(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values(["train.steps=6", "train.seconds=1000"])
    models = [list(train(project, config))[-1].model for _ in range(2)]
    a, b = ((project.model_path(m) / "weights.safetensors").read_bytes() for m in models)
    assert a == b


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a full disk does: longer files cannot be written by this process."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_no_training_and_leaves_no_half_model(project, picture, small_config):
    """Checkpoints that do not fit are left out; the model is refused whole."""
    approve_a_field(project, picture[1])
    open_round(project)
    running = train(project, small_config.with_values([*FIXED, *TINY, "model.width=16"]))
    next(e for e in running if isinstance(e, StepDone))
    steps = [1]
    with files_of_at_most(100_000), pytest.raises(CellsegError, match="could not be saved"):
        steps.extend(e.step for e in running if isinstance(e, StepDone))
    assert steps == list(range(1, 25))
    assert list(project.models_folder.iterdir()) == []
    assert [p.name for p in project.runs_folder.rglob("*.part")] == []


def test_cancel_before_the_first_step_makes_nothing(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    events = list(run(TrainJob(project.path, small_config), stop=lambda: True))
    assert [type(e) for e in events] == [TrainStarted, Stopped]
    assert project.models() == []
    assert not list(project.runs_folder.iterdir())
    assert project.current_model is None


def test_the_learning_rate_warms_up_and_decays():
    assert rate(1, 0.0) < rate(20, 0.0) == pytest.approx(1)
    assert rate(100, 0.5) == pytest.approx(0.51)
    assert rate(100, 1.0) == pytest.approx(0.02)


@pytest.mark.parametrize("target", ["distance", "boundary"])
def test_volumes_are_learnt_slice_by_slice(tmp_path, small_config, target):
    from napari_cellseg.samples import synthetic_cells

    image, truth = synthetic_cells((6, 96, 96), 8, radius=12)
    np.save(tmp_path / "v.npy", image)
    config = small_config.with_values([f"target.kind={target}", "train.steps=4"])
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy", labels=truth)
        train_once(project, config)
        assert project.current_model == "v1"


def test_semantic_projects_learn_classes(tmp_path, small_config):
    from napari_cellseg.config import default_config
    from napari_cellseg.samples import synthetic_cells

    image, truth = synthetic_cells((96, 128), 10)
    np.save(tmp_path / "s.npy", image)
    with Project.create(tmp_path / "p", "semantic", ("left", "right")) as project:
        classes = np.where(truth > 0, 1 + (np.arange(128) > 64), 0).astype(np.uint32)
        project.add_image(tmp_path / "s.npy", labels=classes)
        config = default_config("semantic").model_copy(
            update={"model": small_config.model, "train": small_config.train}
        )
        train_once(project, config.with_values(["train.steps=10"]))
        (record,) = project.db.rounds()
        assert {"iou/left", "iou/right"} <= set(record.after)
        assert "ap50" not in record.after


def test_a_3d_network_learns_from_a_volume_and_predicts_it(tmp_path):
    pixels, truth = synthetic_cells((8, 64, 72), 12, radius=10, touching=0, seed=3)
    np.save(tmp_path / "v.npy", pixels)
    config = Config().with_values(
        ["model.kind=unet3d", "model.width=4", "train.patch=64", "train.depth=8", "train.batch=2", "train.steps=40",
         "train.checks=2", "train.learning_rate=0.01"]
    )  # fmt: skip
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy", labels=truth, axes="ZYX", spacing_um=(2.0, 1.0, 1.0))
        model = train_once(project, config)
        (predicted,) = [e for e in run(PredictJob(project.path, ("v",), (model,))) if isinstance(e, Predicted)]
    assert predicted.labels.shape == (8, 64, 72)
    both, either = ((predicted.labels > 0) & (truth > 0)).sum(), ((predicted.labels > 0) | (truth > 0)).sum()
    assert both / either > 0.4


@pytest.mark.parametrize("depth", [4, 8, 16])
def test_patches_of_volumes_are_padded_and_unknown_outside(tmp_path, depth):
    pixels, truth = synthetic_cells((6, 64, 72), 12, radius=10, touching=0, seed=3)
    np.save(tmp_path / "v.npy", pixels)
    config = Config().with_values(["model.kind=unet3d", "train.patch=64", f"train.depth={depth}", "train.batch=3"])
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy", labels=truth, axes="ZYX")
        patches = TrainingSet(project, config)
    with Loader(patches, 1) as loader:
        batch = loader.take()[1]
    assert batch.pixels.shape == (3, 1, min(depth, 6), 64, 64)
    assert batch.target.shape[1:] == (2, min(depth, 6), 64, 64)
    assert batch.known.shape == (3, 1, min(depth, 6), 64, 64)


# --- resuming, schedules, freezing, patches ------------------------------------------------------------

TINY = ["model.kind=unet", "model.width=4", "model.levels=2"]
FIXED = ["train.steps=24", "train.seconds=100000", "train.checkpoint=0", "train.checks=3"]


def unfinished(project: Project) -> list[str]:
    return unfinished_runs(project.runs_folder)


def weights_of(project: Project, model: str) -> str:
    return hashlib.sha256((project.model_path(model) / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "extra",
    [
        ["model.kind=unet"],
        ["model.kind=unet", "sampling.hard=0.5"],
        ["model.kind=msunet", "optimiser.schedule=plateau"],
        [
            "model.kind=unet", "sampling.places=every", "sampling.variants=2", "train.epochs=1000", "train.patch=32",
            "optimiser.kernel_l2=1e-4", "optimiser.warm_up=0", "optimiser.clip=0", "optimiser.schedule=staircase",
            "optimiser.every=7", "train.averaging=0",
        ],
    ],
    ids=["plain", "hard places", "plateau", "epochs"],
)  # fmt: skip
def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(project, picture, small_config, extra):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values([*FIXED, *extra, "model.width=4", "model.levels=2"])
    whole = list(train(project, config))
    for kill_at in (5, 17):
        running = train(project, config)
        for event in running:
            if isinstance(event, StepDone) and event.step == kill_at:
                break
        running.close()
    assert len(unfinished(project)) == 2
    for run_id, kill_at in zip(unfinished(project), (5, 17), strict=True):
        events = list(train(project, config, resume=run_id))
        steps = [e.step for e in events if isinstance(e, StepDone)]
        assert steps == list(range(kill_at, 25))  # the last step before the end was not saved yet
        assert weights_of(project, events[-1].model) == weights_of(project, whole[-1].model)
        assert project.model_card(events[-1].model).parent is None
    assert unfinished(project) == []
    losses = (project.model_path(events[-1].model) / "curves.csv").read_text().splitlines()
    assert losses == (project.model_path(whole[-1].model) / "curves.csv").read_text().splitlines()


def test_a_cancelled_training_can_go_on(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values([*FIXED, *TINY])
    count = []
    first = [e for e in train(project, config, stop=lambda: len(count) >= 6) if count.append(1) or True][-1]
    assert first.stopped_by == "person"
    assert unfinished(project) == [first.model]
    second = list(train(project, config, resume=""))
    assert second[-1].model != first.model
    assert second[-1].stopped_by == "steps"
    assert [m.id for m in project.models()] == [first.model, second[-1].model]
    with pytest.raises(CellsegError, match="no interrupted training"):
        list(train(project, config, resume=""))


def test_cancel_and_go_on_again_and_again_is_an_uninterrupted_training(project, picture, small_config):
    """The plateau schedule counts validations, of which a cancelled training has one more."""
    approve_a_field(project, picture[1])
    open_round(project)
    plateau = ["optimiser.schedule=plateau", "optimiser.wait=1", "train.checks=12"]
    config = small_config.with_values([*FIXED, *TINY, *plateau, "train.learning_rate=0.05"])
    whole = list(train(project, config))[-1]
    resume = None
    for until in (5, 11, 18, 99):
        events = []
        for event in train(project, config, stop=lambda events=events, n=until: events[-1:] == [n], resume=resume):
            events += [event.step] if isinstance(event, StepDone) else []
        assert isinstance(event, Saved)
        assert unfinished(project) == ([event.model] if until < 99 else [])  # the run goes by its newest model
        resume = ""
    assert weights_of(project, event.model) == weights_of(project, whole.model)


def test_a_run_goes_on_where_tensorboard_is_missing(project, picture, small_config, monkeypatch):
    approve_a_field(project, picture[1])
    open_round(project)
    running = train(project, small_config.with_values([*FIXED, *TINY, "train.tensorboard=true"]))
    pytest.importorskip("tensorboard")
    next(e for e in running if isinstance(e, StepDone) and e.step == 3)
    running.close()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(CellsegError, match="not installed"):
        list(train(project, small_config.with_values([*TINY, "train.tensorboard=true"])))
    assert len(unfinished(project)) == 1
    assert list(train(project, small_config, resume=""))[-1].stopped_by == "steps"


def test_the_newest_corrections_are_learnt_and_judged_and_what_was_learnt_never_judges(tmp_path, small_config):
    """Images are corrected one by one, the last one first, and learnt from every time."""
    with Project.create(tmp_path / "p") as project:
        for n in range(4):
            image, labels = synthetic_cells((96, 96), 20, radius=7, seed=n)
            np.save(tmp_path / f"i{n}.npy", image)
            project.add_image(tmp_path / f"i{n}.npy")
        before: dict[str, tuple] = {}
        for n in reversed(range(4)):
            project.approve_labels(f"i{n}", synthetic_cells((96, 96), 20, radius=7, seed=n)[1])
            open_round(project)
            held = {id: h.boxes for id, h in project.db.holdouts().items()}
            assert f"i{n}" in held
            assert {id: held[id] for id in before} == before
            saved = list(train(project, small_config.with_values([*TINY, "train.steps=1"])))[-1]
            assert f"i{n}" in project.model_card(saved.model).images
            before = held


def test_a_new_kind_of_image_is_learnt_and_judged(tmp_path, small_config):
    """Nine dark images, then eight bright ones at once: of each kind some are learnt and some judge."""
    with Project.create(tmp_path / "p") as project:
        for n in range(17):
            image, labels = synthetic_cells((64, 64), 8, radius=8, seed=n)
            np.save(tmp_path / f"i{n:02d}.npy", image if n < 9 else image.max() + image.min() - image)
            project.add_image(tmp_path / f"i{n:02d}.npy", labels=labels)
        open_round(project)
        kinds = kinds_of_images(project)
        assert len(set(kinds.values())) == 2
        held = {kinds[id] for id in project.db.holdouts()}
        assert held == set(kinds.values())
        assert len(project.db.holdouts()) == 2
        saved = list(train(project, small_config.with_values([*TINY, "train.steps=1"])))[-1]
        assert {kinds[id] for id in project.model_card(saved.model).images} == held


def test_the_clock_does_not_end_a_training_before_the_least_steps(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    slow = ["train.seconds=0.001", "train.least=5", "train.extend=0", "train.checks=1"]
    events = list(train(project, small_config.with_values([*TINY, *slow, "train.steps=1000"])))
    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2, 3, 4, 5]
    assert events[-1].stopped_by == "time"


def test_a_training_goes_on_while_it_improves(project, picture, small_config):
    """The learning rate is so small that every validation is a little better than the one before."""
    approve_a_field(project, picture[1])
    open_round(project)
    quick = ["train.seconds=0.001", "train.least=8", "train.checks=2", "train.learning_rate=1e-4"]
    quick += ["train.averaging=0.0", "train.steps=1000"]

    def steps(extend: int) -> int:
        config = small_config.with_values([*TINY, *quick, f"train.extend={extend}"])
        return len([e for e in train(project, config) if isinstance(e, StepDone)])

    assert steps(0) == 8
    assert steps(1) == 12


def test_a_damaged_checkpoint_is_said_to_be_one(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    running = train(project, small_config.with_values([*FIXED, *TINY]))
    for event in running:
        if isinstance(event, StepDone) and event.step == 3:
            break
    running.close()
    (run_id,) = unfinished(project)
    path = project.runs_folder / run_id / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CellsegError, match="cannot be read"):
        list(train(project, small_config, resume=run_id))
    assert project.models() == []


def test_what_does_not_fit_into_memory_is_said_and_nothing_lost(project, picture, small_config, monkeypatch):
    approve_a_field(project, picture[1])
    parent = train_once(project, small_config.with_values(["train.steps=4"]))
    before = weights_of(project, parent)

    def greedy(self, *arguments):
        torch.empty(1 << 50)  # the allocator itself refuses

    monkeypatch.setattr(Loop, "_step", greedy)
    with pytest.raises(CellsegError, match="do not fit into memory") as caught:
        list(run(TrainJob(project.path, small_config)))
    assert "train.batch" in caught.value.hint
    assert project.current_model == parent
    assert weights_of(project, parent) == before


def test_schedules():
    exponential = Optimiser(schedule="exponential", factor=0.9, every=9000)
    assert rate(9000, 0.5, exponential) == pytest.approx(0.9)
    assert rate(18000, 0.9, exponential) == pytest.approx(0.81)
    plateau = Optimiser(schedule="plateau", factor=0.5)
    assert [rate(100, 0.5, plateau, falls) for falls in (0, 1, 2)] == [1, 0.5, 0.25]
    assert rate(100, 0.99, Optimiser(schedule="constant")) == 1


def test_stairs_and_no_warm_up():
    stairs = Optimiser(schedule="staircase", factor=0.9, every=10, warm_up=0)
    assert [rate(t, 0.5, stairs) for t in (1, 10, 11, 20, 21)] == pytest.approx([1, 1, 0.9, 0.9, 0.81])
    assert rate(1, 0.0, Optimiser(schedule="constant", warm_up=0)) == 1
    assert rate(1, 0.0, Optimiser(schedule="constant", warm_up=4)) == 0.25


def test_large_kernels_cost_what_is_asked_for(project, picture, small_config):
    """L2 of convolution kernels is a part of the loss: share x sum of squares, biases and norms left out."""
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values([*TINY, "train.steps=1", "train.seconds=1000"])
    losses = []
    for share in (0.0, 0.25):
        events = list(train(project, config.with_values([f"optimiser.kernel_l2={share}"])))
        losses += [e.loss for e in events if isinstance(e, StepDone)]
    torch.manual_seed(config.train.seed)
    network = config.model.build(1, 2)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    expected = 0.25 * sum(float(m.weight.detach().square().sum()) for m in convolutions)
    assert losses[1] - losses[0] == pytest.approx(expected, rel=1e-3)


def test_epochs_end_a_training_and_judge_it(project, picture, small_config):
    """One validation after each, whatever the clock says; what is kept of each lies in the model's folder."""
    approve_a_field(project, picture[1])
    open_round(project)
    values = ["sampling.places=every", "train.patch=32", "train.batch=2", "train.epochs=3", "train.seconds=0.001",
              "train.least=1", "train.extend=5", "train.keep_epochs=true", "train.averaging=0"]  # fmt: skip
    config = small_config.with_values([*TINY, "train.steps=1000", *values])
    epoch = TrainingSet(project, config).epoch
    events = list(train(project, config))
    assert [e.step for e in events if isinstance(e, Validated)] == [epoch, 2 * epoch, 3 * epoch]
    assert sum(isinstance(e, StepDone) for e in events) == 3 * epoch
    assert events[-1].stopped_by == "steps"
    folder = project.model_path(events[-1].model) / "epochs"
    assert [p.name for p in sorted(folder.iterdir())] == [f"000{n}.safetensors" for n in (1, 2, 3)]
    best = min((e for e in events if isinstance(e, Validated)), key=lambda e: e.loss).step // epoch
    kept, saved = (read_weights(p) for p in (folder / f"000{best}.safetensors", folder.parent / "weights.safetensors"))
    assert all(torch.equal(kept[name], saved[name]) for name in saved)


def test_patience_ends_a_training_that_gets_no_better(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values(
        [
            "optimiser.patience=2",
            "train.steps=200",
            "train.checks=100",
            "train.learning_rate=1e-9",
            "train.averaging=0",
            *TINY,
        ]
    )
    events = list(train(project, config))
    assert events[-1].stopped_by in ("patience", "steps")
    poor = config.with_values(["train.learning_rate=0.9", "optimiser.clip=1000"])
    events = list(train(project, poor))
    assert events[-1].stopped_by == "patience"
    assert sum(isinstance(e, StepDone) for e in events) < 200


@pytest.mark.parametrize(("unfreeze", "moved"), [(0.0, False), (0.5, True)])
def test_a_frozen_encoder_learns_only_when_it_is_thawed(project, picture, small_config, unfreeze, moved):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values(
        ["optimiser.freeze=encoder", f"optimiser.unfreeze={unfreeze}", "train.steps=8", "train.seconds=1000",
         "train.averaging=0"]
    )  # fmt: skip
    torch.manual_seed(config.train.seed)
    fresh = config.model.build(1, 2).state_dict()
    saved = list(train(project, config))[-1]
    from napari_cellseg.models import read_weights

    found = read_weights(project.model_path(saved.model) / "weights.safetensors")
    encoder = [n for n in fresh if n.startswith("network.encoder.") and fresh[n].is_floating_point()]
    assert any(not torch.equal(found[n], fresh[n]) for n in encoder) == moved
    assert any(not torch.equal(found[n], fresh[n]) for n in fresh if "decoder" in n)


def test_networks_without_an_encoder_cannot_freeze_it(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values(["model.kind=unet", "model.width=4", "optimiser.freeze=encoder"])
    with pytest.raises(CellsegError, match="no encoder"):
        list(train(project, config))
    assert not project.runs_folder.exists()


def test_class_weights_are_checked_before_anything_is_made(project, picture, small_config):
    approve_a_field(project, picture[1])
    with pytest.raises(CellsegError, match="class weights"):
        list(train(project, small_config.with_values(["loss.kind=dice", "loss.class_weights=[1, 2, 3]"])))
    assert not project.runs_folder.exists()


def test_tensorboard_files_on_request(project, picture, small_config):
    pytest.importorskip("tensorboard")
    approve_a_field(project, picture[1])
    open_round(project)
    saved = list(train(project, small_config.with_values([*TINY, "train.steps=3", "train.tensorboard=true"])))[-1]
    files = list((project.model_path(saved.model) / "tensorboard").iterdir())
    assert len(files) == 1
    assert files[0].stat().st_size > 100


def centres(patches, steps=40):
    return [d.centre for step in range(1, steps) for d in patches.draw(step)]


def test_patches_of_a_grid_lie_on_it(project, picture, small_config):
    project.approve_labels("cells", picture[1])
    config = small_config.with_values(["train.patch=32", "sampling.places=grid", "sampling.overlap=0.5"])
    found = {c[1:] for c in centres(TrainingSet(project, config))}
    assert all((y - 16) % 16 == 0 and (x - 16) % 16 == 0 for y, x in found)
    assert len(found) > 20
    config = config.with_values(["sampling.overlap=0"])
    found = {c[1:] for c in centres(TrainingSet(project, config))}
    assert all((y - 16) % 32 == 0 and (x - 16) % 32 == 0 for y, x in found)


def test_empty_background_can_be_left_out(tmp_path, small_config):
    truth = np.zeros((256, 256), np.uint32)
    truth[10:30, 10:30] = 1
    np.save(tmp_path / "e.npy", np.random.default_rng(0).random((256, 256)).astype(np.float32))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "e.npy", labels=truth)
        shares = {}
        for empty in (1.0, 0.0):
            config = small_config.with_values(["train.patch=32", f"sampling.empty={empty}"])
            patches = TrainingSet(project, config)
            shares[empty] = np.mean([patches._is_empty(0, c) for c in centres(patches)])
    assert shares[1.0] > 0.8
    assert shares[0.0] < 0.25  # it gives up after fifty tries


def test_rare_classes_are_taken_more_often(tmp_path, small_config):
    classes = np.ones((128, 128), np.uint32)
    classes[:, 100:] = 0
    classes[60:64, 60:64] = 2
    np.save(tmp_path / "s.npy", np.random.default_rng(0).random((128, 128)).astype(np.float32))
    with Project.create(tmp_path / "p", "semantic", ("common", "rare")) as project:
        project.add_image(tmp_path / "s.npy", labels=classes)
        share = {}
        for rare in (0.0, 0.5):
            config = small_config.with_values(["target.kind=semantic", f"sampling.rare={rare}"])
            found = centres(TrainingSet(project, config))
            share[rare] = np.mean([classes[c[1:]] == 2 for c in found])
    assert share[0.0] < 0.05
    assert share[0.5] == pytest.approx(0.5, abs=0.12)


def test_hard_places_come_again(project, picture, small_config):
    project.approve_labels("cells", picture[1])
    patches = TrainingSet(project, small_config.with_values(["sampling.hard=0.5"]))
    draws = patches.draw(1)
    patches.learnt(1, draws, [0.1, 0.1, 9.0, 0.1])
    hard = draws[2].centre
    assert hard not in [d.centre for d in patches.draw(2)]  # prepared ahead: seen later
    later = [d.centre for step in range(2 + AHEAD, 30) for d in patches.draw(step)]
    assert np.mean([c == hard for c in later]) == pytest.approx(0.5, abs=0.15)


def test_draws_depend_on_seed_step_and_rank_alone(project, picture, small_config):
    project.approve_labels("cells", picture[1])
    a, b = (TrainingSet(project, small_config) for _ in range(2))
    assert a.draw(7) == b.draw(7)
    assert a.draw(7) != a.draw(8)
    assert a.draw(7, rank=1) != a.draw(7)
    np.testing.assert_array_equal(a.cut(a.draw(3)[0]).pixels, b.cut(b.draw(3)[0]).pixels)


def test_settings_of_earlier_versions_are_understood():
    config = parse_config("[train]\nscale = 1.2\nseconds = 5\n")
    assert config.augmentation.scale == 1.2
    assert config.train.seconds == 5


@pytest.mark.long
def test_two_processes_train_together_and_go_on(project, picture, small_config, tmp_path):
    """Two processes train together as torchrun starts them; the first one saves."""
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values([*TINY, "train.steps=4", "train.seconds=1000", "train.batch=2"])
    (tmp_path / "config.toml").write_text(config.to_toml())
    path = project.path
    project.close()
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
        "-m", "napari_cellseg.cli", "train", str(path), "--config", str(tmp_path / "config.toml"), "--events",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kinds = [json.loads(line)["event"] for line in done.stdout.splitlines() if line.startswith("{")]
    assert kinds.count("StepDone") == 4
    assert kinds.count("Saved") == kinds.count("Judged") == 1
    with Project.open(path) as again:
        assert [m.id for m in again.models()] == ["v1"]
        assert len(again.db.rounds()) == 1
        running = train(again, config.with_values([*FIXED, "train.steps=6", "train.from_scratch=true"]))
        next(e for e in running if isinstance(e, StepDone) and e.step == 4)
        running.close()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [e["step"] for e in events if e["event"] == "StepDone"] == [4, 5, 6]
    assert [e["model"] for e in events if e["event"] == "Saved"] == ["v2"]


@pytest.mark.parametrize("augmentation", ["standard", "two_stage", "none"])
def test_what_a_training_would_be(project, picture, small_config, augmentation):
    approve_a_field(project, picture[1])
    open_round(project)
    shown = show_training(project, small_config.with_values([*TINY, f"augmentation.kind={augmentation}"]))
    network = small_config.with_values(TINY).model.build(1, 2)
    assert shown.parameters == shown.learning == sum(p.numel() for p in network.parameters())
    assert shown.source.startswith("Gautam")
    assert shown.bytes > 1e6
    assert shown.sheet.dtype == np.uint8
    tiles = [shown.sheet[:76, x : x + 76] for x in (0, 80, 160, 240)]
    assert all(t.std() > 5 for t in tiles)
    assert np.array_equal(tiles[0], tiles[1]) == (augmentation == "none")
    frozen = show_training(project, small_config.with_values(["model.kind=densenet_unet", "model.weights=none"]))
    assert frozen.learning < 0.8 * frozen.parameters


def test_a_project_of_classes_has_no_objects_to_learn(tmp_path, small_config):
    np.save(tmp_path / "s.npy", np.random.default_rng(0).random((64, 64)).astype(np.float32))
    with Project.create(tmp_path / "p", "semantic", ("a", "b")) as project:
        project.add_image(tmp_path / "s.npy", labels=np.eye(64, dtype=np.uint32))
        with pytest.raises(CellsegError, match="has classes"):
            list(train(project, small_config))


def test_events_that_do_not_fit_on_the_disk_are_not_there_twice(tmp_path):
    class Full:
        def __format__(self, _):
            raise OSError(28, "No space left on device")

    folder = RunFolder(tmp_path)
    folder._events = ["1"]
    folder.flush()
    folder._events += ["2", Full()]
    with pytest.raises(OSError, match="No space"):
        folder.flush()
    folder._events[2:] = ["3"]
    folder.flush()
    assert (tmp_path / "events.jsonl").read_text().split() == ["1", "2", "3"]
