"""Contrast-limited adaptive histogram equalisation in two halves: look-up tables of a plane, then any part of it.

Zuiderveld, Contrast Limited Adaptive Histogram Equalization, Graphics Gems IV (1994), with OpenCV's conventions,
so that uint8 results equal ``cv2.createCLAHE`` to the bit. OpenCV itself can only equalise whole planes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .threads import strips

Tables = NDArray[Any]
LEVELS = 256
"""Bins of a histogram. With 65,536 of them a tile has about one pixel a bin, and no clip limit is ever reached."""


def tile_size(shape: tuple[int, int], tiles: int) -> tuple[int, int]:
    """Height and width of a tile; planes that do not divide evenly are extended by reflection, as in OpenCV."""
    if all(n % tiles == 0 for n in shape):
        return shape[0] // tiles, shape[1] // tiles
    return tuple((n + tiles - n % tiles) // tiles for n in shape)  # type: ignore[return-value]


def table(tile: NDArray[np.uint8], clip_limit: float) -> Tables:
    """The look-up table of one tile, (256,) uint8."""
    limit = max(int(clip_limit * tile.size / LEVELS), 1)
    out = np.empty(LEVELS, np.uint8)
    _table(np.bincount(tile.ravel(), minlength=LEVELS), limit, np.float32(LEVELS - 1) / np.float32(tile.size), out)
    return out


def equalise(plane: NDArray[np.uint8], tables: Tables, size: tuple[int, int], origin: tuple[int, int]) -> NDArray[Any]:
    """Map (Y, X) uint8 that begins at `origin` of the plane; tables (tiles, tiles, 256)."""
    out = np.empty_like(plane)
    inverse = np.float32(1) / np.float32(size[0]), np.float32(1) / np.float32(size[1])

    def work(start: int, stop: int) -> None:
        _equalise(plane[start:stop], out[start:stop], tables, inverse[0], inverse[1], origin[0] + start, origin[1])

    strips(work, plane.shape[0], 128)
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _table(histogram: Any, limit: int, scale: Any, out: Any) -> None:
    levels, clipped = histogram.size, 0
    for i in range(levels):
        if histogram[i] > limit:
            clipped += histogram[i] - limit
            histogram[i] = limit
    batch = clipped // levels
    residual = clipped - batch * levels
    for i in range(levels):
        histogram[i] += batch
    if residual:
        step = max(levels // residual, 1)
        i = 0
        while i < levels and residual > 0:
            histogram[i] += 1
            residual -= 1
            i += step
    total = 0
    for i in range(levels):
        total += histogram[i]
        value = np.rint(np.float32(total) * scale)
        out[i] = min(value, np.float32(levels - 1))


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _equalise(plane: Any, out: Any, tables: Any, inverse_y: Any, inverse_x: Any, y0: int, x0: int) -> None:
    height, width = plane.shape
    n = tables.shape[0]
    half, one = np.float32(0.5), np.float32(1)
    left, right = np.empty(width, np.int64), np.empty(width, np.int64)
    share = np.empty(width, np.float32)
    for x in range(width):
        t = np.float32(x0 + x) * inverse_x - half
        k = int(np.floor(t))
        share[x] = t - np.float32(k)
        left[x], right[x] = max(k, 0), min(k + 1, n - 1)
    for y in range(height):
        t = np.float32(y0 + y) * inverse_y - half
        k = int(np.floor(t))
        ya = t - np.float32(k)
        yb = one - ya
        top, bottom = tables[max(k, 0)], tables[min(k + 1, n - 1)]
        for x in range(width):
            v, xa = plane[y, x], share[x]
            xb = one - xa
            a, b = np.float32(top[left[x], v]), np.float32(top[right[x], v])
            c, d = np.float32(bottom[left[x], v]), np.float32(bottom[right[x], v])
            out[y, x] = np.rint((a * xb + b * xa) * yb + (c * xb + d * xa) * ya)
