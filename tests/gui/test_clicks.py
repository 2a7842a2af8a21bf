"""Click in the viewer: what a click, further clicks and boxes draw, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

import napari_cellseg as cs
from napari_cellseg.engine import ClickJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.tools import BY_NAME
from napari_cellseg.project import APPROVED, CORRECTED, Project, difference
from napari_cellseg.samples import synthetic_cells

from .engines import Here
from .waiting import spin


def picture(ndim: int) -> tuple[np.ndarray, np.ndarray]:
    pixels, truth = synthetic_cells((200, 200), 12, radius=12, seed=5)
    if ndim == 2:
        return pixels, truth
    inside = np.arange(9)[:, None, None]
    there = (inside >= 2) & (inside <= 6)
    return np.where(there, pixels, pixels.min()), np.where(there, truth, 0)


@pytest.fixture
def opened(tmp_path) -> Iterator[Callable[[int], Controller]]:
    """A project of one picture without labels, open; networks compute in this process."""
    made: list[Controller] = []

    def open_one(ndim: int = 2) -> Controller:
        np.save(tmp_path / "a.npy", picture(ndim)[0])
        with Project.create(tmp_path / "p") as project:
            project.add_image(tmp_path / "a.npy", axes="ZYX" if ndim == 3 else None)
        controller = Controller(ViewerModel(), engine=Here(lambda job, stop: run(job, stop)))
        controller.open_project(tmp_path / "p.cellseg")
        controller.session.update(live=False)
        if ndim == 3:
            controller.family.go_to_slice(4)
        made.append(controller)
        return controller

    yield open_one
    for controller in made:
        controller.close()


def middle(truth: np.ndarray, id: int) -> tuple[int, int]:
    places = np.argwhere(truth == id)
    row, column = places[len(places) // 2]
    return int(row), int(column)


def click(controller: Controller, place: tuple[int, ...], *keys: str) -> None:
    controller.actions.at(BY_NAME["click"], place, keys)
    spin(controller, lambda: not controller.clicks.expects)


def agreement(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_a_click_draws_what_a_script_draws(opened, tmp_path):
    controller, truth = opened(), picture(2)[1]
    place = middle(truth, 3)
    click(controller, place)
    store = controller.store()
    assert agreement(store.labels > 0, truth == 3) > 0.8
    assert set(np.unique(store.state[store.labels > 0])) == {CORRECTED}
    assert "Shift-click" in controller.session.status
    with Project.create(tmp_path / "q") as project:
        project.add_image(tmp_path / "a.npy")
    with cs.open(tmp_path / "q.cellseg") as other:
        other.click("a", place)
        np.testing.assert_array_equal(other.labels("a"), store.labels)


def test_a_further_click_replaces_the_answer_before_and_one_undo_takes_all(opened):
    controller, truth = opened(), picture(2)[1]
    click(controller, middle(truth, 3))
    click(controller, middle(truth, 4))  # another object
    first = controller.store().labels.copy()
    assert len(controller.store().objects) == 2
    click(controller, middle(truth, 5), "Shift")  # belongs to the second one, says the person
    store = controller.store()
    assert len(store.objects) == 2
    np.testing.assert_array_equal(store.labels == 1, first == 1)
    click(controller, middle(truth, 5), "Control")  # or rather not
    assert len(store.objects) == 2
    controller.strokes.undo()
    spin(controller, lambda: not controller.busy)
    np.testing.assert_array_equal(store.labels, np.where(first == 1, 1, 0))


def test_a_box_finds_what_it_holds(opened):
    controller, truth = opened(), picture(2)[1]
    places = np.argwhere(truth == 6)
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(places.min(0), places.max(0), strict=True))
    controller.actions.inside(BY_NAME["click"], box)
    spin(controller, lambda: not controller.clicks.expects)
    assert agreement(controller.store().labels > 0, truth == 6) > 0.8


def test_of_a_volume_the_slice_or_the_whole_object(opened):
    controller, truth = opened(3), picture(3)[1]
    place = (4, *middle(truth[4], 3))
    controller.actions.choose(through=False)
    click(controller, place)
    assert set(np.flatnonzero(controller.store().labels.any((1, 2)))) == {4}
    controller.actions.choose(through=True)
    click(controller, place)
    found = controller.store().labels > 0
    assert agreement(found, truth == 3) > 0.75
    assert len(controller.store().objects) == 1


def test_what_a_person_has_approved_stays(opened):
    controller, truth = opened(), picture(2)[1]
    store = controller.store()
    beside = np.zeros_like(store.labels)
    beside[np.roll(truth == 3, 6, axis=1)] = 9
    whole = tuple(slice(0, n) for n in truth.shape)
    controller.workspace.apply(
        difference("import", store.labels, store.state, whole, beside, np.where(beside, APPROVED, 0).astype(np.uint8))
    )
    places = np.argwhere((truth == 3) & (beside == 0))
    click(controller, tuple(int(v) for v in places[len(places) // 2]))
    np.testing.assert_array_equal(store.labels == 9, beside == 9)


def test_correcting_nothing_and_a_busy_engine_are_answered(opened):
    controller, truth = opened(), picture(2)[1]
    click(controller, middle(truth, 3), "Shift")
    assert "no object to correct" in controller.session.status
    assert not controller.store().n
    controller.workspace.job = 77
    controller.actions.at(BY_NAME["click"], middle(truth, 3))
    controller.workspace.job = None
    assert "busy" in controller.session.problem.message
    assert not controller.clicks.expects


def test_an_answer_waits_for_the_end_of_a_stroke(opened, monkeypatch):
    controller, truth = opened(), picture(2)[1]
    painting = True
    monkeypatch.setattr(controller.family, "stroke_open", lambda: painting)
    controller.actions.pointed.emit("new", middle(truth, 3))
    for _ in range(20):
        controller.tick()
    assert controller.clicks.expects
    assert not controller.store().labels.any()
    painting = False
    spin(controller, lambda: not controller.clicks.expects)
    assert controller.store().labels.any()


def test_what_an_earlier_click_did_not_find_is_not_told_once_more_was_said(opened):
    controller, truth = opened(), picture(2)[1]

    def fails_at_first(job, stop):
        if isinstance(job, ClickJob) and len(job.inside) == 1:
            raise CellsegError("No object was found there.", "Drag a box round it.")
        yield from run(job, stop)

    controller.engine._work = fails_at_first
    controller.actions.pointed.emit("new", middle(truth, 3))
    controller.actions.pointed.emit("more", middle(truth, 3))
    spin(controller, lambda: not controller.clicks.expects and not controller.engine.busy)
    assert controller.session.problem is None
    assert len(controller.store().objects) == 1


def test_an_answer_for_an_image_that_was_closed_is_dropped(opened, tmp_path: Path):
    controller, truth = opened(), picture(2)[1]
    np.save(tmp_path / "b.npy", picture(2)[0][::-1])
    controller.add_images([tmp_path / "b.npy"])
    spin(controller, lambda: controller.session.image == "b" and not controller.busy)
    controller.actions.pointed.emit("new", middle(truth, 3))
    controller.select_image("a")
    spin(controller, lambda: not controller.clicks.expects and not controller.engine.busy)
    assert not controller.store().labels.any()
    with Project.open(controller.project().path) as other:
        assert not other.load_labels("b")[0].any()
