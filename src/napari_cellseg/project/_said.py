"""What persons said of single objects, of whatever kind: states of nuclei, classes.

Table ``object_said`` is append-only. An object is known by a pixel inside it, not by its number: predictions and tools
number objects anew. Of a point the newest word counts, "" takes back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ._db import Database, Row
from ._folder import Project

Point = tuple[int, ...]


@dataclass(frozen=True)
class Said:
    """What a person said of one object.

    Attributes
    ----------
    point
        A pixel inside it, (Z, Y, X) or (Y, X).
    word
        The state, class or whatever was said.
    author, time
        Who said so, and when (seconds since 1970).
    """

    point: Point
    word: str
    author: str
    time: float


def said(project: Project, kind: str, image: str, before: Sequence[Said] = ()) -> tuple[Said, ...]:
    """What counts of all that was said of an image's objects, the newest last.

    `before` was said before any of it, and is kept elsewhere.
    """
    return _counting(project.db.rows(f"{_SELECT} WHERE kind = ? AND image = ? {_ORDER}", kind, image), before)


def said_everywhere(project: Project, kind: str) -> dict[str, tuple[Said, ...]]:
    """The same of all images of which anything was said."""
    rows: dict[str, list[Row]] = {}
    for row in project.db.rows(f"{_SELECT} WHERE kind = ? {_ORDER}", kind):
        rows.setdefault(str(row[0]), []).append(row)
    there = {r.id for r in project.images()}
    return {image: found for image, of in rows.items() if image in there and (found := _counting(of))}


def say(project: Project, kind: str, image: str, words: Mapping[Point, str], instead: Collection[Point] = ()) -> None:
    """Keep what a person says of objects of an image.

    Parameters
    ----------
    words
        By a pixel inside each object; "" takes back.
    instead
        Points at which something was said of these objects before: it counts no more.

    Raises
    ------
    CellsegError
        When there is no such image, or it cannot be written.
    """
    project.image(image)
    lines = {**dict.fromkeys(instead, ""), **words}
    with project.db.transaction() as connection:
        last = "SELECT MAX(time) FROM object_said WHERE kind = ? AND image = ?"
        (newest,) = connection.execute(last, (kind, image)).fetchone()
        now = max(time.time(), newest or 0.0)  # a clock that was put back makes no word older
        connection.executemany(
            "INSERT INTO object_said (image, time, author, kind, word, point) VALUES (?,?,?,?,?,?)",
            [
                (image, now, project.author, kind, word, json.dumps({"point": [int(p) for p in point]}))
                for point, word in lines.items()
            ],
        )


def change_word(project: Project, kind: str, old: str, new: str) -> None:
    """Call what was said otherwise, everywhere; who said so and when stays."""
    with project.db.transaction() as connection:
        connection.execute("UPDATE object_said SET word = ? WHERE kind = ? AND word = ?", (new, kind, old))


def count_said(db: Database, kind: str = "") -> dict[str, int]:
    """How many objects of every image a person said something of."""
    rows: dict[tuple[str, str], list[Row]] = {}
    for one, *row in db.rows(f"SELECT kind, {_COLUMNS} FROM object_said WHERE ? IN ('', kind) {_ORDER}", kind):
        rows.setdefault((str(one), str(row[0])), []).append(tuple(row))
    counts: dict[str, int] = {}
    for (_, image), of in rows.items():
        counts[image] = counts.get(image, 0) + len(_counting(of))
    return counts


# --- inside ---------------------------------------------------------------------------------------

_COLUMNS = "image, time, author, word, point"
_SELECT = f"SELECT {_COLUMNS} FROM object_said"
_ORDER = "ORDER BY time, n"  # rows of several databases that were put together are not in the order of their numbers


def _counting(rows: Sequence[Row], before: Sequence[Said] = ()) -> tuple[Said, ...]:
    found: dict[Point, Said] = {s.point: s for s in before}
    for _, when, author, word, place in rows:
        try:
            point = tuple(int(p) for p in json.loads(place)["point"])
        except (ValueError, TypeError, KeyError):
            continue  # of another version
        found.pop(point, None)
        if word:
            found[point] = Said(point, str(word), str(author or ""), float(when or 0))
    return tuple(found.values())
