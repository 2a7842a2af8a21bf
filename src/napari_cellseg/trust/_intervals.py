"""Intervals of shares that are told from a small random sample. Pure functions of counts."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval.

    Attributes
    ----------
    value
        In [0, 1]; None where nothing was counted.
    low, high
        Limits of the interval, 0 and 1 where nothing is known.
    """

    value: float | None = None
    low: float = 0.0
    high: float = 1.0


def share_of_set(hits: int, n: int, total: int) -> Share:
    """The share of a set of `total` things of which `n` were drawn at random without repeats, `hits` of them good.

    Clopper and Pearson's construction with the distribution that holds for a finite set (hypergeometric): every share
    stays in the interval that would give so many hits, or more extreme ones, in more than 2.5 % of draws on either
    side. It covers the truth in at least 95 % of draws, whatever the truth is; for a large set it is the interval of
    Clopper and Pearson (1934), and where all were drawn it is a point. A bootstrap would say 1 to 1 where all `n` were
    right, and intervals of the Beta or Wilson kind cover 95 % only on average.
    """
    from scipy.stats import hypergeom

    if n <= 0:
        return Share()
    tail, least, most = (1 - LEVEL) / 2, hits, total - (n - hits)

    def too_few(good: int) -> bool:
        return bool(hypergeom.sf(hits - 1, total, good, n) > tail)

    def too_many(good: int) -> bool:
        return bool(hypergeom.cdf(hits, total, good, n) <= tail)

    numbers = range(least, most + 1)
    low = numbers[min(bisect.bisect_left(numbers, True, key=too_few), len(numbers) - 1)]
    high = numbers[max(bisect.bisect_left(numbers, True, key=too_many) - 1, 0)]
    return Share(hits / n, low / total, high / total)


def recall_in_fields(found: Sequence[int], missed: Sequence[int], hits: int, n: int) -> Share:
    """The share of true objects that were found, from counts in fields that were drawn at random.

    Of the `found` objects of a field so many are taken for right as in the sample of objects (`hits` of `n`), so recall
    is ``p F / (p F + M)`` with the sums over the fields. Objects of one field are alike (a dim corner misses many), so
    they do not count as so many independent ones: the interval is that of Korn and Graubard (1998, Survey Methodology
    24, 193), Clopper and Pearson's at the number of independent objects that would scatter as much as the fields do,
    with fewer degrees of freedom where there are few fields. The uncertainty of p is in that scatter, too.
    """
    from scipy.stats import beta

    f, m = np.asarray(found, float), np.asarray(missed, float)
    if not f.size or f.sum() + m.sum() == 0 or (n <= 0 and f.sum() > 0):
        return Share()
    p = hits / n if n else 0.0
    right = p * f.sum()
    total = right + m.sum()
    if total == 0:  # none of what was found is right, and nothing was missed
        return Share()
    value = float(right / total)
    size = _independent(p * f, m, value, _of_precision(f.sum(), m.sum(), hits, n))
    x, tail = value * size, (1 - LEVEL) / 2
    low = float(beta.ppf(tail, x, size - x + 1)) if x > 0 else 0.0
    high = float(beta.ppf(1 - tail, x + 1, size - x)) if size - x > 1e-9 else 1.0
    return Share(value, low, high)


def _of_precision(found: float, missed: float, hits: int, n: int) -> float:
    """What the uncertainty of the precision adds to the variance of the recall (first order)."""
    if n <= 0 or missed == 0:
        return 0.0
    p, about = hits / n, (hits + 1) / (n + 2)
    slope = found * missed / (p * found + missed) ** 2
    return float(slope**2 * about * (1 - about) / n)


def _independent(right: np.ndarray, missed: np.ndarray, value: float, more: float) -> float:
    """How many independent objects would tell as much as these fields do."""
    from scipy.stats import t

    each, fields = right + missed, len(right)
    total = float(each.sum())
    gaps = right - value * each
    scatter = fields / max(fields - 1, 1) * float((gaps**2).sum()) / total**2 + more
    size = min(total, value * (1 - value) / scatter) if scatter > 0 else total
    tail = (1 + LEVEL) / 2
    many, few = t.ppf(tail, max(total - 1, 1.0)), t.ppf(tail, max(fields - 1, 1))
    return float(size * min(1.0, many / few) ** 2)
