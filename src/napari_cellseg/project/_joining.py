"""Which images are frames of which time series: asked by name, and changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import CellsegError
from ._folder import Project
from ._time_series import TimeSeries, check_name, check_same_size, series_with, time_series_in


def images_named(project: Project, name: str) -> tuple[str, ...]:
    """The images that a name means: one image, or all frames of a time series in their order.

    Raises
    ------
    CellsegError
        When there is neither.
    """
    series = time_series_in(project.images())
    return series[name].ids if name in series else (project.image(name).id,)


def check_whole(project: Project, name: str) -> tuple[str, ...]:
    """The images that a name means, where all of a time series go together.

    Raises
    ------
    CellsegError
        When it means a single frame, or nothing.
    """
    ids = images_named(project, name)
    series = series_with(project.images(), ids[0])
    if series is not None and series.name != name:
        raise CellsegError(
            f"{name} is a frame of the time series {series.name}, whose frames stay together.",
            f"Name the series: {series.name}.",
        )
    return ids


def join_time_series(project: Project, name: str, ids: Sequence[str], interval_s: float | None = None) -> TimeSeries:
    """Make images frames of one time series, in this order.

    Raises
    ------
    CellsegError
        When there are fewer than two, they differ in size or channels, one is a frame of another series, or the name
        cannot be one or is taken.
    """
    records = {r.id: r for r in project.images()}
    frames = [records[project.image(id).id] for id in ids]
    if len(frames) < 2 or len(set(ids)) < len(ids):
        raise CellsegError("A time series has two frames at least.", "Name its images, each once, in their order.")
    check_same_size(frames)
    there = time_series_in(records.values())
    for series in there.values():
        if both := set(ids) & set(series.ids):
            raise CellsegError(f"{min(both)} is a frame of {series.name}.", "An image is in one time series.")
    check_name(name, [*records, *there])
    joined = [replace(r, time_series=name, time_point=n, interval_s=interval_s) for n, r in enumerate(frames)]
    project.db.put_images(joined)
    return time_series_in(project.images())[name]


def set_interval(project: Project, name: str, interval_s: float | None) -> None:
    """Say how many seconds lie between two time points of a series.

    Raises
    ------
    CellsegError
        When there is no such series, or it is no time.
    """
    series = named_series(project, name)
    if interval_s is not None and not 0 < interval_s < float("inf"):
        raise CellsegError(f"{interval_s:g} s is no time between two time points.", "For example 15min.")
    points = dict(zip(series.ids, series.points, strict=True))
    project.db.put_images(
        [
            replace(r, time_series=name, time_point=points[r.id], interval_s=interval_s)
            for r in project.images() if r.id in points
        ]
    )  # fmt: skip


def named_series(project: Project, name: str) -> TimeSeries:
    """A time series by its name, or by that of one of its frames.

    Raises
    ------
    CellsegError
        When there is none.
    """
    every = time_series_in(project.images())
    found = every.get(name) or next((s for s in every.values() if name in s.ids), None)
    if found is None:
        names = ", ".join(every) or "none yet"
        raise CellsegError(f"There is no time series {name!r} in {project.name}.", f"Time series: {names}.")
    return found
