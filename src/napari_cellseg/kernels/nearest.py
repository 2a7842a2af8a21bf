"""How far points of many groups are from the nearest point of the same group on the other side."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MANY = 200_000
"""Groups with more pairs of points than this are asked of a tree, others point by point."""


def nearest(points: Floats, starts: Ints, others: Floats, other_starts: Ints) -> Floats:
    """Distance of every point to the nearest one of `others` in the same group.

    Parameters
    ----------
    points, others
        (N, ndim) and (M, ndim), group after group.
    starts, other_starts
        Where each group begins, and the end of the last one: (groups + 1,). No group of `others` is empty.

    Returns
    -------
    numpy.ndarray
        (N,) float64.
    """
    from scipy.spatial import cKDTree

    out = np.zeros(len(points))
    pairs = np.diff(starts) * np.diff(other_starts)
    _each(points, starts, others, other_starts, pairs <= MANY, out)
    for group in np.flatnonzero(pairs > MANY).tolist():
        own = slice(starts[group], starts[group + 1])
        out[own] = cKDTree(others[other_starts[group] : other_starts[group + 1]]).query(points[own])[0]
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _each(
    points: Floats, starts: Ints, others: Floats, other_starts: Ints, chosen: NDArray[np.bool_], out: Floats
) -> None:
    for group in range(len(starts) - 1):
        if not chosen[group]:
            continue
        for i in range(starts[group], starts[group + 1]):
            best = np.inf
            for j in range(other_starts[group], other_starts[group + 1]):
                square = 0.0
                for axis in range(points.shape[1]):
                    step = points[i, axis] - others[j, axis]
                    square += step * step
                best = min(best, square)
            out[i] = np.sqrt(best)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def percentile_of_groups(values: Floats, starts: Ints, q: float) -> Floats:
    """The `q`-th percentile (0 to 100) of every group, interpolated linearly; NaN of an empty one."""
    out = np.full(len(starts) - 1, np.nan)
    for group in range(len(starts) - 1):
        own = np.sort(values[starts[group] : starts[group + 1]])
        if len(own):
            place = (len(own) - 1) * q / 100
            low = int(place)
            high = min(low + 1, len(own) - 1)
            out[group] = own[low] + (own[high] - own[low]) * (place - low)
    return out
