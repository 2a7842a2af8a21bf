"""Gaussian smoothing whose result at a voxel does not depend on where the given part begins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numba import njit

from .._types import Float
from .threads import strips

Edge = Literal["mirror", "repeat"]
TRUNCATE = 4.0
"""The kernel ends after this many standard deviations, as in scipy."""


def radius(sigma: float) -> int:
    """How far the kernel reaches (voxels)."""
    return int(TRUNCATE * sigma + 0.5)


def gaussian(values: Any, sigmas: Sequence[float] | float, edge: Edge = "mirror") -> Float:
    """Smooth an array of any number of axes; float32.

    Parameters
    ----------
    values
        (..., Y, X), any number.
    sigmas
        Standard deviation along every axis (voxels), or one for all; below 1/8 an axis is left as it is.
    edge
        What lies beyond: the array mirrored, its outermost voxels twice ("reflect" in scipy, and its default), or the
        outermost voxel again and again ("nearest").
    """
    out = np.ascontiguousarray(values, np.float32)
    each = (sigmas,) * out.ndim if isinstance(sigmas, int | float) else sigmas
    for axis, sigma in enumerate(each):
        if radius(sigma) and out.shape[axis] > 1:
            out = _along(out, axis, _weights(sigma), edge)
    return out


def _weights(sigma: float) -> Float:
    position = np.arange(-radius(sigma), radius(sigma) + 1)
    weights = np.exp(-0.5 * (position / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _along(values: Float, axis: int, weights: Float, edge: Edge) -> Float:
    reach, n = len(weights) // 2, values.shape[axis]
    index = np.arange(-reach, n + reach)
    if edge == "repeat":
        index = index.clip(0, n - 1)
    else:  # mirrored, also where the kernel is longer than the axis
        index %= 2 * n
        index = np.where(index >= n, 2 * n - 1 - index, index)
    out = np.empty_like(values)
    if axis == values.ndim - 1:
        rows, into = values.reshape(-1, n), out.reshape(-1, n)
        strips(lambda a, b: _rows(rows[a:b], into[a:b], weights, index), len(rows), 128)
    else:
        lines = values.reshape(-1, n, int(np.prod(values.shape[axis + 1 :])))
        into = out.reshape(lines.shape)
        for k in range(len(lines)):
            strips(partial(_columns, lines[k], into[k], weights, index), n, 128)
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rows(rows: Any, out: Any, weights: Any, index: Any) -> None:
    n = rows.shape[1]
    wide, total = np.empty(index.size, np.float32), np.empty(n, np.float32)
    for y in range(rows.shape[0]):
        for x in range(index.size):
            wide[x] = rows[y, index[x]]
        total[:] = 0
        for t in range(weights.size):
            part = wide[t : t + n]
            for x in range(n):
                total[x] += weights[t] * part[x]
        out[y] = total


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _columns(lines: Any, out: Any, weights: Any, index: Any, start: int, stop: int) -> None:
    width = lines.shape[1]
    total = np.empty(width, np.float32)
    for y in range(start, stop):
        total[:] = 0
        for t in range(weights.size):
            row = lines[index[y + t]]
            for x in range(width):
                total[x] += weights[t] * row[x]
        out[y] = total
