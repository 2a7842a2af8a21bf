"""What a measurement says of plates and of time: wells, growth, as tables and pictures.

Data flow: measured images -> wells and time points of their names -> a table each -> files; nothing is written before
all of it is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CellsegError
from ..events import ObjectsMeasured
from ..measurement import (
    FIGURES,
    NO_PIXELS,
    VALUES,
    Objects,
    Well,
    check_picture_path,
    check_table_path,
    figure_png,
    groups_of,
    growth_figure,
    growth_table,
    image_of_project,
    interval_of,
    known_times,
    measure_objects,
    plate_figure,
    plate_size,
    plate_table,
    series_of,
    wells_of,
    write_figure,
    write_table,
)
from ..project import Project, time_series_in
from ._work import Stop, Work

if TYPE_CHECKING:
    from pandas import DataFrame

Source = str | Path
TABLES = ".csv", ".parquet"
POINTS = 3
"""Series of so many time points are drawn in a report."""


@dataclass(frozen=True)
class Plating:
    """What is asked of plates and time.

    Attributes
    ----------
    plate, growth
        Files to write, tables or pictures by their endings.
    well_by, time_by
        Regular expressions for names; see `wells_of` and `times_of`.
    value
        What the map of a plate shows, one of `VALUES`.
    wells
        Wells of the plate; 0: the smallest of 96 and more that has all.
    interval
        From one time point to the next: ``15min``; "" where nobody knows.
    span
        First and last time point of the growth; None: all.
    times
        Time points that are known of images, by name: those of the time series of a project.
    """

    plate: tuple[Source, ...] = ()
    growth: tuple[Source, ...] = ()
    well_by: str = ""
    time_by: str = ""
    value: str = "confluency"
    wells: int = 0
    interval: str = ""
    span: tuple[float, float] | None = None
    times: Mapping[str, float] = field(default_factory=dict, repr=False)

    def of_project(self, project: Project) -> Plating:
        """With what a project knows of time; what was said stays."""
        series = time_series_in(project.images()).values()
        steps = {s.interval_s for s in series}
        (step,) = steps if len(steps) == 1 else (None,)
        interval = self.interval or (f"{step:f}s" if step else "")
        return replace(self, times=self.times or times_of_series(project), interval=interval)

    def check(self, names: Sequence[str], group_by: str) -> None:
        """Raise where something cannot be done, so far as names tell.

        Raises
        ------
        CellsegError
            When a path, an expression, a value or an interval cannot be used, or no name tells a well.
        """
        for path in (*self.plate, *self.growth):
            (check_table_path if Path(path).suffix.lower() in TABLES else check_picture_path)(path)
        interval_of(self.interval)
        if self.value not in VALUES:
            raise CellsegError(f"A plate cannot show {self.value!r}.", f"It shows {', '.join(VALUES)}.")
        if self.plate:
            plate_size(list(self.wells_of(names, groups_of(names, group_by)).values()), self.wells)

    def wells_of(self, names: Sequence[str], groups: Mapping[str, str]) -> dict[str, Well]:
        """Wells by names of images, else by those of their groups.

        Raises
        ------
        CellsegError
            When neither tells any.
        """
        found = wells_of(names, self.well_by)
        if not found:
            of_groups = wells_of(sorted(set(groups.values())))
            found = {name: of_groups[groups[name]] for name in names if groups[name] in of_groups}
        if not found:
            raise CellsegError(
                "No name of an image tells its well.", "Say where it is: --well-by REGEX, for example ^([A-P][0-9]+)_."
            )
        return found


def times_of_series(project: Project) -> dict[str, float]:
    """Time points of all frames of a project, by id."""
    every = time_series_in(project.images()).values()
    return {id: float(point) for s in every for id, point in zip(s.ids, s.points, strict=True)}


@dataclass(frozen=True, eq=False)
class Plates:
    """Tables of plates and growth, None where they were not asked for, and what writes them."""

    plate: DataFrame | None
    growth: DataFrame | None
    writers: tuple[Callable[[], Path], ...]


def plates(found: Mapping[str, Objects], how: Plating, group_by: str) -> Plates:
    """What measured images say of plates and growth; nothing is written yet.

    Raises
    ------
    CellsegError
        When names tell no wells or time points.
    """
    names = list(found)
    groups, times = groups_of(names, group_by), known_times(names, how.times, how.time_by)
    plate = growth = None
    writers: list[Callable[[], Path]] = []
    if how.growth:
        growth, points = growth_table(found, groups, times, interval_of(how.interval), how.span)
        writers += [_writer(path, growth, lambda: growth_figure(growth, points)) for path in how.growth]
    if how.plate:
        wells = how.wells_of(names, groups)
        plate = plate_table(found, wells)
        if how.value in ("growth_rate", "doubling_time"):
            plate = _with_growth(plate, found, wells, times, how)
        size, unit = plate_size(list(wells.values()), how.wells), _unit(plate, how)
        writers += [_writer(path, plate, lambda: plate_figure(plate, how.value, size, unit)) for path in how.plate]
    return Plates(plate, growth, tuple(writers))


def plates_of_project(project: Project, stop: Stop) -> Work[list[tuple[str, bytes]]]:
    """Figures for a report, with words: confluency of wells, growth, where names of images tell wells or time points.

    Labels are measured as they are now; nothing is measured where names tell neither.
    """
    names = [r.id for r in project.images()]
    how = Plating().of_project(project)
    wells, times, series = wells_of(names), known_times(names, how.times), series_of(names)
    series |= {id: s.name for s in time_series_in(project.images()).values() for id in s.ids}
    points: dict[str, set[float]] = {}
    for name in names:
        if times[name] == times[name]:
            points.setdefault(series[name], set()).add(times[name])
    moved = {s for s, at in points.items() if len(at) >= POINTS}
    wanted = [n for n in names if (len(set(wells.values())) > 1 and n in wells) or series[n] in moved]
    found: dict[str, Objects] = {}
    for name in wanted:
        if stop():
            return []
        start = time.perf_counter()
        with suppress(CellsegError):  # the report is whole without it
            labels, state = project.load_labels(name)
            what = image_of_project(labels, state, None, NO_PIXELS, instances=project.task == "instance")
            found[name] = measure_objects(what, ("pixels",), stop=stop)
            yield ObjectsMeasured(name, len(found[name].table), time.perf_counter() - start)
    figures = []
    if len({wells[n] for n in found if n in wells}) > 1:
        table = plate_table(found, wells)
        png = figure_png(plate_figure(table, "confluency", plate_size(list(wells.values())), "%"))
        figures.append(("Confluency of every well, its images pooled.", png))
    with suppress(CellsegError):  # no series has two time points
        mine = {n: o for n, o in found.items() if series[n] in moved}
        growth, points = growth_table(mine, series, times, interval_of(how.interval))
        figures.append((_growth_words(growth), figure_png(growth_figure(growth, points))))
    return figures


# --- inside ---------------------------------------------------------------------------------------


def _growth_words(growth: DataFrame) -> str:
    """What the figure of a report shows, and what is doubtful of it."""
    notes = list(dict.fromkeys(note for note in growth["note"] if note))
    text = "Objects and confluency over time; lines are growth at a constant rate, with 95 % intervals."
    return f"{text} To be looked at: {'; '.join(notes)}." if notes else text


def _writer(path: Source, table: DataFrame, figure: Callable[[], Any]) -> Callable[[], Path]:
    if Path(path).suffix.lower() in TABLES:
        return lambda: write_table(table, path)
    return lambda: write_figure(figure(), path)


def _with_growth(
    plate: DataFrame, found: Mapping[str, Objects], wells: Mapping[str, Well], times: Mapping[str, float], how: Plating
) -> DataFrame:
    """The table with the growth of every well, of its density."""
    mine = {name: objects for name, objects in found.items() if name in wells}
    groups = {name: wells[name].name for name in mine}
    growth, _ = growth_table(mine, groups, times, interval_of(how.interval), how.span)
    own = growth[growth["of"] == "density"].set_index("group")
    for name in ("growth_rate", "doubling_time", "r_squared", "time_unit"):
        plate[name] = plate["well"].map(own[name])
    return plate


def _unit(plate: DataFrame, how: Plating) -> str:
    """The unit of what the map shows, so far as all wells have the same."""
    if how.value in ("growth_rate", "doubling_time"):
        unit = interval_of(how.interval).unit
        return f"1 / {unit}" if how.value == "growth_rate" else unit if unit == "h" else "time points"
    kinds = {(str(u), int(n)) for u, n in zip(plate["unit"], plate["dimensions"], strict=True)}
    if len(kinds) != 1:
        return ""
    (unit, ndim), told = kinds.pop(), next((f.unit for f in FIGURES if f.name == how.value), "")
    flat, _, deep = told.partition(" (3D: ")
    text = deep.rstrip(")") if deep and ndim == 3 else flat
    if unit == "px" and text.startswith("per "):
        return "per million pixels" if ndim == 2 else "per billion voxels"
    return text.replace("unit", unit)
