"""Where heat from the middle of an object comes from: the field that leads every voxel there, round all corners.

After Stringer et al. 2021 (Cellpose): heat is let in at the voxel nearest to the median of an object's voxels, spreads
inside the object and is lost at its border; the field is the gradient, of length one. Theirs is what a number of steps
of diffusion gives, ours the state in which nothing changes any more, from coarse to fine, so that large objects cost no
more per voxel than small ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SWEEPS = 10
"""There and back, at every level."""
_SMALL = 12
"""Voxels along an axis from which it is halved for the coarser level."""


def flows(labels: NDArray[np.uint32], sides: tuple[float, float, float], planar: bool) -> NDArray[np.float32]:
    """The direction of the middle of its object, at every voxel.

    Parameters
    ----------
    labels
        (Z, Y, X), numbers without large gaps; 0 is background.
    sides
        Sides of a voxel, relative to X.
    planar
        Whether heat stays in its plane.

    Returns
    -------
    numpy.ndarray
        (3, Z, Y, X) float32 in units of the plane's pixel, of length 1, or 0 outside objects and at their middle.
    """
    n = int(labels.max(initial=0))
    low = np.full((n + 1, 3), np.iinfo(np.int64).max, np.int64)
    high = np.full((n + 1, 3), -1, np.int64)
    out = np.zeros((3, *labels.shape), np.float32)
    steps = np.array([np.inf if planar or labels.shape[0] == 1 else sides[0], *sides[1:]])
    labels = np.ascontiguousarray(labels)
    _boxes(labels, low, high)
    _all(labels, low, high, steps, out)
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _boxes(labels: Any, low: Any, high: Any) -> None:
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                id = labels[z, y, x]
                if id:
                    for axis, at in enumerate((z, y, x)):
                        low[id, axis] = min(low[id, axis], at)
                        high[id, axis] = max(high[id, axis], at)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _all(labels: Any, low: Any, high: Any, steps: Any, out: Any) -> None:
    for id in range(1, len(low)):
        if high[id, 0] < 0:
            continue
        a, b = low[id], high[id] + 1
        mask = np.zeros((b[0] - a[0] + 2, b[1] - a[1] + 2, b[2] - a[2] + 2), np.bool_)
        mask[1:-1, 1:-1, 1:-1] = labels[a[0] : b[0], a[1] : b[1], a[2] : b[2]] == id
        heat = _steady(mask, _middle(mask, steps), steps)
        _gradient(heat, mask, a, steps, out)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _middle(mask: Any, steps: Any) -> Any:
    """The voxel of the object that is nearest to the medians of its coordinates."""
    where = np.argwhere(mask)
    medians = np.array([np.median(where[:, axis]) for axis in range(3)])
    best, least = 0, np.inf
    for k in range(len(where)):
        away = 0.0
        for axis in range(3):
            if np.isfinite(steps[axis]):
                away += ((where[k, axis] - medians[axis]) * steps[axis]) ** 2
        if away < least:
            best, least = k, away
    return where[best]


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _steady(mask: Any, middle: Any, steps: Any) -> Any:
    """Heat u that no longer changes: sum over axes of (2 u - u_before - u_after) / step^2 = 0 but at the middle."""
    masks, middles, sizes = [mask], [middle], [steps]
    while max(masks[-1].shape) > _SMALL + 2:
        halved = np.array([n > _SMALL + 2 for n in masks[-1].shape])
        masks.append(_halved(masks[-1], halved))
        middles.append(np.where(halved, (middles[-1] - 1) // 2 + 1, middles[-1]))
        sizes.append(np.where(halved, 2 * sizes[-1], sizes[-1]))
    heat = np.zeros(masks[-1].shape, np.float64)
    _relax(heat, masks[-1], middles[-1], sizes[-1], 4 * SWEEPS)
    for level in range(len(masks) - 2, -1, -1):
        fine = np.zeros(masks[level].shape, np.float64)
        halved = sizes[level + 1] != sizes[level]
        for z, y, x in np.argwhere(masks[level]):
            fine[z, y, x] = heat[
                (z - 1) // 2 + 1 if halved[0] else z,
                (y - 1) // 2 + 1 if halved[1] else y,
                (x - 1) // 2 + 1 if halved[2] else x,
            ]
        _relax(fine, masks[level], middles[level], sizes[level], SWEEPS)
        heat = fine
    return heat


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _halved(mask: Any, axes: Any) -> Any:
    """A mask with a rim of one, on a grid of half as many voxels along some axes."""
    shape = [(n - 1) // 2 + 2 if half else n for n, half in zip(mask.shape, axes)]  # noqa: B905 - numba has no strict
    out = np.zeros((shape[0], shape[1], shape[2]), np.bool_)
    for z, y, x in np.argwhere(mask):
        out[
            (z - 1) // 2 + 1 if axes[0] else z, (y - 1) // 2 + 1 if axes[1] else y, (x - 1) // 2 + 1 if axes[2] else x
        ] = True
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _relax(heat: Any, mask: Any, middle: Any, steps: Any, sweeps: int) -> None:
    """Gauss-Seidel, there and back; what is outside stays 0. `steps` is infinite along an axis without neighbours."""
    where, flat = np.flatnonzero(mask), heat.ravel()
    row, plane, n = mask.shape[2], mask.shape[1] * mask.shape[2], mask.sum()
    wz, wy, wx = 1 / steps[0] ** 2, 1 / steps[1] ** 2, 1 / steps[2] ** 2
    whole = 2 * (wz + wy + wx)
    wz, wy, wx = wz / whole, wy / whole, wx / whole
    source = middle[0] * plane + middle[1] * row + middle[2]
    given = 1 / whole
    for axis in range(3):
        given /= steps[axis] if np.isfinite(steps[axis]) else 1.0
    for sweep in range(2 * sweeps):
        for k in range(n):
            i = where[k] if sweep % 2 == 0 else where[n - 1 - k]
            total = wy * (flat[i - row] + flat[i + row]) + wx * (flat[i - 1] + flat[i + 1])
            if wz > 0:
                total += wz * (flat[i - plane] + flat[i + plane])
            flat[i] = total + given if i == source else total


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _gradient(heat: Any, mask: Any, corner: Any, steps: Any, out: Any) -> None:
    """Central differences, of length one, written to where the object lies."""
    for z, y, x in np.argwhere(mask):
        gz = (heat[z + 1, y, x] - heat[z - 1, y, x]) / steps[0]
        gy = (heat[z, y + 1, x] - heat[z, y - 1, x]) / steps[1]
        gx = (heat[z, y, x + 1] - heat[z, y, x - 1]) / steps[2]
        length = np.sqrt(gz * gz + gy * gy + gx * gx)
        if length > 1e-4 * heat[z, y, x]:  # else it is the middle, where the slopes of both sides cancel
            at_z, at_y, at_x = z - 1 + corner[0], y - 1 + corner[1], x - 1 + corner[2]
            out[0, at_z, at_y, at_x] = gz / length
            out[1, at_z, at_y, at_x] = gy / length
            out[2, at_z, at_y, at_x] = gx / length
