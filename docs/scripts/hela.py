"""Make docs/images/hela.png: electron micrographs (synthetic), their truth, and what the draft says.

usage: python docs/scripts/hela.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from napari_cellseg.drafts import Hela
from napari_cellseg.samples import synthetic_micrograph

OUT = Path(__file__).parents[1] / "images" / "hela.png"
COLOURS = np.array([[0, 0, 0], [65, 105, 225], [80, 170, 90], [205, 85, 80], [235, 235, 235]], np.uint8)
"""Nothing; envelope blue, nucleus green, cell red (Karabag et al. 2023), background grey."""


def main() -> None:
    """Two rows: one cell, and three of which each is found."""
    one = synthetic_micrograph((440, 440), radius=120)
    many = synthetic_micrograph((400, 1200), 3, radius=110, seed=1)
    rows = [(*one, Hela()), (*many, Hela(cells=0, crop=400))]
    heights = [image.shape[0] / image.shape[1] for image, *_ in rows]
    figure, axes = plt.subplots(2, 3, figsize=(11, 4.6), height_ratios=[heights[0], heights[1] * 1.2])
    for row, (image, truth, method) in zip(axes, rows, strict=True):
        found = method(image[None].astype(np.float32))
        pictures = {"image": image, "truth": COLOURS[truth], "draft hela": COLOURS[found]}
        for axis, (title, shown) in zip(row, pictures.items(), strict=True):
            axis.imshow(shown, cmap="gray")
            axis.set_title(title, fontsize=10)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(OUT, dpi=80)


if __name__ == "__main__":
    main()
