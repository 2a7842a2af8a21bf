"""A checksum of labels that follows every edit at the cost of the edit."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def checksum(labels: NDArray[np.uint32]) -> int:
    """The sum of every label times a number that depends on its place, modulo 2^64."""
    return int(_summed(labels.reshape(-1)))


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
