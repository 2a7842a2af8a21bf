"""Which objects of two label images are the same: overlaps, and chains of them through slices."""

from __future__ import annotations

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
    """Give objects of neighbouring slices one id where each is the other's best partner with IoU >= min_iou."""
    out = np.zeros_like(labels)
    next_id, previous = 1, np.zeros(1, np.uint32)
    for z, plane in enumerate(labels):
        lookup = np.zeros(int(plane.max(initial=0)) + 1, np.uint32)
        if z:
            for below, above in _partners(labels[z - 1], plane, min_iou):
                lookup[above] = previous[below]
        free = np.flatnonzero(lookup == 0)
        free = free[free > 0]
        lookup[free] = np.arange(next_id, next_id + free.size)
        next_id += free.size
        out[z], previous = lookup[plane], lookup
    return out


def _partners(a: NDArray[np.uint32], b: NDArray[np.uint32], min_iou: float) -> list[tuple[int, int]]:
    iou, a_ids, b_ids = overlap_iou(a, b)
    if not iou.size:
        return []
    best_b, best_a = iou.argmax(1), iou.argmax(0)
    rows = [r for r in range(len(a_ids)) if best_a[best_b[r]] == r and iou[r, best_b[r]] >= min_iou]
    return [(int(a_ids[r]), int(b_ids[best_b[r]])) for r in rows]
