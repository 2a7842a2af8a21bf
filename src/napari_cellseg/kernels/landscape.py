"""Catchment basins of a height map: every voxel climbs to its highest neighbour until it can climb no more.

The watershed by steepest ascent ("drop of water principle", Cousty et al., IEEE TPAMI 31, 2009) is decided by
face neighbours alone, so that a block with a rim of one voxel is enough to know it exactly. Ties are settled by
the position in the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

OUTWARD = ((0, -1), (0, 1), (1, -1), (1, 1), (2, -1), (2, 1))
"""Axis and direction of the faces; `Basins.leaves` holds 1 + the index in this list."""


@dataclass(frozen=True, eq=False)
class Basins:
    """Regions of a block.

    Attributes
    ----------
    regions
        (z, y, x) uint32, 0 outside the mask, else 1..n.
    leaves
        (z, y, x) uint8: 0, or through which face the voxel climbs out of the block (see `OUTWARD`).
    sizes, firsts, tops, peaks
        Per region, (n,): voxels, first voxel in raster order, voxel where the climb ends (both positions in the
        block), and the height there.
    """

    regions: NDArray[np.uint32]
    leaves: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    firsts: NDArray[np.int64]
    tops: NDArray[np.int64]
    peaks: NDArray[np.float32]

    def edges(self, height: NDArray[np.float32], planar: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Pairs of touching regions (m, 2) and the height of the highest saddle between them (m,)."""
        pairs, saddles = _edges(self.regions, height, planar)
        return highest(pairs, saddles)


def basins(height: NDArray[np.float32], mask: NDArray[np.bool_], planar: bool) -> Basins:
    """Regions of a block given with a rim of one voxel on all sides, (z + 2, y + 2, x + 2).

    ``planar`` keeps planes apart: nobody climbs along Z.
    """
    core = tuple(n - 2 for n in height.shape)
    leaves = np.zeros(core, np.uint8)
    parent = np.empty(core, np.int32)
    _climb(height, mask, parent.reshape(core), leaves, planar)
    regions = np.zeros(core, np.uint32)
    n = _number(parent.ravel(), regions.ravel())
    sizes, firsts, tops = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    peaks = np.zeros(n, np.float32)
    inner = np.ascontiguousarray(height[1:-1, 1:-1, 1:-1])
    _describe(parent.ravel(), regions.ravel(), inner.ravel(), sizes, firsts, tops, peaks)
    return Basins(regions, leaves, sizes, firsts, tops, peaks)


def highest(pairs: NDArray[np.int64], saddles: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Every pair once, smaller id first, with its highest saddle; pairs of one id are dropped."""
    pairs = np.sort(pairs, axis=1)
    apart = pairs[:, 0] != pairs[:, 1]
    pairs, saddles = pairs[apart], saddles[apart]
    if not len(pairs):
        return pairs, saddles
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, saddles = pairs[order], saddles[order]
    starts = np.flatnonzero(np.r_[True, (pairs[1:] != pairs[:-1]).any(1)])
    return pairs[starts], np.maximum.reduceat(saddles, starts)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _climb(height: Any, mask: Any, parent: Any, leaves: Any, planar: bool) -> None:
    depth, rows, columns = parent.shape
    n = np.array((depth, rows, columns))
    strides = np.array((rows * columns, columns, 1))
    begin = 1 if planar else 0
    for z in range(depth):
        for y in range(rows):
            for x in range(columns):
                here = (z * rows + y) * columns + x
                parent[z, y, x] = -1
                if not mask[z + 1, y + 1, x + 1]:
                    continue
                best, to, exit = height[z + 1, y + 1, x + 1], here, 0
                # neighbours in raster order: before us (an equal height wins), then after us (it does not)
                for side in range(2):
                    for k in range(begin, 3):
                        axis = k if side == 0 else 2 + begin - k
                        step = -1 if side == 0 else 1
                        dz = step if axis == 0 else 0
                        dy = step if axis == 1 else 0
                        dx = step if axis == 2 else 0
                        if not mask[z + 1 + dz, y + 1 + dy, x + 1 + dx]:
                            continue
                        value = height[z + 1 + dz, y + 1 + dy, x + 1 + dx]
                        first_equal = side == 0 and to == here and value == best
                        if value > best or first_equal:
                            position = (z, y, x)[axis] + step
                            best = value
                            if position < 0 or position >= n[axis]:
                                exit, to = 1 + 2 * axis + side, -2
                            else:
                                exit, to = 0, here + step * strides[axis]
                parent[z, y, x] = here if exit else to
                leaves[z, y, x] = exit


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _number(parent: Any, regions: Any) -> int:
    """Point every voxel to where its climb ends, and number the ends."""
    n = 0
    for i in range(parent.size):
        if parent[i] == i:
            n += 1
            regions[i] = n
    for i in range(parent.size):
        if parent[i] < 0:
            continue
        end = i
        while parent[end] != end:
            end = parent[end]
        while parent[i] != end:
            after = parent[i]
            parent[i] = end
            i = after
    for i in range(parent.size):
        if parent[i] >= 0:
            regions[i] = regions[parent[i]]
    return n


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _describe(parent: Any, regions: Any, height: Any, sizes: Any, firsts: Any, tops: Any, peaks: Any) -> None:
    for i in range(regions.size):
        if regions[i]:
            k = regions[i] - 1
            if sizes[k] == 0:
                firsts[k] = i
            sizes[k] += 1
            if parent[i] == i:
                tops[k], peaks[k] = i, height[i]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _edges(regions: Any, height: Any, planar: bool) -> Any:
    """Touching voxels of different regions, several of a pair; `height` without the rim."""
    depth, rows, columns = regions.shape
    for fill in range(2):
        if fill == 0:
            count = 0
            pairs, saddles = np.empty((1, 2), np.int64), np.empty(1, np.float32)
        else:
            pairs, saddles = np.empty((count, 2), np.int64), np.empty(count, np.float32)
        k = 0
        for z in range(depth):
            for y in range(rows):
                for x in range(columns):
                    a = regions[z, y, x]
                    if a == 0:
                        continue
                    for axis in range(1 if planar else 0, 3):
                        zz = z + (axis == 0)
                        yy = y + (axis == 1)
                        xx = x + (axis == 2)
                        if zz == depth or yy == rows or xx == columns:
                            continue
                        b = regions[zz, yy, xx]
                        if b != 0 and b != a:
                            if fill == 1:
                                pairs[k, 0], pairs[k, 1] = a, b
                                saddles[k] = min(height[z, y, x], height[zz, yy, xx])
                            k += 1
        count = k
    return pairs, saddles
