"""Total-variation denoising by Chambolle's dual iteration, a strip of rows at a time in the cache.

Chambolle, An Algorithm for Total Variation Minimization and Applications, J. Math. Imaging Vis. 20 (2004). The
recursion is scikit-image's (`denoise_tv_chambolle`) with a fixed number of iterations: information travels one
pixel an iteration, so a strip with that many rows more on either side is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .._types import Float
from ..processes import cores
from .threads import strips


def denoise(plane: Float, weight: float, iterations: int) -> Float:
    """(Y, X) float32 -> (Y, X) float32; equals scikit-image's result after as many iterations."""
    out = np.empty_like(plane)
    scale = np.float32(0.25 / weight)

    def work(start: int, stop: int) -> None:
        first, last = max(0, start - iterations), min(plane.shape[0], stop + iterations)
        _strip(plane[first:last], out, start, stop, first, scale, iterations)

    strips(work, plane.shape[0], min(384, max(32, -(-plane.shape[0] // cores()))))
    return out


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _primal(image: Any, above: Any, down: Any, right: Any, out: Any) -> None:
    for x in range(image.size):
        out[x] = image[x] + (above[x] - down[x]) + (right[x] - right[x + 1])


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _dual(row: Any, below: Any, down: Any, right: Any, scale: Any) -> None:
    step, one, n = np.float32(0.25), np.float32(1), row.size - 1
    for x in range(n):
        gx, gy = row[x + 1] - row[x], below[x] - row[x]
        share = one / (one + scale * np.sqrt(gx * gx + gy * gy))
        down[x] = (down[x] - step * gy) * share
        right[x + 1] = (right[x + 1] - step * gx) * share
    gy = below[n] - row[n]
    down[n] = (down[n] - step * gy) / (one + scale * abs(gy))


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _strip(image: Any, out: Any, start: int, stop: int, first: int, scale: Any, iterations: int) -> None:
    """Rows start..stop of `out` from a strip of the image whose first row is `first`.

    The dual field points down (from row y to y + 1 in ``down[y + 1]``) and right (``right[y, x + 1]``).
    """
    n, width = image.shape
    down = np.zeros((n + 1, width), np.float32)
    right = np.zeros((n, width + 1), np.float32)
    row, below = np.empty(width, np.float32), np.empty(width, np.float32)
    for iteration in range(iterations - 1):
        if iteration:
            _primal(image[0], down[0], down[1], right[0], row)
        else:
            row[:] = image[0]
        for y in range(n):
            if y + 1 == n:
                below[:] = row
            elif iteration:
                _primal(image[y + 1], down[y + 1], down[y + 2], right[y + 1], below)
            else:
                below[:] = image[y + 1]
            _dual(row, below, down[y + 1], right[y], scale)
            row, below = below, row
    for y in range(start, stop):
        k = y - first
        _primal(image[k], down[k], down[k + 1], right[k], out[y])
