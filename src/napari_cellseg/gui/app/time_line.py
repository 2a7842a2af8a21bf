"""Time series as the window shows them: a line of the list each, and where in time the open image is. No Qt.

Data flow: records -> `time_series_in` (once, with the lists of the project) -> entries, `TimeView`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...measurement import interval_of, times_of
from ...measurement import series_of as series_of_names
from ...project import ImageRecord, TimeSeries, free_name
from .items import Control
from .session import Session

_OFF = Control(False)


@dataclass(frozen=True)
class TimeView:
    """What is shown of time.

    Attributes
    ----------
    series
        Name of the series whose frame is open, "" where it is of none.
    frame, frames
        Which of how many, from 0.
    text
        The same for people: ``3 / 12, 0.5 h``.
    interval
        From frame to frame: ``15 min``; "" where nobody has said it.
    change
        Whether the interval can be changed.
    """

    series: str = ""
    frame: int = 0
    frames: int = 0
    text: str = ""
    interval: str = ""
    change: Control = _OFF


@dataclass(frozen=True)
class Entry:
    """A line of the list of images: an image, or a time series with its frames."""

    key: str
    records: tuple[ImageRecord, ...] = field(repr=False)
    series: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """Its images."""
        return tuple(r.id for r in self.records)


def series_of(s: Session, image: str) -> TimeSeries | None:
    """The time series of which an image is a frame."""
    return next((t for t in s.time_series if image in t.ids), None)


def entries(s: Session) -> list[Entry]:
    """The lines of the list of images, in the order of adding."""
    records = {r.id: r for r in s.images}
    of = {id: t for t in s.time_series for id in t.ids if id in records}
    found: dict[str, Entry] = {}
    for id, record in records.items():
        if (series := of.get(id)) is None:
            found[id] = Entry(id, (record,))
        elif series.name not in found:
            found[series.name] = Entry(series.name, tuple(records[i] for i in series.ids if i in records), True)
    return list(found.values())


def entry_of(s: Session, image: str) -> str:
    """The key of the line that an image belongs to; "" where there is none."""
    series = series_of(s, image)
    return series.name if series is not None else image if any(r.id == image for r in s.images) else ""


def time_view(s: Session, change: Control) -> TimeView:
    """What is shown of the open image's time."""
    series = series_of(s, s.image)
    if series is None:
        return TimeView()
    n = series.at(s.image)
    text = f"{n + 1} / {len(series.ids)}"
    if series.interval_s is not None:
        text += f", {duration((series.points[n] - series.points[0]) * series.interval_s)}"
    interval = "" if series.interval_s is None else duration(series.interval_s)
    return TimeView(series.name, n, len(series.ids), text, interval, change)


def joinable(s: Session) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Images that could be one time series, since their names differ in a time point alone: a name, and ids in order.

    By the key of every line of the list that is among them.
    """
    single = [entry.records[0] for entry in entries(s) if not entry.series]
    names = [r.id for r in single]
    times, stems = times_of(names), series_of_names(names)
    groups: dict[tuple[object, ...], list[ImageRecord]] = {}
    for r in single:
        if times[r.id] == times[r.id]:
            groups.setdefault((stems[r.id], r.shape, r.n_channels, r.split), []).append(r)
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for (stem, *_), records in groups.items():
        ids = tuple(sorted((r.id for r in records), key=lambda id: times[id]))
        if len({times[id] for id in ids}) == len(ids) > 1:
            name = free_name(str(stem), [entry.key for entry in entries(s)])
            found |= dict.fromkeys(ids, (name, ids))
    return found


def seconds_said(text: str) -> float | None:
    """Seconds of what a person writes: ``15 min``, ``0.5 h``; a bare number is minutes. None of "".

    Raises
    ------
    CellsegError
        When it is no time.
    """
    text = text.strip().replace(",", ".")
    if not text:
        return None
    bare = text.replace(".", "", 1).isdecimal()
    return interval_of(f"{text} min" if bare else text).hours * 3600


def duration(seconds: float) -> str:
    """``12 min``, ``1.5 h``, ``3 d``."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
