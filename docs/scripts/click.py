"""Make docs/images/click.png: objects that a prediction has missed, each from one click, one more from a box.

usage: python docs/scripts/click.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage as ndi
from screen import on_screen
from tools import DATA, Studio

from napari_cellseg.gui.app.tools import BY_NAME
from napari_cellseg.images import read_labels

KIND, CLICKS = "he_purple_on_purple", 12


def main() -> None:
    """Click as a person would: in the middle of what is missing, the largest first."""
    folder = DATA / "dsb2018"
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == KIND and r["split"] == "test"]
    name = f"{max(rows, key=lambda r: int(r['n_nuclei']))['name']}.tif"
    truth = read_labels(folder / "labels" / name)
    with tempfile.TemporaryDirectory() as home:
        studio = Studio(Path(home), folder / "images" / name, np.zeros(truth.shape, np.uint32))
        control = studio.control
        control.start_from("cells")
        control.start()
        studio.spin(300, lambda: control.engine.ready is not None)
        control.session.update(live=False)
        control.predict()
        studio.spin(300, lambda: not control.busy)
        studio.viewer.reset_view()
        control.tools.choose("click")
        for place in missed(truth, control.store().labels)[:CLICKS]:
            control.actions.at(BY_NAME["click"], place)
            studio.spin(300, lambda: not control.clicks.expects)
        print(control.session.status, control.session.problem)
        studio.window("click")
        studio.viewer.close()
        studio.spin(0.5)


def missed(truth: np.ndarray, found: np.ndarray) -> list[tuple[int, int]]:
    """The middles of objects of which nothing was found, the largest first."""
    ids, counts = np.unique(truth[truth > 0], return_counts=True)
    places = []
    for id in ids[np.argsort(-counts)]:
        mask = truth == id
        if (found[mask] > 0).mean() < 0.2:
            depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
            row, column = np.unravel_index(int(depth.argmax()), depth.shape)
            places.append((int(row), int(column)))
    return places


if __name__ == "__main__":
    on_screen()
    main()
