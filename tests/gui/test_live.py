"""Live in the viewer: what a correction does to the rest of the field. No Qt."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.gui.controller import Controller
from napari_cellseg.gui.live import PAUSE_S
from napari_cellseg.gui.resolve import resolve
from napari_cellseg.project import Project, adopt_model, difference
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return synthetic_cells((256, 256), 40, radius=13, touching=0.0, seed=4)[1]


@pytest.fixture
def controller(tmp_path, truth):
    """Smooth objects on a rough ground, and the base model, which does not see them."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rough.npy", rng.normal(120, np.where(truth > 0, 8, 35)).clip(0, 255).astype(np.uint8))
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "rough.npy")
        path = project.path
    made = Controller(ViewerModel())
    made.open_project(path)
    made.start()
    spin(made, lambda: made.engine.ready is not None)
    yield made
    made.close()


def correct(controller: Controller, truth: np.ndarray, ids: list[int]) -> None:
    canvas = controller.session.canvas
    mine = np.isin(truth, ids)
    new = np.where(mine, truth + 1000, canvas.labels).astype(np.uint32)
    state = np.where(mine, 1, canvas.state).astype(np.uint8)
    box = tuple(slice(0, n) for n in truth.shape)
    controller.apply(difference("brush", canvas.labels, canvas.state, box, new, state))


def settled(controller: Controller) -> bool:
    return bool(controller.session.live_learnt) and not controller.busy


def test_corrections_label_the_rest_of_the_field_and_one_undo_takes_that_back(controller, truth):
    ids = [int(i) for i in np.unique(truth)[1:]]
    canvas = controller.session.canvas
    correct(controller, truth, ids[:10])
    mine, before = canvas.state > 0, canvas.labels.copy()
    spin(controller, lambda: settled(controller))
    assert "learnt from 10 objects" in controller.session.live_learnt
    assert resolve(controller.session).live
    found = (canvas.labels > 0) & ~mine
    rest = (truth > 0) & ~mine
    assert (found & rest).sum() > 0.4 * rest.sum()
    np.testing.assert_array_equal(canvas.labels[mine], before[mine])
    assert set(np.unique(canvas.state[found])) == {0}
    controller.undo()
    spin(controller, lambda: not controller.busy)
    np.testing.assert_array_equal(canvas.labels, before)
    canvas.snapshot()
    with Project.open(controller.session.project.path) as other:
        np.testing.assert_array_equal(other.load_labels("rough")[0], canvas.labels)


def test_nothing_happens_where_it_is_switched_off_or_cannot_be(controller, truth):
    controller.session.update(live=False)
    correct(controller, truth, [int(i) for i in np.unique(truth)[1:11]])
    before = controller.session.canvas.n
    end = time.monotonic() + 3 * PAUSE_S
    while time.monotonic() < end:
        controller.tick()
    assert controller.session.canvas.n == before
    assert controller.live._asked is None
    view = resolve(controller.session)
    assert not view.live
    assert view.live_control.enabled


def test_a_whole_prediction_uses_what_was_learnt_live(controller, truth):
    correct(controller, truth, [int(i) for i in np.unique(truth)[1:11]])
    spin(controller, lambda: settled(controller))
    controller.undo()
    spin(controller, lambda: not controller.busy)
    controller.predict()
    spin(controller, lambda: not controller.busy)
    canvas = controller.session.canvas
    rest = (truth > 0) & (canvas.state == 0)
    assert ((canvas.labels > 0) & rest).sum() > 0.4 * rest.sum()
