"""Every metric, declared once: the tables, ``--metrics``, the page of the docs and the contract tests follow from it.

A metric is a formula of counts. Counts of tiles, slices and images may be added up, so the same formula gives a metric
of an image and the pooled one of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ..errors import CellsegError
from ._instances import THRESHOLDS

Counts = Mapping[str, float]
Group = Literal["pixels", "similarity", "boundary", "objects", "nuclei", "model"]
Better = Literal["higher", "lower", "nearer to 0", ""]
Empty = Literal["zero", "one", "skip"]
GROUPS: dict[Group, str] = {
    "pixels": "Pixels",
    "similarity": "Similarity of masks",
    "boundary": "Boundaries of masks",
    "objects": "Objects",
    "nuclei": "Evaluation Score",
    "model": "The model itself",
}
"""The groups and their titles. What a group needs is counted only where one of its metrics is asked for."""
SHARE, LENGTH = "0 to 1", "um"


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes
    ----------
    name
        Column of the tables.
    title
        For people.
    group
        What has to be counted for it.
    unit
        Or its range.
    better
        Which way is better; "" where it says nothing of quality.
    meaning, source
        In words; and where the definition is from.
    of
        The formula. NaN where it cannot be told.
    vanishes
        Whether it is 0 / 0 where neither side has anything, so that somebody has to say what it is then.
    pooled
        Whether it can be told of the sums over several images.
    """

    name: str
    title: str
    group: Group
    unit: str
    better: Better
    meaning: str
    source: str
    of: Callable[[Counts], float]
    vanishes: bool = False
    pooled: bool = True

    @property
    def is_count(self) -> bool:
        """Whether it is a number of things, which is added up over classes and not averaged."""
        return self.unit in ("pixels", "objects")

    def value(self, counts: Counts, empty: Empty = "one") -> float:
        """Its value; `empty` says what it is where neither truth nor prediction has anything."""
        if not self.is_count and self.group != "model" and nothing_in(counts, self.group):
            if empty == "skip":
                return math.nan
            if self.vanishes:
                return float(empty == "one")
        return self.of(counts)


def nothing_in(counts: Counts, group: Group) -> bool:
    """Whether neither truth nor prediction has anything."""
    names = ("n_true", "n_predicted") if group in ("objects", "nuclei") else ("tp", "fp", "fn")
    return not any(counts[name] for name in names)


def share(part: float, whole: float) -> float:
    """A share; of nothing it is 0, as nothing is right in it."""
    return part / whole if whole else 0.0


