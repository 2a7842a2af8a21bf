"""Spot checks as they are kept in ``project.db``: the places of a sample, and what a person answered, row by row.

Data flow: a drawn sample -> one row per check and one per place -> every answer is a row of its own, on disk before the
next place is shown; of several answers to one place the newest counts.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from .._types import Labels, Span, State
from ._db import Database, Row
from ._objects import Objects

Kind = Literal["object", "field"]
Point = tuple[int, ...]
RIGHT, WRONG, UNSURE, COUNTED, COUNTING, GONE = "right", "wrong", "unsure", "counted", "counting", "gone"
"""Answers: of an object the first three; of a field counted, unsure, or still counting; gone is what has changed."""


@dataclass(frozen=True)
class SpotPlace:
    """One place of a sample.

    Attributes
    ----------
    number
        From 1, within its check.
    kind
        ``object``: is it right?; ``field``: how many were missed here?
    object
        Id of the object, 0 of a field.
    box
        (start, stop) per axis.
    found
        Of a field: untouched objects of the prediction whose middle lies in it.
    mark
        Of an object: a sum over its voxels, by which a change is noticed.
    """

    number: int
    image: str
    kind: Kind
    object: int
    box: Span
    found: int = 0
    mark: int = 0


@dataclass(frozen=True)
class SpotAnswer:
    """What a person said of a place, how many were missed there and where (voxels), and how long it took (s)."""

    place: int
    answer: str
    missed: int = 0
    points: tuple[Point, ...] = ()
    seconds: float = 0.0
    author: str = ""
    time: float = 0.0


@dataclass(frozen=True)
class SpotCheck:
    """A sample of what nobody had looked at, and the answers so far.

    Attributes
    ----------
    edits
        The newest edit of the log when it was drawn.
    models
        Which models had predicted the images, in words.
    objects, fields
        How many untouched objects and fields there were to draw from.
    answers
        The newest of every place that has one, by its number.
    """

    n: int
    time: float
    author: str
    seed: int
    edits: int
    models: str
    objects: int
    fields: int
    places: tuple[SpotPlace, ...] = ()
    answers: dict[int, SpotAnswer] = field(default_factory=dict)

    def of(self, kind: Kind) -> list[SpotPlace]:
        """The places of one kind."""
        return [p for p in self.places if p.kind == kind]

    @property
    def open(self) -> list[SpotPlace]:
        """Places without an answer, or with a count that was not finished."""
        said = {n for n, a in self.answers.items() if a.answer != COUNTING}
        return [p for p in self.places if p.number not in said]


def add_spot_check(db: Database, check: SpotCheck) -> SpotCheck:
    """Keep a sample, all of it or nothing; returns it with its number and time."""
    now = time.time()
    plan = {"seed": check.seed, "edits": check.edits, "models": check.models, "objects": check.objects,
            "fields": check.fields}  # fmt: skip
    with db.transaction() as connection:
        cursor = connection.execute(
            "INSERT INTO spot_checks (time, author, plan) VALUES (?,?,?)", (now, check.author, json.dumps(plan))
        )
        n = int(cursor.lastrowid or 0)
        connection.executemany(
            "INSERT INTO spot_places (image, spot_check, number, kind, object, box, found, mark) "
            "VALUES (?,?,?,?,?,?,?,?)",
            [(p.image, n, p.number, p.kind, p.object, json.dumps(p.box), p.found, p.mark) for p in check.places],
        )
    return replace(check, n=n, time=now)


def add_spot_answers(db: Database, check: SpotCheck, answers: Sequence[SpotAnswer]) -> SpotCheck:
    """Keep answers, all or none; they are on disk when this returns. Returns the check with them."""
    images = {p.number: p.image for p in check.places}
    stamped = [replace(a, time=a.time or time.time()) for a in answers]
    with db.transaction() as connection:
        connection.executemany(
            "INSERT INTO spot_answers (image, time, author, spot_check, number, answer, missed, points, seconds) "
            "VALUES (?,?,?,?,?,?,?,?,?)",
            [
                (
                    images[a.place],
                    a.time,
                    a.author,
                    check.n,
                    a.place,
                    a.answer,
                    a.missed,
                    json.dumps(a.points),
                    a.seconds,
                )
                for a in stamped
            ],
        )
    return replace(check, answers=check.answers | {a.place: a for a in stamped})


def spot_checks(db: Database) -> list[SpotCheck]:
    """All spot checks, the oldest first; places of images that were removed are left out."""
    places: dict[int, list[SpotPlace]] = {}
    answers: dict[int, dict[int, SpotAnswer]] = {}
    query = "SELECT spot_check, number, image, kind, object, box, found, mark FROM spot_places ORDER BY number"
    for n, place in db.read(_place, query):
        places.setdefault(n, []).append(place)
    query = "SELECT spot_check, number, answer, missed, points, seconds, author, time FROM spot_answers ORDER BY n"
    for n, answer in db.read(_answer, query):
        answers.setdefault(n, {})[answer.place] = answer
    found = db.read(_check, "SELECT n, time, author, plan FROM spot_checks ORDER BY n")
    return [replace(c, places=tuple(places.get(c.n, ())), answers=answers.get(c.n, {})) for c in found]


def is_outdated(db: Database, check: SpotCheck) -> bool:
    """Whether images were predicted or drafted again since a sample was drawn."""
    return bool(db.rows("SELECT 1 FROM edits WHERE n > ? AND tool IN ('predict', 'draft') AND grp NOT LIKE 'live-%' "
                        "LIMIT 1", check.edits))  # fmt: skip


def mark_of(labels: Labels, id: int, box: Span) -> int:
    """A sum over the place and shape of an object inside its box."""
    mask = labels[tuple(slice(a, b) for a, b in box)] == id
    return zlib.crc32(np.packbits(mask).tobytes(), zlib.crc32(json.dumps(box).encode()))


def is_as_drawn(place: SpotPlace, labels: Labels, state: State, objects: Objects) -> bool:
    """Whether an object is what it was when the sample was drawn, and still untouched; fields always are."""
    if place.kind == "field":
        return True
    if place.object not in objects:
        return False
    box = objects.box(labels, place.object)
    span = tuple((s.start, s.stop) for s in box)
    if span != place.box or mark_of(labels, place.object, span) != place.mark:
        return False
    return not bool(state[box][labels[box] == place.object].any())


def _place(row: Row) -> tuple[int, SpotPlace]:
    n, number, image, kind, object_, box, found, mark = row
    return int(n), SpotPlace(int(number), str(image), kind, int(object_), _span(box), int(found), int(mark))


def _answer(row: Row) -> tuple[int, SpotAnswer]:
    n, number, answer, missed, points, seconds, author, when = row
    places = tuple(tuple(int(v) for v in p) for p in json.loads(points))
    return int(n), SpotAnswer(int(number), str(answer), int(missed), places, float(seconds), str(author), float(when))


def _check(row: Row) -> SpotCheck:
    n, when, author, plan = row
    values: dict[str, Any] = json.loads(plan)
    return SpotCheck(int(n), float(when), str(author), **values)


def _span(text: str) -> Span:
    return tuple((int(a), int(b)) for a, b in json.loads(text))
