"""What figures of several images say: spread, intervals, and tests against a threshold or another system."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95


def describe(values: Sequence[float], against: float | None = 0.75, seed: int = 0) -> dict[str, Any]:
    """Mean, spread, a bootstrap interval and a test against a threshold; values that are not numbers are left out.

    ``low`` and ``high`` are the 95 % bootstrap interval of the mean (percentiles of 2,000 resamples, the same for the
    same seed). With `against` also what Das et al. 2025 report: ``t`` = (mean - a) / (s / sqrt n) with ``df`` = n - 1,
    ``p`` of both sides, ``confidence`` that the mean is above (1 minus the p of that side), Cohen's ``d`` =
    (mean - a) / s, the ``share_above`` and its 95 % Beta interval (``share_low``, ``share_high``) from a flat prior.

    Returns
    -------
    dict
        Numbers; None where too few values, or values all alike, leave nothing to tell.
    """
    x = np.asarray([v for v in values if v is not None and math.isfinite(v)], np.float64)
    out: dict[str, Any] = {"n": int(x.size)}
    names = ("mean", "sd", "median", "p5", "p25", "p75", "p95", "low", "high")
    if not x.size:
        return out | dict.fromkeys(names) | _against(x, against)
    sd = float(x.std(ddof=1)) if x.size > 1 else None
    p5, p25, median, p75, p95 = (float(v) for v in np.percentile(x, (5, 25, 50, 75, 95)))
    figures = (float(x.mean()), sd, median, p5, p25, p75, p95, *bootstrap(x, seed))
    return out | dict(zip(names, figures, strict=True)) | _against(x, against)


def bootstrap(values: NDArray[np.float64], seed: int = 0) -> tuple[float | None, float | None]:
    """The 95 % interval of the mean from resampling, None and None of a single value."""
    from scipy import stats

    if values.size < 2:
        return None, None
    if np.ptp(values) == 0:  # no resample differs, and scipy warns
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def paired(one: Sequence[float], other: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """Whether two systems differ on the same images: `one` minus `other`, image by image.

    ``difference`` is the mean with its bootstrap interval (``low``, ``high``), ``t`` and ``p_t`` are of the paired
    t-test, ``p_wilcoxon`` of Wilcoxon's signed-rank test, ``d_z`` is the mean over the standard deviation of the
    differences. Images where either has no value are left out.
    """
    from scipy import stats

    pairs = [(a, b) for a, b in zip(one, other, strict=True) if math.isfinite(a) and math.isfinite(b)]
    gaps = np.array([a - b for a, b in pairs], np.float64)
    out: dict[str, Any] = {"n": len(pairs)}
    names = ("difference", "low", "high", "t", "p_t", "p_wilcoxon", "d_z")
    if not pairs:
        return out | dict.fromkeys(names)
    sd = float(gaps.std(ddof=1)) if len(gaps) > 1 else 0.0
    t = p_t = p_w = d_z = None
    if not _alike(gaps, sd):
        test = stats.ttest_rel(*np.array(pairs).T)
        t, p_t, d_z = float(test.statistic), float(test.pvalue), float(gaps.mean() / sd)
        p_w = float(stats.wilcoxon(gaps).pvalue)
    return out | dict(zip(names, (float(gaps.mean()), *bootstrap(gaps, seed), t, p_t, p_w, d_z), strict=True))


def _alike(values: NDArray[np.float64], sd: float) -> bool:
    """Whether values differ by rounding only, so that a test would divide by nothing."""
    return values.size < 2 or sd <= 1e-12 * max(1.0, float(np.abs(values).max()))


def _against(x: NDArray[np.float64], threshold: float | None) -> dict[str, Any]:
    from scipy import stats

    if threshold is None:
        return {}
    names = ("t", "df", "p", "confidence", "d", "share_above", "share_low", "share_high")
    out: dict[str, Any] = {"against": threshold, **dict.fromkeys(names)}
    if x.size > 1 and not _alike(x, sd := float(x.std(ddof=1))):
        test = stats.ttest_1samp(x, threshold)
        above = stats.ttest_1samp(x, threshold, alternative="greater")
        out |= {"t": float(test.statistic), "df": int(x.size - 1), "p": float(test.pvalue)}
        out |= {"confidence": 1 - float(above.pvalue), "d": float((x.mean() - threshold) / sd)}
    if x.size:
        k, n = int((x > threshold).sum()), int(x.size)
        low, high = stats.beta.ppf(((1 - LEVEL) / 2, (1 + LEVEL) / 2), k + 1, n - k + 1)
        out |= {"share_above": k / n, "share_low": float(low), "share_high": float(high)}
    return out
