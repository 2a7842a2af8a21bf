"""What a classifier sees of objects: their measured sizes, shapes, neighbours and intensities, on one scale.

Data flow: the table of some images -> columns that say what an object is like -> values that differ by orders of
magnitude by their inverse hyperbolic sine -> standardised; what is missing is the median.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._columns import COLUMNS

if TYPE_CHECKING:
    from pandas import DataFrame

GROUPS_SEEN = ("size", "shape", "neighbours", "intensity")
"""Place and state say nothing of what an object is like."""
NOT_SEEN = ("orientation", "pixels")
"""How an object happens to lie; and sizes again, in pixels."""
OF_PARTS = ("nucleus_", "envelope_")
"""Columns of the parts of cells (`Cells`)."""
SKEWED = ("size", "neighbours", "intensity")
"""Groups whose values differ by orders of magnitude."""
MISSING = 0.5
"""A column that is missing of more objects than this share is not used."""


def feature_columns(table: DataFrame, groups: tuple[str, ...] = GROUPS_SEEN) -> dict[str, str]:
    """The columns of a table that a classifier sees, and the group of each."""
    fixed = {c.name: c.group for c in COLUMNS if c.group in groups and c.group != "intensity"}
    light = tuple(f"{c.name}_" for c in COLUMNS if c.group == "intensity") if "intensity" in groups else ()
    found: dict[str, str] = {}
    for name in map(str, table.columns):
        if name in fixed and name not in NOT_SEEN:
            found[name] = fixed[name]
        elif name.startswith(OF_PARTS) and "size" in groups:
            found[name] = "size"
        elif name.startswith(light) and light and name not in NOT_SEEN:
            found[name] = "intensity"
    return found


@dataclass(frozen=True, eq=False)
class Scale:
    """How columns become features; learnt from all objects of some images, not from the few that were said.

    Attributes
    ----------
    names
        Columns.
    typical
        Median of the absolute values where values are skewed, 0 where they are not, (F,).
    middle, spread
        Mean and standard deviation after that, (F,).
    median
        Of the values after that: what is missing is taken for it, (F,).
    """

    names: tuple[str, ...]
    typical: NDArray[np.float64]
    middle: NDArray[np.float64]
    spread: NDArray[np.float64]
    median: NDArray[np.float64]

    @classmethod
    def of(cls, table: DataFrame, groups: tuple[str, ...] = GROUPS_SEEN) -> Scale:
        """Learn it from the objects of a table."""
        columns = feature_columns(table, groups)
        values = _numbers(table, tuple(columns))
        known = np.isfinite(values)
        typical = np.zeros(len(columns))
        for k, group in enumerate(columns.values()):
            if group in SKEWED and known[:, k].any():
                typical[k] = np.median(np.abs(values[known[:, k], k]))
        bent = _bent(values, typical)
        kept, middle, spread, median = [], [], [], []
        for k in range(len(columns)):
            there = bent[known[:, k], k]
            if there.size and known[:, k].mean() >= 1 - MISSING and there.std() > 1e-9 * max(1.0, abs(there.mean())):
                kept.append(k)
                middle.append(there.mean())
                spread.append(there.std())
                median.append(np.median(there))
        names = tuple(columns)
        return cls(
            tuple(names[k] for k in kept), typical[kept], np.array(middle), np.array(spread), np.array(median)
        )  # fmt: skip

    def __call__(self, table: DataFrame) -> NDArray[np.float64]:
        """Features of the objects of a table, (N, F): 0 on average, 1 of spread; columns that it lacks are medians."""
        values = _bent(_numbers(table, self.names), self.typical)
        values = np.where(np.isfinite(values), values, self.median)
        return np.asarray((values - self.middle) / self.spread)


def _numbers(table: DataFrame, names: tuple[str, ...]) -> NDArray[np.float64]:
    nothing = np.full(len(table), np.nan)
    columns = [np.asarray(table[n], np.float64) if n in table.columns else nothing for n in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0))


def _bent(values: NDArray[np.float64], typical: NDArray[np.float64]) -> NDArray[np.float64]:
    """asinh(value / typical) where values are skewed: nearly the logarithm far out, defined at 0 and below."""
    scale = np.where(typical > 0, typical, 1.0)
    return np.where(typical > 0, np.arcsinh(values / scale), values)
