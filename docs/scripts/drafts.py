"""Make docs/images/step_drafts.png: *Predict* > *More: other ways to begin*, with the settings of a method.

usage: python docs/scripts/drafts.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from qtpy.QtWidgets import QScrollArea
from screen import on_screen
from superqt import QCollapsible
from tools import DATA, Studio

NAME = "dsb_003cee89357d"


def main() -> None:
    """Open the fold, choose Cellpose, show its settings."""
    with tempfile.TemporaryDirectory() as home:
        picture = Path(home) / "nuclei.tif"
        pixels = tifffile.imread(DATA / "dsb2018" / "images" / f"{NAME}.tif")
        tifffile.imwrite(picture, pixels)
        studio = Studio(Path(home), picture, np.zeros(pixels.shape[:2], np.uint32))
        studio.dock.open_step("Predict")
        panel = studio.dock.page("Predict").drafts
        panel.method.setCurrentIndex(panel.method.findData("cellpose"))
        for found in studio.dock.page("Predict").findChildren(QCollapsible):
            if "other ways" in found.text() or found.text() == "Settings":
                found.expand(animate=False)
        studio.viewer.reset_view()
        studio.spin(1)
        for area in studio.dock.findChildren(QScrollArea):
            if area.isVisible() and area.isAncestorOf(panel):
                area.ensureWidgetVisible(panel.draft)
        studio.window("step_drafts")
        studio.viewer.close()
        studio.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()
