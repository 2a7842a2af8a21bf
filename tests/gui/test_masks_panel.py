"""The panel of masks of other tools: what the dialogs give reaches the controller."""

from __future__ import annotations

from unittest.mock import MagicMock, call

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.masks import Masks
from napari_cellseg.gui.qt.panels_correct import MasksPanel
from napari_cellseg.images import LABEL_FORMATS


@pytest.fixture
def panel(qtbot) -> MasksPanel:
    controller = MagicMock(spec=Controller)
    controller.masks = MagicMock(spec=Masks)
    panel = MasksPanel(controller)
    qtbot.addWidget(panel)
    return panel


@pytest.mark.parametrize(
    ("typed", "chosen", "written"),
    [
        ("cells", "tif", "cells.tif"), ("cells", "coco.json", "cells.coco.json"), ("cells", "", "cells.tif"),
        ("cells.v2", "png", "cells.v2.png"), ("cells.ROI.ZIP", "tif", "cells.ROI.ZIP"), ("a.tiff", "png", "a.tiff"),
    ],
)  # fmt: skip
def test_a_name_gets_the_ending_that_was_chosen(panel, monkeypatch, typed, chosen, written):
    def ask(parent, title, name, filters):
        (found,) = [f for f in filters.split(";;") if f.endswith(f"(*.{chosen})")] or [""]
        assert len(filters.split(";;")) == len(LABEL_FORMATS)
        return typed, found

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    panel.write.click()
    panel.controller.masks.write.assert_called_once_with(written)


@pytest.mark.parametrize(("above", "threshold"), [(0, None), (0.5, 0.5), (127, 127)])
def test_a_threshold_goes_along(panel, monkeypatch, above, threshold):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("m.png", ""))
    panel.above.setValue(above)
    panel.draft.click()
    panel.truth.click()
    assert panel.controller.masks.take.call_args_list == [
        call("m.png", approved=False, threshold=threshold),
        call("m.png", approved=True, threshold=threshold),
    ]
