"""Objects of time series followed through time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..config import Values, assigned
from ..errors import CellsegError
from ..events import FrameTracked, Stopped
from ..project import Project, named_series, time_series_in
from ..settings import validated
from ..tracks import FORMATS, Linking, Tracks, tracking, write_tracks
from ._work import Stop, Work


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
    files = write_tracks(project, [(s, found[s.name]) for s in chosen], folder, format) if folder is not None else ()
    return Tracked(found, tuple(files))
