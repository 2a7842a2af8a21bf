"""Live in the viewer: what a correction does to the rest of the field. No Qt."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.live import PAUSE_S
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project

from .drawing import draw
from .waiting import spin


@pytest.fixture
def truth(rough_truth) -> np.ndarray:
    return rough_truth


@pytest.fixture
def controller(opened, rough) -> Controller:
    return opened(rough)


def settled(controller: Controller) -> bool:
    answered = bool(controller.session.live_learnt) and controller.live._asked is None
    return answered and not controller.busy and not controller.writer.busy


def test_corrections_label_the_rest_of_the_field_and_that_can_be_taken_back(controller, truth):
    ids = [int(i) for i in np.unique(truth)[1:]]
    store = controller.session.store
    draw(controller, truth, ids[:10])
    mine, before = store.state > 0, store.labels.copy()
    spin(controller, lambda: settled(controller))
    assert "learnt from 10 objects" in controller.session.live_learnt
    assert resolve(controller.session).live
    found = (store.labels > 0) & ~mine
    rest = (truth > 0) & ~mine
    assert (found & rest).sum() > 0.4 * rest.sum(), (controller.session.live_learnt, controller.session.engine)
    np.testing.assert_array_equal(store.labels[mine], before[mine])
    assert set(np.unique(store.state[found])) == {0}
    controller.strokes.undo_answer()
    spin(controller, lambda: not controller.busy)
    np.testing.assert_array_equal(store.labels, before)
    controller.strokes.redo()  # the answer comes again, and goes with the corrections
    controller.strokes.undo()
    spin(controller, lambda: not controller.busy)
    assert not store.labels.any()
    store.snapshot()
    with Project.open(controller.session.project.path) as other:
        np.testing.assert_array_equal(other.load_labels("rough")[0], store.labels)


def test_nothing_happens_where_it_is_switched_off_or_cannot_be(controller, truth):
    controller.session.update(live=False)
    draw(controller, truth, [int(i) for i in np.unique(truth)[1:11]])
    before = controller.session.store.n
    end = time.monotonic() + 3 * PAUSE_S
    while time.monotonic() < end:
        controller.tick()
    assert controller.session.store.n == before
    assert controller.live._asked is None
    view = resolve(controller.session)
    assert not view.live
    assert view.live_control.enabled


def test_a_whole_prediction_uses_what_was_learnt_live(controller, truth):
    draw(controller, truth, [int(i) for i in np.unique(truth)[1:11]])
    spin(controller, lambda: settled(controller))
    controller.strokes.undo_answer()
    spin(controller, lambda: not controller.busy)
    controller.predict()
    spin(controller, lambda: not controller.busy)
    store = controller.session.store
    rest = (truth > 0) & (store.state == 0)
    assert ((store.labels > 0) & rest).sum() > 0.4 * rest.sum()


def test_the_clock_does_not_sleep_while_an_answer_is_expected(controller, truth):
    ids = [int(i) for i in np.unique(truth)[1:]]
    spin(controller, lambda: not controller.restless)
    asked: list[int] = []
    controller.ticked_by(asked.append)
    draw(controller, truth, ids[:1])
    assert 0 in asked, "a correction is looked at before the clock wakes up by itself"
    controller.tick()
    assert controller.restless
    assert not controller.busy, "nobody waits for it"
    spin(controller, lambda: settled(controller))
    assert not controller.restless
    controller.session.update(live=False)
    draw(controller, truth, ids[1:2])
    controller.tick()
    spin(controller, lambda: not controller.busy)
    assert not controller.restless
