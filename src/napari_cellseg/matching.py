"""Which objects of two label images are the same: overlaps, and chains of them through slices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint32]


def overlap_iou(truth: Labels, predicted: Labels) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """IoU of every true object with every predicted one, (n_true, n_predicted), and their ids."""
    true_ids, t = np.unique(truth, return_inverse=True)
    predicted_ids, p = np.unique(predicted, return_inverse=True)
    pairs = np.bincount(t.ravel() * predicted_ids.size + p.ravel(), minlength=true_ids.size * predicted_ids.size)
    shared = pairs.reshape(true_ids.size, predicted_ids.size).astype(np.float64)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    rows, columns = true_ids > 0, predicted_ids > 0
    iou = (shared / union)[rows][:, columns]
    return iou, true_ids[rows].astype(np.int64), predicted_ids[columns].astype(np.int64)


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


def join_planes(labels: Any, n: int, min_iou: float) -> int:
    """Give objects of neighbouring slices one id where each is the other's best partner with IoU >= min_iou.

    Parameters
    ----------
    labels
        Array-like (Z, Y, X) uint32, numpy or zarr, changed in place; every object of every slice has an id of
        its own, and ids grow from slice to slice.
    n
        The largest id.

    Returns
    -------
    int
        The number of objects, which are numbered 1..n by their first slice.
    """
    joined = np.arange(n + 1, dtype=np.int64)
    below = np.asarray(labels[0])
    for z in range(1, labels.shape[0]):
        above = np.asarray(labels[z])
        a, b = _partners(below, above, min_iou)
        joined[b] = joined[a]
        below = above
    kept, lookup = np.unique(joined, return_inverse=True)
    numbers = lookup.astype(np.uint32)
    for z in range(labels.shape[0]):
        labels[z] = numbers[np.asarray(labels[z])]
    return len(kept) - 1


def _partners(below: Labels, above: Labels, min_iou: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of objects of two planes that are each other's best partner, memory in proportion to a few rows."""
    keys, counts = _count((below, above))
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    a, b = (keys >> np.uint64(32)).astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    sizes = [dict(zip(*(v.tolist() for v in _count((plane,))), strict=True)) for plane in (below, above)]
    size_a = np.array([sizes[0][i] for i in a.tolist()])
    size_b = np.array([sizes[1][i] for i in b.tolist()])
    iou = counts / (size_a + size_b - counts)
    best_a, best_b = _best(a, iou, b), _best(b, iou, a)
    keep = best_a & best_b & (iou >= min_iou)
    return a[keep], b[keep]


def _count(planes: tuple[Labels, ...], rows: int = 512) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """How often each id, or each pair of ids (one in the upper 32 bits), occurs; strip by strip."""
    keys, counts = [], []
    for y in range(0, planes[0].shape[0], rows):
        parts = [p[y : y + rows].ravel().astype(np.uint64) for p in planes]
        both = np.logical_and.reduce([p > 0 for p in parts])
        key = parts[0][both] if len(parts) == 1 else (parts[0][both] << np.uint64(32)) | parts[1][both]
        found, times = np.unique(key, return_counts=True)
        keys.append(found)
        counts.append(times)
    whole, place = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.bincount(place, np.concatenate(counts), minlength=len(whole)).astype(np.int64)
    return whole, total


def _best(ids: NDArray[np.int64], iou: NDArray[np.float64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs are the best of their id; ties go to the smaller partner."""
    order = np.lexsort((other, -iou, ids))
    first = np.r_[True, ids[order][1:] != ids[order][:-1]]
    out = np.zeros(len(ids), bool)
    out[order[first]] = True
    return out
