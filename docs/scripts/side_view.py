"""Make docs/images/side_view.png: a real volume, seen and corrected from the side.

usage: python docs/scripts/side_view.py       (needs ../shared/data; starts Xvfb where there is no display)
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from screen import on_screen
from tools import DATA, Studio

NAME = "celegans_WT-EMB01_t060"
SPACING = (4.54, 1.0, 1.0)
"""Only the ratio is known; the labels are a watershed from the centres that experts have marked."""


def main() -> None:
    """Turn the volume, paint a stroke, take a picture."""
    from napari_cellseg.images import read_labels

    truth = read_labels(DATA / "nuclei3d" / "silver_labels" / f"{NAME}.tif")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELLSEG_CONFIG"] = folder
        picture = DATA / "nuclei3d" / "images" / f"{NAME}.tif"
        studio = Studio(Path(folder), picture, truth, spacing_um=SPACING)
        control = studio.control
        control.session.update(live=False)
        row = max(range(truth.shape[1]), key=lambda y: len(np.unique(truth[:, y])))
        control.plane.look_in("XZ")
        control.family.go_to_slice(row)
        studio.spin(1.0)
        layer = control.family.labels
        seen = control.store().labels[:, row]
        ids, counts = np.unique(seen[seen > 0], return_counts=True)
        id = int(ids[counts.argmax()])
        z, x = (int(v.mean()) for v in np.nonzero(seen == id))
        layer.selected_label, layer.brush_size, layer.mode = id, 4, "paint"
        with layer.block_history():
            for step in range(-12, 13):
                layer.paint((z + 2, row, x + step), id)
        studio.spin(2.0)
        studio.window("side_view")
        os._exit(0)


if __name__ == "__main__":
    on_screen()
    main()
