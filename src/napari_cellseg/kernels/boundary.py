"""Moments, rows and boundaries of all objects in one pass over the pixels, block by block.

Everything that is summed is a whole number, so that neither the blocks nor their order can change a figure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

DIRECTIONS = np.array(
    [
        (0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1),
        (1, -1, -1), (1, -1, 0), (1, -1, 1), (1, 0, -1), (1, 0, 0), (1, 0, 1), (1, 1, -1), (1, 1, 0), (1, 1, 1),
    ],
    np.int64,
)  # fmt: skip
"""Steps (Z, Y, X) to half of the neighbours of a voxel, the others being opposite; the first four lie in a plane."""
NO_ROW = np.iinfo(np.int32).max
"""What `Sums.first` holds of a row without a pixel of the object."""


class Sums(NamedTuple):
    """What one pass adds up of every object, by its number (from 0).

    Attributes
    ----------
    moments
        Sums of z, y, x, zz, yy, xx, zy, zx, yx over the voxels, counted from the low corner of the box: (N, 9) int64.
    crossings
        How often lines in every direction cross the boundary, (N, K) int64, K = 4 in a plane and 13 in a volume.
    shared
        The same where another object is on the other side.
    offsets
        Where the rows of every object's box begin in `first` and `last`, (N + 1,) int64.
    first, last
        The outermost columns of every row of the box, int32.
    """

    moments: NDArray[np.int64]
    crossings: NDArray[np.int64]
    shared: NDArray[np.int64]
    offsets: NDArray[np.int64]
    first: NDArray[np.int32]
    last: NDArray[np.int32]


def empty_sums(low: NDArray[np.int32], high: NDArray[np.int32], directions: int) -> Sums:
    """Sums of nothing yet, for objects with these boxes, (N, 3) each, the high corner included."""
    n = len(low)
    sides = (high - low + 1).astype(np.int64)
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(sides[:, 0] * sides[:, 1], out=offsets[1:])
    first, last = np.full(offsets[-1], NO_ROW, np.int32), np.full(offsets[-1], -1, np.int32)
    counts = np.zeros((2, n, directions), np.int64)
    return Sums(np.zeros((n, 9), np.int64), counts[0], counts[1], offsets, first, last)


def no_pairs() -> NDArray[np.int64]:
    """The table of touching pairs before any is known."""
    return np.full(1024, -1, np.int64)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_runs(block: Any, origin: Any, skip: Any, numbers: Any, boxes: Any, sums: Any) -> None:
    """Add moments and rows of a block, run by run.

    Parameters
    ----------
    block
        (Z, Y, X) uint32 ids, the first `skip` (planes, rows) of which were in the block before.
    origin
        Plane and row of the image where the block begins.
    numbers
        The object's number by its id.
    boxes
        Low and high corners, (2, N, 3).
    """
    moments, _, _, offsets, first, last = sums
    for z in range(skip[0], block.shape[0]):
        for y in range(skip[1], block.shape[1]):
            row, x = block[z, y], 0
            while x < row.size:
                id, start = row[x], x
                while x < row.size and row[x] == id:
                    x += 1
                if id == 0:
                    continue
                i = numbers[id]
                dz, dy = z + origin[0] - boxes[0, i, 0], y + origin[1] - boxes[0, i, 1]
                _add_run(moments[i], x - start, dz, dy, start - boxes[0, i, 2])
                k = offsets[i] + dz * (boxes[1, i, 1] - boxes[0, i, 1] + 1) + dy
                first[k], last[k] = min(first[k], start), max(last[k], x - 1)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_run(m: Any, n: int, z: int, y: int, x: int) -> None:
    end = x + n - 1
    in_x = n * (x + end) // 2
    m[0] += n * z
    m[1] += n * y
    m[2] += in_x
    m[3] += n * z * z
    m[4] += n * y * y
    m[5] += (end * (end + 1) * (2 * end + 1) - (x - 1) * x * (2 * x - 1)) // 6
    m[6] += n * z * y
    m[7] += z * in_x
    m[8] += y * in_x


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_boundaries(
    block: Any, origin: Any, skip: Any, shape: Any, numbers: Any, steps: Any, sums: Any, pairs: Any
) -> Any:
    """Add crossings of a block with the block before and inside it; what lies outside the image is background.

    See `add_runs`; `shape` is (planes, rows) of the image, `steps` are `DIRECTIONS`. Returns the table of pairs, which
    may have grown.
    """
    _, crossings, shared, _, _, _ = sums
    for z in range(skip[0], block.shape[0]):
        for y in range(skip[1], block.shape[1]):
            for k in range(steps.shape[0]):
                dz, dy, dx = steps[k]
                if z < dz or not 0 <= y - dy < block.shape[1]:
                    _all_cross(block[z, y], numbers, crossings, k)
                else:
                    pairs = _compare(block[z, y], block[z - dz, y - dy], dx, numbers, crossings, shared, k, pairs)
                if z + origin[0] + dz >= shape[0] or not 0 <= y + origin[1] + dy < shape[1]:
                    _all_cross(block[z, y], numbers, crossings, k)
                else:
                    _side_crosses(block[z, y], dx, numbers, crossings, k)
    return pairs


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _all_cross(row: Any, numbers: Any, crossings: Any, k: int) -> None:
    """Beyond this row there is nothing."""
    for x in range(row.size):
        if row[x]:
            crossings[numbers[row[x]], k] += 1


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _side_crosses(row: Any, dx: int, numbers: Any, crossings: Any, k: int) -> None:
    """One step further, the line leaves the image at its side."""
    if dx:
        id = row[row.size - 1] if dx > 0 else row[0]
        if id:
            crossings[numbers[id], k] += 1


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _compare(row: Any, before: Any, dx: int, numbers: Any, crossings: Any, shared: Any, k: int, pairs: Any) -> Any:
    """Count where a pixel and the one a step before it belong to different things."""
    _side_crosses(row, -dx, numbers, crossings, k)
    known = np.int64(-1)
    for x in range(max(0, dx), row.size + min(0, dx)):
        a, b = row[x], before[x - dx]
        if a == b:
            continue
        if a:
            crossings[numbers[a], k] += 1
        if b:
            crossings[numbers[b], k] += 1
        if a and b:
            i, j = np.int64(numbers[a]), np.int64(numbers[b])
            shared[i, k] += 1
            shared[j, k] += 1
            key = min(i, j) * shared.shape[0] + max(i, j)
            if key != known:
                known = key
                pairs = _with(pairs, key)
    return pairs


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _with(pairs: Any, key: int) -> Any:
    """A hash table (open addressing, its last place counts) that holds `key`; twice as large where it gets full."""
    slots = pairs.size - 1
    place = _place(pairs, slots, key)
    if pairs[place] == key:
        return pairs
    pairs[place] = key
    pairs[slots] += 1
    if (pairs[slots] + 1) * 2 < slots:
        return pairs
    wide = np.full(2 * slots + 1, -1, np.int64)
    for k in range(slots):
        if pairs[k] >= 0:
            wide[_place(wide, 2 * slots, pairs[k])] = pairs[k]
    wide[2 * slots] = pairs[slots]
    return wide


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _place(pairs: Any, slots: int, key: int) -> int:
    k = (key * 0x9E3779B1 >> 7) % slots
    while pairs[k] >= 0 and pairs[k] != key:
        k = (k + 1) % slots
    return k
