"""How far the border of an object is along rays, and star-shaped objects from such distances.

After Schmidt et al. 2018 and Weigert et al. 2020 (StarDist). Lengths are in pixels of the plane, `sides` are those of a
voxel relative to X. Between its rays the border of an object is interpolated linearly over the angle, so that few rays
make a round object round; where each direction lies between them is looked up on the faces of an octahedron.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

GRID = 257
"""The octahedron is unfolded on a square of so many cells a side."""
_SAMPLES = 24
"""Overlaps are counted on at most so many points along an axis."""
_ROOM = 1.3
"""Between the rays an object may reach so much further than its furthest ray along an axis."""


class Between(NamedTuple):
    """Between which rays a direction lies.

    Attributes
    ----------
    directions
        (n, 3) float64 unit vectors.
    rays, shares
        (GRID, GRID, 3) int64 and float64: three rays, and how much each counts.
    """

    directions: NDArray[np.float64]
    rays: NDArray[np.int64]
    shares: NDArray[np.float64]


class Stars(NamedTuple):
    """Star-shaped objects.

    Attributes
    ----------
    centres
        (n, 3) int64 voxels.
    lengths
        (n, rays) float32.
    reach
        (n, 3) int64: how many voxels an object reaches along each axis.
    sizes
        (n,) float64: area in pixels, or volume in voxels.
    """

    centres: NDArray[np.int64]
    lengths: NDArray[np.float32]
    reach: NDArray[np.int64]
    sizes: NDArray[np.float64]

    def of(self, which: NDArray[Any]) -> Stars:
        """Some of them."""
        return Stars(self.centres[which], self.lengths[which], self.reach[which], self.sizes[which])


@lru_cache(maxsize=8)
def between(n: int, planar: bool) -> Between:
    """Rays evenly round a circle in the plane, from X towards Y, or those of a golden spiral on the sphere."""
    from scipy.spatial import ConvexHull

    at = (np.arange(GRID) - GRID // 2) / (GRID // 2)
    y, x = (g.ravel() for g in np.meshgrid(at, at, indexing="ij"))
    if planar:
        angles = 2 * np.pi * np.arange(n) / n
        turn = np.mod(np.arctan2(y, x), 2 * np.pi) * n / (2 * np.pi)
        first, share = np.floor(turn).astype(np.int64) % n, turn - np.floor(turn)
        rays, shares = np.stack([first, (first + 1) % n, first], 1), np.stack([1 - share, share, 0 * share], 1)
        directions = np.stack([0 * angles, np.sin(angles), np.cos(angles)], 1)
        return Between(directions, rays.reshape(GRID, GRID, 3), shares.reshape(GRID, GRID, 3))
    z = 1 - (2 * np.arange(n) + 1) / n
    angles = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    directions = np.stack([z, np.sqrt(1 - z**2) * np.sin(angles), np.sqrt(1 - z**2) * np.cos(angles)], 1)
    faces = ConvexHull(directions).simplices
    up = 1 - np.abs(y) - np.abs(x)
    below = up < 0
    y, x = np.where(below, (1 - np.abs(x)) * _sign(y), y), np.where(below, (1 - np.abs(y)) * _sign(x), x)
    shares = np.stack([up, y, x], 1) @ np.linalg.inv(directions[faces])  # (faces, cells, 3)
    chosen = shares.min(2).argmax(0)
    of = np.clip(shares[chosen, np.arange(len(chosen))], 0, None)
    of /= of.sum(1, keepdims=True)
    return Between(directions, faces[chosen].astype(np.int64).reshape(GRID, GRID, 3), of.reshape(GRID, GRID, 3))


def distances(labels: NDArray[np.uint32], rays: Between, sides: tuple[float, float, float]) -> NDArray[np.float32]:
    """From every voxel of an object to where a ray leaves it: labels (Z, Y, X) -> (rays, Z, Y, X), 0 outside."""
    steps = rays.directions / np.array(sides)
    steps /= np.abs(steps).max(1, keepdims=True)  # the fastest axis moves a voxel at a time
    lengths = np.sqrt(((steps * np.array(sides)) ** 2).sum(1))
    inside = np.pad(labels, 1)  # nobody steps over a rim of one
    k = np.arange(max(labels.shape) + 2)
    moved = np.floor(k[None, :, None] * steps[:, None] + 0.5).astype(np.int64)
    jumps = moved @ np.array([inside.shape[1] * inside.shape[2], inside.shape[2], 1])
    out = np.zeros((len(steps), *inside.shape), np.float32)
    _march(inside.ravel(), np.flatnonzero(inside), jumps, lengths, out.reshape(len(steps), -1))
    return np.ascontiguousarray(out[:, 1:-1, 1:-1, 1:-1])


def stars(
    centres: NDArray[np.int64], lengths: NDArray[np.float32], rays: Between, sides: tuple[float, float, float]
) -> Stars:
    """Objects by their centres (n, 3) and the lengths of their rays (n, rays)."""
    ends = np.abs(rays.directions) / np.array(sides)
    furthest = np.stack([(lengths * ends[:, axis]).max(1, initial=0) for axis in range(3)], 1)
    longest = lengths.max(1, initial=0)[:, None] / np.array(sides) * (ends.max(0) > 0)
    reach = np.ceil(np.minimum(longest, _ROOM * furthest)).astype(np.int64)
    n, cubes = lengths.shape[1], np.float64(lengths)
    if not ends[:, 0].any():
        sizes = np.pi / n * (cubes**2).sum(1)
    else:
        sizes = 4 * np.pi / (3 * n) * (cubes**3).sum(1) / np.prod(sides)
    return Stars(np.ascontiguousarray(centres), np.ascontiguousarray(lengths), reach, np.maximum(sizes, 1.0))


def peaks(height: NDArray[np.float32], least: float, planar: bool) -> NDArray[np.bool_]:
    """Voxels above `least` that no neighbour exceeds, in (Z, Y, X) with a rim of one; of equal ones the first."""
    out = np.zeros(tuple(n - 2 for n in height.shape), np.bool_)
    _peaks(np.ascontiguousarray(height), least, planar, out)
    return out


def chosen(found: Stars, rays: Between, sides: tuple[float, float, float], overlap: float) -> NDArray[np.bool_]:
    """Non-maximum suppression of objects, the best first: those that cover no better one by more than `overlap`.

    The overlap of two objects is what they share, divided by the smaller one.
    """
    keep = np.zeros(len(found.centres), np.bool_)
    if len(keep):
        width = np.maximum(2 * found.reach.max(0), 1)
        cells = found.centres // width
        cells -= cells.min(0)
        _suppress(found, rays, np.array(sides), overlap, cells, keep)
    return keep


def paint(
    out: NDArray[np.uint32], corner: tuple[int, int, int], found: Stars, rays: Between,
    sides: tuple[float, float, float],
) -> None:  # fmt: skip
    """Write numbers 1..n where objects lie in a part that begins at `corner`; what is covered by two is the first's."""
    _paint(out, np.array(corner), found, rays, np.array(sides))


