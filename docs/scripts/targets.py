"""docs/images/targets.png: what a network learns of the same cells, target by target.

usage: python docs/scripts/targets.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import hsv_to_rgb
from skimage.color import label2rgb

from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, Flows, Rays

OUT = Path(__file__).parents[1] / "images" / "targets.png"


def main() -> None:
    """Draw and save."""
    image, labels = synthetic_cells((110, 110), 12, radius=14, touching=0.7, seed=2)
    figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
    axes[0].imshow(label2rgb(labels, image / image.max(), bg_label=0, alpha=0.35))
    axes[1].imshow(Distance().encode(labels)[1], cmap="magma")
    axes[2].imshow(Boundary().encode(labels).argmax(0), cmap="magma")
    inside, y, x = Flows().encode(labels)
    hue = np.mod(np.arctan2(2 * y - 1, 2 * x - 1) / (2 * np.pi), 1)
    axes[3].imshow(hsv_to_rgb(np.stack([hue, 0.75 * inside, inside], -1)))
    target = Rays()
    coded = target.encode(labels)
    axes[4].imshow(coded[0], cmap="magma")
    for id in np.unique(labels)[1:]:
        cy, cx = np.unravel_index((coded[0] * (labels == id)).argmax(), labels.shape)
        lengths = target.scale * coded[1:, cy, cx] / (1 - coded[1:, cy, cx])
        angles = 2 * np.pi * np.arange(len(lengths)) / len(lengths)
        ends = cx + lengths * np.cos(angles), cy + lengths * np.sin(angles)
        spokes = [np.stack([np.full_like(end, at), end]) for end, at in zip(ends, (cx, cy), strict=True)]
        axes[4].plot(*spokes, color="c", lw=0.5)
    names = ("labels", "distance", "boundary", "flows (colour: direction)", "rays (probability, and 32 rays)")
    for axis, name in zip(axes, names, strict=True):
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
        axis.set(xlim=(-0.5, 109.5), ylim=(109.5, -0.5))
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
