"""Make docs/images/explain_dock.png: the dock Explain asks why a nucleus was missed, over a map of all that was found.

usage: python docs/scripts/explain_dock.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from screen import on_screen
from tools import DATA, IMAGES, Studio

from napari_cellseg import edits
from napari_cellseg.gui.app.explained import MapWanted
from napari_cellseg.images import read_labels

PICTURE = "fluo_small"
"""The modality of the picture; its last image has nuclei that the base model misses."""


def main() -> None:
    """Predict, approve what is right in the left half, and ask about what was missed in the right one."""
    folder = DATA / "dsb2018"
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == PICTURE]
    with tempfile.TemporaryDirectory() as home:
        for row in rows:
            picture, truth = (
                folder / "images" / f"{row['name']}.tif",
                read_labels(folder / "labels" / f"{row['name']}.tif"),
            )
            studio = Studio(Path(home), picture, np.zeros(truth.shape, np.uint32))
            control = studio.control
            control.start_from("cells")
            control.start()
            studio.spin(200, lambda control=control: control.engine.ready is not None)
            control.predict()
            studio.spin(200, lambda control=control: not control.busy)
            missed = missed_objects(truth, control.store().labels)
            if missed:
                break
            studio.viewer.close()
            studio.spin(0.5)
        store = control.store()
        half = tuple(slice(0, n) for n in (truth.shape[0], truth.shape[1] // 2))
        control.workspace.apply(edits.approve_box(edits.EditContext.on(store), half))
        studio.dock.parent().close()
        _, dock = studio.viewer.window.add_plugin_dock_widget("napari-cellseg", "Explain")
        control.explaining.explain(MapWanted("lrp", "everything"))
        studio.spin(300, lambda: control.session.explained.mapped and not control.busy)
        control.explaining.why(missed[0])
        studio.spin(300, lambda: bool(control.session.explained.near) and not control.busy)
        print(control.session.explained.lines, control.session.problem)
        studio.viewer.reset_view()
        studio.spin(1)
        studio.viewer.window.screenshot(str(IMAGES / "explain_dock.png"), canvas_only=False, flash=False)
        studio.viewer.close()
        studio.spin(0.5)


def missed_objects(truth: np.ndarray, found: np.ndarray) -> list[tuple[int, int]]:
    """Middles of objects of which nothing was found, the largest first; not at the border, and in the right half."""
    out = []
    for id in np.unique(truth)[1:]:
        inside = truth == id
        rows, columns = np.nonzero(inside)
        at_border = not (rows.min() and columns.min()) or rows.max() == truth.shape[0] - 1
        if not found[inside].any() and not at_border and columns.min() > truth.shape[1] // 2:
            out.append((inside.sum(), (int(rows.mean()), int(columns.mean()))))
    return [place for _, place in sorted(out, reverse=True)]


if __name__ == "__main__":
    on_screen()
    main()
