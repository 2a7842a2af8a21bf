"""How far the covered area may be off that a model, not a person, says: by what was held out from it.

Data flow: true over predicted area of each held-out image -> mean and spread of these ratios -> the interval in which
the true area of other images lies. What a person corrected or approved is taken as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.95
MANUAL = 0.2
"""Share by which persons who judge confluency by eye differ (Aziz et al. 2026)."""


@dataclass(frozen=True)
class Cover:
    """The covered area of an image by who says so, in any unit.

    Attributes
    ----------
    known
        Of objects, what a person corrected or approved.
    predicted
        Of objects, what nobody has looked at.
    ratios
        True / predicted area of each image that was held out from the model that predicted; () where nobody knows.
    """

    known: float
    predicted: float
    ratios: tuple[float, ...] = ()


def cover_of(labels: Any, state: Any, ratios: Sequence[float]) -> Cover:
    """The voxels of objects by their state; `labels` and `state` are of one shape, 0 in `state` is predicted."""
    there = np.asarray(labels) > 0
    known = int(np.count_nonzero(there & (np.asarray(state) > 0)))
    return Cover(known, int(np.count_nonzero(there)) - known, tuple(ratios))


def interval(parts: Sequence[Cover]) -> tuple[float, float]:
    """The 95 % interval of the true area of images together.

    Ratios of held-out images and of these are taken as a sample of one normal distribution: each image differs from
    the mean by their standard deviation s, and all share that the mean of n is not known better than s / sqrt n. With
    Student's t of n - 1, of the model with fewest held-out images where there are several.

    Returns
    -------
    tuple of float
        NaN where a model predicted anything and fewer than two images were held out from it.
    """
    from scipy import stats

    models: dict[tuple[float, ...], list[float]] = {}
    for part in parts:
        if part.predicted:
            models.setdefault(part.ratios, []).append(part.predicted)
    known = sum(part.known for part in parts)
    if not models:
        return known, known
    if min(map(len, models)) < 2:
        return math.nan, math.nan
    middle, variance = known, 0.0
    for ratios, areas in models.items():
        middle += float(np.mean(ratios)) * sum(areas)
        variance += float(np.var(ratios, ddof=1)) * (sum(a * a for a in areas) + sum(areas) ** 2 / len(ratios))
    half = float(stats.t.ppf((1 + LEVEL) / 2, min(map(len, models)) - 1)) * math.sqrt(variance)
    return max(known, middle - half), middle + half


def cover_words(row: Mapping[str, Any]) -> str:
    """What a row of the summary says of the error of its confluency, beside that of persons; "" where nothing."""
    low, high, confluency = (float(row[name]) for name in ("confluency_low", "confluency_high", "confluency"))
    if not (high > low and confluency):
        return ""
    return (
        f"95 %: {low:.1f} to {high:.1f}, ±{(high - low) / 2 / confluency:.0%} of it by what was held out, "
        f"±{MANUAL:.0%} is usual by eye"
    )
