"""Sizes, shapes and intensities of groups side by side: a box for each group, a panel for each figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

USUAL = (
    "area", "volume", "circularity", "sphericity", "aspect_ratio", "solidity", "nearest_distance", "intensity_mean",
)  # fmt: skip
"""What is drawn where nobody chooses columns, as far as it was measured."""
MOST = 9
"""Panels at most."""
FEW = 200
"""Objects of a group are drawn as dots, too, where they are not more."""


def box_figure(table: DataFrame, groups: Mapping[str, str], columns: Sequence[str] = ()) -> Any:
    """Draw box plots: median, quartiles, whiskers to the last object within 1.5 times their distance (Tukey 1977).

    Parameters
    ----------
    table
        Of objects, with a column ``image``, as `tables` gives it.
    groups
        The group of every image, as from `groups_of`; where there is only one, every image has a box of its own.
    columns
        What to draw; the usual ones where not given. Of intensities, one for each channel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    one = len(set(groups.values())) < 2
    of = table["image"].map(lambda name: str(name) if one else groups.get(str(name), ""))
    names = list(dict.fromkeys(of))
    chosen = _columns(table, columns or USUAL)
    across = min(3, max(1, len(chosen)))
    down = -(-max(1, len(chosen)) // across)
    figure = Figure(figsize=((1.4 + 0.55 * max(2, len(names))) * across, 2.9 * down), layout="constrained")
    axes = np.atleast_1d(figure.subplots(down, across)).ravel()
    for axis, column in zip(axes, chosen, strict=False):
        values = [np.asarray(table.loc[of == name, column], np.float64) for name in names]
        _boxes(axis, [v[np.isfinite(v)] for v in values], names, column)
    for axis in axes[len(chosen) :]:
        axis.set_axis_off()
    return figure


def _columns(table: DataFrame, wanted: Sequence[str]) -> list[str]:
    """Numbers of the table that are wanted by name (that of a channel follows it); all where none is."""
    numbers = [c for c in table.columns if table[c].dtype.kind in "fiu" and c not in ("label", "image")]
    found = [c for name in wanted for c in numbers if c == name or c.startswith(f"{name}_")]
    return (list(dict.fromkeys(found)) or numbers)[:MOST]


def _boxes(axis: Any, values: Sequence[np.ndarray[Any, Any]], names: Sequence[str], title: str) -> None:
    rng = np.random.default_rng(0)  # dots lie beside each other, and where they lay the last time
    axis.boxplot(values, widths=0.5, showfliers=False, medianprops={"color": "#c05621", "lw": 1.5})
    for place, own in enumerate(values, 1):
        if 0 < own.size <= FEW:
            axis.plot(place + rng.uniform(-0.16, 0.16, own.size), own, ".", ms=3, color="#2b6cb0", alpha=0.5)
    axis.set_xticks(
        range(1, len(names) + 1), [f"{n}\n{v.size}" for n, v in zip(names, values, strict=True)], fontsize=8
    )
    axis.set_title(title.replace("_", " "), fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
