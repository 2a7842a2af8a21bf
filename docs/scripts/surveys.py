"""Make docs/images/survey_*.png: choosing images, a plate with growth, and box plots of groups, in the dock.

usage: python docs/scripts/surveys.py       (starts Xvfb where there is no display)
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from screen import live, on_screen

IMAGES = Path(__file__).parents[1] / "images"
DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"


def nuclei(folder: Path) -> Path:
    """Twelve real images, a few of them labelled."""
    import napari_cellseg as cs
    from napari_cellseg.images import read_labels

    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_small"]
    with cs.new(folder / "nuclei", model="none") as project:
        for n, row in enumerate(rows[:12], 1):
            picture = folder / f"nuclei_{n:02d}.tif"
            shutil.copy(DATA / "images" / f"{row['name']}.tif", picture)
            project.add(picture, read_labels(DATA / "labels" / f"{row['name']}.tif") if n < 9 else None)
        return project.path


def plate(folder: Path) -> Path:
    """Squares that divide, in wells over time; slower towards the right."""
    from plates import field

    import napari_cellseg as cs

    rng = np.random.default_rng(0)
    with cs.new(folder / "plate", model="none") as project:
        for row in "BCD":
            for column in (2, 4, 6, 8):
                for t in range(4):
                    count = int(15 * np.exp((0.35 - 0.02 * column) * t) * rng.normal(1, 0.06))
                    labels = field(count, rng)
                    path = folder / f"{row}{column:02d}_t{t}.tif"
                    tifffile.imwrite(path, (labels > 0).astype(np.uint8) * 200 + np.uint8(rng.integers(9)))
                    project.add(path, labels.astype(np.uint32))
        return project.path


def main() -> None:
    import napari

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until)

    with tempfile.TemporaryDirectory() as name:
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 820)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control: Any = dock.controller

        def shot(step: str, panel: str, kind: str, file: str) -> None:
            spin(240, lambda: not control.busy)
            dock.open_step(step)
            own = getattr(dock.page(step), panel)
            box = own.parentWidget()
            while box is not None and not hasattr(box, "expand"):
                box = box.parentWidget()
            box.expand(False)
            spin(1)
            own.button.click()
            spin(240, lambda: kind in control.session.surveys and not control.busy)
            spin(0.5)
            area = dock.stack.currentWidget()
            area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
            area.ensureWidgetVisible(own.button)
            bar = area.verticalScrollBar()
            bar.setValue(max(0, own.mapTo(area.widget(), own.rect().topLeft()).y() - 40))
            spin(1.5)
            viewer.window.screenshot(str(IMAGES / f"{file}.png"), canvas_only=False)
            print(IMAGES / f"{file}.png")

        control.open_project(nuclei(Path(name)))
        spin(60, lambda: not control.busy)
        dock.page("Image").select.n.setValue(4)
        shot("Image", "select", "select", "survey_image")
        if len(sys.argv) > 1:  # to be looked at, not for the docs
            shot("Image", "describe", "describe", sys.argv[1])
        control.open_project(plate(Path(name)))
        spin(60, lambda: not control.busy)
        page = dock.page("Measure")
        page.plate.interval.setText("12h")
        page.plate.groups.setText("^[A-P][0-9]+")
        dock.open_step("Measure")
        spin(1)
        page.plate.value.setCurrentIndex(page.plate.value.findData("growth_rate"))
        shot("Measure", "plate", "plate", "survey_plate")
        page.boxes.groups.setText("^[A-P]([0-9]+)")
        page.boxes.column.setCurrentIndex(page.boxes.column.findData("nearest_distance"))
        shot("Measure", "boxes", "boxes", "survey_boxes")
        control.close()
        viewer.close()


if __name__ == "__main__":
    on_screen()
    main()
