"""Objects of one time point, and how much of them lies in those of another, also when they have moved meanwhile.

Objects are in the order of their first voxels, never in that of their ids: so nothing that follows can depend on how
labels happen to be numbered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._types import Labels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """The objects of a label image.

    Attributes
    ----------
    shape
        Of the image, (Z, Y, X) or (Y, X).
    ids
        Of the objects, (n,), in the order of their first voxels.
    sizes
        Voxels of each, (n,).
    middles
        Mean place of each in voxels, (n, ndim).
    voxels
        Flat positions of all voxels of all objects, (voxels,).
    owner
        Which object each belongs to, (voxels,).
    """

    shape: tuple[int, ...]
    ids: Ints
    sizes: Ints
    middles: Floats
    voxels: Ints
    owner: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, which: Ints) -> Frame:
        """Some of the objects, in this order."""
        place = np.full(len(self), -1)
        place[which] = np.arange(len(which))
        mine = place[self.owner]
        kept = mine >= 0
        return Frame(self.shape, self.ids[which], self.sizes[which], self.middles[which], self.voxels[kept], mine[kept])

    def diameters(self, spacing: Floats) -> Floats:
        """Of circles (balls) of the same area (volume), in the unit of `spacing`, (n,)."""
        volume = self.sizes * np.prod(spacing)
        return np.asarray((6 * volume / np.pi) ** (1 / 3) if len(self.shape) == 3 else 2 * np.sqrt(volume / np.pi))


def frame_of(labels: Labels) -> Frame:
    """The objects of a label image, (Z, Y, X) or (Y, X)."""
    voxels = np.flatnonzero(labels).astype(np.int64)
    ids, first, owner, sizes = np.unique(
        labels.reshape(-1)[voxels], return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    owner = rank[owner]
    sizes = sizes[order].astype(np.int64)
    places = np.unravel_index(voxels, labels.shape)
    middles = np.stack([np.bincount(owner, p, len(ids)) / np.maximum(sizes, 1) for p in places], axis=1)
    return Frame(labels.shape, ids[order].astype(np.int64), sizes, middles, voxels, owner)


def shared(left: Frame, right: Frame, shift: Floats) -> tuple[Ints, Ints, Ints]:
    """Pairs of objects that have voxels in common when those of `left` move, and how many: three arrays, (pairs,).

    Parameters
    ----------
    shift
        Of every object of `left`, in voxels, (n, ndim); rounded to whole voxels.
    """
    whole = np.rint(shift).astype(np.int64)[left.owner]
    places = np.stack(np.unravel_index(left.voxels, left.shape), axis=1) + whole
    inside = ((places >= 0) & (places < left.shape)).all(axis=1)
    moved = np.ravel_multi_index(tuple(places[inside].T), left.shape)
    at = np.searchsorted(right.voxels, moved)
    at[at == len(right.voxels)] = 0
    hit = right.voxels[at] == moved if len(right.voxels) else np.zeros(len(moved), bool)
    key = left.owner[inside][hit] * max(len(right), 1) + right.owner[at[hit]] if hit.any() else np.zeros(0, np.int64)
    pairs, counts = np.unique(key, return_counts=True)
    return pairs // max(len(right), 1), pairs % max(len(right), 1), counts.astype(np.int64)
