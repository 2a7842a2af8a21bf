"""``project.db``: an append-only log and a few small tables, in SQLite's write-ahead mode."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from .._types import Span
from ..errors import CellsegError, ProjectGone
from ._connection import connected, damaged, explained, file_mark, understood
from ._edit import Edit, Packed, decode_edit
from ._records import COMPACTED, EditRow, Holdout, ImageRecord, ReviewRecord, RoundRecord, image_from_json

T = TypeVar("T")
Row = tuple[Any, ...]

_EDIT_COLUMNS = "n, image, time, author, tool, grp, undoes, box, voxels"


class Database:
    """One connection; every method is one transaction, so a killed process leaves whole rows.

    Parameters
    ----------
    create
        Make the file where it is missing.

    Raises
    ------
    CellsegError
        When the file is missing, damaged, holds what no project has, is locked by another program for long, or the
        disk is full.
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        self._connection = connected(path, create)
        self._mark = file_mark(path)

    def close(self) -> None:
        """Close the connection; every committed row is on disk already."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; commit at the end, roll back on any exception.

        Raises
        ------
        ProjectGone
            When the file is not the one that was opened any more: what is written would be lost.
        """
        self.check_place()
        with explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def check_place(self) -> None:
        """Notice a project that was moved, deleted or replaced while it is open; a few microseconds.

        A file with the same log (a copy put in its place, a file system that numbers its files again) is taken up.

        Raises
        ------
        ProjectGone
            When there is no such file, or it holds another log.
        """
        mark = file_mark(self.path)
        if mark == self._mark:
            return
        folder = self.path.parent
        if mark is None:
            message = f"{folder.name} is not at {folder} any more: it was moved or deleted while it is open."
            raise ProjectGone(message, "Put it back, or save what is open here as another project.")
        if not self._took_up(mark):
            raise ProjectGone(
                f"The database of {folder.name} was replaced while it is open; what is open here is not in it.",
                "Save what is open here as another project, or close it and open the project again.",
            )

    def _took_up(self, mark: tuple[int, int]) -> bool:
        """Go on with the file that lies at the path now, where everything of this log is in it."""
        try:
            fresh = connected(self.path)
        except CellsegError:
            return False
        for table in ("edits", "hints"):
            newest = self._rows(f"SELECT n, time FROM {table} ORDER BY n DESC LIMIT 1")
            if newest and not fresh.execute(f"SELECT 1 FROM {table} WHERE n = ? AND time = ?", newest[0]).fetchone():
                fresh.close()
                return False
        self._connection.close()
        self._connection, self._mark = fresh, mark
        return True

    def copy_to(self, path: Path) -> None:
        """Write all rows to another file, also where this one was deleted since it was opened."""
        with explained(path), closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)

    def make_single(self) -> None:
        """Put everything into the one file, on disk; until the next opening nothing lies beside it."""
        with explained(self.path):
            self._connection.execute("PRAGMA journal_mode=DELETE")

    def rows(self, query: str, *values: Any) -> list[Row]:
        """What a query gives, for the rooms beside this one that move whole rows."""
        return self._rows(query, *values)

    def read(self, read: Callable[[Row], T], query: str, *values: Any) -> list[T]:
        """Rows as values, for the rooms beside this one; what cannot be understood is damage."""
        return self._read(read, query, *values)

    def _rows(self, query: str, *values: Any) -> list[Row]:
        with explained(self.path):
            return self._connection.execute(query, values).fetchall()

    def _read(self, read: Callable[[Row], T], query: str, *values: Any) -> list[T]:
        """Rows as values; what cannot be understood is damage."""
        with understood(self.path):
            return [read(row) for row in self._rows(query, *values)]

    # images ---------------------------------------------------------------------------------------

    def images(self) -> list[ImageRecord]:
        """All image records in the order in which they were added."""
        return self._read(lambda row: image_from_json(row[0]), "SELECT record FROM images ORDER BY position")

    def put_images(self, records: list[ImageRecord]) -> None:
        """Add or replace records, all or none."""
        with self.transaction() as connection:
            self.enter_images(connection, records)

    @staticmethod
    def enter_images(connection: sqlite3.Connection, records: list[ImageRecord]) -> None:
        """Add or replace records inside a transaction."""
        for record in records:
            connection.execute(
                "INSERT INTO images VALUES (?, (SELECT COALESCE(MAX(position), 0) + 1 FROM images), ?) "
                "ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                (record.id, json.dumps(asdict(record))),
            )

    # the log --------------------------------------------------------------------------------------

    @staticmethod
    def append(
        connection: sqlite3.Connection,
        image: str,
        edit: Packed,
        author: str,
        group: str = "",
        undoes: int | None = None,
    ) -> int:
        """Append an edit inside a transaction; returns its number."""
        cursor = connection.execute(
            "INSERT INTO edits (image, time, author, tool, grp, undoes, box, voxels, data) VALUES (?,?,?,?,?,?,?,?,?)",
            (image, time.time(), author, edit.tool, group, undoes, json.dumps(edit.box), edit.voxels, edit.data),
        )
        return int(cursor.lastrowid or 0)

    def rows_after(self, image: str, n: int) -> list[EditRow]:
        """Log rows of one image after edit `n`, oldest first."""
        query = f"SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? AND n > ? ORDER BY n"
        return self._read(_edit_row, query, image, n)

    def newest_rows(self, image: str, at_once: int = 500) -> Iterator[EditRow]:
        """What was done to one image, the newest first, read as it is asked for, folded edits at the end."""
        query = f"SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? AND n < ? ORDER BY n DESC LIMIT ?"
        before = 1 << 62
        while rows := self._read(_edit_row, query, image, before, at_once):
            yield from (row for row in rows if not row.compacted)
            before = rows[-1].n
        yield from reversed(self._folded(image))

    def history(self, image: str) -> list[EditRow]:
        """Everything that was ever done to one image, oldest first, also what `compact` has folded."""
        return self._folded(image) + [row for row in self.rows_after(image, 0) if not row.compacted]

    def _folded(self, image: str) -> list[EditRow]:
        return self._read(_edit_row, f"SELECT {_EDIT_COLUMNS} FROM history WHERE image = ? ORDER BY n", image)

    def fold(self, connection: sqlite3.Connection, rows: Sequence[EditRow], into: Packed) -> None:
        """Put one row in place of others of an image, inside a transaction; what was done stays in the history."""
        last = rows[-1]
        span = (last.image, last.n)
        connection.execute(
            f"INSERT INTO history SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? AND n <= ? "
            f"AND tool NOT LIKE '{COMPACTED}%'", span,
        )  # fmt: skip
        connection.execute("DELETE FROM edits WHERE image = ? AND n <= ?", span)
        connection.execute(
            f"INSERT INTO edits ({_EDIT_COLUMNS}, data) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                last.n,
                last.image,
                last.time,
                last.author,
                into.tool,
                "",
                None,
                json.dumps(into.box),
                into.voxels,
                into.data,
            ),
        )

    def size(self) -> int:
        """Bytes of the file and of what lies beside it."""
        return sum(p.stat().st_size for p in self.path.parent.glob(f"{self.path.name}*") if "damaged" not in p.name)

    def shrink(self) -> None:
        """Give room of deleted rows back to the disk, where it can be done."""
        with suppress(sqlite3.OperationalError):  # a full disk, another program: the room is used by the next rows
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def edit(self, n: int, shape: tuple[int, ...] | None = None) -> Edit:
        """The voxels of one row.

        Raises
        ------
        CellsegError
            When there is no such row, it is damaged, or it was not made for an image of this shape.
        """
        rows = self._rows("SELECT tool, data FROM edits WHERE n = ?", n)
        if not rows:
            raise damaged(self.path, f"the log has no edit {n}")
        with understood(self.path):
            tool, data = rows[0]
            try:
                return decode_edit(tool, data, shape)
            except CellsegError as error:
                raise damaged(self.path, error.message.rstrip(".")) from error

    def has_user_edits(self) -> bool:
        """Whether any edit is a person's: neither a prediction nor a draft."""
        marks = ",".join("?" * len(EditRow.MACHINE))
        return bool(self._rows(f"SELECT 1 FROM edits WHERE tool NOT IN ({marks}) LIMIT 1", *EditRow.MACHINE))

    def log_ends(self) -> dict[str, int]:
        """The number of the newest edit of every image that has any."""
        return dict(self._read(_counted, "SELECT image, MAX(n) FROM edits GROUP BY image"))

    def has_edit(self, image: str, n: int) -> bool:
        """Whether an edit of this number belongs to this image."""
        return bool(self._rows("SELECT 1 FROM edits WHERE n = ? AND image = ?", n, image))

    def undone(self, tool: str) -> dict[str, int]:
        """Per image, the newest *undo* that took back an edit of a tool."""
        query = (
            "SELECT back.image, MAX(back.n) FROM edits AS back JOIN edits AS done ON done.n = back.undoes "
            "WHERE back.tool = 'undo' AND done.tool = ? GROUP BY back.image"
        )
        return dict(self._read(_counted, query, tool))

    def last_edit(self) -> int:
        """The number of the newest edit, 0 where there is none."""
        return int(self._rows("SELECT COALESCE(MAX(n), 0) FROM edits")[0][0])

    def start_log_after(self, n: int) -> None:
        """Let the next edit have a number above `n`."""
        with self.transaction() as connection:
            self.count_on(connection, n)

    @staticmethod
    def count_on(connection: sqlite3.Connection, n: int) -> None:
        """Let the next edit have a number above `n`, inside a transaction."""
        row = connection.execute("SELECT MAX(seq) FROM sqlite_sequence WHERE name = 'edits'").fetchone()
        if row[0] is None:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('edits', ?)", (n,))
        elif row[0] < n:
            connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'edits'", (n,))

    # holdouts, models, rounds, runs, settings -----------------------------------------------------

    def holdouts(self) -> dict[str, Holdout]:
        """Held-out parts by image id."""
        found = self._read(lambda row: Holdout(row[0], _boxes(row[1])), "SELECT image, box FROM holdouts")
        return {holdout.image: holdout for holdout in found}

    def put_holdout(self, holdout: Holdout) -> None:
        """Fix held-out parts beside those that exist, which stay: they were reserved never to be learnt from."""
        with self.transaction() as connection:
            row = connection.execute("SELECT box FROM holdouts WHERE image = ?", (holdout.image,)).fetchone()
            before = _boxes(row[0]) if row else ()
            boxes = (*before, *(b for b in holdout.boxes if b not in before))
            connection.execute("INSERT OR REPLACE INTO holdouts VALUES (?, ?)", (holdout.image, json.dumps(boxes)))

    def set_holdout(self, image: str, boxes: tuple[Span, ...], settings: dict[str, str]) -> None:
        """Hold out just these parts of an image from now on, as a person wished, and remember values with it."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM holdouts WHERE image = ?", (image,))
            if boxes:
                connection.execute("INSERT INTO holdouts VALUES (?, ?)", (image, json.dumps(boxes)))
            connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", settings.items())

    def set_splits(self, splits: dict[str, str], how: str = "") -> None:
        """Move images to other splits, all or none, and remember `how`; the next training fixes what judges again."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM holdouts")
            for id, split in splits.items():
                (record,) = connection.execute("SELECT record FROM images WHERE id = ?", (id,)).fetchone()
                changed = json.dumps(json.loads(record) | {"split": split})
                connection.execute("UPDATE images SET record = ? WHERE id = ?", (changed, id))
            if how:
                connection.execute("INSERT OR REPLACE INTO settings VALUES ('split', ?)", (how,))

    def move_to_split(self, ids: Sequence[str], split: str) -> None:
        """Move images to another split; what was held out of them is fixed again by the next training."""
        with self.transaction() as connection:
            for id in ids:
                (record,) = connection.execute("SELECT record FROM images WHERE id = ?", (id,)).fetchone()
                changed = json.dumps(json.loads(record) | {"split": split})
                connection.execute("UPDATE images SET record = ? WHERE id = ?", (changed, id))
                if json.loads(record).get("split") != split:
                    connection.execute("DELETE FROM holdouts WHERE image = ?", (id,))

    def new_model_id(self, parent: str | None) -> str:
        """Reserve the next model number, above those of all folders: the database may be an older copy."""
        folders = (p.name[1:] for p in (self.path.parent / "models").glob("v*"))
        there = max((int(n) for n in folders if n.isdecimal()), default=0)
        with self.transaction() as connection:
            (known,) = connection.execute("SELECT COALESCE(MAX(number), 0) FROM models").fetchone()
            number = max(known, there) + 1
            connection.execute("INSERT INTO models VALUES (?, ?, ?, ?)", (f"v{number}", number, time.time(), parent))
        return f"v{number}"

    def put_model(self, id: str, parent: str | None) -> None:
        """Enter a model that exists as a folder (after a recovery)."""
        number = int("".join(c for c in id if c.isdigit()) or 0)
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)", (id, number, time.time(), parent))

    def rounds(self) -> list[RoundRecord]:
        """All rounds, oldest first."""
        return self._read(_round, "SELECT n, time, parent, child, decision, before, after FROM rounds ORDER BY n")

    def add_round(self, parent: str | None, child: str, before: dict[str, Any], after: dict[str, Any]) -> int:
        """Record a judged round that nobody has decided on yet."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO rounds (time, parent, child, decision, before, after) VALUES (?,?,?,?,?,?)",
                (time.time(), parent, child, "open", json.dumps(before), json.dumps(after)),
            )
        return int(cursor.lastrowid or 0)

    def decide_round(self, n: int, decision: str, current: str | None) -> None:
        """Record a decision and make its model the current one, in one step."""
        with self.transaction() as connection:
            connection.execute("UPDATE rounds SET decision = ? WHERE n = ?", (decision, n))
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('current_model', ?)", (current or "",))

    def start_run(self, kind: str, detail: str) -> int:
        """Record that a job began; one without an end was killed."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (kind, started, outcome, detail) VALUES (?,?,'running',?)",
                (kind, time.time(), detail),
            )
        return int(cursor.lastrowid or 0)

    def finish_run(self, n: int, outcome: str) -> None:
        """Record how a job ended."""
        with self.transaction() as connection:
            connection.execute("UPDATE runs SET finished = ?, outcome = ? WHERE n = ?", (time.time(), outcome, n))

    def add_review(self, record: ReviewRecord) -> None:
        """Record what a person did at one place of the review queue."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO reviews (image, time, author, object, box, outcome, seconds, edits, order_by) "
                "VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    record.image, record.time, record.author, record.object, json.dumps(record.box), record.outcome,
                    record.seconds, record.edits, record.order,
                ),
            )  # fmt: skip

    def reviews(self, image: str = "") -> list[ReviewRecord]:
        """What was done at the places of review queues, oldest first."""
        return self._read(
            _review,
            "SELECT image, time, author, object, box, outcome, seconds, edits, order_by FROM reviews "
            "WHERE ? IN ('', image) ORDER BY n", image,
        )  # fmt: skip

    def add_hint(self, image: str, author: str, data: bytes) -> None:
        """Append a stroke of hints (see `Hints`)."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO hints (image, time, author, data) VALUES (?,?,?,?)", (image, time.time(), author, data)
            )

    def hints(self, image: str, shape: tuple[int, ...]) -> list[Edit]:
        """Strokes of hints of one image, oldest first."""
        query = "SELECT data FROM hints WHERE image = ? ORDER BY n"
        return self._read(lambda row: decode_edit("hint", row[0], shape), query, image)

    def hinted(self) -> dict[str, int]:
        """The number of the newest stroke of hints of every image that has any."""
        return dict(self._read(_counted, "SELECT image, MAX(n) FROM hints GROUP BY image"))

    def last_row(self, image: str) -> EditRow | None:
        """The newest row of one image's log."""
        query = f"SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? ORDER BY n DESC LIMIT 1"
        rows = self._read(_edit_row, query, image)
        return rows[0] if rows else None

    def setting(self, key: str, default: str = "") -> str:
        """A remembered value."""
        rows = self._rows("SELECT value FROM settings WHERE key = ?", key)
        return str(rows[0][0]) if rows else default

    def put_setting(self, key: str, value: str) -> None:
        """Remember a value."""
        self.put_settings({key: value})

    def put_settings(self, values: dict[str, str]) -> None:
        """Remember values, all or none."""
        if values:
            with self.transaction() as connection:
                connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", values.items())

    def settings(self, prefix: str) -> dict[str, str]:
        """Remembered values whose keys begin with a prefix, by the rest of their keys."""
        rows = self._rows("SELECT key, value FROM settings WHERE substr(key, 1, ?) = ?", len(prefix), prefix)
        return {str(key)[len(prefix) :]: str(value) for key, value in rows}


