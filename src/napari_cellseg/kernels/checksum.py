"""A checksum of labels that follows every edit at the cost of the edit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._types import Box

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def checksum(labels: NDArray[Any]) -> int:
    """The sum of every label times a number that depends on its place, modulo 2^64."""
    return int(_summed(labels.reshape(-1)))


def checksum_of(part: NDArray[Any], box: Box, shape: tuple[int, ...]) -> int:
    """What a part, which lies in `box` of an array of a shape, adds to that sum."""
    rank = 3 - part.ndim
    z, y, x = [0] * rank + [s.start for s in box]
    _, rows, columns = (1,) * rank + tuple(shape)
    return int(_summed_part(part.reshape((1,) * rank + part.shape), z, y, x, rows, columns))


def change(index: NDArray[np.int64], old: NDArray[np.uint32], new: NDArray[np.uint32]) -> int:
    """What an edit adds to it: flat positions, labels before and after, (N,) each; modulo 2^64."""
    weight = index.astype(np.uint64) * _FACTOR + np.uint64(1)
    return int((weight * (new.astype(np.uint64) - old.astype(np.uint64))).sum(dtype=np.uint64))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _summed(flat):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    total = np.uint64(0)
    for k in range(flat.size):
        if flat[k]:
            total += (np.uint64(k) * _FACTOR + np.uint64(1)) * np.uint64(flat[k])
    return total


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _summed_part(part, z0, y0, x0, rows, columns):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    total = np.uint64(0)
    for z in range(part.shape[0]):
        for y in range(part.shape[1]):
            first = np.uint64(((z0 + z) * rows + y0 + y) * columns + x0)
            for x in range(part.shape[2]):
                if part[z, y, x]:
                    total += ((first + np.uint64(x)) * _FACTOR + np.uint64(1)) * np.uint64(part[z, y, x])
    return total
