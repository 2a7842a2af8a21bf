"""How the state of objects, and what another model finds, are shown. No Qt."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.side_changes import (
    ALIKE,
    GONE,
    MORE,
    MOVED,
    changes_of_classes,
    changes_of_objects,
    text_of,
)  # fmt: skip
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers import _napari
from napari_cellseg.gui.layers.image_layers import BY_STATE, DIMMED, INSIDE, OUTLINE

from .waiting import spin


@pytest.fixture
def controller(opened, project, picture) -> Controller:
    project.draft_labels("cells", picture[1])
    project.close()
    made = opened(project.path, engine=False)
    points = [tuple(np.argwhere(picture[1] == id)[60]) for id in (1, 2)]
    made.correct_at("grow", points[0])
    made.correct_at("approve", points[1])
    return made


def colours(controller: Controller) -> list[tuple[float, ...]]:
    return [tuple(np.round(c, 3)) for c in controller.family.state.colormap.colors]


def test_objects_are_coloured_by_state_and_nothing_is_changed(controller):
    family, store = controller.family, controller.store()
    before, n, opacity = store.labels.copy(), store.n, family.labels.opacity
    for id, state in ((3, 0), (1, 1), (2, 2)):
        assert INSIDE + state in set(family.overlay[store.labels == id])
        assert OUTLINE + state in set(family.overlay[store.labels == id])
    controller.state_view.colour_by_state(True)
    assert resolve(controller.session).by_state
    assert family.labels.opacity == DIMMED
    shown = colours(controller)
    assert len(shown) == len(BY_STATE)
    assert min(shown[INSIDE + k][3] for k in range(3)) > 0.5  # filled
    assert len({shown[INSIDE + k][:3] for k in range(3)}) == 3
    controller.state_view.colour_by_state(False)
    assert family.labels.opacity == opacity
    assert colours(controller)[INSIDE][3] == 0
    np.testing.assert_array_equal(store.labels, before)
    assert store.n == n


def test_the_next_image_is_coloured_so_too(controller):
    controller.state_view.colour_by_state(True)
    controller.select_image("cells")
    controller.tick()
    assert controller.family.labels.opacity == DIMMED
    assert colours(controller)[INSIDE][3] > 0.5


def test_outlines_are_wider_where_the_view_is_far_away(controller):
    family, camera = controller.family, _napari.camera(controller.viewer)
    camera.zoom = 4.0
    spin(controller, lambda: family.thickness == 1)
    near = (family.overlay == OUTLINE).sum()
    camera.zoom = 1 / 3
    spin(controller, lambda: family.thickness == 3)
    far = (family.overlay == OUTLINE).sum()
    assert far > 2 * near
    whole = family.overlay.copy()
    family.show_state(tuple(slice(0, n) for n in family.overlay.shape))
    np.testing.assert_array_equal(family.overlay, whole)  # the quick way gives what the long way gives
    controller.correct_at("grow", tuple(np.argwhere(controller.store().labels == 3)[30]))
    changed = family.overlay.copy()
    family.show_state(tuple(slice(0, n) for n in family.overlay.shape))
    np.testing.assert_array_equal(family.overlay, changed)  # and a box that changes fits into the rest
    controller.strokes.undo()
    camera.zoom = 4.0
    spin(controller, lambda: family.thickness == 1)
    assert (family.overlay == OUTLINE).sum() == near


def test_known_background_is_no_cloud_in_3d(controller):
    controller.actions.approve_field()
    assert (controller.family.overlay == 2).any()
    controller.tick()
    assert colours(controller)[2][3] > 0
    controller.viewer.dims.ndisplay = 3
    controller.tick()
    assert [c[3] for c in colours(controller)[:4]] == [0, 0, 0, 0]
    assert colours(controller)[OUTLINE + 2][3] == 1  # objects are still told apart
    controller.viewer.dims.ndisplay = 2
    controller.tick()
    assert colours(controller)[2][3] > 0


def test_what_another_model_finds_is_told_apart_from_what_is_on_the_screen():
    shown, found = np.zeros((60, 60), np.uint32), np.zeros((60, 60), np.uint32)
    shown[5:20, 5:20], found[5:20, 5:20] = 1, 8
    shown[5:20, 30:50], found[5:20, 30:40] = 2, 9
    shown[40:50, 5:15] = 3
    found[40:50, 40:50] = 4
    changes = changes_of_objects(found, shown)
    assert (changes.alike, changes.moved, changes.more, changes.gone) == (1, 1, 1, 1)
    for place, kind in (((5, 10), ALIKE), ((5, 35), MOVED), ((40, 45), MORE), ((40, 10), GONE), ((12, 12), 0)):
        assert changes.values[place] == kind
    assert "1 not found by it" in text_of(changes)
    classes = changes_of_classes(np.minimum(found, 1), np.minimum(shown, 2))
    assert classes.values[12, 45] == GONE
    assert classes.values[45, 45] == MORE
    assert classes.values[12, 35] == MOVED
