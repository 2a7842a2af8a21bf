"""Make docs/images/step_hints.png: a few strokes on cells and on background where the base model is wrong.

usage: python docs/scripts/hints.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage as ndi
from screen import on_screen
from tools import DATA, Studio

from napari_cellseg.images import read_labels

BACKGROUND, CELLS = 1, 2
STROKES = 2
"""Of each kind."""


def main() -> None:
    """Paint where the model is most wrong, as a person would."""
    folder = DATA / "dsb2018"
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == "brightfield_grey"]
    name = f"{rows[-1]['name']}.tif"
    truth = read_labels(folder / "labels" / name)
    with tempfile.TemporaryDirectory() as home:
        studio = Studio(Path(home), folder / "images" / name, np.zeros(truth.shape, np.uint32))
        control = studio.control
        control.start_from("cells")
        control.start()
        studio.spin(300, lambda: control.engine.ready is not None)
        control.predict()
        studio.spin(300, lambda: not control.busy)
        studio.viewer.reset_view()
        for _ in range(STROKES):
            found = control.session.store.labels > 0
            for value, wrong in ((CELLS, (truth > 0) & ~found), (BACKGROUND, (truth == 0) & found)):
                control.hints.choose(value)
                layer = studio.viewer.layers.selection.active
                control.session.update(live_learnt="")
                layer.data_setitem(np.nonzero(stroke(wrong)), value)
                studio.spin(300, lambda: bool(control.session.live_learnt) and not control.busy)
        print(control.session.live_learnt, control.session.problem)
        studio.window("step_hints")
        studio.viewer.close()
        studio.spin(0.5)


def stroke(wrong: np.ndarray) -> np.ndarray:
    """A short thick line through the middle of the largest wrong place."""
    inside = ndi.distance_transform_edt(wrong)
    y, x = np.unravel_index(int(inside.argmax()), wrong.shape)
    out = np.zeros(wrong.shape, bool)
    out[max(0, y - 2) : y + 3, max(0, x - 14) : x + 15] = True
    return np.asarray(out & (ndi.label(wrong)[0] == ndi.label(wrong)[0][y, x]))


if __name__ == "__main__":
    on_screen()
    main()
