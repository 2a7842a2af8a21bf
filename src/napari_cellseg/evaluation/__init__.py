"""How good labels are, where to look next, and how far two people (or a person and a model) agree."""

from __future__ import annotations

from ._agreement import Difference, agreement, agreement_map, compare, consensus, pairwise, regions
from ._metrics import (
    Metrics,
    headline,
    instance_counts,
    mean_scores,
    rates,
    score_image,
    voxel_counts,
    worst_objects,
)
from ._review import Item, Order, by_worth, review_order
from ._tiling import evaluation_score

__all__ = [
    "Difference",
    "Item",
    "Metrics",
    "Order",
    "agreement",
    "agreement_map",
    "by_worth",
    "compare",
    "consensus",
    "evaluation_score",
    "headline",
    "instance_counts",
    "mean_scores",
    "pairwise",
    "rates",
    "regions",
    "review_order",
    "score_image",
    "voxel_counts",
    "worst_objects",
]
