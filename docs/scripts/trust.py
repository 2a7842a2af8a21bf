"""Make docs/images/spot_check.png and label_errors.png: a spot check and a list of label errors, on real nuclei.

usage: python docs/scripts/trust.py       (starts Xvfb where there is no display; trains for a minute)
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

IMAGES = Path(__file__).parents[1] / "images"
DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"


def spoilt(truth: np.ndarray) -> np.ndarray:
    """Labels with two slips: the fourth largest nucleus is forgotten, and one is invented."""
    labels = truth.copy()
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    labels[labels == ids[np.argsort(sizes)[-4]]] = 0
    y, x = np.argwhere(labels == 0)[5000]
    labels[y : y + 12, x : x + 12] = labels.max() + 1
    return labels


def made(folder: Path) -> Path:
    """Two images with slips that a model has learnt from, and two that it has predicted."""
    import napari_cellseg as cs
    from napari_cellseg.images import read_labels

    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_small"]
    rows.sort(key=lambda r: -int(r["n_nuclei"]))
    with cs.new(folder / "nuclei") as project:
        for n, row in enumerate(rows[:4], 1):
            picture = folder / f"nuclei_{n:02d}.tif"
            shutil.copy(DATA / "images" / f"{row['name']}.tif", picture)
            truth = read_labels(DATA / "labels" / f"{row['name']}.tif")
            project.add(picture, spoilt(truth) if n < 3 else None)
        project.train({"train.seconds": 40, "train.least": 1, "train.extend": 0}, keep="yes")
        project.predict(["nuclei_03", "nuclei_04"])
        return project.path


def main() -> None:
    import napari
    from qtpy.QtWidgets import QApplication

    def spin(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            QApplication.processEvents()
            time.sleep(0.005)

    def shot(name: str) -> None:
        spin(1.5)
        viewer.window.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False)
        print(IMAGES / f"{name}.png")

    with tempfile.TemporaryDirectory() as name:
        path = made(Path(name))
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 820)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control: Any = dock.controller
        control.open_project(path)
        dock.open_step("Rounds")
        spin(300, lambda: control.engine.ready is not None)
        page = dock.page("Rounds")
        page.places.search.click()
        spin(300, lambda: bool(control.session.places) and not control.busy)
        forgotten = next(n for n, p in enumerate(control.session.places) if p.sees == "an object")
        page.places.list.setCurrentRow(forgotten)
        spin(0.5)
        dock.stack.currentWidget().ensureWidgetVisible(page.places)
        shot("label_errors")
        control.spot.begin(12, 4)
        spin(60, lambda: control.session.spot.place is not None)
        while control.session.spot.place.kind == "object":
            control.spot.right()
        field = control.session.spot.place.box
        for dy, dx in ((0.3, 0.4), (0.6, 0.2)):
            y, x = (round(a + d * (b - a)) for (a, b), d in zip(field, (dy, dx), strict=True))
            control.spot._click((y, x))
        spin(0.5)
        dock.stack.currentWidget().ensureWidgetVisible(page.spot)
        shot("spot_check")
        control.close()
        viewer.close()


if __name__ == "__main__":
    if not os.environ.get("DISPLAY"):
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24"]
        raise SystemExit(subprocess.run([*screen, sys.executable, __file__]).returncode)
    main()
