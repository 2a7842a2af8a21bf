"""A checksum of an array that follows every edit, so that what no edit wrote is noticed.

Of an array in memory it is one number; of a mapped one a number for each block, so that a part can be looked at alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..kernels.checksum import change, checksum, checksum_of
from ._grids import block_number, block_numbers, is_mapped, parts, writes

SHARE = 128
"""Blocks of a mapped array (of 2 million voxels each) that are looked at in one go."""
_ALL = 1 << 64


@dataclass(frozen=True, eq=False)
class Moment:
    """What a mapped array should be at one moment: how often its blocks were written, and what each adds up to."""

    writes: NDArray[np.int64]
    sums: dict[int, int]

    @property
    def total(self) -> int:
        """The sum of all of it, modulo 2^64."""
        return sum(self.sums.values()) % _ALL

    def holds(self, box: Box, values: NDArray[Any], shape: tuple[int, ...]) -> bool:
        """Whether the values of a block are those of the moment."""
        return checksum_of(values, box, shape) == self.sums.get(block_number(box, shape), 0)


class Watch:
    """What an array should add up to."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self._mapped = is_mapped(array)
        self._sums: dict[int, int] = {}
        self._next = 0
        for box in parts(array):
            self.learn(box)

    @property
    def total(self) -> int:
        """The sum of all of it, modulo 2^64."""
        return sum(self._sums.values()) % _ALL

    def learn(self, box: Box, source: NDArray[Any] | None = None) -> None:
        """Take a block (of an array in memory: all) as it is, or as it is in another array, for what it should be."""
        self._sums[self._number(box)] = self._sum(box, self._array if source is None else source)

    def follow(self, index: NDArray[np.int64], old: NDArray[Any], new: NDArray[Any]) -> None:
        """An edit was written: flat positions, values before and after, (N,) each."""
        if not self._mapped:
            self._add(0, change(index, old, new))
            return
        numbers = block_numbers(index, self._array.shape)
        for number in np.unique(numbers).tolist():
            mine = numbers == number
            self._add(number, change(index[mine], old[mine], new[mine]))

    def moment(self) -> Moment:
        """What a mapped array should be now."""
        return Moment(writes(self._array), dict(self._sums))

    def fits(self, box: Box) -> bool:
        """Whether a block (of an array in memory: all of it) is what it should be."""
        return self._sum(box, self._array) == self._sums.get(self._number(box), 0)

    def unlike(self, *, everything: bool = True) -> list[Box]:
        """Blocks that are not what they should be; with `everything` false, of a mapped array only the next few."""
        boxes = parts(self._array)
        if self._mapped and not everything and len(boxes) > SHARE:
            start = self._next % len(boxes)
            self._next = start + SHARE
            boxes = boxes[start : start + SHARE]
        return [box for box in boxes if not self.fits(box)]

    # --- inside -----------------------------------------------------------------------------------

    def _add(self, number: int, by: int) -> None:
        self._sums[number] = (self._sums.get(number, 0) + by) % _ALL

    def _number(self, box: Box) -> int:
        return block_number(box, self._array.shape) if self._mapped else 0

    def _sum(self, box: Box, array: NDArray[Any]) -> int:
        return checksum_of(array[box], box, array.shape) if self._mapped else checksum(array)
