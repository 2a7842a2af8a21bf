from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_cellseg import edits
from napari_cellseg.config import Config
from napari_cellseg.data import TrainingSet
from napari_cellseg.engine import PredictJob, TrainJob, decide, open_round, record_round, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Judged, Notice, Predicted, Saved, StepDone, TrainStarted, Validated
from napari_cellseg.project import Project, difference
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.train import Run, rate, train

from .conftest import train_once


def approve_a_field(project: Project, truth: np.ndarray, box=(slice(0, 100), slice(0, 110))) -> None:
    """A handful of painted objects in one approved field: all that a first round has."""
    canvas = project.canvas("cells")
    canvas.apply(difference("brush", canvas.labels, canvas.state, box, truth[box], np.ones(truth[box].shape, np.uint8)))
    canvas.apply(edits.approve_box(edits.Scene.on(canvas), box))


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
    assert names == ["card.json", "config.toml", "events.jsonl", "weights.safetensors"]


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
    assert project.current_model == judged.child
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
    rng = np.random.default_rng(0)
    poisoned = np.where(plane.held_out, 77.0, 0.0).astype(np.float32)
    plane.pixels[0] = poisoned  # a patch may show held-out pixels, but must not call them known
    for _ in range(10):
        batch = patches.batch(rng)
        marked = (batch.pixels[:, :1] > 40) & (batch.known > 0)
        assert marked.float().mean() < 0.01  # interpolation at the border


def test_unknown_voxels_are_ignored_not_background(project, picture, small_config):
    canvas = project.canvas("cells")
    truth = picture[1]
    for id in (1, 2, 3):
        canvas.apply(edits.paint(edits.Scene.on(canvas), np.flatnonzero(truth == id), id))
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
    real, count = Run._step, []

    def broken(self, *arguments):
        count.append(1)
        return math.nan if len(count) > (40 if after_a_check else 2) else real(self, *arguments)

    monkeypatch.setattr(Run, "_step", broken)
    job = TrainJob(project.path, small_config)
    if after_a_check:
        events = list(run(job))
        assert any(isinstance(e, Notice) and "stopped being a number" in e.text for e in events)
        assert next(e for e in events if isinstance(e, Saved)).stopped_by == "nan"
    else:
        with pytest.raises(CellsegError, match="not a number"):
            list(run(job))
        assert [m.id for m in project.models()] == [parent]
    assert project.current_model == parent
    assert (project.model_path(parent) / "weights.safetensors").read_bytes() == weights


def test_the_same_seed_gives_the_same_weights(project, picture, small_config):
    approve_a_field(project, picture[1])
    open_round(project)
    config = small_config.with_values(["train.steps=6", "train.seconds=1000"])
    models = [list(train(project, config))[-1].model for _ in range(2)]
    a, b = ((project.model_path(m) / "weights.safetensors").read_bytes() for m in models)
    assert a == b


def test_a_full_disk_leaves_no_half_model(project, picture, small_config, monkeypatch):
    import napari_cellseg.train as module

    def no_space(path, network):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    approve_a_field(project, picture[1])
    monkeypatch.setattr(module, "save_weights", no_space)
    with pytest.raises(CellsegError, match="No space"):
        list(train(project, small_config.with_values(["train.steps=2"])))
    assert list(project.models_folder.iterdir()) == []


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
    batch = patches.batch(np.random.default_rng(0))
    assert batch.pixels.shape == (3, 1, min(depth, 6), 64, 64)
    assert batch.target.shape[1:] == (2, min(depth, 6), 64, 64)
    assert batch.known.shape == (3, 1, min(depth, 6), 64, 64)
