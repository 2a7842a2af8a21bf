"""Keys work whichever layer of the open image is selected, and never in place of napari's own. No Qt."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Points
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.tool_keys import ONLY_3D
from napari_cellseg.project import BACKGROUND


@pytest.fixture
def controller(opened, project, picture) -> Controller:
    project.store("cells")
    project.draft_labels("cells", picture[1])
    project.close()
    return opened(project.path, engine=False)


def press(controller: Controller, key: str) -> None:
    """As napari does: the selected layer is asked first, then the viewer."""
    viewer, handler = controller.viewer, KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [viewer] if active is None else [active, viewer]
    assert all(hasattr(do, "__name__") for do in handler.active_keymap.values())  # else a real window breaks off
    handler.press_key(key)


def on_an_object(controller: Controller) -> int:
    labels = controller.store().labels
    point = tuple(int(v) for v in np.argwhere(labels)[40])
    controller.viewer.cursor.position = point
    return int(labels[point])


@pytest.mark.parametrize("which", ["image", "state", "labels", "hints", "nothing", "several"])
def test_keys_of_tools_work_on_every_layer_of_the_image(controller, which):
    family, selection = controller.family, controller.viewer.layers.selection
    if which == "hints":
        controller.hints.choose(BACKGROUND)
    elif which == "nothing":
        selection.clear()
    elif which == "several":
        selection.update({family.image, family.labels})
    else:
        selection.active = getattr(family, which)
    id = on_an_object(controller)
    press(controller, "D")
    assert not (controller.store().labels == id).any()
    if which != "hints":  # there, undo is of the hints
        press(controller, "Control-Z")
        assert (controller.store().labels == id).any()
    press(controller, "S")
    assert controller.session.tool == "split"
    assert selection.active is family.labels


def test_esc_leaves_the_brush_for_hints_and_a_tool(controller):
    controller.hints.choose(BACKGROUND)
    layer = controller.viewer.layers.selection.active
    press(controller, "Escape")
    assert controller.session.hint == 0
    assert controller.viewer.layers.selection.active is controller.family.labels
    assert layer.keymap.get(coerce_keybinding("Escape")) is None
    controller.tools.choose("split")
    controller.viewer.layers.selection.active = controller.family.image
    press(controller, "Escape")
    assert controller.session.tool == ""
    assert coerce_keybinding("Escape") not in controller.viewer.keymap


def test_keys_leave_other_peoples_layers_and_bindings_alone(controller, project):
    n = controller.store().n
    on_an_object(controller)
    other = Points(np.zeros((1, 2)))
    controller.viewer.layers.append(other)
    controller.viewer.layers.selection.active = other
    press(controller, "D")
    assert controller.store().n == n
    controller.projects.close_image()
    assert not [k for k in controller.viewer.keymap if str(k) != "H"]
    pressed = []
    controller.viewer.bind_key("D", lambda viewer: pressed.append(1) or None)
    controller.select_image("cells")
    controller.viewer.layers.selection.active = controller.family.image
    press(controller, "D")
    assert pressed == [1]


@pytest.mark.parametrize("key", ONLY_3D)
def test_in_a_volume_keys_that_turn_the_plane_stay_naparis(controller, key, monkeypatch):
    turned = []
    monkeypatch.setitem(Image.class_keymap, coerce_keybinding(key), turned.append)
    controller.viewer.layers.selection.active = controller.family.image
    id = on_an_object(controller)
    n = controller.store().n
    controller.viewer.dims.ndisplay = 3
    press(controller, key)
    assert turned == [controller.family.image]
    assert controller.store().n == n
    controller.viewer.dims.ndisplay = 2
    press(controller, key)
    assert len(turned) == 1
    assert controller.store().n > n
    assert id
