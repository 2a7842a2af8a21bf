"""Which objects of two label images are the same: overlaps, and chains of them through slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._types import Labels
from .parts import Answer, Parts

Ints = NDArray[np.int64]
SLICES = 16
"""So many slices are joined at once."""
STRIP = 1 << 22
"""Voxels that are counted at once."""


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Which objects of two label images share voxels; as large as the pairs that do are many.

    Attributes
    ----------
    left_ids, right_ids
        Sorted ids of each side, (n,).
    left_sizes, right_sizes
        Voxels of each object, (n,).
    left, right
        The pairs, (pairs,): positions in `left_ids` and `right_ids`.
    shared
        Voxels of each pair, (pairs,).
    """

    left_ids: Ints
    right_ids: Ints
    left_sizes: Ints
    right_sizes: Ints
    left: Ints
    right: Ints
    shared: Ints

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every pair."""
        return self.shared / (self.left_sizes[self.left] + self.right_sizes[self.right] - self.shared)

    @cached_property
    def of_left(self) -> tuple[NDArray[np.float64], Ints]:
        """For every left object the highest IoU and the position of that partner (0.0 and -1 where it has none)."""
        return _best(self.left, self.iou, self.right, len(self.left_ids))

    @cached_property
    def of_right(self) -> tuple[NDArray[np.float64], Ints]:
        """The same for every right object."""
        return _best(self.right, self.iou, self.left, len(self.right_ids))

    @property
    def mutual(self) -> tuple[Ints, Ints, NDArray[np.float64]]:
        """Positions of objects that are each other's best partner, and their IoU."""
        iou, partner = self.of_left
        mine = np.flatnonzero(partner >= 0)
        mine = mine[self.of_right[1][partner[mine]] == mine]
        return mine, partner[mine], iou[mine]


def overlaps(left: Labels, right: Labels) -> Overlaps:
    """Count what two label images of one shape share, strip by strip."""
    pairs, shared = _count(left, right)
    ids, sizes, places = [], [], []
    for side, half in ((left, pairs >> np.uint64(32)), (right, pairs & np.uint64(0xFFFFFFFF))):
        found, counts = _count(side)
        ids.append(found.astype(np.int64))
        sizes.append(counts)
        places.append(np.searchsorted(found, half).astype(np.int64))
    return Overlaps(ids[0], ids[1], sizes[0], sizes[1], places[0], places[1], shared)


def matched(found: Overlaps, threshold: float) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """One-to-one pairs with IoU >= `threshold`: as many as there can be, and of these the highest sum of IoU.

    The rule of StarDist (Schmidt et al. 2018, ``stardist.matching``), which solves it as one assignment over all pairs
    of objects. Above 0.5 no object has two partners, so nearly all pairs are settled at once and only objects with
    several candidates are assigned.

    Returns
    -------
    tuple
        Positions in `left_ids` and `right_ids`, and the IoU, of every pair, by the left position.
    """
    good = np.flatnonzero(found.iou >= threshold)
    left, right = found.left[good], found.right[good]
    alone = (np.bincount(left)[left] == 1) & (np.bincount(right)[right] == 1) if good.size else np.zeros(0, bool)
    rest = good[~alone]
    chosen = np.concatenate([good[alone], rest[_assigned(left[~alone], right[~alone], found.iou[rest])]])
    chosen = chosen[np.argsort(found.left[chosen], kind="stable")]
    return found.left[chosen], found.right[chosen], found.iou[chosen]


