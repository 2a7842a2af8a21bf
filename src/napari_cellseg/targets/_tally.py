"""Size, place and first voxel of every object that is found part by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._types import Box3 as Box
from .._types import Shape3 as Shape
from ..parts import Answer
from ._watershed import Renumber, Table


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

    def add(self, found: Answer) -> None:
        """Take what `measured` says of a part."""
        ids = found["ids"]
        self.sizes[ids] += found["sizes"]
        self.low[ids] = np.minimum(self.low[ids], found["low"])
        self.high[ids] = np.maximum(self.high[ids], found["high"])
        at = np.ravel_multi_index(tuple(found["first"].T), self._shape)
        self._first[ids] = np.minimum(self._first[ids], at)

    def labels(self, min_size: int, dropped: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.uint32], int]:
        """Labels of all objects (n + 1,), 0 for small and dropped ones, and how many have one; in raster order."""
        keep = self.sizes >= max(min_size, 1)
        keep[0] = False
        if dropped is not None:
            keep &= ~dropped
        chosen = np.flatnonzero(keep)
        labels = np.zeros(len(self.sizes), np.uint32)
        labels[chosen[np.argsort(self._first[chosen])]] = np.arange(1, len(chosen) + 1)
        return labels, len(chosen)


@dataclass(frozen=True, eq=False)
class Counted(Renumber):
    """Numbers of a part replaced by those of its table, and what `measured` says of these."""

    def __call__(self, item: Table) -> Answer:
        """Write and measure."""
        numbers = self.numbers(item)
        self.out[item[0]] = numbers
        return measured(item[0], numbers)


def measured(box: Box, numbers: NDArray[np.uint32]) -> Answer:
    """Of the objects in a part (z, y, x) of an image: numbers, voxels, corners and first voxels there."""
    from ..kernels.extents import extents

    found, corner = extents(numbers), np.array([s.start for s in box])
    inside = np.flatnonzero(numbers)[::-1]
    base = int(found.ids[0]) if len(found.ids) else 0
    first = np.full(int(found.ids[-1]) - base + 1 if len(found.ids) else 0, -1)
    first[numbers.ravel()[inside] - base] = inside  # of several, the last one written: the first in the part
    at = np.array(np.unravel_index(first[found.ids - base], numbers.shape)).reshape(3, -1).T + corner
    return {
        "ids": found.ids, "sizes": found.counts, "low": found.low + corner, "high": found.high + corner + 1, "first": at
    }  # fmt: skip
