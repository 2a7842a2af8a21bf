"""FUCCI as a picture: red against green of all nuclei with the thresholds, and the shares of states over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._figures import plain_numbers
from ._fucci import FUCCI_STATES

if TYPE_CHECKING:
    from pandas import DataFrame


def fucci_figure(table: DataFrame, summary: DataFrame, thresholds: tuple[float, float]) -> Any:
    """Draw nuclei and shares.

    Parameters
    ----------
    table, summary
        As from `with_states` and `count_states`.
    thresholds
        Of red and green.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    times = summary[summary["level"] == "time"]
    series = [(name, part) for name, part in times.groupby("group") if len(part) > 1]
    groups = summary[summary["level"] == "group"]
    n = 1 + max(1, len(series))
    figure = Figure(figsize=(4.2 * n, 3.9), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, n))
    _scatter(axes[0], table, thresholds)
    if not series:
        _bars(axes[1], groups)
    for axis, (name, part) in zip(axes[1:], series, strict=False):
        shares = [part[f"share_{s.key}"].to_numpy() for s in FUCCI_STATES]
        axis.stackplot(part["time"], shares, colors=[s.colour for s in FUCCI_STATES], alpha=0.9)
        axis.set(xlabel="time point", ylabel="nuclei, %", ylim=(0, 100), title=str(name))
        axis.margins(x=0)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _scatter(axis: Any, table: DataFrame, thresholds: tuple[float, float]) -> None:
    for state in FUCCI_STATES:
        mine = table[table["state"] == state.name]
        axis.scatter(mine["red"], mine["green"], s=12, color=state.colour, lw=0, label=f"{state.name} ({len(mine)})")
    said = table[table["decided_by"] == "hand"]
    axis.scatter(said["red"], said["green"], s=26, facecolors="none", edgecolors="black", lw=0.8)
    axis.set(xscale="log", yscale="log", xlabel="red, mean of the nucleus", ylabel="green, mean of the nucleus")
    axis.axvline(thresholds[0], color="#444", lw=1, ls="--")
    axis.axhline(thresholds[1], color="#444", lw=1, ls="--")
    plain_numbers(axis.xaxis, table["red"])
    plain_numbers(axis.yaxis, table["green"])
    axis.tick_params(which="both", labelsize=7)
    axis.legend(frameon=False, fontsize=7, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))


def _bars(axis: Any, groups: DataFrame) -> None:
    bottom = np.zeros(len(groups))
    for state in FUCCI_STATES:
        shares = groups[f"share_{state.key}"].fillna(0).to_numpy()
        axis.bar(groups["name"].astype(str), shares, bottom=bottom, color=state.colour, width=0.6)
        bottom += shares
    axis.set(ylabel="nuclei, %", ylim=(0, 100))
