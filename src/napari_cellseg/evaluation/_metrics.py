"""How good labels are, in the few figures that decide a round, measured on known voxels only.

Instances are matched by intersection over union (IoU); AP@0.5 = TP / (TP + FP + FN) at IoU >= 0.5, as StarDist has it.
Voxel metrics count every class against the rest. The formulas are those of the declared metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..matching import Overlaps, matched, mostly_known, overlaps
from ._declared import BY_NAME

Metrics = dict[str, float]


def instance_counts(
    truth: Labels, predicted: Labels, known: NDArray[np.bool_] | None = None, threshold: float = 0.5
) -> dict[str, float]:
    """True and false positives, misses and summed IoU of matches.

    With `known`, objects of either side count where at least half of them lies in known voxels.
    """
    found = overlaps(truth, predicted)
    rows, columns = np.ones(found.left_ids.size, bool), np.ones(found.right_ids.size, bool)
    if known is not None:
        rows = mostly_known(truth, known, found.left_ids)
        columns = mostly_known(predicted, known, found.right_ids)
        both = rows[found.left] & columns[found.right]
        pairs = found.left[both], found.right[both], found.shared[both]
        found = Overlaps(found.left_ids, found.right_ids, found.left_sizes, found.right_sizes, *pairs)
    iou = matched(found, threshold)[2]
    tp = float(iou.size)
    return {"tp": tp, "fp": columns.sum() - tp, "fn": rows.sum() - tp, "iou_sum": float(iou.sum())}


def voxel_counts(
    truth: Labels, predicted: Labels, n_classes: int = 1, known: NDArray[np.bool_] | None = None
) -> list[dict[str, float]]:
    """True positives, false positives and misses in voxels per class; with one class, any id counts as it."""
    if known is not None:
        truth, predicted = truth[known], predicted[known]
    counts = []
    for c in range(1, n_classes + 1):
        t, p = (truth > 0, predicted > 0) if n_classes == 1 else (truth == c, predicted == c)
        both = float((t & p).sum())
        counts.append({"tp": both, "fp": float(p.sum()) - both, "fn": float(t.sum()) - both})
    return counts


def covered(truth: Labels, predicted: Labels, known: NDArray[np.bool_]) -> tuple[int, int]:
    """Known voxels that the truth and the prediction cover, whatever their ids."""
    return int(np.count_nonzero((truth > 0) & known)), int(np.count_nonzero((predicted > 0) & known))


def rates(counts: dict[str, float]) -> Metrics:
    """IoU, Dice, precision and recall of counts; 1 where there is nothing to find and nothing was found."""
    return {name: BY_NAME[name].value(counts) for name in ("iou", "dice", "precision", "recall")}


def score_image(
    truth: Labels,
    predicted: Labels,
    classes: tuple[str, ...] = ("object",),
    known: NDArray[np.bool_] | None = None,
    *,
    instances: bool = True,
) -> Metrics:
    """Metrics of one image: IoU, Dice, precision, recall per class, and AP@0.5 for instances, all in [0, 1].

    Names are ``iou``, ``dice``, ... for one class and ``iou/NAME`` plus their means for several.
    """
    per_class = [rates(c) for c in voxel_counts(truth, predicted, len(classes), known)]
    metrics: Metrics = {key: float(np.mean([r[key] for r in per_class])) for key in per_class[0]}
    if len(classes) > 1:
        metrics |= {f"{k}/{name}": v for name, r in zip(classes, per_class, strict=True) for k, v in r.items()}
    if instances:
        counts = instance_counts(truth, predicted, known)
        total = counts["tp"] + counts["fp"] + counts["fn"]
        metrics["ap50"] = counts["tp"] / total if total else 1.0
        metrics["matched_iou"] = counts["iou_sum"] / counts["tp"] if counts["tp"] else 0.0
        metrics |= {f"objects_{k}": counts[k] for k in ("tp", "fp", "fn")}
    return metrics


def mean_scores(scores: Iterable[Metrics]) -> dict[str, Any]:
    """Mean over images of every metric (sums of object counts); ``images`` says how many there were."""
    scores = list(scores)
    if not scores:
        return {"images": 0}
    out: dict[str, Any] = {"images": len(scores)}
    for key in scores[0]:
        values = [s[key] for s in scores]
        out[key] = float(np.sum(values) if key.startswith("objects_") else np.mean(values))
    return out


def headline(metrics: dict[str, Any]) -> float:
    """The one number that decides: AP@0.5 and IoU together for instances, IoU for classes."""
    if "ap50" in metrics:
        return 0.5 * (float(metrics["ap50"]) + float(metrics["iou"]))
    return float(metrics.get("iou", 0.0))


def worst_objects(truth: Labels, predicted: Labels) -> list[tuple[float, int, int]]:
    """What a perfect annotator would mend, worst first: (IoU, true id or 0, predicted id or 0).

    Every true object with its best partner's IoU, and every predicted object without any partner.
    """
    both = overlaps(truth, predicted)
    iou, partner = both.of_left
    ids = np.where(partner >= 0, both.right_ids[partner] if both.right_ids.size else 0, 0)
    found = list(zip(iou.tolist(), both.left_ids.tolist(), ids.tolist(), strict=True))
    found += [(0.0, 0, id) for id in both.right_ids[both.of_right[0] <= 0.1].tolist()]
    return sorted(found)