# --- loops ------------------------------------------------------------------------------------------


def _sign(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values < 0, -1.0, 1.0)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _march(labels: Any, where: Any, jumps: Any, lengths: Any, out: Any) -> None:
    for ray in range(len(jumps)):
        for i in where:
            id, k = labels[i], 1
            while labels[i + jumps[ray, k]] == id:
                k += 1
            out[ray, i] = (k - 0.5) * lengths[ray]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _inside(z: float, y: float, x: float, lengths: Any, table: Any, shares: Any) -> bool:
    """Whether a place (relative to the centre, in pixels of the plane) lies in an object."""
    size = abs(z) + abs(y) + abs(x)
    if size == 0:
        return True
    b, c = y / size, x / size
    if z < 0:
        b, c = (1 - abs(c)) * (-1 if b < 0 else 1), (1 - abs(b)) * (-1 if c < 0 else 1)
    half = GRID // 2
    i, j = int(b * half + half + 0.5), int(c * half + half + 0.5)
    length = 0.0
    for k in range(3):
        length += lengths[table[i, j, k]] * shares[i, j, k]
    return z * z + y * y + x * x <= length * length


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _peaks(height: Any, least: float, planar: bool, out: Any) -> None:
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                value, best = height[z + 1, y + 1, x + 1], True
                if not value > least:
                    continue
                for dz in range(0 if planar else -1, 1 if planar else 2):
                    for dy in range(-1, 2):
                        for dx in range(-1, 2):
                            other = height[z + 1 + dz, y + 1 + dy, x + 1 + dx]
                            before = dz < 0 or (dz == 0 and (dy < 0 or (dy == 0 and dx < 0)))
                            if other > value or (other == value and before):
                                best = False
                out[z, y, x] = best


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _overlap(a: int, b: int, found: Any, rays: Any, sides: Any, most: float) -> bool:
    """Whether two objects share more than `most` of the smaller one, counted on a grid of points."""
    low, high, step = np.zeros(3, np.int64), np.zeros(3, np.int64), np.ones(3, np.int64)
    for axis in range(3):
        low[axis] = max(found.centres[a, axis] - found.reach[a, axis], found.centres[b, axis] - found.reach[b, axis])
        high[axis] = min(found.centres[a, axis] + found.reach[a, axis], found.centres[b, axis] + found.reach[b, axis])
        if low[axis] > high[axis]:
            return False
        step[axis] = (high[axis] - low[axis]) // _SAMPLES + 1
    weight = float(step[0] * step[1] * step[2])
    limit, shared = most * min(found.sizes[a], found.sizes[b]), 0.0
    ca, cb = found.centres[a], found.centres[b]
    for z in range(low[0], high[0] + 1, step[0]):
        for y in range(low[1], high[1] + 1, step[1]):
            for x in range(low[2], high[2] + 1, step[2]):
                if _inside(
                    (z - ca[0]) * sides[0], (y - ca[1]) * sides[1], (x - ca[2]) * 1.0,
                    found.lengths[a], rays.rays, rays.shares,
                ) and _inside(
                    (z - cb[0]) * sides[0], (y - cb[1]) * sides[1], (x - cb[2]) * 1.0,
                    found.lengths[b], rays.rays, rays.shares,
                ):  # fmt: skip
                    shared += weight
                    if shared > limit:
                        return True
    return False


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _suppress(found: Any, rays: Any, sides: Any, most: float, cells: Any, keep: Any) -> None:
    """Kept objects are looked up by cells as wide as the largest object: only neighbours can meet."""
    shape = np.array([cells[:, axis].max() + 3 for axis in range(3)])
    heads = {-1: -1}
    following = np.full(len(keep), -1, np.int64)
    for i in range(len(keep)):
        at, free = cells[i] + 1, True
        for dz in range(-1, 2):
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    place = ((at[0] + dz) * shape[1] + at[1] + dy) * shape[2] + at[2] + dx
                    other = heads[place] if place in heads else -1  # noqa: SIM401 - numba would type it as optional
                    while free and other >= 0:
                        free = not _overlap(i, other, found, rays, sides, most)
                        other = following[other]
        if free:
            cell = (at[0] * shape[1] + at[1]) * shape[2] + at[2]
            following[i] = heads[cell] if cell in heads else -1  # noqa: SIM401
            heads[cell], keep[i] = i, True


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _paint(out: Any, corner: Any, found: Any, rays: Any, sides: Any) -> None:
    for i in range(len(found.centres)):
        c, reach = found.centres[i] - corner, found.reach[i]
        for z in range(max(0, c[0] - reach[0]), min(out.shape[0], c[0] + reach[0] + 1)):
            for y in range(max(0, c[1] - reach[1]), min(out.shape[1], c[1] + reach[1] + 1)):
                for x in range(max(0, c[2] - reach[2]), min(out.shape[2], c[2] + reach[2] + 1)):
                    if out[z, y, x] == 0 and _inside(
                        (z - c[0]) * sides[0], (y - c[1]) * sides[1], (x - c[2]) * 1.0,
                        found.lengths[i], rays.rays, rays.shares,
                    ):  # fmt: skip
                        out[z, y, x] = i + 1
