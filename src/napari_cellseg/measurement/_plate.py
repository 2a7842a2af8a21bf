"""Wells that names of images tell (A01 to P24), and a plate as a map of colours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import CellsegError
from ._objects import Objects
from ._summary import summarise

if TYPE_CHECKING:
    from pandas import DataFrame

PLATES = {6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24)}
"""Rows and columns by the number of wells."""
LEAST = 96
"""Plates with fewer wells are taken only where somebody says so: most have so many at least."""
_LETTERED = re.compile(r"(?:^|[^A-Za-z0-9])([A-P])0?([1-9]|1[0-9]|2[0-4])(?![0-9A-Za-z])")
_NUMBERED = re.compile(r"(?:^|[^A-Za-z0-9])r(0[1-9]|1[0-6])c(0[1-9]|1[0-9]|2[0-4])(?![0-9])")
VALUES = (
    "objects", "density", "confluency", "size_median", "size_mean", "size_sd", "images", "growth_rate", "doubling_time",
)  # fmt: skip
"""What a map can show."""


class Well(NamedTuple):
    """A place on a plate, rows and columns from 0."""

    row: int
    column: int

    @property
    def name(self) -> str:
        """``A01``."""
        return f"{chr(ord('A') + self.row)}{self.column + 1:02d}"


def wells_of(names: Sequence[str], well_by: str = "") -> dict[str, Well]:
    """The well of every image whose name tells one.

    Parameters
    ----------
    well_by
        A regular expression whose first bracket (or all that it matches) is a well like ``B3`` or ``b03``; "" looks
        for a capital letter A to P with a number 1 to 24 that stand alone (``plate1_B03_s2``), or ``r02c03``.

    Raises
    ------
    CellsegError
        When it is no regular expression, or finds no well in any name.
    """
    try:
        pattern = re.compile(well_by) if well_by else None
    except re.error as error:
        raise CellsegError(f"{well_by!r} is no regular expression: {error}.", "For example ^([A-P][0-9]+)_.") from error
    found = {name: well for name in names if (well := _well(name, pattern)) is not None}
    if well_by and names and not found:
        raise CellsegError(
            f"{well_by!r} finds no well in any name.", f"Names are, for example: {', '.join(names[:3])}."
        )
    return found


def plate_size(wells: Sequence[Well], asked: int = 0) -> tuple[int, int]:
    """Rows and columns of the smallest plate (of `LEAST` wells at least) that has all wells, or of the one asked for.

    Raises
    ------
    CellsegError
        When there is no plate of so many wells, or it lacks one of them.
    """
    if asked and asked not in PLATES:
        raise CellsegError(f"There is no plate of {asked} wells.", f"Plates have {', '.join(map(str, PLATES))}.")
    for n, (rows, columns) in PLATES.items():
        fits = all(w.row < rows and w.column < columns for w in wells)
        if n == asked and not fits:
            last = max(wells)
            raise CellsegError(f"A plate of {n} wells has no {last.name}.", "Ask for a larger one, or for none.")
        if fits and (n == asked or (not asked and n >= LEAST)):
            return rows, columns
    raise CellsegError("No plate has these wells.", "Wells are A01 to P24.")  # wells_of gives no others


def plate_table(images: Mapping[str, Objects], wells: Mapping[str, Well]) -> DataFrame:
    """The summary of every well, its images pooled, ``well`` first; images without a well are left out.

    Raises
    ------
    CellsegError
        When no image has one.
    """
    mine = {name: found for name, found in images.items() if name in wells}
    if not mine:
        raise CellsegError(
            "No image's name tells its well.", "Say where it is: --well-by REGEX, for example ^([A-P][0-9]+)_."
        )
    parts: dict[Well, dict[str, Objects]] = {}
    for name, found in mine.items():
        parts.setdefault(wells[name], {})[name] = found
    import pandas as pd

    rows = [summarise(of).assign(well=well.name).iloc[len(of) :] for well, of in sorted(parts.items())]
    table = pd.concat(rows, ignore_index=True).drop(columns=["level", "name", "group"])
    return table[["well", *(c for c in table.columns if c != "well")]]


def plate_figure(table: DataFrame, value: str, size: tuple[int, int], unit: str = "") -> Any:
    """Draw a plate, every well in the colour of a value with the number in it.

    Parameters
    ----------
    table
        With ``well`` and the value; one row per well.
    value
        A column of it.
    size
        Rows and columns.
    unit
        Of the value, for the legend.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    rows, columns = size
    grid = np.full(size, np.nan)
    for well, amount in zip(table["well"], table[value], strict=True):
        place = _well(str(well), None)
        if place is not None:
            grid[place] = amount
    finite = grid[np.isfinite(grid)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    figure = Figure(figsize=(1.6 + 0.52 * columns, 1.3 + 0.5 * rows), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(
        np.ma.masked_invalid(grid), cmap="viridis", norm=Normalize(low, high if high > low else low + 1)
    )
    _ticks(axis, rows, columns)
    for (row, column), amount in np.ndenumerate(grid):
        if np.isfinite(amount):
            dark = (amount - low) < 0.55 * ((high - low) or 1.0)
            axis.text(column, row, _short(amount), ha="center", va="center", fontsize=7 if columns < 13 else 4.5,
                      color="white" if dark else "black")  # fmt: skip
        else:
            axis.text(column, row, "·", ha="center", va="center", fontsize=8, color="#9aa4af")
    words = f"{value.replace('_', ' ')}{f' ({unit})' if unit else ''}"
    figure.colorbar(shown, ax=axis, label=words, shrink=0.85, pad=0.02)
    return figure


# --- inside ---------------------------------------------------------------------------------------


def _well(name: str, pattern: re.Pattern[str] | None) -> Well | None:
    if pattern is not None:
        match = pattern.search(name)
        text = "" if match is None else (match.group(1) if pattern.groups else match.group()) or ""
        return _well(text.upper(), None) or _well(text, None) if text else None
    if found := _LETTERED.search(name):
        return Well(ord(found.group(1)) - ord("A"), int(found.group(2)) - 1)
    if found := _NUMBERED.search(name):
        return Well(int(found.group(1)) - 1, int(found.group(2)) - 1)
    return None


def _ticks(axis: Any, rows: int, columns: int) -> None:
    axis.set_xticks(range(columns), range(1, columns + 1), fontsize=8)
    axis.set_yticks(range(rows), [chr(ord("A") + r) for r in range(rows)], fontsize=8)
    axis.xaxis.tick_top()
    axis.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", lw=1)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
