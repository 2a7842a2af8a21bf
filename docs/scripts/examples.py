"""Make docs/images/variants.png and python.png: what `augment` writes, and what ten lines of Python give.

usage: python docs/scripts/examples.py       (real nuclei of the 2018 Data Science Bowl, else the synthetic specimen)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from screenshots import IMAGES, specimen
from skimage.segmentation import find_boundaries

matplotlib.use("Agg")
VARIANTS = 11


def show(axes: Any, picture: np.ndarray, labels: np.ndarray | None, title: str) -> None:
    """A picture with the outlines of labels."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=np.percentile(picture, 99.8), interpolation="nearest")
    if labels is not None:
        shown = np.ma.masked_equal(np.where(labels > 0, labels % 19 + 1, 0), 0)
        axes.imshow(shown, cmap="tab20", alpha=0.35, interpolation="nearest")
        edges = np.ma.masked_equal(find_boundaries(labels, mode="inner").astype(np.uint8), 0)
        axes.imshow(edges, cmap="Wistia", interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def variants(folder: Path) -> None:
    """The first patch of a picture and what becomes of it."""
    import matplotlib.pyplot as plt
    import tifffile

    import napari_cellseg as cs

    picture, truth = specimen(folder)[0]
    (folder / "masks").mkdir()
    tifffile.imwrite(folder / "masks" / f"{picture.stem}.tif", truth.astype(np.uint16))
    cs.augment(picture, folder / "masks", out=folder / "out", variants=VARIANTS, patch=128)
    names = sorted(p.name for p in (folder / "out" / "images").iterdir())[:VARIANTS]
    figure, axes = plt.subplots(2, 6, figsize=(11, 4.1))
    image = tifffile.imread(picture) if picture.suffix == ".tif" else np.load(picture)
    show(axes[0, 0], image[:128, :128], truth[:128, :128], "a patch")
    for place, name in zip(axes.ravel()[1:], names, strict=True):
        pixels, mask = (tifffile.imread(folder / "out" / kind / name) for kind in ("images", "masks"))
        show(place, pixels, mask, "")
    figure.tight_layout(pad=0.5)
    figure.savefig(IMAGES / "variants.png", dpi=100)
    print(IMAGES / "variants.png")


def in_python() -> None:
    """The specimen of the ten lines on the page Python, what is found in it, and the truth."""
    import matplotlib.pyplot as plt

    import napari_cellseg as cs

    image, truth = cs.samples.synthetic_cells((256, 256), 30)
    labels = cs.predict(image, model="cells")
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.5))
    show(axes[0], image, None, "image")
    show(axes[1], image, labels, f"labels = cs.predict(image): {len(np.unique(labels)) - 1} objects")
    show(axes[2], image, truth, f"truth: {len(np.unique(truth)) - 1}")
    figure.tight_layout()
    figure.savefig(IMAGES / "python.png", dpi=100)
    print(IMAGES / "python.png")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        variants(Path(name))
    in_python()
