"""How fast objects multiply: growth rate and doubling time from counts or confluency over time.

ln(value) = a + rate x time by least squares (growth at a constant rate); doubling time = ln 2 / rate. The interval is
Student's, with n - 2 degrees of freedom: it takes what lies beside the line as independent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._figures import plain_numbers
from ._objects import Objects
from ._summary import summarise

if TYPE_CHECKING:
    from pandas import DataFrame

OF = ("density", "confluency")
"""What grows: objects per area or volume, and the share that they cover."""
LEAST = 3
"""So many time points make a line with an interval."""
FULL = 80.0
"""Above so many % covered, confluency grows slower than cells do; that is said."""
LEVEL = 0.95
MANY = 10
"""A figure has a legend of so many groups at most."""
_UNITS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}
GROWTH_COLUMNS = (
    ("group", "The group that it is of."),
    ("of", "What grows: density (objects per area or volume) or confluency."),
    ("points", "Number of time points with a value above 0."),
    ("first", "The first of these time points."),
    ("last", "The last of them."),
    ("time_unit", "h where the interval between time points was given, else time point."),
    ("growth_rate", "Of the logarithm, per time unit."),
    ("growth_rate_low", "Lower end of its 95 % interval."),
    ("growth_rate_high", "Upper end of it."),
    ("doubling_time", "ln 2 / rate, in time units; below 0: the time in which it halves, with a minus sign."),
    ("doubling_time_low", "Lower end of its 95 % interval; empty where the rate may be 0."),
    ("doubling_time_high", "Upper end of it; empty where the rate may be 0."),
    ("r_squared", "How well the line fits the logarithms, 0 to 1."),
    ("note", "What should be looked at."),
)
"""The columns of `growth_table`, with their meaning."""


class Interval(NamedTuple):
    """The time from one time point to the next, and its unit."""

    hours: float = 1.0
    unit: str = "time point"


UNTOLD = Interval()
"""Nobody said how long it is from one time point to the next."""


def interval_of(text: str) -> Interval:
    """``15min``, ``0.5 h``, ``1d``, ``90 s``; "" where nobody knows.

    Raises
    ------
    CellsegError
        When it is no time.
    """
    if not text.strip():
        return UNTOLD
    match = re.fullmatch(r"\s*([0-9.]+)\s*(s|sec|min|h|hours?|d|days?)\s*", text)
    try:
        amount = float(match.group(1)) if match else 0.0
    except ValueError:
        amount = 0.0
    if match is None or not 0 < amount < float("inf"):
        raise CellsegError(f"{text!r} is no time between two time points.", "For example 15min, 0.5h or 1d.")
    unit = {"sec": "s", "hour": "h", "hours": "h", "day": "d", "days": "d"}.get(match.group(2), match.group(2))
    return Interval(amount * _UNITS[unit], "h")


def growth_table(
    images: Mapping[str, Objects],
    groups: Mapping[str, str],
    times: Mapping[str, float],
    interval: Interval = UNTOLD,
    span: tuple[float, float] | None = None,
) -> tuple[DataFrame, DataFrame]:
    """Growth of every group.

    Parameters
    ----------
    images, groups, times
        Measured objects, groups and time points of images; those without a time point are left out.
    interval
        From one time point to the next.
    span
        Only these time points, first and last.

    Returns
    -------
    tuple of pandas.DataFrame
        A row per group and what grows (`GROWTH_COLUMNS`); and the values it was fitted to: ``group``, ``time`` (in time
        units), ``density``, ``confluency``, ``objects``, images of a time point pooled.

    Raises
    ------
    CellsegError
        When no group has two time points.
    """
    import pandas as pd

    known = [name for name in images if np.isfinite(times[name]) and _inside(times[name], span)]
    values = []
    for group in sorted({groups[name] for name in known}):
        mine = [name for name in known if groups[name] == group]
        for time in sorted({times[name] for name in mine}):
            pooled = summarise({name: images[name] for name in mine if times[name] == time}).iloc[-1]
            row = {"group": group, "time": time * interval.hours, "point": time}
            values.append(row | {k: pooled[k] for k in (*OF, "objects")})
    points = pd.DataFrame(values, columns=["group", "time", "point", *OF, "objects"])
    rows = [
        _grown(str(group), of, part, interval.unit)
        for group, part in points.groupby("group", sort=True) if len(part) > 1
        for of in OF
    ]  # fmt: skip
    if not rows:
        raise CellsegError(
            "No group of images has two time points.",
            "Time points are read from names (_t005, day3, ...); say where they are: --time-by REGEX.",
        )
    return pd.DataFrame(rows, columns=[name for name, _ in GROWTH_COLUMNS]), points


def growth_figure(table: DataFrame, points: DataFrame) -> Any:
    """Draw density and confluency over time with the fitted lines, on logarithmic axes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    for axis, of in zip(figure.subplots(1, len(OF)), OF, strict=True):
        own = table[table["of"] == of]
        for n, row in enumerate(own.to_dict("records")):
            _draw(axis, row, points[(points["group"] == row["group"]) & (points[of] > 0)], f"C{n % 10}")
        unit = "h" if own["time_unit"].iloc[0] == "h" else "time points"
        words = {"density": "objects per area or volume", "confluency": "confluency, %"}
        axis.set(yscale="log", xlabel=f"time, {unit}", ylabel=words[of])
        plain_numbers(axis.yaxis, points[of])
        axis.tick_params(which="both", labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        if len(own) <= MANY:  # else a legend would hide the plot
            axis.legend(frameon=False, fontsize=7)
    return figure


def growth_words(row: Mapping[str, Any]) -> str:
    """A row in words: its group, doubling time with interval."""
    unit = "h" if row["time_unit"] == "h" else "time points"
    time = row["doubling_time"]
    if not np.isfinite(time):
        return f"{row['group']}: no growth"
    ends = (row["doubling_time_low"], row["doubling_time_high"])
    sure = f" [{abs(ends[0]):.3g}, {abs(ends[1]):.3g}]" if np.isfinite(ends).all() else ""
    return f"{row['group']}: {'doubles' if time > 0 else 'halves'} in {abs(time):.3g}{sure} {unit}"


# --- inside ---------------------------------------------------------------------------------------


def _draw(axis: Any, row: Mapping[str, Any], part: DataFrame, colour: str) -> None:
    """Points of a group and its line."""
    x, y = part["time"].to_numpy(np.float64), part[row["of"]].to_numpy(np.float64)
    axis.plot(x, y, "o", ms=4, color=colour)
    if len(x) > 1 and np.isfinite(row["growth_rate"]):
        ends = np.array([x.min(), x.max()])
        line = np.exp(np.log(y).mean() + row["growth_rate"] * (ends - x.mean()))
        axis.plot(ends, line, "-", lw=1.2, color=colour, label=growth_words(row))


def _inside(time: float, span: tuple[float, float] | None) -> bool:
    return span is None or span[0] <= time <= span[1]


def _grown(group: str, of: str, part: DataFrame, unit: str) -> tuple[Any, ...]:
    some = part[part[of] > 0]
    notes = []
    if len(some) < len(part):
        notes.append(f"{len(part) - len(some)} time points without objects are left out")
    if of == "confluency" and len(some) and some[of].max() > FULL:
        notes.append(f"above {FULL:g} % covered there is little room left to grow: take an earlier span")
    fit = _line(some["time"].to_numpy(np.float64), np.log(some[of].to_numpy(np.float64)))
    if len(some) < LEAST:
        notes.append(f"{len(some)} time points give no interval")
    rate, low, high, r2 = fit
    doubling = [np.log(2) / v if np.isfinite(v) and v != 0 else float("nan") for v in (rate, high, low)]
    sure = np.isfinite((low, high)).all() and low * high > 0  # else it may not grow at all
    if not sure and len(some) >= LEAST:
        notes.append("the rate may be 0, so the doubling time has no interval")
    ends = (doubling[1], doubling[2]) if sure else (float("nan"), float("nan"))
    first, last = (float(some["point"].min()), float(some["point"].max())) if len(some) else (float("nan"),) * 2
    return (group, of, len(some), first, last, unit, rate, low, high, doubling[0], *ends, r2, "; ".join(notes))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Slope with the ends of its interval, and R squared; NaN of what cannot be told."""
    from scipy import stats

    nan = float("nan")
    if len(x) < 2:
        return nan, nan, nan, nan
    if len(x) < LEAST:
        return float((y[1] - y[0]) / (x[1] - x[0])), nan, nan, nan
    found = stats.linregress(x, y)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 2) * found.stderr)
    return float(found.slope), float(found.slope) - half, float(found.slope) + half, float(found.rvalue**2)
