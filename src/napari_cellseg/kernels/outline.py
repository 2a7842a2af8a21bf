"""The state overlay: outlines of objects in the colour of their state, and a quiet fill of what is known."""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .threads import strips


def overlay(
    labels: NDArray[np.uint32],
    state: NDArray[np.uint8],
    near: NDArray[np.bool_] | None,
    values: tuple[int, int, int],
    out: NDArray[np.uint8],
    thickness: int = 1,
) -> None:
    """Write what is shown of every voxel into `out`.

    Parameters
    ----------
    labels, state
        (planes, Y, X) uint32 and uint8; outlines are those of the planes.
    near
        Background that a correction vouches for, same shape; None where there is none.
    values
        What is written there, and what is added to the state on outlines and inside objects.
    out
        Same shape uint8: 0 nothing, 1 or 2 the state of background, or the values above.
    thickness
        Of outlines (pixels), inwards.
    """
    flag = near if near is not None else np.zeros((1, 1, 1), np.bool_)
    rows = labels.shape[1]
    for z in range(labels.shape[0]):
        shown = flag[z if near is not None else 0]
        strips(partial(_rows, labels[z], state[z], shown, near is not None, *values, thickness, out[z]), rows, 256)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rows(labels, state, near, has_near, margin, outline, inside, thickness, out, start, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows, columns = labels.shape
    for y in range(start, stop):
        for x in range(columns):
            id = labels[y, x]
            value = state[y, x]
            if id == 0:
                out[y, x] = margin if value == 0 and has_near and near[y, x] else value
                continue
            edge = False
            for k in range(1, thickness + 1):
                edge = edge or (
                    (y >= k and labels[y - k, x] != id)
                    or (y + k < rows and labels[y + k, x] != id)
                    or (x >= k and labels[y, x - k] != id)
                    or (x + k < columns and labels[y, x + k] != id)
                )
            out[y, x] = value + outline if edge else value + inside
