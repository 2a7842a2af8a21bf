"""Make docs/images/by_state.png: objects in the colours of what was said of them.

usage: python docs/scripts/states.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from screen import on_screen
from tools import DATA, Studio

from napari_cellseg.images import read_labels


def main() -> None:
    """Correct a quarter of the objects, approve another, and look."""
    folder = DATA / "dsb2018"
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == "fluo_small"]
    name = f"{max(rows, key=lambda r: int(r['n_nuclei']))['name']}.tif"
    with tempfile.TemporaryDirectory() as home:
        studio = Studio(Path(home), folder / "images" / name, read_labels(folder / "labels" / name))
        control = studio.control
        control.want(live=False)
        labels = control.store().labels
        for tool, first in (("smooth", 0), ("approve", 1)):
            for id in np.unique(labels)[1:][first::4].tolist():
                control.correct_at(tool, tuple(int(v) for v in np.argwhere(labels == id)[0]))
        control.dismiss()
        control.state_view.colour_by_state(True)
        studio.viewer.reset_view()
        studio.spin(1)
        studio.window("by_state")
        studio.viewer.close()
        studio.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()
