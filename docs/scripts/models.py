"""Make docs/images/step_models.png: *Predict* > *More: models out and in*, with what a bioimage.io package asks for.

usage: python docs/scripts/models.py       (starts Xvfb where there is no display; needs ../shared/data)
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
    """Open the fold, choose the package."""
    with tempfile.TemporaryDirectory() as home:
        picture = Path(home) / "nuclei.tif"
        pixels = tifffile.imread(DATA / "dsb2018" / "images" / f"{NAME}.tif")
        tifffile.imwrite(picture, pixels)
        studio = Studio(Path(home), picture, np.zeros(pixels.shape[:2], np.uint32))
        control, page = studio.control, studio.dock.page("Predict")
        control.start_from("cells")
        studio.dock.open_step("Predict")
        panel = page.panels[2]
        panel.form.setCurrentIndex(panel.form.findData("bioimageio"))
        next(f for f in page.findChildren(QCollapsible) if "out and in" in f.text()).expand(animate=False)
        studio.viewer.reset_view()
        studio.spin(1)
        for area in studio.dock.findChildren(QScrollArea):
            if area.isVisible() and area.isAncestorOf(panel):
                area.ensureWidgetVisible(panel.channels)
        studio.window("step_models")
        studio.viewer.close()
        studio.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()
