"""What a Workbench knows of a measurement, and what it says of it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...measurement import COLUMNS, Objects, cover_words, summarise
from .class_state import ClassesView, ClassState, classes_view
from .fucci_state import FucciState, FucciView, fucci_view
from .items import Control

if TYPE_CHECKING:
    from pandas import DataFrame

BINS = 40
ROBUST = (1.0, 99.0)
"""Percentiles of the values that get the first and the last colour, so that an outlier does not use up all of them."""
NOT_SHOWN = ("label", "unit", "class", "touches_border")
"""Columns that are no quantities."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Which rows of a table were chosen together, (N,) bool."""

    marked: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.marked.sum())


@dataclass(frozen=True, eq=False)
class Table:
    """The objects of one labels layer as they were measured.

    Attributes
    ----------
    name
        Of the image, or of the layer.
    objects
        What was measured.
    regions
        The objects as labels, where those of the layer are classes.
    """

    name: str
    objects: Objects
    regions: NDArray[np.uint32] | None = None

    @property
    def frame(self) -> DataFrame:
        """One row per object."""
        return self.objects.table

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Of the rows."""
        return np.asarray(self.frame["label"], np.int64)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Those that are quantities."""
        return tuple(c for c in self.frame.columns if c not in NOT_SHOWN)

    def row(self, label: int) -> int:
        """The row of an object, -1 where there is none."""
        place = int(np.searchsorted(self.labels, label))
        return place if place < len(self.labels) and self.labels[place] == label else -1

    def box(self, label: int) -> tuple[slice, ...]:
        """The box of an object, in pixels; () where there is no such object."""
        row = self.row(label)
        if row < 0:
            return ()
        line = self.frame.iloc[row]
        axes = "zyx"[3 - self.objects.ndim :]
        return tuple(slice(int(line[f"bbox_min_{a}"]), int(line[f"bbox_max_{a}"])) for a in axes)

    def chosen(self, rows: NDArray[np.int64] | None) -> Chosen | None:
        """Some of the objects; None where they are all, or none."""
        if rows is None or len(rows) in (0, len(self.labels)):
            return None
        marked = np.zeros(len(self.labels), np.bool_)
        marked[rows] = True
        return Chosen(marked)

    def values(self, column: str) -> NDArray[np.float64]:
        """A column as numbers."""
        return np.asarray(self.frame[column], np.float64)

    def meaning(self, column: str) -> str:
        """What a column is, with its unit; of intensities the channel follows the name. "" of no column."""
        found = [c for c in COLUMNS if column == c.name or (c.group == "intensity" and column.startswith(f"{c.name}_"))]
        if not found:
            return ""
        unit = found[0].unit_in(self.objects.unit, self.objects.ndim)
        if self.objects.unit == "px" and unit.startswith("per mm"):
            unit = ""  # the description says what it is then
        for plain, shown in (("um", "µm"), ("^2", "²"), ("^3", "³")):
            unit = unit.replace(plain, shown)
        return f"{found[0].description} Unit: {unit}." if unit else found[0].description

    @cached_property
    def summary(self) -> str:
        """Count, density, confluency and median size, in words."""
        row = summarise({self.name: self.objects}).iloc[0]
        unit, ndim = str(row["unit"]), int(row["dimensions"])
        per = {"um": ("mm²", "mm³"), "px": ("million pixels", "billion voxels")}[unit][ndim - 2]
        own = f"{'µm' if unit == 'um' else 'px'}{'²' if ndim == 2 else '³'}"
        median = (
            f", median {'area' if ndim == 2 else 'volume'} {row['size_median']:.4g} {own}" if row["objects"] else ""
        )
        n = int(row["objects"])
        error = cover_words(row)
        covered = f"{row['confluency']:.1f} % covered{f' ({error})' if error else ''}"
        return f"{self.name}: {n:,} object{'' if n == 1 else 's'}, {row['density']:,.4g} per {per}, {covered}{median}."


