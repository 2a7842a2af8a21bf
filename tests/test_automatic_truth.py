"""Learning from what a draft said and nobody has looked at since (Karabag et al. 2023)."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.data import TrainingSet
from napari_cellseg.drafts import Hela, draft
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project, assign_holdouts, automatic_truth
from napari_cellseg.samples import synthetic_micrograph

from .conftest import SMALL

CLASSES = ("envelope", "nucleus", "cell", "background")
AUTOMATIC = [
    *SMALL, "target.kind=semantic", "target.min_size=0", 'sampling.sources=["automatic"]', "train.steps=8",
    "train.checks=1",
]  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """Two slices: a draft of the first, truth of the second."""
    image, truth = synthetic_micrograph((440, 440), radius=120)
    for name, shown in (("drafted", image), ("true", image[::-1])):
        tifffile.imwrite(tmp_path / f"{name}.tif", shown)
    with Project.create(tmp_path / "em", "semantic", CLASSES) as project:
        (one,), (two,) = (project.add_image(tmp_path / f"{name}.tif") for name in ("drafted", "true"))
        store = project.store(one)
        found = draft(Hela(), image[None], instances=False, classes=CLASSES).labels
        box = tuple(slice(0, n) for n in found.shape)
        store.apply(edits.predicted(store.labels, store.state, box, found, tool="draft"))
        project.approve_labels(two, truth[::-1])
        yield project


def config(*sources: str, **changed) -> Config:
    values = {"target": {"kind": "semantic"}, "sampling": {"sources": list(sources), **changed}}
    return Config.model_validate(values)


def learnt(project, *sources):
    planes = TrainingSet(project, config(*sources)).planes
    return {p.image: int(p.known.sum()) for p in planes if p.known.any()}


def test_each_source_alone_and_both(project):
    assert learnt(project, "automatic") == {"drafted": 440 * 440}
    assert learnt(project, "manual") == {"true": 440 * 440}
    assert learnt(project, "manual", "automatic") == {"drafted": 440 * 440, "true": 440 * 440}
    assert Config().sampling.sources == ("manual",)
    with pytest.raises(ValueError, match="sources"):
        config()


def test_what_a_person_looked_at_or_a_model_changed_is_automatic_no_more(project):
    store = project.store("drafted")
    field, rest = (slice(0, 50), slice(0, 60)), (slice(100, 140), slice(100, 140))
    context = edits.EditContext(store.labels, store.state, store.objects, 1, instances=False)
    store.apply(edits.approve_box(context, field))
    new = np.full((40, 40), 3, np.uint32)
    new[store.labels[rest] == 3] = 1  # every voxel changes
    store.apply(edits.predicted(store.labels, store.state, rest, new))
    found = automatic_truth(project, "drafted", store.labels, store.state)
    assert not found[field].any()
    assert not found[rest].any()
    assert found.sum() == 440 * 440 - 50 * 60 - 40 * 40


def test_a_draft_that_was_undone_says_nothing(project):
    store = project.store("drafted")
    store.undo()
    assert not automatic_truth(project, "drafted", store.labels, store.state).any()
    with pytest.raises(CellsegError, match="No draft says anything"):
        TrainingSet(project, config("automatic"))


def test_what_a_draft_left_empty_is_its_word_too(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(2000, dtype=np.uint16).reshape(40, 50))
    with Project.create(tmp_path / "p") as project:
        (id,) = project.add_image(tmp_path / "a.tif")
        store = project.store(id)
        labels = np.zeros((40, 50), np.uint32)
        labels[5:15, 5:15] = 1
        box = (slice(0, 40), slice(0, 50))
        assert not automatic_truth(project, id, store.labels, store.state).any()
        store.apply(edits.predicted(store.labels, store.state, box, labels, tool="draft"))
        assert automatic_truth(project, id, store.labels, store.state).all()


def test_automatic_truth_never_judges_and_what_judges_is_not_learnt(project):
    assign_holdouts(project)
    both = TrainingSet(project, config("manual", "automatic")).planes
    held = {p.image: int(p.held_out.sum()) for p in both if p.held_out.any()}
    assert set(held) == {"true"}
    assert not any((p.known & p.held_out).any() for p in both)
    automatic = TrainingSet(project, config("automatic")).planes
    assert {p.image: int(p.held_out.sum()) for p in automatic if p.held_out.any()} == held
    assert not any(p.known.any() for p in automatic if p.image == "true")


def test_slices_count_for_either(tmp_path):
    image, _ = synthetic_micrograph((6, 120, 120), radius=30)
    tifffile.imwrite(tmp_path / "v.tif", image, metadata={"axes": "ZYX"}, imagej=True)
    with Project.create(tmp_path / "em", "semantic", CLASSES) as project:
        record = project.image(project.add_image(tmp_path / "v.tif", axes="ZYX")[0])
        store = project.store(record.id)
        box = tuple(slice(0, n) for n in record.shape)
        store.apply(edits.predicted(store.labels, store.state, box, np.full(record.shape, 3, np.uint32), tool="draft"))
        planes = TrainingSet(project, config("automatic", slices=["2:2:6"])).planes
        assert len(planes) == 3
        assert all(p.known.all() for p in planes)


@pytest.mark.slow
def test_a_network_learns_from_a_draft_on_the_command_line_and_nothing_is_approved(tmp_path, capsys):
    image, _ = synthetic_micrograph((440, 440), radius=120)
    tifffile.imwrite(tmp_path / "em.tif", image)
    folder = str(tmp_path / "em.cellseg")
    assert main(["new", folder, "--task", "semantic", "--classes", ",".join(CLASSES)]) == 0
    assert main(["add", folder, str(tmp_path / "em.tif")]) == 0
    settings = [part for text in AUTOMATIC for part in ("--set", text)]
    assert main(["train", folder, *settings]) == 2
    assert "No draft says anything" in capsys.readouterr().err
    assert main(["draft", folder, "--method", "hela"]) == 0
    assert main(["train", folder, *settings]) == 0
    with Project.open(folder) as project:
        assert len(project.models()) == 1
        assert project.model_config(project.models()[0].id).sampling.sources == ("automatic",)
        assert not project.load_labels("em")[1].any()
