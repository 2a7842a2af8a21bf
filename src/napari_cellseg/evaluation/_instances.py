"""What is counted of objects: matches at many thresholds, splits, merges, and every nucleus for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .._types import Labels
from ..matching import Overlaps, matched
from ._surfaces import Floats, Spacing, apart_by_object

THRESHOLDS = tuple(range(50, 100, 5))
"""IoU in percent, as in the 2018 Data Science Bowl."""
TOUCHES = 0.1
"""An object that overlaps several with an IoU above this is split, or merges them (Caicedo et al. 2019)."""


def count_objects(found: Overlaps, threshold: float) -> dict[str, float]:
    """What AP, F1, PQ, splits and merges are made of; numbers of different images may be added up.

    ``tp50`` to ``tp95``: matches at these IoU; ``matched`` and ``iou_sum`` at `threshold`; ``n_true``, ``n_predicted``;
    ``splits``: true objects with several predicted ones; ``merges``: predicted ones with several true ones.
    """
    counts = {f"tp{t}": float(len(matched(found, t / 100)[0])) for t in THRESHOLDS}
    _, _, iou = matched(found, threshold)
    touching = found.iou > TOUCHES
    return {
        **counts,
        "matched": float(iou.size),
        "iou_sum": float(iou.sum()),
        "n_true": float(len(found.left_ids)),
        "n_predicted": float(len(found.right_ids)),
        "splits": float((np.bincount(found.left[touching]) > 1).sum()),
        "merges": float((np.bincount(found.right[touching]) > 1).sum()),
    }


def object_rows(
    sides: tuple[Labels, Labels], found: Overlaps, scores: Mapping[str, Floats], threshold: float, spacing: Spacing
) -> Iterator[dict[str, Any]]:
    """One row per true object and per predicted one that matches none: ids, IoU, distances, Evaluation Score.

    ``found`` is ``matched``, ``missed`` or ``false``. A missed object has the IoU with its best partner, and no
    distance.

    Parameters
    ----------
    sides, found
        True and predicted labels, and their overlaps.
    scores
        See `nucleus_scores`.
    threshold
        IoU from which objects match.
    spacing
        Voxel size; sizes and distances are in its unit.
    """
    left, right, iou = matched(found, threshold)
    distances = apart_by_object(sides, (found.left_ids[left], found.right_ids[right]), spacing)
    size = float(np.prod(spacing))
    place = dict(zip(left.tolist(), range(len(left)), strict=True))
    for i, id in enumerate(found.left_ids.tolist()):
        k = place.get(i)
        row: dict[str, Any] = {
            "id": id,
            "predicted_id": None if k is None else int(found.right_ids[right[k]]),
            "found": "missed" if k is None else "matched",
            "iou": float(found.of_left[0][i] if k is None else iou[k]),
        }
        row |= {name: None if k is None else float(values[k]) for name, values in distances.items()}
        row |= {"size": size * int(found.left_sizes[i])}
        row |= {"predicted_size": None if k is None else size * int(found.right_sizes[right[k]])}
        yield row | {name: float(values[i]) for name, values in scores.items()}
    for j in np.setdiff1d(np.arange(len(found.right_ids)), right).tolist():
        empty = dict.fromkeys((*distances, "size"))
        yield {
            "id": None, "predicted_id": int(found.right_ids[j]), "found": "false", "iou": float(found.of_right[0][j]),
            **empty, "predicted_size": size * int(found.right_sizes[j]), **dict.fromkeys(scores),
        }  # fmt: skip
