"""The Evaluation Score of the Tiling 2024 paper (Eq. 9), for nuclei in volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..kernels.extents import extents
from ..matching import Overlaps, overlaps


def evaluation_score(truth: Labels, predicted: Labels) -> dict[str, float]:
    """How well every true object is found: ``sub``, ``full`` and ``score``, means over the true objects, in [0, 1].

    Of nothing, the mean is 1. See `nucleus_scores`.
    """
    scores = nucleus_scores(truth, predicted, overlaps(truth, predicted))
    return {name: float(values.mean()) if values.size else 1.0 for name, values in scores.items()}


def nucleus_scores(truth: Labels, predicted: Labels, found: Overlaps) -> dict[str, NDArray[np.float64]]:
    """``sub``, ``full`` and ``score`` of every true object, in the order of its ids: (n,) each, in [0, 1].

    The partner of a true object is the predicted one with most voxels in it. ``full`` is the Dice coefficient of both,
    ``sub`` the same inside the true object's bounding box, and the score (0.95 sub + 1.05 full) / 2. An object without
    a partner counts 0.
    """
    n = found.left_ids.size
    sub, full, partner = np.zeros(n), np.zeros(n), best_cover(found)
    boxes = extents(truth)
    for i in np.flatnonzero(partner >= 0).tolist():
        pair = partner[i]
        j, size = int(found.right[pair]), int(found.left_sizes[i])
        box = tuple(slice(a, b + 1) for a, b in zip(boxes.low[i].tolist(), boxes.high[i].tolist(), strict=True))
        near = int(np.count_nonzero(predicted[box] == found.right_ids[j]))
        full[i] = 2 * found.shared[pair] / (size + found.right_sizes[j])
        sub[i] = 2 * found.shared[pair] / (size + near)
    return {"sub": sub, "full": full, "score": (0.95 * sub + 1.05 * full) / 2}


def best_cover(found: Overlaps) -> NDArray[np.int64]:
    """For every left object the pair with the right one that has most voxels in it, (n,); -1 where none has any."""
    order = np.argsort(found.shared, kind="stable")  # of several partners, the last one written is the largest
    partner = np.full(found.left_ids.size, -1, np.int64)
    partner[found.left[order]] = order
    return partner
