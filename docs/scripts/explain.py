"""Make docs/images/explain.png: why the base model says what it says about real nuclei, by each method.

usage: python docs/scripts/explain.py        (needs ../shared/data; a minute or two)

Upper row: everything that is predicted. Lower row: one nucleus. Prints the numbers that docs/explaining.md quotes.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

import napari_cellseg as cs
from napari_cellseg.evaluation import grey
from napari_cellseg.explanation import overlay
from napari_cellseg.images import read, read_labels

DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"
OUT = Path(__file__).parents[1] / "images" / "explain.png"
METHODS = {"gradcam": {}, "lrp": {}, "occlusion": {"window": 32, "stride": 20}}


def nucleus(labels: np.ndarray) -> int:
    """A large one near the middle."""
    middle = labels[labels.shape[0] // 4 : -labels.shape[0] // 4, labels.shape[1] // 4 : -labels.shape[1] // 4]
    ids, counts = np.unique(middle[middle > 0], return_counts=True)
    return int(ids[counts.argmax()])


def main() -> None:
    """Explain, print, draw."""
    from matplotlib.figure import Figure

    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_small"]
    path = DATA / "images" / f"{min(rows, key=lambda r: abs(int(r['n_nuclei']) - 20))['name']}.tif"
    part = (slice(40, 200), slice(40, 200))
    labels = read_labels(DATA / "labels" / path.name)[part]
    pixels = np.asarray(read(path).load(), np.float32).mean(0)[part]
    one = nucleus(labels)
    figure = Figure(figsize=(12, 6 * pixels.shape[0] / pixels.shape[1] + 0.8), layout="constrained")
    axes = figure.subplots(2, 4)
    for row, object in zip(axes, (None, one), strict=True):
        shown = labels if object is None else np.where(labels == object, labels, 0)
        row[0].imshow(overlay(grey(pixels), np.zeros(pixels.shape, np.float32), shown))
        row[0].set_title("everything predicted" if object is None else "one nucleus", fontsize=10)
        for axis, (method, settings) in zip(row[1:], METHODS.items(), strict=True):
            found = cs.explain(pixels, "cells", method, labels=labels, object=object, settings=settings).explanation
            print({k: v for k, v in found.numbers.items() if k not in ("method", "image")} | {"by": method})
            axis.imshow(overlay(grey(pixels), found.map, shown))
            axis.set_title(found.method.label(), fontsize=10)
    for axis in axes.ravel():
        axis.set_axis_off()
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=90)
    print(OUT)


if __name__ == "__main__":
    main()
