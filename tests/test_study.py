"""Factors of a study: what each level changes of what a training begins with, and a study typed from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg import cli
from napari_cellseg.config import Config
from napari_cellseg.cycles import close_cycle
from napari_cellseg.engine import Job, TrainJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Evaluated, Event, Notice, Saved, StudyScored
from napari_cellseg.experiments import FACTORS, Study, study
from napari_cellseg.losses import LOSSES
from napari_cellseg.models import MODELS
from napari_cellseg.preprocess import Recipe
from napari_cellseg.project import APPROVED, CORRECTED, Project, difference, label_sources, open_cycle
from napari_cellseg.samples import synthetic_cells

from .conftest import SMALL

TINY = [*SMALL, "model.kind=unet", "model.width=4", "model.levels=2", "train.steps=6", "train.seconds=1000"]
SHAPE = (48, 64)


def stroke(project: Project, image: str, box: tuple[slice, ...], id: int, tool: str = "brush") -> None:
    store = project.store(image)
    shape = store.labels[box].shape
    new = np.full(shape, id, np.uint32), np.full(shape, CORRECTED, np.uint8)
    store.apply(difference(tool, store.labels, store.state, box, *new))


def approve(project: Project, image: str) -> None:
    store = project.store(image)
    box = tuple(slice(0, n) for n in SHAPE)
    store.apply(difference("approve image", store.labels, store.state, box, store.labels, np.full(SHAPE, APPROVED)))


@pytest.fixture
def given(tmp_path: Path) -> Project:
    """Eight approved images; of the first the draft was mended by hand, between the close of two review cycles."""
    with Project.create(tmp_path / "p") as project:
        for n in range(8):
            image, labels = synthetic_cells(SHAPE, 5, radius=7, seed=n)
            np.save(tmp_path / f"c{n}.npy", image)
            split = "test" if n > 5 else "train"
            project.add_image(tmp_path / f"c{n}.npy", split=split, labels=None if n == 0 else labels)
        labels = synthetic_cells(SHAPE, 5, radius=7, seed=0)[1]
        project.draft_labels("c0", labels, tool="predict")
        open_cycle(project, "Ada")
        close_cycle(project)
        open_cycle(project)
        stroke(project, "c0", (slice(0, 9), slice(0, 9)), 300)
        approve(project, "c0")
        close_cycle(project)
        yield project


def begun(project: Project, *factors: str, values: list[str] = TINY, folder: Path) -> dict[tuple[str, ...], dict]:
    """What every training of a study would begin with: its configuration, and labels and state of every image."""
    seen: list[dict] = []

    def look(job: Job) -> list[Event]:
        if isinstance(job, TrainJob):
            with Project.open(job.project) as scratch:
                images = {r.id: (r.split, *scratch.load_labels(r.id)) for r in scratch.images()}
            seen.append({"config": job.config, "images": images})
            return [Saved("v1", 1, 1.0, "steps")]
        return [Evaluated(image, "v1", {"iou": 0.5}, 0.1, np.zeros(SHAPE, np.uint32)) for image in job.images]

    config = Config().with_values(values)
    scores = [e for e in study(project, Study(factors, 1), config, folder, look) if isinstance(e, StudyScored)]
    return {tuple(s.levels.values()): one for s, one in zip(scores, seen, strict=True)}


@pytest.mark.parametrize(
    ("factor", "levels", "read"),
    [
        ("loss", ("cross_entropy", "dice", "focal", "dice_focal"), lambda c: c.loss.kind),
        ("model", ("unet", "msunet", "smp"), lambda c: c.model.kind),
        ("rate", ("1e-4", "3e-4", "1e-3"), lambda c: f"{c.train.learning_rate:.0e}".replace("e-0", "e-")),
        ("recipe", ("raw", "preprocessed"), lambda c: "raw" if c.recipe == Recipe() else "preprocessed"),
        ("train.batch=2/8", ("2", "8"), lambda c: str(c.train.batch)),
        ("loss=tversky/iou", ("tversky", "iou"), lambda c: c.loss.kind),
        ("recipe=raw/aziz-2026", ("raw", "aziz-2026"), lambda c: "raw" if c.recipe == Recipe() else "aziz-2026"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_level_changes_what_it_says_and_nothing_else(given, tmp_path, factor, levels, read):
    values = [*TINY, 'recipe.steps=[{kind="zscore"}]']
    found = begun(given, factor, values=values, folder=tmp_path / "work")
    assert [read(one["config"]) for one in found.values()] == [level for (level,) in found] == list(levels)
    plain = Config().with_values(values)
    part = {"rate": "train", "train.batch=2/8": "train"}.get(factor, factor.split("=")[0])
    for one in found.values():
        left = one["config"].model_copy(update={part: getattr(plain, part)})
        left = left.model_copy(update={"train": plain.train}) if part != "train" else left
        assert left == plain
        assert one["config"].train.from_scratch
        assert np.array_equal(one["images"]["c0"][1], given.load_labels("c0")[0])


def test_weights_are_of_networks_that_have_some(given, tmp_path):
    values = [v for v in TINY if not v.startswith("model.")]
    found = begun(given, "weights", values=values, folder=tmp_path / "work")
    assert {k[0]: one["config"].model.weights for k, one in found.items()} == {
        "random": "none", "pretrained": "imagenet", "base": "base",
    }  # fmt: skip
    with pytest.raises(CellsegError, match="weights"):
        begun(given, "weights", folder=tmp_path / "none")


def test_cycles_are_labels_as_they_were_at_their_close(given, tmp_path):
    found = begun(given, "cycle", folder=tmp_path / "work")
    first, second = (one["images"]["c0"] for one in found.values())
    assert [k[0] for k in found] == ["1", "2"]
    assert not (first[1] == 300).any()
    assert np.array_equal(second[1], given.load_labels("c0")[0])
    assert (first[2] == APPROVED).all()


def test_labels_of_one_source_are_known_and_those_of_others_are_not(given, tmp_path):
    found = begun(given, "sources", folder=tmp_path / "work")
    assert [k[0] for k in found] == ["all", "manual", "model", "imported"]
    truth = given.load_labels("c0")[0]
    for name, own in (("manual", truth == 300), ("model", (truth > 0) & (truth != 300))):
        _, labels, state = found[name,]["images"]["c0"]
        assert np.array_equal(labels, np.where(own, truth, 0))
        assert np.array_equal(state == APPROVED, own | (truth == 0))
        assert not found[name,]["images"]["c1"][1].any()  # all of it was imported
    assert np.array_equal(found["imported",]["images"]["c1"][1], given.load_labels("c1")[0])
    assert np.array_equal(found["model",]["images"]["c7"][1], given.load_labels("c7")[0])  # measures


def test_an_undone_stroke_has_no_source(given):
    before = label_sources(given, "c0")
    stroke(given, "c0", (slice(20, 30), slice(20, 30)), 400)
    assert (label_sources(given, "c0") != before).any()
    given.store("c0").undo()
    assert np.array_equal(label_sources(given, "c0"), before)


def test_another_split_measures_on_its_own_test_images(given, tmp_path):
    found = begun(given, "split=given/50-0-50", "labels", folder=tmp_path / "work")
    splits = {k: {id: image[0] for id, image in one["images"].items()} for k, one in found.items()}
    assert splits["given", "draft"] == {r.id: r.split for r in given.images()}
    drawn = splits["50-0-50", "draft"]
    assert drawn == splits["50-0-50", "corrected"]
    assert sorted(drawn.values()) == ["test"] * 4 + ["train"] * 4
    for id, split in drawn.items():  # what measures is the truth, whatever is learnt from
        truth = given.load_labels(id)[0]
        same = np.array_equal(found["50-0-50", "draft"]["images"][id][1], truth)
        assert same == (split == "test" or id in ("c6", "c7"))


def test_slices_of_volumes(tmp_path):
    with Project.create(tmp_path / "v") as project:
        for n in range(2):
            labels = np.zeros((6, 32, 32), np.uint32)
            labels[:, 4:20, 4:20] = 1
            np.save(tmp_path / f"v{n}.npy", labels.astype(np.uint8) * 100 + np.uint8(n))
            project.add_image(tmp_path / f"v{n}.npy", labels=labels, axes="ZYX", split="test" if n else "train")
        found = begun(project, "slices=1:2:5/all", folder=tmp_path / "work")
    assert [one["config"].sampling.slices for one in found.values()] == [("1:2:5",), ()]


@pytest.mark.parametrize(
    ("factors", "match"),
    [
        (("colour",), "no factor colour"),
        ((), "needs a factor"),
        (("train.batch",), "no levels"),
        (("loss=dice/dice",), "told apart"),
        (("labels=mine",), "no level 'mine'"),
        (("split=80-30-10",), "no level"),
        (("sources=mine",), "no level"),
        (("slices",), "no volumes"),
        (("loss=nonsense",), "cannot be used"),
        (("train.nonsense=1/2",), "cannot be used"),
        (("cycle=7",), "no level"),
        (("labels", "weights=magic"), "no level"),
    ],
    ids=str,
)
def test_mistakes_are_said_before_the_first_training(given, tmp_path, factors, match):
    def never(job: Job) -> list[Event]:
        raise AssertionError("nothing may be trained")

    with pytest.raises(CellsegError, match=match):
        list(study(given, Study(factors, 1), Config().with_values(TINY), tmp_path / "work", never))
    assert not (tmp_path / "work").exists()


def test_levels_are_kinds_that_there_are():
    for factor, union in (("loss", LOSSES), ("model", MODELS)):
        kinds = {cls.model_fields["kind"].default for cls in union}
        assert set(FACTORS[factor].levels(None)) <= kinds


def test_the_help_names_every_factor(capsys):
    with pytest.raises(SystemExit):
        cli.main(["study", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in FACTORS)


@pytest.mark.slow
def test_a_study_of_several_factors_can_be_typed(given, tmp_path, capsys):
    path = given.path
    given.close()
    options = [x for v in TINY for x in ("--set", v)]
    command = ["study", str(path), "--factors", "loss=dice/focal,cycle", "--repeats", "1", *options]
    assert cli.main([*command, "--json", str(tmp_path / "s.json"), "--table", str(tmp_path / "t.csv")]) == 0
    scores = json.loads((tmp_path / "s.json").read_text())["scores"]
    assert [tuple(s["levels"].values()) for s in scores] == [
        ("dice", "1"),
        ("dice", "2"),
        ("focal", "1"),
        ("focal", "2"),
    ]
    assert all(s["metrics"]["images"] == 2 for s in scores)
    assert (tmp_path / "t.csv").read_text().startswith("loss,cycle,seeds,IoU")


@pytest.mark.slow
def test_a_real_training_from_one_source_works(given, tmp_path):
    events = list(study(given, Study(("sources=all/imported",), 1), Config().with_values(TINY), tmp_path / "w", run))
    assert [e.levels["sources"] for e in events if isinstance(e, StudyScored)] == ["all", "imported"]
    assert any(isinstance(e, Notice) and "2 trainings: 2 of sources, each with 1 seed." in e.text for e in events)