def _boxes(text: str) -> tuple[Span, ...]:
    """Boxes of a held-out image; until version 0.4 there was one, without a list round it."""
    values = json.loads(text)
    if values and not isinstance(values[0][0], list):
        values = [values]
    return tuple(tuple((int(a), int(b)) for a, b in box) for box in values)


def _counted(row: Row) -> tuple[str, int]:
    return str(row[0]), int(row[1])


def _round(row: Row) -> RoundRecord:
    n, when, parent, child, decision, before, after = row
    return RoundRecord(n, when, parent, child, decision, dict(json.loads(before)), dict(json.loads(after)))


def _review(row: Row) -> ReviewRecord:
    image, when, author, number, box, outcome, seconds, edits, order = row
    spans = tuple((int(a), int(b)) for a, b in json.loads(box))
    return ReviewRecord(image, when, author, number, spans, outcome, seconds, edits, order)


_EDIT_TYPES: tuple[Any, ...] = (int, str, (float, int), str, str, str, (int, type(None)), str, int)


def _edit_row(row: Row) -> EditRow:
    if not all(isinstance(value, kind) for value, kind in zip(row, _EDIT_TYPES, strict=True)):
        raise ValueError("a row of the log is not what it should be")
    box = tuple((int(a or 0), int(b or 0)) for a, b in json.loads(row[7]))
    return EditRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], box, row[8])
