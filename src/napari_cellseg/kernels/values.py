"""Intensities of every object, gathered object by object, and their order statistics."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .threads import strips

KINDS = np.uint8, np.uint16, np.float32, np.float64
"""The types that the loops are compiled for; others become the smallest of these that holds them."""


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def gather(block: Any, pixels: Any, numbers: Any, cursor: Any, out: Any) -> None:
    """Put the finite pixels of every object one behind the other.

    Parameters
    ----------
    block, pixels
        (Z, Y, X) uint32 ids and intensities.
    numbers
        Place in `cursor` by id, below 0 for what is left out (background, too).
    cursor
        Where the next pixel of every object goes in `out`; moved on.
    """
    for z in range(block.shape[0]):
        for y in range(block.shape[1]):
            row, values, x = block[z, y], pixels[z, y], 0
            while x < row.size:
                id, i = row[x], numbers[row[x]]
                if i < 0:
                    while x < row.size and row[x] == id:
                        x += 1
                    continue
                k = cursor[i]
                while x < row.size and row[x] == id:
                    if np.isfinite(values[x]):
                        out[k] = values[x]
                        k += 1
                    x += 1
                cursor[i] = k


def statistics(
    values: NDArray[Any], starts: NDArray[np.int64], stops: NDArray[np.int64], percents: tuple[float, ...]
) -> NDArray[np.float64]:
    """Mean, standard deviation, smallest, largest and percentiles of every object, (N, 4 + P); NaN of nothing.

    `values` are put into another order. Percentiles are interpolated as ``numpy.percentile`` does.
    """
    out = np.full((len(starts), 4 + len(percents)), np.nan)
    wanted = np.array(percents, np.float64)
    strips(partial(_statistics, values, starts, stops, wanted, out), len(starts), 1024) if len(starts) else None
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _statistics(values: Any, starts: Any, stops: Any, percents: Any, out: Any, a: int, b: int) -> None:
    for i in range(a, b):
        part = values[starts[i] : stops[i]]
        if part.size == 0:
            continue
        total, low, high = 0.0, part[0], part[0]
        for v in part:
            total += v
            low, high = min(low, v), max(high, v)
        mean, spread = total / part.size, 0.0
        for v in part:
            spread += (v - mean) ** 2
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = mean, np.sqrt(spread / part.size), low, high
        low_end = 0
        for p in range(percents.size):
            place = (part.size - 1) * percents[p] / 100
            k = int(place)
            below = _select(part, low_end, k)
            above = below
            if k + 1 < part.size and place > k:
                above = part[k + 1]
                for v in part[k + 2 :]:
                    above = min(above, v)
            out[i, 4 + p] = below + (float(above) - below) * (place - k)
            low_end = k


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _select(part: Any, left: int, k: int) -> Any:
    """The k-th smallest, put to its place, smaller ones before it; what is before `left` is so already (Hoare)."""
    right = part.size - 1
    while left < right:
        pivot = part[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while part[i] < pivot:
                i += 1
            while pivot < part[j]:
                j -= 1
            if i <= j:
                part[i], part[j] = part[j], part[i]
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            break
    return part[k]