def _assigned(left: Ints, right: Ints, iou: NDArray[np.float64]) -> Ints:
    """Which of these pairs belong together, group by group of objects that compete for each other."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not left.size:
        return np.zeros(0, np.int64)
    (rows, a), (columns, b) = (np.unique(side, return_inverse=True) for side in (left, right))
    n = len(rows) + len(columns)
    graph = coo_array((np.ones(a.size, np.int8), (a, b + len(rows))), shape=(n, n))
    group = connected_components(graph, directed=False)[1][a]
    chosen = []
    for members in np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1]):
        (own, i), (other, j) = (np.unique(side[members], return_inverse=True) for side in (a, b))
        worth = np.zeros((len(own), len(other)))
        worth[i, j] = 1 + iou[members] / (2 * min(worth.shape))
        place = np.full(worth.shape, -1)
        place[i, j] = members
        pairs = place[linear_sum_assignment(worth, maximize=True)]
        chosen.append(pairs[pairs >= 0])
    return np.concatenate(chosen)


def ids_in(labels: Labels) -> Ints:
    """The ids of a label image, rising, (N,)."""
    return _count(labels)[0].astype(np.int64)


def numbered(labels: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    """Labels whose numbers are no larger than the image could need, and the id behind each number, that of 0 first.

    Ids may be anything up to 4,294,967,295, and a table over them would take 34 GB.
    """
    top = int(labels.max(initial=0))
    if top <= labels.size:
        return labels, np.arange(top + 1)
    ids, places = np.unique(labels, return_inverse=True)
    if ids[0] != 0:
        ids, places = np.concatenate([[0], ids]), places + 1
    return places.reshape(labels.shape).astype(np.uint32), ids.astype(np.int64)


def mostly_known(labels: Labels, known: NDArray[np.bool_], ids: Ints) -> NDArray[np.bool_]:
    """Of which of these objects at least half lies in known voxels."""
    every, sizes = _count(labels)
    pairs, shared = _count(labels, np.asarray(known).view(np.uint8))
    seen = np.zeros(len(every), np.int64)
    seen[np.searchsorted(every, pairs >> np.uint64(32))] = shared
    found = np.searchsorted(every, np.asarray(ids).astype(np.uint64))
    return np.asarray(seen[found] * 2 >= sizes[found])


def join_slices(labels: NDArray[np.uint32], min_iou: float) -> NDArray[np.uint32]:
    """Join objects of neighbouring slices, numbered in each slice for itself (see `join_planes`)."""
    out = labels.copy()
    n = 0
    for plane in out:
        top = int(plane.max(initial=0))
        plane[plane > 0] += np.uint32(n)
        n += top
    join_planes(out, n, min_iou)
    return out


def join_planes(labels: Any, n: int, min_iou: float, *, out: Any = None, way: Parts | None = None) -> int:
    """Give objects of neighbouring slices one id where each is the other's best partner with IoU >= min_iou.

    Parameters
    ----------
    labels
        Array-like (Z, Y, X) uint32, numpy or zarr, changed in place where `out` is not given; every object of every
        slice has an id of its own, and ids grow from slice to slice.
    n
        The largest id.
    out
        Where the joined ones are written instead.
    way
        How slices are worked through.

    Returns
    -------
    int
        The number of objects, which are numbered 1..n by their first slice.
    """
    way, out, depth = way or Parts(), labels if out is None else out, labels.shape[0]
    chunks = getattr(out, "chunks", None)
    step = max(SLICES, chunks[0]) // chunks[0] * chunks[0] if chunks else SLICES
    runs = [(a, min(depth, a + step)) for a in range(0, depth, step)]
    joined, spans = np.arange(n + 1, dtype=np.int64), []
    for found in way.each(_Chains(labels, min_iou), runs, "slices"):
        ends = np.cumsum(found["lengths"])
        for a, b in zip(np.split(found["below"], ends[:-1]), np.split(found["above"], ends[:-1]), strict=True):
            joined[b] = joined[a]  # slice after slice: what an object is called below is final
        spans.append((int(found["ids"][0]), int(found["ids"][1])))
    kept, lookup = np.unique(joined, return_inverse=True)
    numbers = lookup.astype(np.uint32)
    tables = [(*run, low, numbers[low : high + 1]) for run, (low, high) in zip(runs, spans, strict=True)]
    way.do(_Named(labels, out), tables, "labels")
    return len(kept) - 1


@dataclass(frozen=True, eq=False)
class _Chains:
    """Partners of the objects of some slices in the slices below, and the lowest and highest id of the slices."""

    labels: Any
    min_iou: float

    def __call__(self, run: tuple[int, int]) -> Answer:
        pairs, low, high = [], np.iinfo(np.int64).max, 0
        below = np.asarray(self.labels[run[0] - 1]) if run[0] else None
        for z in range(*run):
            plane = np.asarray(self.labels[z])
            if below is not None:
                pairs.append(_partners(below, plane, self.min_iou))
            inside = plane[plane > 0]
            if inside.size:
                low, high = min(low, int(inside.min())), max(high, int(inside.max()))
            below = plane
        none = np.zeros(0, np.int64)
        return {
            "below": np.concatenate([none, *(a for a, _ in pairs)]),
            "above": np.concatenate([none, *(b for _, b in pairs)]),
            "lengths": np.array([len(a) for a, _ in pairs], np.int64),
            "ids": np.array([low, high] if high else [1, 0]),
        }


@dataclass(frozen=True, eq=False)
class _Named:
    """Ids of some slices replaced by those of a table that begins with some id."""

    labels: Any
    out: Any

    def __call__(self, item: tuple[int, int, int, NDArray[np.uint32]]) -> Answer:
        start, stop, low, table = item
        padded = np.r_[np.uint32(0), table]
        planes = [np.asarray(self.labels[z]) for z in range(start, stop)]
        self.out[start:stop] = np.stack([padded[np.maximum(p, low - 1) - np.uint32(low - 1)] for p in planes])
        return {}


def _partners(below: Labels, above: Labels, min_iou: float) -> tuple[Ints, Ints]:
    """Ids of objects of two planes that are each other's best partner."""
    found = overlaps(below, above)
    a, b, iou = found.mutual
    keep = iou >= min_iou
    return found.left_ids[a[keep]], found.right_ids[b[keep]]


