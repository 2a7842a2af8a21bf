"""Make docs/images/plate.png and growth.png: a synthetic plate over five time points.

usage: python docs/scripts/plates.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from screenshots import IMAGES

import napari_cellseg as cs


def main() -> None:
    """Cells as squares, more from time point to time point, slower towards the right."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        files = []
        for row in "BCDEFG":
            for column in range(2, 12):
                rate = 0.35 - 0.02 * column + 0.02 * "BCDEFG".index(row)
                for t in range(5):
                    files.append(Path(name) / f"{row}{column:02d}_t{t}.tif")
                    tifffile.imwrite(files[-1], field(int(15 * np.exp(rate * t) * rng.normal(1, 0.06)), rng))
        map_of = cs.Plating((IMAGES / "plate.png",), value="doubling_time", interval="6h")
        cs.measure_files(files, columns="area", plating=map_of)
        some = [f for f in files if f.name.startswith(("B02", "D06", "G11"))]
        curves = cs.Plating(growth=(IMAGES / "growth.png",), interval="6h")
        cs.measure_files(some, columns="area", group_by="^[A-P][0-9]+", plating=curves)


def field(n: int, rng: np.random.Generator, side: int = 8, across: int = 25) -> np.ndarray:
    """Labels of squares at random places."""
    labels = np.zeros((side * across, side * across), np.uint16)
    for label, place in enumerate(rng.permutation(across**2)[:n], 1):
        y, x = (int(v) * side for v in divmod(int(place), across))
        labels[y : y + side - 1, x : x + side - 1] = label
    return labels


if __name__ == "__main__":
    main()
