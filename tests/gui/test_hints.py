"""Hints in the viewer: a few strokes, no outline. No Qt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project

from .waiting import spin

BACKGROUND, CELLS = 1, 2


@pytest.fixture
def truth(rough_truth) -> np.ndarray:
    return rough_truth


@pytest.fixture
def path(rough) -> Path:
    return rough


@pytest.fixture
def controller(opened, path) -> Controller:
    return opened(path, engine=False)


def brush(controller: Controller, value: int, mask: np.ndarray) -> None:
    """Paint with napari's own means."""
    controller.hints.choose(value)
    layer = controller.viewer.layers.selection.active
    assert layer.name.endswith("[hints]")
    assert layer.mode == "paint"
    assert layer.selected_label == value
    layer.data_setitem(np.nonzero(mask), value)


def strokes(truth: np.ndarray, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Along the middles of some cells, and of the background between others."""
    inside, outside = ndi.distance_transform_edt(truth > 0), ndi.distance_transform_edt(truth == 0)
    ids = np.unique(truth)[1:][:: len(np.unique(truth)) // n]
    rows = np.zeros(truth.shape, bool)
    rows[::37] = True
    return np.isin(truth, ids) & (inside > 7), (outside > 6) & rows


def test_a_few_strokes_on_cells_and_background_label_a_field_that_the_model_does_not_see(controller, path, truth):
    controller.start()
    spin(controller, lambda: controller.engine.ready is not None)
    cells, ground = strokes(truth)
    brush(controller, BACKGROUND, ground)
    brush(controller, CELLS, cells)
    store = controller.session.store
    spin(controller, lambda: "learnt" in controller.session.live_learnt and not controller.busy)
    found = store.labels > 0
    assert (found & (truth > 0)).sum() > 0.6 * (found | (truth > 0)).sum()
    assert not store.state.any()  # nothing was corrected
    assert controller.session.counts.corrected == 0
    controller.strokes.undo()
    spin(controller, lambda: not controller.strokes.stepping)
    assert not store.labels.any()  # the answer is one thing
    assert (controller.hints.inside(((0, 256), (0, 256))) > 0).sum() == cells.sum() + ground.sum()


def test_hints_are_on_disk_at_once_and_come_back(controller, path, truth):
    cells, ground = strokes(truth)
    brush(controller, CELLS, cells)
    brush(controller, BACKGROUND, ground)
    wanted = np.where(cells, CELLS, np.where(ground, BACKGROUND, 0))
    with Project.open(path) as other:
        np.testing.assert_array_equal(other.hints("rough").values, wanted)
    layer = controller.viewer.layers.selection.active
    layer.undo()
    np.testing.assert_array_equal(layer.data, np.where(cells, CELLS, 0))
    layer.redo()
    np.testing.assert_array_equal(layer.data, wanted)
    controller.hints.clear()
    assert not layer.data.any()
    assert not controller.session.hinted
    layer.undo()
    controller.select_image("rough")
    assert controller.session.hinted
    shown = next(x for x in controller.viewer.layers if x.name.endswith("[hints]"))
    np.testing.assert_array_equal(shown.data, wanted)
    assert controller.viewer.layers.selection.active.name.endswith("[labels]")


def test_the_brush_of_hints_is_left_as_it_was_taken(controller):
    controller.hints.choose(CELLS)
    assert resolve(controller.session).hint == CELLS
    controller.hints.choose(0)
    assert controller.viewer.layers.selection.active is controller.family.labels
    controller.hints.choose(BACKGROUND)
    controller.tools.choose("merge")  # takes the labels layer
    assert controller.session.hint == 0
    assert controller.session.tool == "merge"
    controller.hints.choose(CELLS)
    assert controller.session.tool == ""
    controller.viewer.layers.remove(controller.viewer.layers.selection.active)
    controller.hints.choose(CELLS)  # makes the layer again
    assert controller.viewer.layers.selection.active.name.endswith("[hints]")


def test_a_hint_that_is_none_is_taken_back(controller):
    controller.hints.choose(CELLS)
    layer = controller.viewer.layers.selection.active
    layer.data_setitem((np.array([5, 5]), np.array([5, 6])), 7)
    assert "no hint 7" in controller.session.problem.message
    controller.tick()  # napari writes after it has told
    assert not layer.data.any()
    assert not controller.session.hinted


def test_a_forest_may_learn_from_hints_alone_here_and_on_the_command_line(controller, truth, tmp_path):
    assert not resolve(controller.session).forest.enabled
    cells, ground = strokes(truth)
    brush(controller, CELLS, cells)
    brush(controller, BACKGROUND, ground)
    assert resolve(controller.session).forest.enabled
    controller.draft("forest")
    spin(controller, lambda: not controller.busy)
    labels = controller.session.store.labels.copy()
    assert ((labels > 0) & (truth > 0)).sum() > 0.6 * ((labels > 0) | (truth > 0)).sum()
    np.save(tmp_path / "hints.npy", controller.hints.inside(((0, 256), (0, 256))))
    with Project.create(tmp_path / "q") as other:
        other.add_image(tmp_path / "rough.npy")
        arguments = ["--method", "forest", "--image", "rough", "--hints", str(tmp_path / "hints.npy")]
        assert main(["draft", str(other.path), *arguments]) == 0
        np.testing.assert_array_equal(other.load_labels("rough")[0], labels)
