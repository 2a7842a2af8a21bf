"""What Ctrl+Z means: what a person did last, with Live's answer to it. No Qt, but for the button."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.edits import predicted
from napari_cellseg.events import Refined
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project, adopt_model

from .drawing import draw
from .engines import Here
from .waiting import spin

SIDE = 96


@pytest.fixture
def truth() -> np.ndarray:
    """Nine squares."""
    out = np.zeros((SIDE, SIDE), np.uint32)
    for n in range(9):
        y, x = 4 + 30 * (n // 3), 4 + 30 * (n % 3)
        out[y : y + 20, x : x + 20] = n + 1
    return out


@pytest.fixture
def controller(tmp_path, truth) -> Controller:
    """A prediction of the whole image, and an engine whose live answer moves what is only predicted to the right."""
    np.save(tmp_path / "a.npy", (truth > 0).astype(np.uint8) * 100)
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "a.npy")
        store = project.store("a")
        whole = (slice(0, SIDE), slice(0, SIDE))
        store.apply(predicted(store.labels, store.state, whole, truth), "predict-x-1@0")
    engine = Slow(lambda job, stop: iter(_answer(job)))
    made = Controller(ViewerModel(), engine=engine)
    made.open_project(tmp_path / "p.cellseg")
    made.session.update(live=True)
    yield made
    made.close()


class Slow(Here):
    """Answers nothing while it is held."""

    hold = False

    def poll(self, limit: int = 64):
        return [] if self.hold else super().poll(limit)


def _answer(job):
    if hasattr(job, "labels"):
        yield Refined(job.image, job.field, np.roll(job.labels, 4, axis=1), True, "learnt", 0.1, job.target)


def live(controller: Controller) -> None:
    """Wait for Live's answer."""
    spin(
        controller, lambda: bool(controller.session.live_learnt) and not controller.writer.busy and not controller.busy
    )
    controller.tick()


def test_undo_takes_back_the_correction_with_lives_answer_and_nothing_else(controller):
    store = controller.session.store
    before = store.labels.copy()
    controller.correct_at("delete", (10, 10))
    live(controller)
    assert (store.labels[40:60, 60:] != before[40:60, 60:]).any()
    assert controller.session.undo == "delete on object 1 and Live's answer"
    controller.strokes.undo()
    assert controller.session.status == "Undo: delete on object 1 and Live's answer"
    np.testing.assert_array_equal(store.labels, before)
    assert before.any()
    controller.tick()
    assert controller.session.undo == "prediction of the whole image"
    assert controller.session.undo_takes_all
    controller.strokes.redo()
    assert store.labels[10, 10] == 0
    assert store.act("redo") is None


def test_lives_answer_can_be_taken_back_alone(controller):
    store = controller.session.store
    controller.correct_at("delete", (10, 10))
    mine = store.labels.copy()
    live(controller)
    assert resolve(controller.session).answered
    controller.strokes.undo_answer()
    np.testing.assert_array_equal(store.labels, mine)
    controller.tick()
    assert not resolve(controller.session).answered
    assert controller.session.undo == "delete on object 1"
    controller.strokes.undo_answer()
    assert controller.session.status == "Nothing to undo."
    np.testing.assert_array_equal(store.labels, mine)


def test_an_answer_to_what_is_undone_meanwhile_is_not_written(controller):
    store = controller.session.store
    before = store.labels.copy()
    controller.engine.hold = True
    controller.correct_at("delete", (10, 10))
    spin(controller, lambda: controller.live._asked is not None)
    controller.strokes.undo()
    controller.engine.hold = False
    spin(controller, lambda: controller.live._asked is None and not controller.busy)
    np.testing.assert_array_equal(store.labels, before)
    assert controller.session.live_learnt == ""


def test_a_stroke_while_live_answers_is_undone_first(controller):
    store = controller.session.store
    controller.engine.hold = True
    controller.correct_at("delete", (10, 10))
    spin(controller, lambda: controller.live._asked is not None)
    controller.correct_at("delete", (45, 10))
    answered = store.labels.copy()
    controller.engine.hold = False
    controller.want(live=False)  # no second answer
    spin(controller, lambda: bool(controller.session.live_learnt) and not controller.writer.busy)
    controller.strokes.undo()
    assert controller.session.status == "Undo: delete on object 4"
    assert store.labels[45, 10] > 0
    assert store.labels[10, 10] == 0
    assert answered[45, 10] == 0


def test_a_stroke_during_a_prediction_is_undone_before_it(controller):
    controller.want(live=False)
    store = controller.session.store
    new = np.roll(store.labels, 9, axis=0)
    group = controller.workspace.new_group("predict")
    controller.correct_at("delete", (10, 10))
    controller.writer.whole("a", (slice(0, SIDE), slice(0, SIDE)), new, 0, group)
    spin(controller, lambda: not controller.busy and not controller.writer.busy)
    after = store.labels.copy()
    controller.strokes.undo()
    assert controller.session.status == "Undo: delete on object 1"
    assert store.state.max() == 0
    assert (store.labels != after).any()
    assert store.labels[80, 80] == after[80, 80]
    again = Project.open(controller.session.project.path)  # and a program that opens it later sees the same order
    assert again.store("a").act("redo").meant[0].tool == "delete"
    assert again.store("a").act("undo").meant[0].tool == "predict"
    again.close()


def test_an_answer_to_a_hint_is_named_and_goes_alone(controller):
    store = controller.session.store
    controller.correct_at("delete", (10, 10))
    live(controller)
    before = store.labels.copy()
    controller.session.update(live_learnt="")
    controller.live.hinted()
    live(controller)
    assert controller.session.undo == "Live's answer to a hint"
    controller.strokes.undo()
    np.testing.assert_array_equal(store.labels, before)


def test_strokes_are_named_by_what_they_painted(controller, truth):
    controller.want(live=False)
    draw(controller, np.where(truth == 3, truth, 0), [3])
    controller.tick()
    assert controller.session.undo == "stroke on object 1003"
    draw(controller, truth, [5, 6])
    controller.tick()
    assert controller.session.undo == "stroke on 2 objects"
    controller.actions.approve_field()
    controller.tick()
    assert controller.session.undo.startswith("approve field")
    assert not controller.session.undo_takes_all


def test_the_button_says_what_it_takes_back(qtbot, controller):
    from napari_cellseg.gui.qt.page_correct import CorrectPage

    page = CorrectPage(controller)
    qtbot.addWidget(page)
    page.resize(380, 900)
    controller.tick()
    page.show_view(controller.views.newest)
    assert page.undo.text().startswith("Undo: prediction")
    assert "whole image" in page.undo.toolTip()
