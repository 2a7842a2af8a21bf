"""What the dock shows of a data set: what it is like, which images to label, its plate. Plain values, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...measurement import COLUMNS, VALUES, times_of, wells_of
from .items import Control, Item

if TYPE_CHECKING:
    from pandas import DataFrame

    from ...api import Description, Measurements, Selection

Kind = Literal["describe", "select", "plate", "boxes"]
OF_TIME = "growth_rate", "doubling_time"
"""Values of a plate that need time points."""
SIZES = "height", "width", "depth", "channels"
"""Of images, which are told in a sentence."""
DRAWN = "size", "shape", "neighbours", "intensity"
"""Groups of columns that box plots are drawn of."""
MOST_ROWS = 24
"""Of a table in the dock; files have all."""
NOTHING_TOLD = "No name of an image tells its well (B03, r02c03) or its time point (t005, day3)."


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes
    ----------
    title
        In a sentence.
    rows
        Cells of a table, its head first; () where there is none.
    images
        Images to go to, each with the reason; marked where it was not taken.
    picture
        A PNG to show.
    files
        What *Save* writes: they lie in a temporary folder, and are called ``out``.
    """

    title: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    images: tuple[Item, ...] = ()
    picture: Path | None = None
    files: tuple[Path, ...] = ()


Surveys = Mapping[Kind, Survey]


@dataclass(frozen=True)
class SurveyView:
    """What the panels show, and which buttons work."""

    found: Surveys
    ask: Control
    plate: Control
    values: tuple[str, ...]
    """What the map of a plate can show; without time points no growth."""
    columns: tuple[str, ...] = ()
    """What box plots can be drawn of, one by one."""


def survey_view(found: Surveys, names: tuple[str, ...], ask: Control, ndim: int = 2) -> SurveyView:
    """The panels for what was found of these images with `ndim` axes; `ask`: whether anything can be asked now."""
    wells, times = told_by(names)
    told = Control(wells or times, NOTHING_TOLD)
    return SurveyView(
        found, ask, told if ask.enabled else ask,
        tuple(v for v in VALUES if times or v not in OF_TIME) if wells else (), drawable(ndim),
    )  # fmt: skip


@lru_cache(maxsize=2)
def drawable(ndim: int) -> tuple[str, ...]:
    """Columns of sizes, shapes, neighbours and intensities that objects with so many axes have."""
    return tuple(c.name for c in COLUMNS if c.group in DRAWN and ndim in c.dims)


@lru_cache(maxsize=8)
def told_by(names: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether names of images tell wells, and two time points at least."""
    times = times_of(names)
    return bool(wells_of(names)), len({t for t in times.values() if np.isfinite(t)}) > 1


def described(done: Description) -> Survey:
    """A description in sizes and rows."""
    from ...measurement import describe_cells

    sizes = ", ".join(f"{k['size']} {k['dtype']} ({k['images']})" for k in done.sizes.to_dict("records"))
    told = [row for row in done.summary.to_dict("records") if row["figure"] not in SIZES]
    cells = (describe_cells(row) for row in told)
    rows = (("", "mean ± SD", "min to max"), *((figure, mean, span) for figure, mean, _, span, _ in cells))
    return Survey(f"{len(done.images)} images: {sizes}", rows, files=done.files)


def selected(done: Selection) -> Survey:
    """A choice: those to label by confluency, then those that were left."""
    table = done.table.sort_values(["taken", "confluency"], ascending=[False, True])
    images = tuple(
        Item(
            str(r["image"]), f"{r['image']}: {r['confluency']:.1f} %, {r['reason']}", mark="" if r["taken"] else "left"
        )
        for r in table.to_dict("records")
    )
    picture = next((f for f in done.files if f.suffix == ".png"), None)
    sources = ", ".join(sorted(set(table["source"])))
    return Survey(f"{len(done.taken)} of {len(table)} images to label (confluency by {sources}).", (), images, picture,
                  done.files)  # fmt: skip


def plated(done: Measurements, value: str) -> Survey:
    """The map of a plate, and how groups grow."""
    wells = "" if done.plate is None else f"{len(done.plate)} wells, coloured by {value.replace('_', ' ')}."
    rows = () if done.growth is None else _growth(done.growth)
    groups = len(rows) - 1
    growth = f"Growth of the density of {groups} group{'s' * (groups != 1)}." if rows else ""
    if groups > MOST_ROWS:
        rows = (*rows[: MOST_ROWS + 1], (f"... {groups - MOST_ROWS} more", "", ""))
    pictures = [f for f in done.files if f.suffix == ".png"]
    first = next((f for f in pictures if "plate" in f.name), pictures[0] if pictures else None)
    return Survey(f"{wells} {growth}".strip(), rows, (), first, done.files)


def boxed(done: Measurements) -> Survey:
    """Box plots, and what stands in the summary of the same groups; of the images where there is one group."""
    groups = done.summary[done.summary["level"] == "group"]
    each = groups if len(groups) > 1 else done.summary[done.summary["level"] == "image"]
    of = "groups" if len(groups) > 1 else "images"
    power = "²" if (each["dimensions"] == 2).all() else "³"
    unit = "µm" if (each["unit"] == "um").all() else "px"
    head = of.removesuffix("s"), "objects", "% covered", f"median size ({unit}{power})"
    rows = [
        (str(r["name"]), f"{r['objects']:,}", f"{r['confluency']:.1f}", f"{r['size_median']:.4g}")
        for r in each.head(MOST_ROWS).to_dict("records")
    ]
    more = len(each) - len(rows)
    tail = ((f"... {more} more", "", "", ""),) if more else ()
    picture = next((f for f in done.files if f.suffix == ".png"), None)
    title = f"{len(done.table):,} objects of {len(each)} {of}."
    return Survey(title, (head, *rows, *tail), (), picture, done.files)


def _growth(table: DataFrame) -> tuple[tuple[str, ...], ...]:
    """Growth of the density of every group."""
    rows = table[table["of"] == "density"].to_dict("records")
    unit = rows[0]["time_unit"] if rows else ""
    head = "group", f"rate (1 / {unit}) [95 %]", f"doubles in ({unit})"
    return (head, *(_row(r) for r in rows))


def _row(r: Mapping[str, float]) -> tuple[str, ...]:
    low, high = r["growth_rate_low"], r["growth_rate_high"]
    interval = f" [{low:.3g}, {high:.3g}]" if np.isfinite(low) and np.isfinite(high) else ""
    return str(r["group"]), f"{r['growth_rate']:.3g}{interval}", f"{r['doubling_time']:.3g}"
