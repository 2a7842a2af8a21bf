"""What is counted and summed of every object, each thing when a column first asks for it.

Data flow: blocks -> boxes and numbers of voxels -> moments, rows, boundaries -> hulls; neighbours from the centres.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Spacing
from ..errors import CellsegError
from ..images import memory_left
from ._blocks import BLOCK_BYTES, Block, Stop, blocks, check_labels, own
from ._lines import weights

NEAREST = 5
"""Local density is that of so many nearest neighbours."""
SMALL = 1 << 30
"""Bytes that are always tried."""


class Facts:
    """Everything that columns are made of.

    Parameters
    ----------
    labels
        (Z, Y, X) or (Y, X) whole numbers in numpy, memmap, zarr or dask; read in blocks.
    state
        Of the same shape, uint8; None where nobody knows.
    spacing_um
        Size of a pixel or voxel (um); None: lengths are in pixels.
    block_bytes
        See `BLOCK_BYTES`.
    """

    def __init__(
        self, labels: Any, state: Any, spacing_um: Spacing, stop: Stop, block_bytes: int = BLOCK_BYTES
    ) -> None:
        check_labels(labels)
        self.labels, self.state, self._stop, self._bytes = labels, state, stop, block_bytes
        self.shape: tuple[int, ...] = tuple(labels.shape)
        self.ndim = len(self.shape)
        self.unit = "um" if spacing_um is not None else "px"
        self.spacing: tuple[float, ...] = spacing_um if spacing_um is not None else (1.0,) * self.ndim
        self._find()

    def __len__(self) -> int:
        return len(self.ids)

    def blocks(self) -> Iterator[Block]:
        """Go through the labels once; ids are as `numbers` takes them."""
        for block in blocks(self.labels, self._stop, self._bytes):
            if self._sparse:
                places = np.searchsorted(self.ids, block.labels).astype(np.uint32) + np.uint32(1)
                places[block.labels == 0] = 0
                block = block._replace(labels=places)
            yield block

    @cached_property
    def numbers(self) -> NDArray[np.int32]:
        """The number of every object (from 0) by its id, -1 for background."""
        keys = np.arange(1, len(self) + 1) if self._sparse else self.ids
        out = np.full(int(keys[-1]) + 1 if len(keys) else 1, -1, np.int32)
        out[keys] = np.arange(len(keys), dtype=np.int32)
        return out

    @property
    def measure(self) -> float:
        """Area of a pixel, or volume of a voxel."""
        return float(np.prod(self.spacing))

    @property
    def size(self) -> NDArray[np.float64]:
        """Area or volume, (N,)."""
        return np.asarray(self.counts * self.measure, np.float64)

    @cached_property
    def sides(self) -> NDArray[np.int64]:
        """Of the boxes in pixels, (N, ndim)."""
        return np.asarray(self.high - self.low + 1, np.int64)

    @cached_property
    def sums(self) -> Any:
        """See `kernels.boundary.Sums`."""
        return self._summed[0]

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Numbers of objects that touch each other, (P, 2), every pair once."""
        return np.asarray(self._summed[1])

    @cached_property
    def boundary(self) -> NDArray[np.float64]:
        """Perimeter or surface area, (N,)."""
        return np.asarray(self.sums.crossings @ self._weights)

    @cached_property
    def contact(self) -> NDArray[np.float64]:
        """The part of it with another object on the other side, (N,)."""
        return np.asarray(self.sums.shared @ self._weights)

    @cached_property
    def hulls(self) -> Any:
        """See `kernels.hull.Hulls`."""
        from ..kernels.hull import hulls

        sides = np.ones((len(self), 3), np.int64)
        sides[:, 3 - self.ndim :] = self.sides
        return hulls(self.sums, sides, self.spacing)

    @cached_property
    def hull_boundary(self) -> NDArray[np.float64]:
        """Perimeter of the convex hull in a plane, (N,)."""
        return np.asarray(self.hulls.crossings @ self._weights)

    @cached_property
    def middle(self) -> NDArray[np.float64]:
        """Centres in pixels from the image's first, (N, ndim)."""
        first = self.sums.moments[:, 3 - self.ndim : 3]
        return np.asarray(self.low + first / np.maximum(self.counts, 1)[:, None])

    @cached_property
    def covariance(self) -> NDArray[np.float64]:
        """Second central moments of the places of the pixels, (N, ndim, ndim)."""
        m, n = self.sums.moments, np.maximum(self.counts, 1)
        mean = m[:, :3] / n[:, None]
        second = m[:, [3, 6, 7, 6, 4, 8, 7, 8, 5]].reshape(-1, 3, 3) / n[:, None, None]
        central = second - mean[:, :, None] * mean[:, None, :]
        scale = np.array(self.spacing)
        return np.asarray(central[:, 3 - self.ndim :, 3 - self.ndim :] * np.outer(scale, scale))

    @cached_property
    def axes(self) -> NDArray[np.float64]:
        """Axes of the ellipse or ellipsoid with the same second moments, (N, ndim), the longest first."""
        spread = np.maximum(np.linalg.eigvalsh(self.covariance)[:, ::-1], 0)
        return np.asarray(np.sqrt((16 if self.ndim == 2 else 20) * spread))

    @cached_property
    def nearest(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance to the nearest other centre, and objects per area or volume among the nearest, (N,) each."""
        from scipy.spatial import cKDTree

        k = min(NEAREST, len(self) - 1)
        if k < 1:
            nothing = np.full(len(self), np.nan)
            return nothing, nothing
        places = self.middle * np.array(self.spacing)
        distance = cKDTree(places).query(places, k + 1)[0][:, 1:]
        reach = distance[:, -1]
        ball = np.pi * reach**2 if self.ndim == 2 else 4 / 3 * np.pi * reach**3
        with np.errstate(divide="ignore"):
            return distance[:, 0], np.asarray(k / ball)

    # --- inside ---------------------------------------------------------------------------------

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return weights(self.spacing)

    def _find(self) -> None:
        """Numbers of voxels, boxes and states; the high corner is included."""
        from ..kernels.extents import extents

        parts = []
        for block in blocks(self.labels, self._stop, self._bytes):
            mine, (start, stop) = own(block), block.span
            state = None if self.state is None else np.asarray(self.state[start:stop], np.uint8).reshape(mine.shape)
            found = extents(mine, state)
            shift = np.array((start, 0, 0) if self.ndim == 3 else (0, start, 0), np.int32)
            parts.append(found._replace(low=found.low + shift, high=found.high + shift))
        ids = np.concatenate([p.ids for p in parts]) if parts else np.zeros(0, np.uint32)
        self.ids, place = np.unique(ids, return_inverse=True)
        n = len(self.ids)
        counts, edited = np.zeros(n, np.int64), np.zeros((n, 2), np.int64)
        low, high = np.full((n, 3), np.iinfo(np.int32).max, np.int32), np.full((n, 3), -1, np.int32)
        if n:
            np.add.at(counts, place, np.concatenate([p.counts for p in parts]))
            np.add.at(edited, place, np.concatenate([p.edited for p in parts]))
            np.minimum.at(low, place, np.concatenate([p.low for p in parts]))
            np.maximum.at(high, place, np.concatenate([p.high for p in parts]))
        skip = 3 - self.ndim
        self.counts, self.edited, self.low, self.high = counts, edited, low[:, skip:], high[:, skip:]
        top = int(self.ids[-1]) if n else 0
        self._sparse = top > 64 * n + 1_000_000  # else a table of all ids is the faster way

    def _check_boxes(self) -> None:
        """Rows of boxes are kept: of many objects that are each scattered over the image they would not fit."""
        needed, left = int(self.sides[:, :-1].prod(axis=1).sum()) * 8, memory_left()
        if needed > max(left, SMALL):
            raise CellsegError(
                f"The boxes of these {len(self):,} objects take {needed / 1e9:.1f} GB; {left / 1e9:.1f} GB are free.",
                "Their pixels lie far apart: number connected pieces, for example with skimage.measure.label.",
            )

    @cached_property
    def _summed(self) -> tuple[Any, NDArray[np.int64]]:
        from ..kernels.boundary import DIRECTIONS, add_boundaries, add_runs, empty_sums, no_pairs

        self._check_boxes()
        boxes = np.zeros((2, len(self), 3), np.int32)
        boxes[0, :, 3 - self.ndim :], boxes[1, :, 3 - self.ndim :] = self.low, self.high
        steps = DIRECTIONS[: 4 if self.ndim == 2 else 13]
        sums, table = empty_sums(boxes[0], boxes[1], len(steps)), no_pairs()
        rows = (1, *self.shape)[-3:-1]
        for b in self.blocks():
            add_runs(b.labels, b.origin, b.skip, self.numbers, boxes, sums)
            table = add_boundaries(b.labels, b.origin, b.skip, rows, self.numbers, steps, sums, table)
        keys = np.sort(table[:-1][table[:-1] >= 0])
        return sums, np.stack(np.divmod(keys, max(1, len(self))), axis=1)
