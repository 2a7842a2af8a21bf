"""The convex hull of points in space by quickhull, in whole numbers and therefore exact.

Barber, Dobkin and Huhdanpaa, The Quickhull Algorithm for Convex Hulls, ACM Transactions on Mathematical Software 22
(1996). What lies exactly in the plane of a triangle is not outside of it, so that no rounding has to be thought of.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NOTHING = -1


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def hull_faces(points: Any) -> Any:
    """Triangles of the hull, (F, 3) indices, seen from outside in one sense.

    Parameters
    ----------
    points
        (N, 3) int64 below 2^19, not all in one plane.
    """
    n = len(points)
    room = 3 * n + 16  # a hull of n points has at most 2 n - 4 triangles, and a new point makes n more at most
    corners, across = np.empty((room, 3), np.int64), np.empty((room, 3), np.int64)
    planes, alive, seen = np.empty((room, 4), np.int64), np.zeros(room, np.bool_), np.zeros(room, np.bool_)
    outside, after = np.full(room, NOTHING), np.full(n, NOTHING)  # of triangles, their points as chains
    mesh = corners, across, planes, alive, seen, outside, after
    free, gone, made = np.arange(room)[::-1].copy(), np.empty(room, np.int64), np.empty(n, np.int64)
    begins, ends = np.empty(n, np.int64), np.empty(n, np.int64)
    left, used, f = room - 4, 4, 0
    _begin(points, mesh)
    while f < used:
        if not alive[f] or outside[f] == NOTHING:
            f += 1
            continue
        p = _furthest(points, f, mesh)
        n_gone = _visible(points[p], f, mesh, gone)
        n_made = _raise(points, p, gone[:n_gone], mesh, (free[:left], made, begins, ends))
        left -= n_made
        for old in gone[:n_gone]:
            _hand_on(points, old, made[:n_made], mesh)
            alive[old], seen[old] = False, False
            free[left] = old
            left += 1
        f, used = min(f, made[:n_made].min()), max(used, made[:n_made].max() + 1)
    return corners[alive]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _height(plane: Any, point: Any) -> Any:
    """Above 0 outside of a triangle's plane."""
    return plane[0] * point[0] + plane[1] * point[1] + plane[2] * point[2] - plane[3]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _furthest(points: Any, f: int, mesh: Any) -> Any:
    """The point furthest outside of a triangle."""
    planes, outside, after = mesh[2], mesh[5], mesh[6]
    best, highest, p = outside[f], 0, outside[f]
    while p != NOTHING:
        height = _height(planes[f], points[p])
        if height > highest:
            best, highest = p, height
        p = after[p]
    return best


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _visible(point: Any, f: int, mesh: Any, found: Any) -> int:
    """Find the triangles that are seen from a point, beginning with one of them; returns how many they are."""
    _, across, planes, _, seen, _, _ = mesh
    found[0], seen[f] = f, True
    k, n = 0, 1
    while k < n:
        for e in range(3):
            other = across[found[k], e]
            if not seen[other] and _height(planes[other], point) > 0:
                seen[other], found[n] = True, other
                n += 1
        k += 1
    return n


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _raise(points: Any, p: int, gone: Any, mesh: Any, places: Any) -> int:
    """Make triangles from a point to the horizon of what it sees; returns how many they are."""
    corners, across, planes, alive, seen, outside, _ = mesh
    free, made, begins, ends = places
    n = 0
    for f in gone:
        for e in range(3):
            other = across[f, e]
            if seen[other]:
                continue
            a, b, t = corners[f, e], corners[f, (e + 1) % 3], free[free.size - 1 - n]
            corners[t, 0], corners[t, 1], corners[t, 2] = a, b, p
            _set_plane(points[a], points[b], points[p], planes[t])
            alive[t], seen[t], outside[t], across[t, 0] = True, False, NOTHING, other
            for k in range(3):
                if corners[other, k] == b and corners[other, (k + 1) % 3] == a:
                    across[other, k] = t
            begins[a], ends[b], made[n] = t, t, t
            n += 1
    for t in made[:n]:
        across[t, 1], across[t, 2] = begins[corners[t, 1]], ends[corners[t, 0]]
    return n


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _hand_on(points: Any, old: int, made: Any, mesh: Any) -> None:
    """Give what was outside of an old triangle to the new ones; what is outside of none is in the hull."""
    planes, outside, after = mesh[2], mesh[5], mesh[6]
    p = outside[old]
    while p != NOTHING:
        following = after[p]
        for t in made:
            if _height(planes[t], points[p]) > 0:
                outside[t], after[p] = p, outside[t]
                break
        p = following
    outside[old] = NOTHING


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _set_plane(a: Any, b: Any, c: Any, plane: Any) -> None:
    u0, u1, u2, v0, v1, v2 = b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]
    plane[0], plane[1], plane[2] = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
    plane[3] = plane[0] * a[0] + plane[1] * a[1] + plane[2] * a[2]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _begin(points: Any, mesh: Any) -> None:
    """The first four triangles, and what is outside of each."""
    corners, across, planes, alive, _, outside, after = mesh
    start = _tetrahedron(points)
    sides = ((0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0))
    for f in range(4):
        for k in range(3):
            corners[f, k] = start[sides[f][k]]
        _set_plane(points[corners[f, 0]], points[corners[f, 1]], points[corners[f, 2]], planes[f])
        alive[f] = True
    for f in range(4):
        for k in range(3):
            a, b = corners[f, k], corners[f, (k + 1) % 3]
            for g in range(4):
                for m in range(3):
                    if corners[g, m] == b and corners[g, (m + 1) % 3] == a:
                        across[f, k] = g
    for p in range(len(points)):
        for f in range(4):
            if _height(planes[f], points[p]) > 0:
                outside[f], after[p] = p, outside[f]
                break


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _tetrahedron(points: Any) -> Any:
    """Four points that are not in one plane, the last behind the triangle of the others."""
    start = np.zeros(4, np.int64)
    plane = np.zeros(4, np.int64)
    while (points[start[1]] == points[0]).all():
        start[1] += 1
    for p in range(len(points)):
        _set_plane(points[start[0]], points[start[1]], points[p], plane)
        if plane[0] or plane[1] or plane[2]:
            start[2] = p
            break
    for p in range(len(points)):
        q = points[p]
        height = _height(plane, q)
        if height:
            start[3] = p
            if height > 0:
                start[1], start[2] = start[2], start[1]
            break
    return start
