"""Number, bounding box and size of every object in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._types import Box


class Extents(NamedTuple):
    """What is known of every object.

    Attributes
    ----------
    ids
        (N,), rising.
    counts
        Voxels, (N,).
    low, high
        First and last corners, (N, ndim), the last one included.
    edited
        Corrected and approved voxels, (N, 2).
    """

    ids: NDArray[np.uint32]
    counts: NDArray[np.int64]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    edited: NDArray[np.int64]


def extents(labels: NDArray[np.uint32], state: NDArray[np.uint8] | None = None) -> Extents:
    """What is known of every object, in one pass.

    Parameters
    ----------
    labels
        (Z, Y, X) or (Y, X) uint32; 0 is background. Memory grows with the number of ids, not with their size.
    state
        Of the same shape, uint8: 1 corrected, 2 approved. None: all of it is predicted.
    """
    volume = labels.reshape((1,) * (3 - labels.ndim) + labels.shape)
    top = int(labels.max(initial=0))
    given = None
    if top > 4 * labels.size + 1_000_000:  # ids far apart: a table of all numbers below them would be larger than they
        import fastremap

        given = np.asarray(fastremap.unique(labels), np.uint32)
        given = given[given > 0]
        volume = np.searchsorted(given, volume).astype(np.uint32) + np.uint32(1) * (volume > 0)
        top = len(given)
    counts = np.zeros(top + 1, np.int64)
    low = np.full((top + 1, 3), np.iinfo(np.int32).max, np.int32)
    high = np.full((top + 1, 3), -1, np.int32)
    _scan(volume, counts, low, high)
    edited = np.zeros((top + 1, 2), np.int64)
    if state is not None and state.any():
        _scan_states(volume, state.reshape(volume.shape), edited)
    ids = np.flatnonzero(counts[1:]).astype(np.uint32) + np.uint32(1)
    skip = 3 - labels.ndim
    found = given[ids - 1] if given is not None else ids
    return Extents(found, counts[ids], low[ids][:, skip:], high[ids][:, skip:], edited[ids])


def joined_extents(pieces: Sequence[tuple[Extents, Box]], ndim: int) -> Extents:
    """What is known of every object of a whole, from its parts and the boxes in which they lie."""
    none = Extents(
        np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros((0, ndim), np.int32), np.zeros((0, ndim), np.int32),
        np.zeros((0, 2), np.int64),
    )  # fmt: skip
    corners = [np.array([s.start for s in box], np.int32) for _, box in pieces]
    ids, slot = np.unique(np.concatenate([none.ids, *(p.ids for p, _ in pieces)]), return_inverse=True)
    counts, edited = np.zeros(len(ids), np.int64), np.zeros((len(ids), 2), np.int64)
    low, high = np.full((len(ids), ndim), np.iinfo(np.int32).max, np.int32), np.full((len(ids), ndim), -1, np.int32)
    np.add.at(counts, slot, np.concatenate([none.counts, *(p.counts for p, _ in pieces)]))
    np.add.at(edited, slot, np.concatenate([none.edited, *(p.edited for p, _ in pieces)]))
    moved = list(zip(pieces, corners, strict=True))
    np.minimum.at(low, slot, np.concatenate([none.low, *(p.low + corner for (p, _), corner in moved)]))
    np.maximum.at(high, slot, np.concatenate([none.high, *(p.high + corner for (p, _), corner in moved)]))
    return Extents(ids, counts, low, high, edited)


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _scan(labels, counts, low, high):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Walk along runs of equal ids in X: boxes change once a run, not once a voxel."""
    depth, rows, columns = labels.shape
    for z in range(depth):
        for y in range(rows):
            row = labels[z, y]
            x = 0
            while x < columns:
                id, start = row[x], x
                while x < columns and row[x] == id:
                    x += 1
                if id == 0:
                    continue
                counts[id] += x - start
                if z < low[id, 0]:
                    low[id, 0] = z
                if y < low[id, 1]:
                    low[id, 1] = y
                if start < low[id, 2]:
                    low[id, 2] = start
                if z > high[id, 0]:
                    high[id, 0] = z
                if y > high[id, 1]:
                    high[id, 1] = y
                if x - 1 > high[id, 2]:
                    high[id, 2] = x - 1


@njit(error_model="numpy", nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _scan_states(labels, state, edited):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    depth, rows, columns = labels.shape
    for z in range(depth):
        for y in range(rows):
            for x in range(columns):
                s = state[z, y, x]
                if s > 0 and labels[z, y, x] > 0:
                    edited[labels[z, y, x], s - 1] += 1
