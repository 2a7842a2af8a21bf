"""Objects of time series followed through time, what persons say of it, and tracks in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..config import Values, assigned
from ..errors import CellsegError
from ..events import FrameTracked, Stopped
from ..project import Project, TimeSeries, named_series, time_series_in
from ..settings import validated
from ..tracks import Linking, Tracks, Word, say, track_rows, tracking, write_ctc, write_tracks_csv
from ._work import Stop, Work

FORMATS = ("csv", "ctc", "ctc-truth")
"""A table of all objects; the folder of the Cell Tracking Challenge, as a result or as truth."""


@dataclass(frozen=True, eq=False)
class Tracked:
    """What was tracked.

    Attributes
    ----------
    tracks
        Of every series by name.
    files
        Tables and folders that were written.
    stopped
        Whether it ended early at somebody's wish; a series is tracked as a whole or not.
    """

    tracks: dict[str, Tracks] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    stopped: bool = False


def linking(settings: Values) -> Linking:
    """How objects are followed, from what was set.

    Raises
    ------
    CellsegError
        When there is no such setting, or a value lies outside its range.
    """
    return validated(Linking, dict(assigned(settings, "gaps=2")))


def track_project(
    project: Project, names: Sequence[str], how: Linking, out: tuple[Path | None, str], stop: Stop
) -> Work[Tracked]:
    """Track time series, all of them where none is named; see `TimeVerbs.track`."""
    folder, format = out
    if format not in FORMATS:
        raise CellsegError(f"Tracks cannot be written as {format!r}.", f"Use one of {', '.join(FORMATS)}.")
    every = time_series_in(project.images())
    chosen = [named_series(project, name) for name in names] or list(every.values())
    if not chosen:
        raise CellsegError(
            f"{project.name} has no time series.", "Add a file with a T axis, or join images: images --time-series."
        )
    found: dict[str, Tracks] = {}
    total = sum(len(s.ids) for s in chosen)
    done = 0
    for series in chosen:
        work = tracking(project, series, how, stop)
        while True:
            try:
                image, objects = next(work)
            except StopIteration as end:
                tracks = end.value
                break
            done += 1
            yield FrameTracked(image, objects, done, total)
        if tracks is None:
            yield Stopped("cancelled")
            return Tracked(found, (), True)
        found[series.name] = tracks
    files = _write(project, [(s, found[s.name]) for s in chosen], folder, format) if folder is not None else ()
    return Tracked(found, tuple(files))


def write_tracks(project: Project, series: TimeSeries, tracks: Tracks, folder: Path, format: str) -> list[Path]:
    """Write the tracks of one series into a folder; see `TimeVerbs.track`."""
    return _write(project, [(series, tracks)], folder, format)


def say_link(project: Project, earlier: tuple[str, int], later: tuple[str, int], *, linked: bool) -> None:
    """Keep that two objects, (image, label) each, are one or are not.

    Raises
    ------
    CellsegError
        When they are not of one series in this order, or one is not there.
    """
    series = named_series(project, earlier[0])
    if later[0] not in series.ids or series.at(later[0]) <= series.at(earlier[0]):
        raise CellsegError(
            f"{later[0]} does not come after {earlier[0]} in a time series.", "Name the earlier object first."
        )
    points = [_inside(project, *which) for which in (earlier, later)]
    back = series.points[series.at(later[0])] - series.points[series.at(earlier[0])]
    say(project, Word(later[0], points[1], back, points[0], linked))


def _inside(project: Project, image: str, label: int) -> tuple[int, ...]:
    """The pixel of an object that lies nearest to its middle."""
    places = np.argwhere(project.load_labels(image)[0] == label)
    if not len(places) or label < 1:
        raise CellsegError(f"{image} has no object {label}.", "Name a label that is there.")
    away = np.abs(places - places.mean(axis=0)).sum(axis=1)
    return tuple(int(p) for p in places[np.argmin(away)])


def _write(project: Project, found: Sequence[tuple[TimeSeries, Tracks]], folder: Path, format: str) -> list[Path]:
    if format == "csv":
        rows: list[tuple[object, ...]] = []
        for series, tracks in found:
            step = series.interval_s
            times = [None if step is None else (p - series.points[0]) * step for p in series.points]
            rows += track_rows(tracks, series.name, series.ids, times, project.image(series.ids[0]).spacing_um)
        return [write_tracks_csv(folder / "tracks.csv", rows)]
    for series, _ in found:
        if (folder / series.name).exists():
            raise CellsegError(f"{folder / series.name} is there already.", "Name another folder.")
    out = []
    for series, tracks in found:
        ids = series.ids
        write_ctc(
            folder / series.name, tracks, lambda t, ids=ids: project.load_labels(ids[t])[0],  # type: ignore[misc]
            truth=format == "ctc-truth",
        )  # fmt: skip
        out.append(folder / series.name)
    return out
