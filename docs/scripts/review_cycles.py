"""Make docs/images/review_cycles.png and print the table of docs/reporting.md: three review cycles on real nuclei.

Drafts are Otsu's threshold with watershed. A simulated reviewer mends in every cycle half of the true nuclei that still
differ (IoU below 0.9), the worst ones first, so that cycles agree better and better, as those of a person do.

usage: python docs/scripts/review_cycles.py       (starts Xvfb where there is no display)
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
from screen import live, on_screen

IMAGES = Path(__file__).parents[1] / "images"
DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"
ENOUGH = 0.9


def mend(control: Any, truth: np.ndarray) -> None:
    """One stroke for every second nucleus that differs from the truth, the worst first."""
    from napari_cellseg.matching import overlaps
    from napari_cellseg.project import difference

    store = control.store()
    found = overlaps(truth, store.labels)
    order = np.argsort(found.of_left[0])
    wrong = [int(i) for i in found.left_ids[order[found.of_left[0][order] < ENOUGH]]]
    for id in wrong[: (len(wrong) + 1) // 2]:
        mask = truth == id
        touched = np.unique(store.labels[mask & (store.state == 0)])
        gone = np.isin(store.labels, touched[touched > 0]) & (store.state == 0)
        new = np.where(mask, store.next_id(), np.where(gone, 0, store.labels)).astype(np.uint32)
        state = np.where(mask | gone, 1, store.state).astype(np.uint8)
        box = tuple(slice(0, n) for n in truth.shape)
        control.workspace.apply(difference("brush", store.labels, store.state, box, new, state))


def main() -> None:
    import napari

    import napari_cellseg as cs
    from napari_cellseg.images import read_labels
    from napari_cellseg.report import sentence

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until)

    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_small"]
    rows.sort(key=lambda r: -int(r["n_nuclei"]))
    truths = {f"nuclei_{n}": read_labels(DATA / "labels" / f"{r['name']}.tif") for n, r in enumerate(rows[:4], 1)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cs.new(folder / "nuclei", model="none") as project:
            for id, row in zip(truths, rows, strict=False):
                shutil.copy(DATA / "images" / f"{row['name']}.tif", folder / f"{id}.tif")
                project.add(folder / f"{id}.tif")
            project.draft()
            path = project.path
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 820)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control: Any = dock.controller
        control.open_project(path)
        for n, reviewer in enumerate(("A. Weber", "A. Weber", "B. Rossi"), 1):
            control.cycles.begin(reviewer)
            for id, truth in truths.items():
                control.select_image(id)
                spin(60, lambda id=id: control.session.image == id and not control.busy)
                mend(control, truth)
            control.cycles.close()
            spin(
                60,
                lambda n=n: (
                    not control.busy and len(control.session.cycles.lines) == n and not control.session.cycles.open
                ),
            )
        dock.open_step("Rounds")
        spin(0.5)
        dock.stack.currentWidget().ensureWidgetVisible(dock.page("Rounds").cycles)
        spin(1.5)
        viewer.window.screenshot(str(IMAGES / "review_cycles.png"), canvas_only=False)
        print(IMAGES / "review_cycles.png")
        control.close()
        with cs.open(path) as project:
            for told in project.review_cycles:
                print(told.cycle.n, sentence(told))
            project.report(folder / "report.html", cases=0)
            if len(sys.argv) > 1:
                shutil.copy(folder / "report.html", sys.argv[1])
        viewer.close()


if __name__ == "__main__":
    on_screen()
    main()
