"""How good labels are, where to look next, and how far two people (or a person and a model) agree.

`measure` counts whatever the declared `METRICS` need of one truth and one prediction; a `Collector` makes tables and
statistics of many. `score_image` gives the few figures that decide a round.
"""

from __future__ import annotations

from ._agreement import Difference, agreement, agreement_map, compare, consensus, pairwise, regions
from ._declared import GROUPS, METRICS, Metric
from ._error_places import Error, ErrorPlace, error_places
from ._errors import ERROR_COLOURS, ERROR_NAMES, FN, FP, TN, TP, Palette, error_map, grey, painted_errors
from ._measure import Judging, Measured, measure
from ._metrics import (
    Metrics,
    covered,
    headline,
    instance_counts,
    mean_scores,
    rates,
    score_image,
    voxel_counts,
    worst_objects,
)
from ._review import Item, Order, by_worth, review_order
from ._statistics import describe, paired
from ._surfaces import borders
from ._tables import Collector, Comparing, Row, Tables
from ._tiling import evaluation_score
from ._training_places import disagreements, worst_first

__all__ = [
    "ERROR_COLOURS",
    "ERROR_NAMES",
    "FN",
    "FP",
    "GROUPS",
    "METRICS",
    "TN",
    "TP",
    "Collector",
    "Comparing",
    "Difference",
    "Error",
    "ErrorPlace",
    "Item",
    "Judging",
    "Measured",
    "Metric",
    "Metrics",
    "Order",
    "Palette",
    "Row",
    "Tables",
    "agreement",
    "agreement_map",
    "borders",
    "by_worth",
    "compare",
    "consensus",
    "covered",
    "describe",
    "disagreements",
    "error_map",
    "error_places",
    "evaluation_score",
    "grey",
    "headline",
    "instance_counts",
    "mean_scores",
    "measure",
    "painted_errors",
    "paired",
    "pairwise",
    "rates",
    "regions",
    "review_order",
    "score_image",
    "voxel_counts",
    "worst_first",
    "worst_objects",
]
