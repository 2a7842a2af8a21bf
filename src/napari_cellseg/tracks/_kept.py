"""Tracks of a project: kept beside labels, made again at will; links that persons made or cut, kept for good.

Table `tracks` has a row per frame: which label is which track, as it was when the frame had so many edits. Table
`track_links` is append-only: what persons said, by a pixel inside both objects, since labels may be numbered anew.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .._types import Labels
from ..errors import CellsegError
from ..project import Project, TimeSeries
from ._link import Linking
from ._tracker import Said, Tracker
from ._tracks import Tracks

Point = tuple[int, ...]


@dataclass(frozen=True)
class Word:
    """What a person said of two objects of a series.

    Attributes
    ----------
    image, point
        The later frame, and a pixel inside the object there, (Z, Y, X) or (Y, X).
    back, earlier
        How many time points before the other frame is, and a pixel inside the object there.
    linked
        Whether both are one object (or mother and daughter), or they are not.
    """

    image: str
    point: Point
    back: int
    earlier: Point
    linked: bool


def say(project: Project, word: Word) -> None:
    """Keep what a person said; it holds from the next tracking on.

    Raises
    ------
    CellsegError
        When there is no such image, or it cannot be written.
    """
    project.image(word.image)
    text = json.dumps({"point": word.point, "back": word.back, "earlier": word.earlier, "linked": word.linked})
    with project.db.transaction() as connection:
        connection.execute(
            "INSERT INTO track_links (image, time, author, said) VALUES (?,?,?,?)",
            (word.image, time.time(), project.author, text),
        )


def words(project: Project, series: TimeSeries) -> list[Word]:
    """What persons said of a series, the newest last."""
    rows = project.db.rows("SELECT image, said FROM track_links ORDER BY n")
    found = []
    for image, text in rows:
        if image not in series.ids:
            continue
        try:
            said = json.loads(text)
            points = tuple(map(int, said["point"])), tuple(map(int, said["earlier"]))
            found.append(Word(image, points[0], int(said["back"]), points[1], bool(said["linked"])))
        except (ValueError, TypeError, KeyError):
            continue  # of another version
    return found


def said_of(project: Project, series: TimeSeries) -> list[Said]:
    """The same by labels as they are now; what is said of objects that are gone is left out."""
    by_point = {p: n for n, p in enumerate(series.points)}
    loaded: dict[int, Labels] = {}

    def label(at: int, point: Point) -> int:
        if at not in loaded:
            loaded[at] = project.load_labels(series.ids[at])[0]
        inside = len(point) == loaded[at].ndim and all(0 <= p < n for p, n in zip(point, loaded[at].shape, strict=True))
        return int(loaded[at][point]) if inside else 0

    found: dict[tuple[tuple[int, int], tuple[int, int]], Said] = {}
    for word in words(project, series):
        later = series.at(word.image)
        before = by_point.get(series.points[later] - word.back)
        if before is None or before >= later:
            continue
        a, b = (before, label(before, word.earlier)), (later, label(later, word.point))
        if a[1] and b[1]:
            found.pop((a, b), None)
            found[a, b] = Said(a, b, word.linked)
    return list(found.values())


def tracking(
    project: Project, series: TimeSeries, how: Linking | None = None, stop: Callable[[], bool] = lambda: False
) -> Generator[tuple[str, int], None, Tracks | None]:
    """Follow the objects of a series through time and keep the tracks; None where it was stopped, then nothing is kept.

    Numbers of tracks stay where most of a track is the same.

    Yields
    ------
    tuple of str, int
        Every image when it has been read, and how many objects it has.

    Raises
    ------
    CellsegError
        When labels are classes, or cannot be read or tracks written.
    """
    check_objects(project)
    tracker = Tracker(how, project.image(series.ids[0]).spacing_um, said_of(project, series))
    edits = []
    for id in series.ids:
        if stop():
            return None
        row = project.db.last_row(id)
        edits.append(row.n if row else 0)
        tracker.add(project.load_labels(id)[0])
        yield id, len(tracker)
    before = kept_tracks(project, series)
    found = tracker.result(before.by_object if before is not None else None)
    keep_tracks(project, series, found, edits)
    return found


def track_series(project: Project, series: TimeSeries, how: Linking | None = None) -> Tracks:
    """Follow the objects of a series through time and keep the tracks; see `tracking`."""
    work = tracking(project, series, how)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return cast(Tracks, end.value)


def check_objects(project: Project) -> None:
    """Refuse projects whose labels are classes."""
    if project.task != "instance":
        raise CellsegError("The labels of this project are classes.", "Objects are tracked: use a project of objects.")


def keep_tracks(project: Project, series: TimeSeries, tracks: Tracks, edits: Iterable[int]) -> None:
    """Keep the tracks of a series in the place of older ones; `edits` is the newest edit of each frame."""
    first: dict[int, int] = {span.track: span.first for span in tracks.spans}
    with project.db.transaction() as connection:
        for at, (id, edit) in enumerate(zip(series.ids, edits, strict=True)):
            mine = tracks.frames == at
            values = {
                "labels": tracks.labels[mine].tolist(),
                "tracks": tracks.tracks[mine].tolist(),
                "middles": np.round(tracks.middles[mine], 2).tolist(),
                "sizes": tracks.sizes[mine].tolist(),
                "parents": {str(c): p for c, p in tracks.parents.items() if first[c] == at},
            }
            data = zlib.compress(json.dumps(values).encode())
            connection.execute("INSERT OR REPLACE INTO tracks VALUES (?,?,?)", (id, edit, data))


def kept_tracks(project: Project, series: TimeSeries) -> Tracks | None:
    """The tracks that are kept of a series; None where there are none of every frame."""
    rows = {image: data for image, _, data in project.db.rows("SELECT image, edit, data FROM tracks")}
    if not all(id in rows for id in series.ids):
        return None
    try:
        return _read(
            [json.loads(zlib.decompress(rows[id])) for id in series.ids], len(project.image(series.ids[0]).shape)
        )
    except (ValueError, KeyError, TypeError, zlib.error):
        return None  # they can be made again


def outdated(project: Project, series: TimeSeries) -> tuple[str, ...]:
    """Frames whose labels have changed since they were tracked."""
    ends = project.db.log_ends()
    tracked = {image: edit for image, edit, _ in project.db.rows("SELECT image, edit, data FROM tracks")}
    return tuple(id for id in series.ids if tracked.get(id) != ends.get(id, 0))


def _read(frames: list[dict[str, Any]], ndim: int) -> Tracks:
    def all_of(name: str) -> list[Any]:
        return [value for frame in frames for value in frame[name]]

    parents = {int(c): int(p) for frame in frames for c, p in dict(frame["parents"]).items()}
    at = np.repeat(np.arange(len(frames)), [len(frame["labels"]) for frame in frames])
    middles = np.array(all_of("middles"), float).reshape(-1, ndim)
    labels, tracks, sizes = (np.array(all_of(name), np.int64) for name in ("labels", "tracks", "sizes"))
    if not len(labels) == len(tracks) == len(sizes) == len(middles):
        raise ValueError("columns of different length")
    return Tracks(at.astype(np.int64), labels, tracks, middles, sizes, parents, len(frames))
