"""Convex hulls of many objects, from the outermost pixels of their rows, in whole numbers and therefore exact.

A pixel is the diamond (a voxel: the octahedron) between the middles of its faces, as in
``skimage.morphology.convex_hull_image``. Coordinates are doubled, so that these middles are whole numbers: pixel n of
a row of pixels lies at 2 n + 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .boundary import Sums
from .hull_volume import hull_faces
from .threads import strips

MANY = 64
"""Among so many corners of planes, those of the hull of a volume are looked for before distances are."""
FAR = np.int64(1) << 40
"""Further than any pixel."""


class Hulls(NamedTuple):
    """The convex hulls of objects.

    Attributes
    ----------
    pixels
        Pixels or voxels whose middle lies in the hull, (N,) int64.
    crossings
        How often lines in the four directions of a plane cross their boundary, (N, 4) int64; 0 for volumes.
    feret
        The largest distance between two points on the outlines of these pixels, (N,) float64, in units of the spacing.
    """

    pixels: NDArray[np.int64]
    crossings: NDArray[np.int64]
    feret: NDArray[np.float64]


def hulls(sums: Sums, sides: NDArray[np.int64], spacing: tuple[float, ...]) -> Hulls:
    """Hulls of all objects.

    Parameters
    ----------
    sums
        With the rows of every object.
    sides
        Of their boxes, (N, 3): planes, rows, columns.
    spacing
        Of the pixels (Y, X) or voxels (Z, Y, X).
    """
    n, size = len(sides), np.array(spacing, np.float64)
    found = Hulls(np.zeros(n, np.int64), np.zeros((n, 4), np.int64), np.zeros(n))
    loop = _planes if len(spacing) == 2 else _volumes
    rows = sums.offsets, sums.first, sums.last
    if n:
        strips(partial(loop, *rows, sides, size, *found), n, 128)
    return found


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _planes(
    offsets: Any, first: Any, last: Any, sides: Any, size: Any, pixels: Any, crossings: Any, feret: Any, a: int, b: int
) -> None:
    for i in range(a, b):
        n, start = sides[i, 1], offsets[i]
        left, right = _sides(first[start : start + n], last[start : start + n])
        begin, end = _bound(left, n, 1), _bound(right, n, -1)
        pixels[i] = np.sum(np.maximum(end - begin + 1, 0))
        _count_crossings(begin, end, pixels[i], crossings[i])
        feret[i] = _longest(np.concatenate(_sides(begin, np.where(end < begin, -1, end))), size)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _sides(first: Any, last: Any) -> Any:
    """The left and the right side of the hull of a plane's rows."""
    lo, hi = np.full(2 * first.size + 1, FAR), np.full(2 * first.size + 1, -FAR)
    _widen(lo, hi, first, last, 1)
    return _chain(lo, 1), _chain(hi, -1)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _widen(lo: Any, hi: Any, first: Any, last: Any, reach: int) -> None:
    """Let the ends of doubled rows hold those of a plane: the diamonds (`reach` 1) or the middles (0) of its pixels."""
    for y in range(first.size):
        if last[y] < 0:
            continue
        j, low, high = 2 * y + 1, 2 * first[y] + 1, 2 * last[y] + 1
        lo[j], hi[j] = min(lo[j], low - reach), max(hi[j], high + reach)
        for k in (j - reach, j + reach):
            lo[k], hi[k] = min(lo[k], low), max(hi[k], high)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _chain(ends: Any, sign: int) -> Any:
    """Corners (row, column) of the left (`sign` 1) or right (-1) side of the hull of doubled rows (Andrew 1979)."""
    out, n = np.empty((ends.size, 2), np.int64), 0
    for j in range(ends.size):
        if abs(ends[j]) == FAR:
            continue
        while n > 1:
            before, corner = out[n - 2], out[n - 1]
            turn = (corner[0] - before[0]) * (ends[j] - before[1]) - (corner[1] - before[1]) * (j - before[0])
            if turn * sign > 0:
                break
            n -= 1
        out[n, 0], out[n, 1] = j, ends[j]
        n += 1
    return out[:n]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _bound(chain: Any, rows: int, sign: int) -> Any:
    """The first (`sign` 1) or last pixel of every row inside a side of the hull."""
    out, corner = np.empty(rows, np.int64), 0
    for y in range(rows):
        j = 2 * y + 1
        while chain[corner + 1, 0] < j:
            corner += 1
        (j0, x0), (j1, x1) = chain[corner], chain[corner + 1]
        across = x0 * (j1 - j0) + (x1 - x0) * (j - j0)  # of the side, times its height
        out[y] = _inside(across, j1 - j0, sign)
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _inside(across: int, below: int, sign: int) -> int:
    """The pixel nearest to the doubled column ``across / below`` whose middle lies right (1) or left (-1) of it."""
    return -((below - across) // (2 * below)) if sign > 0 else (across - below) // (2 * below)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count_crossings(begin: Any, end: Any, pixels: int, out: Any) -> None:
    """Two for every line through the hull: twice the pixels less twice the pairs of pixels on the line."""
    pairs = np.zeros(4, np.int64)
    for y in range(begin.size):
        pairs[0] += max(0, end[y] - begin[y])
        for k in range(1, 4):
            if y:
                dx = k - 2
                pairs[k] += max(0, min(end[y - 1] + dx, end[y]) - max(begin[y - 1] + dx, begin[y]) + 1)
    for k in range(4):
        out[k] = 2 * (pixels - pairs[k])


@njit(error_model="numpy", nogil=True, cache=True, fastmath={"nnan", "nsz"})  # type: ignore[untyped-decorator,unused-ignore]
def _longest(points: Any, size: Any) -> Any:
    """The largest distance between two of (N, D) points in doubled coordinates.

    Of numbers the compiler knows that none is NaN, so that it compares several at a time.
    """
    n, longest = len(points), 0.0
    places = np.zeros((3, n))
    for axis in range(size.size):
        places[axis] = points[:, axis] * size[axis]
    z, y, x = places
    for i in range(n):
        for j in range(i):
            square = (z[i] - z[j]) ** 2 + (y[i] - y[j]) ** 2 + (x[i] - x[j]) ** 2
            longest = max(longest, square)
    return np.sqrt(longest) / 2


# --- volumes --------------------------------------------------------------------------------------


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _volumes(
    offsets: Any, first: Any, last: Any, sides: Any, size: Any, pixels: Any, crossings: Any, feret: Any, a: int, b: int
) -> None:
    for i in range(a, b):
        depth, rows = sides[i, 0], sides[i, 1]
        span = slice(offsets[i], offsets[i + 1])
        points = _corners(first[span].reshape(depth, rows), last[span].reshape(depth, rows))
        faces = hull_faces(points)
        begin, end = np.full((depth, rows), FAR), np.full((depth, rows), -FAR)
        for face in faces:
            _cover(points[face[0]], points[face[1]], points[face[2]], begin, end)
        pixels[i] = np.sum(np.maximum(end - begin + 1, 0))
        points = _corners(begin, np.where(end < begin, -1, end))
        if len(points) > MANY:
            points = points[np.unique(hull_faces(points))]
        feret[i] = _longest(points, size)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _corners(first: Any, last: Any) -> Any:
    """The corners of the hulls of all doubled planes, (N, 3); those of the whole are among them."""
    depth, rows = first.shape
    out, n = np.empty((64, 3), np.int64), 0
    for k in range(2 * depth + 1):
        lo, hi = np.full(2 * rows + 1, FAR), np.full(2 * rows + 1, -FAR)
        if k % 2:
            _widen(lo, hi, first[k // 2], last[k // 2], 1)
        else:  # half-way between two planes, or before the first, or behind the last
            for z in range(max(0, k // 2 - 1), min(depth, k // 2 + 1)):
                _widen(lo, hi, first[z], last[z], 0)
        for chain in (_chain(lo, 1), _chain(hi, -1)):
            while n + len(chain) > len(out):
                out = np.concatenate((out, np.empty_like(out)))
            out[n : n + len(chain), 0] = k
            out[n : n + len(chain), 1:] = chain
            n += len(chain)
    return out[:n]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _cover(p: Any, q: Any, r: Any, begin: Any, end: Any) -> None:
    """Let the rows that a face covers, seen along X, begin or end at it."""
    slope = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])  # > 0 where the face looks to one side
    if slope == 0:
        return
    for z in range((min(p[0], q[0], r[0])) // 2, min(len(begin), (max(p[0], q[0], r[0]) + 1) // 2)):
        for y in range((min(p[1], q[1], r[1])) // 2, min(begin.shape[1], (max(p[1], q[1], r[1]) + 1) // 2)):
            k, j = 2 * z + 1, 2 * y + 1
            u = (q[0] - k) * (r[1] - j) - (q[1] - j) * (r[0] - k)
            v = (r[0] - k) * (p[1] - j) - (r[1] - j) * (p[0] - k)
            w = slope - u - v
            if min(u * slope, v * slope, w * slope) >= 0:
                across, below = u * p[2] + v * q[2] + w * r[2], slope
                if below < 0:
                    across, below = -across, -below
                begin[z, y] = min(begin[z, y], _inside(across, below, 1))
                end[z, y] = max(end[z, y], _inside(across, below, -1))
