"""The Evaluation Score of the Tiling 2024 paper (Eq. 9), for nuclei in volumes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from .._types import Labels
from ..matching import overlaps


def evaluation_score(truth: Labels, predicted: Labels) -> dict[str, float]:
    """How well every true object is found: ``sub``, ``full`` and ``score``, means over the true objects, in [0, 1].

    The partner of a true object is the predicted one with most voxels in it. ``full`` is the Dice coefficient of both,
    ``sub`` the same inside the true object's bounding box, and the score (0.95 sub + 1.05 full) / 2. An object without
    a partner counts 0; of nothing, the mean is 1.
    """
    found = overlaps(truth, predicted)
    if not found.left_ids.size:
        return {"sub": 1.0, "full": 1.0, "score": 1.0}
    boxes = ndi.find_objects(truth)
    sub, full = np.zeros(found.left_ids.size), np.zeros(found.left_ids.size)
    order = np.argsort(found.shared, kind="stable")  # of several partners, the last one written is the largest
    partner = np.full(found.left_ids.size, -1)
    partner[found.left[order]] = order
    for i, pair in enumerate(partner.tolist()):
        if pair < 0:
            continue
        id, j, size = int(found.left_ids[i]), int(found.right[pair]), int(found.left_sizes[i])
        near = int(np.count_nonzero(predicted[boxes[id - 1]] == found.right_ids[j]))
        full[i] = 2 * found.shared[pair] / (size + found.right_sizes[j])
        sub[i] = 2 * found.shared[pair] / (size + near)
    means = float(sub.mean()), float(full.mean())
    return {"sub": means[0], "full": means[1], "score": (0.95 * means[0] + 1.05 * means[1]) / 2}