def chosen(names: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics of these names and groups, in the order of the declarations; all where none is named.

    Raises
    ------
    CellsegError
        When there is no such metric or group.
    """
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in BY_NAME and name not in GROUPS]
    if unknown:
        raise CellsegError(
            f"There is no metric {unknown[0]!r}.",
            f"Choose from the groups {', '.join(GROUPS)} or the metrics {', '.join(BY_NAME)}.",
        )
    return tuple(m for m in METRICS if not wanted or m.name in wanted or m.group in wanted)


# --- formulas -------------------------------------------------------------------------------------


def _total(c: Counts) -> float:
    return c["tp"] + c["tn"] + c["fp"] + c["fn"]


def _specificity(c: Counts) -> float:
    return c["tn"] / (c["tn"] + c["fp"]) if c["tn"] + c["fp"] else math.nan


def _balanced(c: Counts) -> float:
    sides = [share(part, part + rest) for part, rest in ((c["tp"], c["fn"]), (c["tn"], c["fp"])) if part + rest]
    return sum(sides) / len(sides) if sides else math.nan


def _mean(name: str, n: str, c: Counts) -> float:
    return c[name] / c[n] if c[n] else math.nan


def _given(name: str, c: Counts) -> float:
    return c.get(name, math.nan)


def _loss(c: Counts) -> float:
    return c["loss"] / c["loss_voxels"] if c.get("loss_voxels") else math.nan


def _boundary_f1(c: Counts) -> float:
    return share(2 * _boundary(c, "predicted") * _boundary(c, "true"), _boundary(c, "predicted") + _boundary(c, "true"))


def _boundary(c: Counts, side: str) -> float:
    return share(c[f"near_{side}"], c[f"surface_{side}"])


def _ap(key: str, c: Counts) -> float:
    return share(c[key], c["n_true"] + c["n_predicted"] - c[key])


def _mean_ap(c: Counts) -> float:
    return sum(_ap(f"tp{t}", c) for t in THRESHOLDS) / len(THRESHOLDS)


def _object_f1(c: Counts) -> float:
    return share(2 * c["matched"], c["n_true"] + c["n_predicted"])


# --- what there is --------------------------------------------------------------------------------

_PIXELS = (
    ("tp", "TP", "pixels", "", "Pixels of the class in truth and prediction.", "", lambda c: c["tp"]),
    ("tn", "TN", "pixels", "", "Pixels of the class in neither.", "", lambda c: c["tn"]),
    ("fp", "FP", "pixels", "lower", "Pixels of the class in the prediction only.", "", lambda c: c["fp"]),
    ("fn", "FN", "pixels", "lower", "Pixels of the class in the truth only.", "", lambda c: c["fn"]),
    (
        "accuracy", "Accuracy", SHARE, "higher", "(TP + TN) / all pixels. High wherever most is background.",
        "Aziz 2026, Das 2025, Karabag 2023", lambda c: share(c["tp"] + c["tn"], _total(c)),
    ),
    (
        "balanced_accuracy", "Balanced accuracy", SHARE, "higher",
        "Mean of recall and specificity; of the one that exists where truth has no, or nothing but, the class.",
        "scikit-learn", _balanced,
    ),
    ("specificity", "Specificity", SHARE, "higher", "TN / (TN + FP).", "", _specificity),
    (
        "confluency", "Confluency", SHARE, "", "Share of the area that the prediction covers.", "Aziz 2026",
        lambda c: share(c["tp"] + c["fp"], _total(c)),
    ),
    (
        "confluency_error", "Error of confluency", "-1 to 1", "nearer to 0",
        "(FP - FN) / all pixels: predicted minus true confluency.", "Aziz 2026, corrected",
        lambda c: share(c["fp"] - c["fn"], _total(c)),
    ),
)  # fmt: skip
_SHARES = (
    ("precision", "Precision", "TP / (TP + FP).", "Das 2025", lambda c: share(c["tp"], c["tp"] + c["fp"])),
    ("recall", "Recall", "TP / (TP + FN), also called sensitivity.", "Das 2025",
     lambda c: share(c["tp"], c["tp"] + c["fn"])),
    ("dice", "Dice (F1)", "2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.", "Das 2025",
     lambda c: share(2 * c["tp"], 2 * c["tp"] + c["fp"] + c["fn"])),
    ("iou", "IoU (Jaccard)", "TP / (TP + FP + FN).", "Karabag 2023",
     lambda c: share(c["tp"], c["tp"] + c["fp"] + c["fn"])),
)  # fmt: skip
_OBJECTS = (
    ("object_precision", "Precision of objects", "Matched / predicted objects, at the threshold.", "StarDist",
     lambda c: share(c["matched"], c["n_predicted"])),
    ("object_recall", "Recall of objects", "Matched / true objects, at the threshold.", "StarDist",
     lambda c: share(c["matched"], c["n_true"])),
    ("object_f1", "F1 of objects", "2 matched / (true + predicted), at the threshold.", "StarDist", _object_f1),
    ("sq", "Segmentation quality", "Mean IoU of the matches.", "Kirillov et al. 2019",
     lambda c: share(c["iou_sum"], c["matched"])),
    ("rq", "Recognition quality", "The F1 of objects.", "Kirillov et al. 2019", _object_f1),
    ("pq", "Panoptic quality", "SQ x RQ.", "Kirillov et al. 2019",
     lambda c: share(2 * c["iou_sum"], c["n_true"] + c["n_predicted"])),
)  # fmt: skip
_NUMBERS = (
    ("objects_tp", "Matched objects", "", "At the threshold of IoU.", "StarDist", lambda c: c["matched"]),
    ("objects_fp", "False objects", "lower", "Predicted objects without a match.", "StarDist",
     lambda c: c["n_predicted"] - c["matched"]),
    ("objects_fn", "Missed objects", "lower", "True objects without a match.", "StarDist",
     lambda c: c["n_true"] - c["matched"]),
    ("splits", "Splits", "lower", "True objects that overlap several predicted ones with IoU above 0.1.",
     "Caicedo et al. 2019", lambda c: c["splits"]),
    ("merges", "Merges", "lower", "Predicted objects that overlap several true ones with IoU above 0.1.",
     "Caicedo et al. 2019", lambda c: c["merges"]),
    ("count_error", "Error of the count", "nearer to 0", "Predicted minus true objects.", "",
     lambda c: c["n_predicted"] - c["n_true"]),
)  # fmt: skip
_DISTANCES = (
    ("hausdorff", "Hausdorff distance", "The largest distance from a surface to the other one.", "MONAI; Das 2025",
     partial(_given, "hausdorff"), False),
    ("hd95", "HD95", "The larger one of the 95th percentiles of the distances in both directions.", "MONAI",
     partial(_given, "hd95"), False),
    ("surface_distance", "Mean surface distance", "Mean of the distances in both directions.", "MONAI, symmetric",
     partial(_mean, "distance_sum", "distances"), True),
)  # fmt: skip
_STARDIST = "StarDist; 2018 Data Science Bowl"

METRICS: tuple[Metric, ...] = (
    *(Metric(n, t, "pixels", u, b, m, s, of) for n, t, u, b, m, s, of in _PIXELS),  # type: ignore[arg-type]
    *(Metric(n, t, "pixels", SHARE, "higher", m, s, of, vanishes=True) for n, t, m, s, of in _SHARES),
    Metric(
        "ssim", "SSIM", "similarity", "-1 to 1", "higher",
        "Structural similarity of the masks with range 1, windows of 7 x 7 pixels; of volumes slice by slice.",
        "Wang et al. 2004; Das 2025", partial(_mean, "ssim", "windows"),
    ),
    Metric(
        "ssim_255", "SSIM, range 255", "similarity", "-1 to 1", "higher",
        "The same masks taken for pictures from 0 to 255, so that nearly everything is alike: to compare with "
        "publications that did so.", "Das 2025", partial(_mean, "ssim_255", "windows"),
    ),
    *(Metric(n, t, "boundary", LENGTH, "lower", m, s, of, pooled=p) for n, t, m, s, of, p in _DISTANCES),
    Metric(
        "boundary_f1", "F1 of the boundary", "boundary", SHARE, "higher",
        "Share of each surface that lies within the tolerance of the other one: harmonic mean of both.",
        "Csurka et al. 2013", _boundary_f1, vanishes=True,
    ),
    *(
        Metric(
            f"ap{t}", f"AP@0.{t}", "objects", SHARE, "higher", f"TP / (TP + FP + FN) of objects, matched at IoU 0.{t}.",
            _STARDIST, partial(_ap, f"tp{t}"), vanishes=True,
        )
        for t in THRESHOLDS
    ),
    Metric("ap", "Mean AP", "objects", SHARE, "higher", "Mean of the ten.", _STARDIST, _mean_ap, vanishes=True),
    *(Metric(n, t, "objects", SHARE, "higher", m, s, of, vanishes=True) for n, t, m, s, of in _OBJECTS),
    *(Metric(n, t, "objects", "objects", b, m, s, of) for n, t, b, m, s, of in _NUMBERS),  # type: ignore[arg-type]
    *(
        Metric(
            name, title, "nuclei", SHARE, "higher", meaning, "Tiling 2024, Eq. 9",
            partial(_mean, f"{name}_sum", "n_true"), vanishes=True,
        )
        for name, title, meaning in (
            ("sub", "Sub Dice", "Dice of a true object and the predicted one with most voxels in it, inside its box."),
            ("full", "Full Dice", "The same without the box: low where objects are merged."),
            ("score", "Evaluation Score", "(0.95 sub + 1.05 full) / 2, mean over the true objects."),
        )
    ),
    Metric(
        "loss", "Loss", "model", "from 0", "lower",
        "The loss that the model was trained with, patch by patch: mean over known voxels. Where it predicted here.",
        "", _loss,
    ),
    Metric(
        "seconds", "Seconds", "model", "s", "lower", "Time of the prediction, where it was made here.", "",
        partial(_given, "seconds"), pooled=False,
    ),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
