"""One small number per pixel, by the object that it belongs to."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .threads import strips


def levels(labels: Any, ids: NDArray[np.int64], values: NDArray[np.uint8], other: int) -> NDArray[np.uint8]:
    """The value of every pixel's object; 0 of background.

    Parameters
    ----------
    labels
        (Z, Y, X) or (Y, X) of any whole numbers.
    ids, values
        (N,) each; ids rising.
    other
        The value of objects that are not among `ids`.
    """
    shape = np.shape(labels)
    rows = np.ascontiguousarray(labels).reshape(-1, shape[-1])
    out = np.zeros(rows.shape, np.uint8)
    work = partial(_rows, rows, ids.astype(rows.dtype), values, other, out)
    if out.size:
        strips(work, len(rows), max(1, (1 << 20) // shape[-1]))
    return out.reshape(shape)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rows(rows: Any, ids: Any, values: Any, other: int, out: Any, start: int, stop: int) -> None:
    for y in range(start, stop):
        last, value = rows[y, 0] * 0, 0
        for x in range(rows.shape[1]):
            id = rows[y, x]
            if id != last:
                last = id
                value = _found(ids, values, id, other) if id > 0 else 0
            out[y, x] = value


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _found(ids: Any, values: Any, id: Any, other: int) -> int:
    low, high = 0, ids.size
    while low < high:
        middle = (low + high) // 2
        if ids[middle] < id:
            low = middle + 1
        else:
            high = middle
    return int(values[low]) if low < ids.size and ids[low] == id else other