@dataclass(frozen=True)
class Bins:
    """How often values of a column occur: counts between `low` and `high`; `span` has the first and last colour."""

    counts: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0
    span: tuple[float, float] = (0.0, 1.0)
    median: float = 0.0


@dataclass(frozen=True)
class MeasureState:
    """What the person wants to measure and see, and what was measured."""

    labels: str = ""
    """A labels layer that is not ours; "" is the open image."""
    pixels: str = ""
    """The image layer whose intensities are measured with it; "" is none."""
    labels_there: tuple[str, ...] = ()
    pixels_there: tuple[str, ...] = ()
    table: Table | None = None
    stale: bool = False
    """Whether labels were edited since."""
    column: str = ""
    bins: Bins = Bins()
    coloured: bool = False
    object: int = 0
    """The label of the row that is chosen; 0: none."""
    fucci: FucciState = field(default_factory=FucciState)
    classes: ClassState = field(default_factory=ClassState)
    chosen: Chosen | None = None
    """Objects that were chosen together; None: all of them count."""


@dataclass(frozen=True)
class MeasureView:
    """What the step Measure shows."""

    state: MeasureState
    summary: str
    outdated: str
    several: str
    """How many objects are chosen together; "" where none were."""
    change: Control
    """Whether the chosen objects can be approved or deleted."""
    own: str
    """What stands for the open image among the labels that can be measured; "" where none is open."""
    measure: Control
    use: Control
    """Whether there is a table to look at and to save."""
    everything: Control
    cells: Control
    """Whether cells can be made out of the open image's classes."""
    fucci: FucciView
    classes: ClassesView


def measure_view(
    state: MeasureState, image: str, everything: Control, idle: Control, writable: Control, *, objects: bool = True
) -> MeasureView:
    """What to show for a state; `objects`: labels of the open image are objects, not classes."""
    there = bool(image or state.labels)
    some = Control(there, "" if there else "Open an image or a labels layer first.")
    table = state.table
    return MeasureView(
        state,
        summary=table.summary if table is not None else "",
        outdated="Labels were edited since: measure again." if table is not None and state.stale else "",
        several=f"{len(state.chosen):,} of {len(table.labels):,} objects are chosen." if table and state.chosen else "",
        change=_change(state, idle, writable),
        own=image,
        measure=next((c for c in (some, idle) if not c.enabled), some),
        use=Control(table is not None, "" if table is not None else "Press Measure first."),
        everything=everything,
        cells=next((c for c in (Control(bool(image), "Open an image first."), idle) if not c.enabled), idle),
        fucci=fucci_view(state.fucci, image, 0 if state.labels else state.object, idle, writable),
        classes=classes_view(state.classes, bool(image) and objects, to_class(state), idle, writable),
    )


def to_class(state: MeasureState) -> tuple[int, ...]:
    """Labels of the open image that a class is said of: those that were chosen together, or the chosen one."""
    if state.labels:
        return ()
    if state.chosen is not None and state.table is not None:
        return tuple(state.table.labels[state.chosen.marked].tolist())
    return (state.object,) if state.object else ()


def _change(state: MeasureState, idle: Control, writable: Control) -> Control:
    if state.labels:
        return Control(False, "Another layer was measured: choose the open image above.")
    if state.table is not None and state.table.regions is not None:
        return Control(False, "These are regions of classes, not objects.")
    return next((c for c in (idle, writable) if not c.enabled), idle)


def bins_of(table: Table, column: str) -> Bins:
    """The histogram of a column."""
    values = table.values(column)
    values = values[np.isfinite(values)]
    if not values.size:
        return Bins()
    counts, edges = np.histogram(values, BINS)
    first, median, last = (float(v) for v in np.percentile(values, (ROBUST[0], 50, ROBUST[1])))
    return Bins(tuple(counts.tolist()), float(edges[0]), float(edges[-1]), (first, last), median)


def as_features(frame: Any) -> Any:
    """The table as napari's labels layers take it: ``index`` says which label a row is of."""
    found = frame.copy()
    found.insert(0, "index", frame["label"].to_numpy())
    return found
