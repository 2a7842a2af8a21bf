"""What a person may say of a training before it begins: what judges, and what it would learn from."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.errors import CellsegError
from napari_cellseg.project import (
    Forecast,
    Project,
    assign_holdouts,
    change_holdout,
    difference,
    forecast,
    holdout_mask,
)

SIDE, STEP = 120, 30


def grid() -> np.ndarray:
    """16 squares, numbered row by row."""
    out = np.zeros((SIDE, SIDE), np.uint32)
    for n, (y, x) in enumerate(np.ndindex(4, 4), 1):
        out[y * STEP + 8 : y * STEP + 22, x * STEP + 8 : x * STEP + 22] = n
    return out


def correct(project: Project, id: str, ids) -> None:
    store, truth = project.store(id), grid()
    mine = np.isin(truth, ids)
    new, state = np.where(mine, truth, store.labels), np.where(mine, 1, store.state)
    box = tuple(slice(0, n) for n in truth.shape)
    store.apply(difference("brush", store.labels, store.state, box, new.astype(np.uint32), state.astype(np.uint8)))


@pytest.fixture
def project(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 255, (SIDE, SIDE)).astype(np.uint8))
    with Project.create(tmp_path / "p") as made:
        made.add_image(tmp_path / "a.npy")
        correct(made, "a", range(1, 17))
        yield made


def held(project: Project) -> set[int]:
    mask = holdout_mask(project.image("a"), project.db.holdouts().get("a"))
    return set(np.unique(grid()[mask]).tolist()) - {0}


def test_what_is_given_to_learning_is_learnt_and_not_drawn_again(project):
    assign_holdouts(project)
    drawn = held(project)
    assert len(drawn) == 3  # a fifth of 16
    assert change_holdout(project, "a", ((0, SIDE), (0, SIDE)), hold=False) == 3
    assert held(project) == set()
    assign_holdouts(project)
    again = held(project)
    assert len(again) == 3
    assert not again & drawn


def test_what_shall_judge_judges_from_then_on(project):
    first_row = ((0, STEP), (0, SIDE))
    assert change_holdout(project, "a", first_row, hold=True) == 4
    assert held(project) == {1, 2, 3, 4}
    assign_holdouts(project)
    assert held(project) == {1, 2, 3, 4}  # more than a fifth already
    assert change_holdout(project, "a", ((0, STEP), (0, 2 * STEP)), hold=False) == 2
    assert held(project) == {3, 4}
    assert change_holdout(project, "a", first_row, hold=True) == 2  # one may change one's mind
    assert held(project) == {1, 2, 3, 4}


def test_an_image_that_judges_as_a_whole_can_be_given_to_learning(project):
    for n in range(6):
        path = project.path.parent / f"b{n}.npy"
        np.save(path, np.random.default_rng(n).integers(0, 255, (SIDE, SIDE)).astype(np.uint8))
        correct(project, project.add_image(path)[0], range(1, 17))
    (whole,) = assign_holdouts(project)
    change_holdout(project, whole, ((0, 10), (0, 10)), hold=False)
    assert whole not in project.db.holdouts()
    assert whole not in assign_holdouts(project)


@pytest.mark.parametrize("split", ["val", "test"])
def test_images_of_other_splits_stay_what_they_are(project, split):
    project.db.set_splits({"a": split})
    with pytest.raises(CellsegError, match=f"split {split}"):
        change_holdout(project, "a", ((0, SIDE), (0, SIDE)), hold=False)


def test_where_there_is_nothing_to_change_it_is_said(project):
    with pytest.raises(CellsegError, match="Nothing is held out here"):
        change_holdout(project, "a", ((0, SIDE), (0, SIDE)), hold=False)
    with pytest.raises(CellsegError, match="could be held out"):
        change_holdout(project, "a", ((0, 4), (0, 4)), hold=True)


def test_a_forecast_counts_objects_once_and_follows_every_edit(project):
    assert forecast(project) == Forecast(objects=13, images=1, held=3)
    correct(project, "a", [])
    assert forecast(project) == Forecast(objects=13, images=1, held=3)
    store = project.store("a")
    project.db.put_setting("known/a", f"[{store.n}, 40]")  # what was counted is not counted again...
    assert forecast(project).objects == 32
    labels = np.where(grid() > 8, 0, grid()).astype(np.uint32)
    assert forecast(project, "a", (labels, store.state)).objects == 6  # ...but what is at hand is newer
    store.apply(difference("delete", store.labels, store.state, (slice(0, SIDE), slice(0, SIDE)), labels, store.state))
    assert forecast(project) == Forecast(objects=6, images=1, held=2)
    project.db.put_setting("known/a", "nonsense")
    assert forecast(project).objects == 6


def test_a_forecast_knows_splits(project):
    for n, split in enumerate(("val", "test")):
        path = project.path.parent / f"b{n}.npy"
        np.save(path, grid().astype(np.uint8))
        correct(project, project.add_image(path, split=split)[0], range(1, 6))
    assert forecast(project) == Forecast(objects=16, images=1, held=5)
