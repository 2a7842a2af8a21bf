"""Where every voxel ends that follows a field of flows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_LOOK = 8
"""Steps after which a voxel that is where it was before (it may swing round an end) has arrived."""
_STILL = 0.05


def ends(flow: NDArray[np.float32], mask: NDArray[np.bool_], core: NDArray[np.int64], steps: int) -> NDArray[np.int32]:
    """Voxels in which those of a part end, by Euler steps of the flow, interpolated linearly.

    A path is what it is wherever the field was cut, as long as the field holds `steps` voxels on all sides of the part.

    Parameters
    ----------
    flow
        (3, Z, Y, X) float32 in voxels per step, at most 1 along each axis; 0 outside the mask.
    mask
        (Z, Y, X): the voxels that move.
    core
        (3, 2): first and one past the last voxel of the part, per axis.

    Returns
    -------
    numpy.ndarray
        (n, 6) int32 of the moving voxels of the part in raster order: where each begins and where it ends (z, y, x).
    """
    z, y, x = (slice(a, b) for a, b in core.tolist())
    out = np.zeros((int(mask[z, y, x].sum()), 6), np.int32)
    _walk(np.ascontiguousarray(np.moveaxis(flow, 0, -1)), mask, core, steps, out)
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _walk(flow: Any, mask: Any, core: Any, steps: int, out: Any) -> None:
    start, moved, before, row = np.zeros(3, np.int64), np.zeros(3), np.zeros(3), 0
    for z in range(core[0, 0], core[0, 1]):
        for y in range(core[1, 0], core[1, 1]):
            for x in range(core[2, 0], core[2, 1]):
                if not mask[z, y, x]:
                    continue
                start[0], start[1], start[2] = z, y, x
                moved[:] = 0
                for step in range(steps):
                    if step % _LOOK == 0:
                        if step and np.abs(moved - before).max() < _STILL:
                            break
                        before[:] = moved
                    _step(flow, start, moved)
                for axis in range(3):
                    out[row, axis] = start[axis]
                    out[row, 3 + axis] = start[axis] + int(np.floor(moved[axis] + 0.5))
                row += 1


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _step(flow: Any, start: Any, moved: Any) -> None:
    """One Euler step; places are kept relative to where the path began, so that no cut of the field changes a digit."""
    z, y, x = int(np.floor(moved[0])), int(np.floor(moved[1])), int(np.floor(moved[2]))
    fz, fy, fx = moved[0] - z, moved[1] - y, moved[2] - x
    z, y, x = z + start[0], y + start[1], x + start[2]
    z1, y1, x1 = min(z + 1, flow.shape[0] - 1), min(y + 1, flow.shape[1] - 1), min(x + 1, flow.shape[2] - 1)
    for axis in range(3):
        a = (flow[z, y, x, axis] * (1 - fx) + flow[z, y, x1, axis] * fx) * (1 - fy)
        a += (flow[z, y1, x, axis] * (1 - fx) + flow[z, y1, x1, axis] * fx) * fy
        if fz > 0:
            b = (flow[z1, y, x, axis] * (1 - fx) + flow[z1, y, x1, axis] * fx) * (1 - fy)
            b += (flow[z1, y1, x, axis] * (1 - fx) + flow[z1, y1, x1, axis] * fx) * fy
            a = a * (1 - fz) + b * fz
        to = moved[axis] + a
        moved[axis] = min(max(to, -start[axis]), flow.shape[axis] - 1 - start[axis])
