"""Size, place and first voxel of every object that is found part by part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._types import Box3 as Box
from .._types import Shape3 as Shape
from ._watershed import Lookup


class Tally:
    """What is known of objects 1..n.

    Attributes
    ----------
    sizes
        (n + 1,) voxels.
    low, high
        (n + 1, 3): first and one past the last voxel along each axis.
    """

    def __init__(self, n: int, shape: Shape) -> None:
        self._shape = shape
        self.sizes = np.zeros(n + 1, np.int64)
        self.low = np.full((n + 1, 3), np.iinfo(np.int64).max)
        self.high = np.zeros((n + 1, 3), np.int64)
        self._first = np.full(n + 1, np.iinfo(np.int64).max)

    def add(self, box: Box, numbers: NDArray[np.uint32]) -> None:
        """Count a part (z, y, x)."""
        from ..kernels.extents import extents

        found, corner = extents(numbers), np.array([s.start for s in box])
        self.sizes[found.ids] += found.counts
        self.low[found.ids] = np.minimum(self.low[found.ids], found.low + corner)
        self.high[found.ids] = np.maximum(self.high[found.ids], found.high + corner + 1)
        inside = np.flatnonzero(numbers)[::-1]
        ids, first = numbers.ravel()[inside], np.full(len(self.sizes), -1)
        first[ids] = inside  # of several, the last one written: the first in the part
        at = np.array(np.unravel_index(first[found.ids], numbers.shape)) + corner[:, None]
        self._first[found.ids] = np.minimum(self._first[found.ids], np.ravel_multi_index(tuple(at), self._shape))

    def lookup(self, min_size: int, dropped: NDArray[np.bool_] | None = None) -> Lookup:
        """Objects that are large enough and not dropped (n + 1,), numbered in raster order."""
        keep = self.sizes >= max(min_size, 1)
        keep[0] = False
        if dropped is not None:
            keep &= ~dropped
        chosen = np.flatnonzero(keep)
        labels = np.zeros(len(self.sizes), np.uint32)
        labels[chosen[np.argsort(self._first[chosen])]] = np.arange(1, len(chosen) + 1)
        return Lookup(labels, len(chosen))
