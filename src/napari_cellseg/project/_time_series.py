"""Time series: images of a project that are one picture at different times, in their order.

Data flow: records -> `time_series_in` -> names, frames, seconds between them. A frame is an image like any other; only
what a person does to the list of images (rename, remove, move, export) takes a series as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import CellsegError
from ._names import free_name, safe_name
from ._records import ImageRecord

_ENDING = re.compile(r"_t\d{4,}(-\d+)?$")
"""What `add` puts after the name of a frame."""


@dataclass(frozen=True)
class TimeSeries:
    """Images that are one picture at different times.

    Attributes
    ----------
    name
        What it is called; no image has this name.
    ids
        Its images, in the order of time.
    points
        The time point of each, rising whole numbers; where frames were left out, there are gaps.
    interval_s
        Seconds from one time point to the next; None where nobody knows.
    """

    name: str
    ids: tuple[str, ...]
    points: tuple[int, ...]
    interval_s: float | None = None

    def at(self, id: str) -> int:
        """The place of a frame among the others, from 0."""
        return self.ids.index(id)

    def beside(self, id: str) -> list[str]:
        """The frames right before and after one."""
        n = self.at(id)
        near = [k for k in (n - 1, n + 1) if 0 <= k < len(self.ids) and abs(self.points[k] - self.points[n]) == 1]
        return [self.ids[k] for k in near]

    @property
    def hours(self) -> float | None:
        """From one time point to the next."""
        return None if self.interval_s is None else self.interval_s / 3600


def time_series_in(records: Iterable[ImageRecord]) -> dict[str, TimeSeries]:
    """The time series of a project by name, in the order of their first frames.

    Frames of one file that a version without time series has added are one, too.
    """
    records = list(records)
    named: dict[str, list[ImageRecord]] = {}
    older: dict[tuple[str, str | None, str | None], list[ImageRecord]] = {}
    for record in records:
        if record.time_series:
            named.setdefault(record.time_series, []).append(record)
        elif record.time_series is None:
            older.setdefault((record.source, record.series, record.given_axes), []).append(record)
    taken = {r.id for r in records} | set(named)
    for frames in older.values():
        if len(frames) > 1:
            name = film_name(frames[0].id, taken)
            taken.add(name)
            named[name] = [replace(r, time_point=r.frame) for r in frames]
    order = {record.id: n for n, record in enumerate(records)}
    found = {name: _series(name, frames) for name, frames in named.items()}
    return dict(sorted(found.items(), key=lambda item: min(order[id] for id in item[1].ids)))


def _series(name: str, frames: list[ImageRecord]) -> TimeSeries:
    frames = sorted(frames, key=lambda r: r.time_point)
    told = next((r.interval_s for r in frames if r.interval_s), None)
    return TimeSeries(name, tuple(r.id for r in frames), tuple(r.time_point for r in frames), told)


def series_with(records: Iterable[ImageRecord], id: str) -> TimeSeries | None:
    """The time series of which an image is a frame; None where it is of none."""
    return next((s for s in time_series_in(records).values() if id in s.ids), None)


def frames_beside(records: Iterable[ImageRecord], id: str) -> list[str]:
    """The images that are the time points before and after one, where it is a frame of a series; in that order."""
    series = series_with(records, id)
    return series.beside(id) if series is not None else []


def check_same_size(frames: Sequence[ImageRecord]) -> None:
    """Refuse images that cannot be frames of one series.

    Raises
    ------
    CellsegError
        When they differ in size or channels.
    """
    for r in frames:
        if (r.shape, r.n_channels) != (frames[0].shape, frames[0].n_channels):
            raise CellsegError(
                f"{r.id} is {r.shape} with {r.n_channels} channels, {frames[0].id} {frames[0].shape} with "
                f"{frames[0].n_channels}: they cannot be frames of one time series.",
                "Frames have one size and the same channels.",
            )


def check_name(name: str, taken: Iterable[str]) -> None:
    """Refuse a name that a time series cannot have.

    Raises
    ------
    CellsegError
        When it cannot be the name of a file, or is taken.
    """
    if not name or safe_name(name) != name:
        raise CellsegError(
            f"A time series cannot be called {name!r}.", f"Use letters, digits, . _ -: {safe_name(name)}"
        )
    if name.casefold() in {t.casefold() for t in taken}:
        raise CellsegError(f"There is an image or time series {name} already.", "Choose another name.")


def new_ids(series: TimeSeries, name: str) -> dict[str, str]:
    """What the images of a series are called when it gets another name: those that begin with its name follow."""
    return {id: name + id[len(series.name) :] for id in series.ids if id.startswith(f"{series.name}_t")}


def film_name(first: str, taken: Iterable[str]) -> str:
    """A name for the series of which `first` is the first frame's id."""
    return free_name(_ENDING.sub("", first) or first, list(taken))
