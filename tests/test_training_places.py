"""Where a model disagrees with the labels it learnt from: planted label errors are found, and first."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import disagreements
from napari_cellseg.project import Project, learnt_mask, training_places
from napari_cellseg.report import page, tell

from .test_report import checked


def square(labels: np.ndarray, id: int, y: int, x: int, side: int = 10) -> None:
    labels[y : y + side, x : x + side] = id


@pytest.fixture
def truth() -> np.ndarray:
    """A grid of 25 squares."""
    labels = np.zeros((100, 100), np.uint32)
    for n in range(25):
        square(labels, n + 1, 20 * (n // 5) + 4, 20 * (n % 5) + 4)
    return labels


def test_every_kind_of_slip_is_found_and_ranked(truth):
    found, known = truth.copy(), np.ones(truth.shape, bool)
    found[truth == 3] = 0  # denied
    label = truth.copy()
    label[truth == 8] = 0  # forgotten by the annotator
    label[truth == 12] = 11  # two cells under one id
    square(label, 0, 84, 84)
    square(label, 25, 84, 87)  # beside it
    places = disagreements("a", label, found, known)
    by = {p.sees: p for p in places}
    assert by["nothing"].objects == (3,)
    assert by["an object"].box == ((24, 34), (44, 54))
    assert by["an object"].objects == ()
    assert by["several"].objects == (11,)
    assert by["another outline"].objects == (25,)
    assert len(places) == 4
    assert [p.score for p in places] == sorted((p.score for p in places), reverse=True)
    assert {places[0].sees, places[1].sees} == {"nothing", "an object"}
    assert disagreements("a", truth, truth, known) == []


def test_only_what_was_learnt_counts_and_debris_counts_less(truth):
    label, known = truth.copy(), np.ones(truth.shape, bool)
    square(label, 99, 16, 16, 3)
    found = np.where(np.isin(truth, (5, 6)), 0, truth).astype(np.uint32)
    known[:20, 80:] = False  # object 5
    places = disagreements("a", label, found, known)
    assert [p.objects for p in places] == [(6,), (99,)]
    assert places[1].score == pytest.approx(9 / 100)
    assert [p.objects for p in disagreements("a", label, found, known, smallest=20)] == [(6,)]
    assert disagreements("a", label, found, np.zeros(known.shape, bool)) == []


def test_of_classes_regions_that_differ_are_places():
    label = np.zeros((40, 40), np.uint32)
    label[:20], label[5:10, 5:10] = 1, 2
    found = label.copy()
    found[5:10, 5:10] = 1
    found[30:35, 30:35] = 2
    places = disagreements("a", label, found, np.ones(label.shape, bool), instances=False)
    assert {p.box for p in places} == {((5, 10), (5, 10)), ((30, 35), (30, 35))}
    assert all(p.objects == () for p in places)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.parent, tmp_path / "work")) / trained.name


def test_what_is_held_out_or_edited_since_was_not_learnt(copied):
    with Project.open(copied) as project:
        model, image = project.current_model, project.images()[0].id
        store = project.store(image)
        before = learnt_mask(project, image, model)
        held = project.db.holdouts()
        for id, holdout in held.items():
            mask = learnt_mask(project, id, model)
            assert not any(mask[tuple(slice(a, b) for a, b in box)].any() for box in holdout.boxes)
        id = next(i for i in store.objects.ids().tolist() if before[store.labels == i].all())
        box = store.objects.box(store.labels, id)
        context = replace(edits.EditContext.on(store), locked=False)
        store.apply(edits.delete(context, context.piece(id)))
        after = learnt_mask(project, image, model)
        assert not after[box].all()
        assert (after <= before).all()


def test_python_command_and_report_tell_the_same(copied, tmp_path, capsys):
    with cs.open(copied) as project:
        assert tell(project.project).training_places is None
        done = project.training_places(csv=tmp_path / "a.csv")
        assert done.model == project.current_model
        assert done.places  # a network of 60 steps does not fit all
        kept = training_places(project.project)
        assert kept.places == done.places
    assert main(["evaluate", str(copied), "--training-places", "2", "--csv", str(tmp_path / "b.csv"), "--json",
                 str(tmp_path / "b.json"), "--figures", str(tmp_path / "strips")]) == 0  # fmt: skip
    strips = sorted(p.name for p in (tmp_path / "strips").iterdir())
    assert strips == [f"0{n}_{p.image}.png" for n, p in enumerate(done.places[:2], 1)]
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [float(r["score"]) for r in rows] == [p.score for p in done.places]
    assert json.loads((tmp_path / "b.json").read_text())["places"][0]["image"] == done.places[0].image
    assert done.places[0].image in capsys.readouterr().out
    with cs.open(copied) as project:
        text = page(tell(project.project))
        checked(text)
        assert f"disagreed with {len(done.places)} places" in text
        place = done.places[0]
        store = project.project.store(place.image)
        (y, _), (x, _) = place.box
        context = replace(edits.EditContext.on(store), locked=False)
        store.apply(edits.paint(context, np.ravel_multi_index(([y], [x]), store.labels.shape), store.next_id()))
        again = training_places(project.project)
        assert again.places[0].changed
        assert "1 of them were edited since" in page(tell(project.project)) or sum(p.changed for p in again.places) > 1


def test_mistakes_are_said(copied, tmp_path, capsys, picture):
    assert main(["evaluate", str(copied), "--training-places", "--exclude", "x"]) == 2
    assert "Places of training" in capsys.readouterr().err
    assert main(["evaluate", str(copied), "--training-places", "--model", "v9"]) == 2
    with cs.new(tmp_path / "fresh") as project:
        project.add(picture[0])
        with pytest.raises(CellsegError, match="has learnt from no image"):
            project.training_places()
    with cs.new(tmp_path / "none", model="none") as project, pytest.raises(CellsegError, match="no model yet"):
        project.training_places()
    (copied / "cache").mkdir(exist_ok=True)
    (copied / "cache" / "training_places.json").write_text('{"model": 3}')
    with Project.open(copied) as project:
        assert training_places(project) is None
