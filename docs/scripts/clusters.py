"""Draw how an image is labelled by blocks: docs/images/clusters.png.

    python docs/scripts/clusters.py

All of it is real: the tiles are those of the plan, the numbers those that blocks give their basins before anyone knows
its neighbours, the labels what is made of them.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from napari_cellseg.parts import Parts
from napari_cellseg.prediction import tiles
from napari_cellseg.prediction._elsewhere import grouped
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Distance, blocks, decode_into

SHAPE = (1, 192, 288)
CHUNK = (1, 96, 96)


class Seen(Parts):
    """Keeps what blocks have written before it is replaced."""

    def sheet(self, out: np.ndarray) -> np.ndarray:
        """An array of its own."""
        self.numbers = np.zeros_like(out)
        return self.numbers


def main() -> None:
    """Three panels."""
    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    picture, truth = synthetic_cells(SHAPE[1:], 60, radius=13, seed=4)
    probabilities = Distance().encode(truth)[:, None]
    way, labels = Seen(), np.zeros(SHAPE, np.uint32)
    decode_into(
        Distance(), lambda b: probabilities[(slice(None), *b)], SHAPE, labels, planar=True, chunk=CHUNK, voxels=96 * 96,
        way=way,
    )  # fmt: skip
    fig, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    groups = grouped(tiles(SHAPE, (1, 64, 64), 16, (1, 16, 16), 0), 2 * 64 * 64)
    axes[0].imshow(picture, cmap="gray")
    for k, (box, _) in enumerate(groups):
        corner, size = (box[2].start, box[1].start), (box[2].stop - box[2].start, box[1].stop - box[1].start)
        axes[0].add_patch(Rectangle(corner, *size, fill=False, color=plt.cm.tab10(k % 10), linewidth=1.4))
    axes[0].set_title(f"1  network: {len(groups)} groups of tiles, which overlap", fontsize=10)
    for axis, array, title in (
        (axes[1], way.numbers, "2  basins: every block numbers its own"),
        (axes[2], labels, f"3  joined over faces: {labels.max()} objects, each with one number"),
    ):
        colours = np.random.default_rng(1).random((int(array.max()) + 1, 3)) * 0.8 + 0.2
        colours[0] = 0.1
        axis.imshow(colours[array[0]])
        axis.set_title(title, fontsize=10)
        for box in blocks(SHAPE, True, CHUNK, 96 * 96):
            corner = box[2].start - 0.5, box[1].start - 0.5
            axis.add_patch(Rectangle(corner, 96, 96, fill=False, color="white", linewidth=1.2, linestyle="--"))
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    fig.savefig(Path(__file__).parents[1] / "images" / "clusters.png", dpi=110)


if __name__ == "__main__":
    main()
