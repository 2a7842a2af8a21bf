"""The list of classes on the page Correct."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.key_bindings import KeymapHandler

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project


@pytest.fixture
def controller(opened, tmp_path) -> Controller:
    np.save(tmp_path / "c.npy", np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))
    with Project.create(tmp_path / "c", "semantic", ("wall", "core", "gap")) as project:
        project.add_image(tmp_path / "c.npy")
    made = opened(tmp_path / "c.cellseg", engine=False)
    made.tick()
    return made


def test_classes_are_listed_with_colour_key_and_name(controller, qtbot):
    from napari_cellseg.gui.qt.class_list import ClassList

    listed = ClassList(controller)
    qtbot.addWidget(listed)
    view = resolve(controller.session)
    listed.show_view(view)
    assert [b.text() for b in listed.buttons] == ["1  wall", "2  core", "3  gap"]
    assert "Ctrl+2" in listed.buttons[1].toolTip()
    labels = controller.family.labels
    for n, (button, colour) in enumerate(zip(listed.buttons, view.class_colours, strict=True)):
        shown = button.icon().pixmap(14, 14).toImage().pixelColor(5, 5)
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert np.allclose((shown.red(), shown.green(), shown.blue()), wanted, atol=8)  # the screen may have 16 bits
        assert colour == "#" + "".join(f"{round(255 * float(c)):02x}" for c in labels.get_color(n + 1)[:3])
    listed.buttons[1].click()
    assert (labels.selected_label, str(labels.mode)) == (2, "paint")
    controller.tick()
    listed.show_view(resolve(controller.session))
    assert [b.isChecked() for b in listed.buttons] == [False, True, False]


def test_a_key_takes_the_brush_with_a_class_whatever_layer_is_selected(controller):
    controller.viewer.layers.selection.active = controller.family.image
    handler = KeymapHandler()
    handler.keymap_providers = [controller.family.image, controller.viewer]
    handler.press_key("Control-3")
    assert controller.family.labels.selected_label == 3
    assert "Paint gap" in controller.session.status
    handler.press_key("Control-7")  # no such class
    assert controller.family.labels.selected_label == 3
