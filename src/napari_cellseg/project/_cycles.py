"""Review cycles as they are kept in ``project.db``: who opened and closed one, and how labels stood at both moments.

Data flow: opening or closing -> of every image a mark, the number of its newest edit -> labels at a mark are what the
log leads to up to there. Where `compact` folds edits on both sides of a mark into one, it writes the labels at the mark
into the mark's row first, so that a mark never depends on what was folded.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .._types import Labels, State
from ..errors import CellsegError
from ._db import Database, Row
from ._edit import decode_edit, difference, encode_edit
from ._folder import Project
from ._grids import copied, zeros
from ._records import EditRow, ImageRecord

Moment = Literal["opened", "closed"]
_REVIEWER = "reviewer"
"""The setting that holds who reviewed last."""


@dataclass(frozen=True)
class CycleMark:
    """How far the log of one image was when a cycle was opened or closed.

    Attributes
    ----------
    edit
        The newest edit then, 0 where there was none.
    figures
        What was measured of the image when the cycle was closed (see the room `cycles`), {} at its opening.
    kept
        Whether labels and state lie in the mark itself, since edits round it were folded.
    """

    image: str
    cycle: int
    kind: Moment
    edit: int
    figures: dict[str, Any] = field(default_factory=dict)
    kept: bool = False


@dataclass(frozen=True)
class ReviewCycle:
    """One pass of a reviewer over the images of a project.

    Attributes
    ----------
    n
        From 1, in the order in which they were opened.
    closed
        When; None while it is open.
    at_opening, at_closing
        Marks by image; images that were added later have none at the opening.
    """

    n: int
    opened: float
    reviewer: str
    note: str = ""
    closed: float | None = None
    at_opening: Mapping[str, CycleMark] = field(default_factory=dict)
    at_closing: Mapping[str, CycleMark] = field(default_factory=dict)


def review_cycles(db: Database) -> list[ReviewCycle]:
    """All cycles, the oldest first; images that were removed have no marks."""
    marks: dict[tuple[int, str], dict[str, CycleMark]] = {}
    query = "SELECT image, cycle, kind, edit, figures, data IS NOT NULL FROM cycle_marks ORDER BY n"
    for mark in db.read(_mark, query):
        marks.setdefault((mark.cycle, mark.kind), {})[mark.image] = mark
    return [
        ReviewCycle(n, opened, reviewer, note, closed, marks.get((n, "opened"), {}), marks.get((n, "closed"), {}))
        for n, opened, reviewer, note, closed in db.read(
            _cycle, "SELECT n, opened, reviewer, note, closed FROM review_cycles ORDER BY n"
        )
    ]


def review_cycle(db: Database, n: int | None = None, *, closed: bool = False) -> ReviewCycle:
    """One cycle, the newest where no number is given; only of those that are `closed` if asked.

    Raises
    ------
    CellsegError
        When there is none of that number.
    """
    found = {c.n: c for c in review_cycles(db) if c.closed is not None or not closed}
    if not found:
        what = "closed" if closed else "opened"
        raise CellsegError(f"No review cycle was {what} yet.", "See the step Rounds, or napari-cellseg review-cycle.")
    if n is not None and n not in found:
        raise CellsegError(f"There is no {'closed ' * closed}review cycle {n}.", f"There are: {_listed(found)}.")
    return found[n if n is not None else max(found)]


def reviewer_of(project: Project) -> str:
    """Who reviewed last; before the first cycle, who edits."""
    return project.db.setting(_REVIEWER) or project.author


def open_cycle(project: Project, reviewer: str = "", note: str = "") -> ReviewCycle:
    """Begin a cycle: how labels stand now is what it is compared with, where no cycle was closed before it.

    Raises
    ------
    CellsegError
        When one is open, there is no image, or it cannot be written.
    """
    name, images = " ".join(reviewer.split()) or reviewer_of(project), [r.id for r in project.images()]
    if not images:
        raise CellsegError("There is no image to review.", "Add images first.")
    with project.db.transaction() as connection:
        before = [c for c in review_cycles(project.db) if c.closed is None]
        if before:
            raise CellsegError(
                f"Review cycle {before[0].n} of {before[0].reviewer} is open.", "Close it before the next one begins."
            )
        cursor = connection.execute(
            "INSERT INTO review_cycles (opened, reviewer, note) VALUES (?,?,?)", (time.time(), name, note.strip())
        )
        n, ends = int(cursor.lastrowid or 0), project.db.log_ends()
        _put_marks(connection, [CycleMark(id, n, "opened", ends.get(id, 0)) for id in images])
        connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_REVIEWER, name))
    return review_cycle(project.db, n)


def put_closed(project: Project, n: int, marks: Sequence[CycleMark]) -> ReviewCycle:
    """Close a cycle with what was measured of its images, all of it or nothing.

    Raises
    ------
    CellsegError
        When it was closed meanwhile, or it cannot be written.
    """
    with project.db.transaction() as connection:
        done = connection.execute(
            "UPDATE review_cycles SET closed = ? WHERE n = ? AND closed IS NULL", (time.time(), n)
        )
        if done.rowcount != 1:
            raise CellsegError(f"Review cycle {n} is not open any more.", "Another window or command closed it.")
        there = {r.id for r in project.images()}
        _put_marks(connection, [m for m in marks if m.image in there])
    return review_cycle(project.db, n)


def labels_at_marks(project: Project, marks: Sequence[CycleMark]) -> Iterator[tuple[Labels, State]]:
    """Labels and state of one image at marks, in the order of their edits; the log is gone through once.

    Raises
    ------
    CellsegError
        When a version that knows no cycles has folded edits round a mark.
    """
    if not marks:
        return
    record = project.image(marks[0].image)
    rows = project.db.rows_after(record.id, 0)
    labels, state = (zeros(record.shape, kind, project.path / "cache") for kind in (np.uint32, np.uint8))
    done = 0
    for mark in marks:
        if mark.kept:
            _unpack(project.db, mark, labels, state)
        else:
            _check_there(mark, rows)
            for row in rows:
                if done < row.n <= mark.edit:
                    project.db.edit(row.n, record.shape).onto(labels, state)
        done = max(done, mark.edit)
        yield copied(labels), copied(state)


def labels_of_cycle(project: Project, image: str, n: int | None = None) -> tuple[Labels, State]:
    """Labels and state of an image as they were when a cycle (the newest closed one if not given) was closed.

    Raises
    ------
    CellsegError
        When there is no such closed cycle, or the image was not there then.
    """
    cycle, id = review_cycle(project.db, n, closed=True), project.image(image).id
    if id not in cycle.at_closing:
        raise CellsegError(f"{id} was not there when review cycle {cycle.n} was closed.", "Choose another cycle.")
    return next(labels_at_marks(project, [cycle.at_closing[id]]))


def keep_marks(connection: sqlite3.Connection, project: Project, record: ImageRecord, rows: Sequence[EditRow]) -> None:
    """Write labels and state into the marks inside `rows`, which are to become one, in the same transaction."""
    query = "SELECT image, cycle, kind, edit, figures, data IS NOT NULL FROM cycle_marks WHERE image = ? AND edit < ?"
    marks = [m for m in project.db.read(_mark, f"{query} ORDER BY edit", record.id, rows[-1].n) if not m.kept]
    for mark, (labels, state) in zip(marks, labels_at_marks(project, marks), strict=True):
        connection.execute(
            "UPDATE cycle_marks SET data = ? WHERE image = ? AND cycle = ? AND kind = ?",
            (_packed(labels, state), mark.image, mark.cycle, mark.kind),
        )


# --- inside ---------------------------------------------------------------------------------------


def _put_marks(connection: sqlite3.Connection, marks: Sequence[CycleMark]) -> None:
    connection.executemany(
        "INSERT INTO cycle_marks (image, cycle, kind, edit, figures) VALUES (?,?,?,?,?)",
        [(m.image, m.cycle, m.kind, m.edit, json.dumps(m.figures)) for m in marks],
    )


def _check_there(mark: CycleMark, rows: Sequence[EditRow]) -> None:
    if any(row.compacted and row.n > mark.edit for row in rows):
        raise CellsegError(
            f"An older version folded the edits of {mark.image} from which cycle {mark.cycle} is told.",
            "The figures of the cycle are kept; its labels are not.",
        )


def _packed(labels: Labels, state: State) -> bytes:
    """Labels and state as one edit from nothing."""
    box = tuple(slice(0, n) for n in labels.shape)
    none = np.broadcast_to(np.uint32(0), labels.shape), np.broadcast_to(np.uint8(0), labels.shape)
    return encode_edit(difference("cycle", *none, box, labels, state))


def _unpack(db: Database, mark: CycleMark, labels: Labels, state: State) -> None:
    query = "SELECT data FROM cycle_marks WHERE image = ? AND cycle = ? AND kind = ?"
    (data,) = db.read(lambda row: bytes(row[0]), query, mark.image, mark.cycle, mark.kind)
    labels[...] = 0
    state[...] = 0
    decode_edit("cycle", data, labels.shape).write_to(labels, state)


def _mark(row: Row) -> CycleMark:
    image, cycle, kind, edit, figures, kept = row
    return CycleMark(str(image), int(cycle), kind, int(edit), dict(json.loads(figures)), bool(kept))


def _cycle(row: Row) -> tuple[int, float, str, str, float | None]:
    n, opened, reviewer, note, closed = row
    return int(n), float(opened), str(reviewer), str(note), None if closed is None else float(closed)


def _listed(found: Mapping[int, ReviewCycle]) -> str:
    return ", ".join(map(str, found))