def _count(*images: Labels) -> tuple[NDArray[np.uint64], Ints]:
    """How often each id, or each pair of ids (one in the upper 32 bits), occurs; sorted, without background."""
    keys, counts = [], []
    flat = [np.asarray(image).reshape(-1) for image in images]
    for start in range(0, flat[0].size, STRIP):
        parts = [values[start : start + STRIP] for values in flat]
        begins = _runs(parts)  # far fewer than voxels
        lengths = np.diff(begins, append=parts[0].size)
        key, some = np.zeros(len(begins), np.uint64), np.ones(len(begins), bool)
        for part in parts:
            ids = part[begins]
            some &= ids > 0
            key = (key << np.uint64(32)) | ids.astype(np.uint64)
        found, run = np.unique(key[some], return_inverse=True)
        keys.append(found)
        counts.append(np.bincount(run, lengths[some], minlength=len(found)))
    if not keys:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    whole, place = np.unique(np.concatenate(keys), return_inverse=True)
    return whole, np.bincount(place, np.concatenate(counts), minlength=len(whole)).astype(np.int64)


def _runs(parts: Sequence[Labels]) -> Ints:
    """Where in flat arrays of one size, none of them empty, something other begins than what stood before."""
    changes = np.zeros(parts[0].size, bool)
    changes[0] = True
    for part in parts:
        changes[1:] |= part[1:] != part[:-1]
    return np.flatnonzero(changes)


def _best(own: Ints, iou: NDArray[np.float64], other: Ints, n: int) -> tuple[NDArray[np.float64], Ints]:
    """The best pair of each of `n` objects; ties go to the smaller partner."""
    order = np.lexsort((other, -iou, own))
    first = order[np.concatenate([[True], own[order][1:] != own[order][:-1]])] if order.size else order
    best, partner = np.zeros(n), np.full(n, -1, np.int64)
    best[own[first]], partner[own[first]] = iou[first], other[first]
    return best, partner
