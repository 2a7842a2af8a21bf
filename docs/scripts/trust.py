"""Make docs/images/spot_check.png and label_errors.png: a spot check and a list of label errors, on real nuclei.

usage: python docs/scripts/trust.py       (starts Xvfb where there is no display; trains for a minute)
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from screen import live, on_screen

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
        for id in ("nuclei_03", "nuclei_04"):  # so that there is something to find
            labels = project.labels(id)
            labels[np.isin(labels, np.unique(labels[labels > 0])[::5])] = 0
            project.put_labels(id, labels, draft=True)
        return project.path


def missed_in(control: Any) -> list[tuple[int, ...]]:
    """Middles of true nuclei in the field that is shown that have no label."""
    from napari_cellseg.images import read_labels

    place, labels = control.session.spot.place, control.store().labels
    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_small"]
    rows.sort(key=lambda r: -int(r["n_nuclei"]))
    truth = read_labels(DATA / "labels" / f"{rows[int(place.image[-2:]) - 1]['name']}.tif")
    found = []
    for id in np.unique(truth[truth > 0]):
        middle = tuple(int(v) for v in np.argwhere(truth == id).mean(0).round())
        inside = all(a <= m < b for m, (a, b) in zip(middle, place.box, strict=True))
        if inside and not labels[truth == id].any():
            found.append(middle)
    return found


def main() -> None:
    import napari

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until)

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
        while not (missed := missed_in(control)):
            control.spot.right()
        for middle in missed:
            control.spot._click(middle)
        spin(0.5)
        dock.stack.currentWidget().ensureWidgetVisible(page.spot)
        shot("spot_check")
        control.close()
        viewer.close()


if __name__ == "__main__":
    on_screen()
    main()
