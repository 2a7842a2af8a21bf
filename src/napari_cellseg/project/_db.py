"""``project.db``: an append-only log and a few small tables, in SQLite's write-ahead mode."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ._edit import Edit, decode_edit
from ._records import EditRow, Holdout, ImageRecord, ReviewRecord, RoundRecord, Span

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (id TEXT PRIMARY KEY, position INTEGER, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS edits (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, time REAL NOT NULL, author TEXT NOT NULL,
    tool TEXT NOT NULL, grp TEXT NOT NULL DEFAULT '', undoes INTEGER, box TEXT NOT NULL, voxels INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS edits_of_image ON edits (image, n);
CREATE TABLE IF NOT EXISTS holdouts (image TEXT PRIMARY KEY, box TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS models (id TEXT PRIMARY KEY, number INTEGER UNIQUE, created REAL, parent TEXT);
CREATE TABLE IF NOT EXISTS rounds (
    n INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, parent TEXT, child TEXT, decision TEXT, before TEXT, after TEXT);
CREATE TABLE IF NOT EXISTS runs (
    n INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, started REAL, finished REAL, outcome TEXT, detail TEXT);
CREATE TABLE IF NOT EXISTS reviews (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT, time REAL, author TEXT, object INTEGER, box TEXT, outcome TEXT,
    seconds REAL, edits INTEGER, order_by TEXT);
CREATE TABLE IF NOT EXISTS hints (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, time REAL, author TEXT, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT);
"""
_EDIT_COLUMNS = "n, image, time, author, tool, grp, undoes, box, voxels"


class Database:
    """One connection; every method is one transaction, so a killed process leaves whole rows.

    Raises
    ------
    CellsegError
        When the file is damaged, locked by another program for long, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _explained(path):
            self._connection = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            (answer,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise sqlite3.DatabaseError(answer)
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the connection; every committed row is on disk already."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; commit at the end, roll back on any exception."""
        with _explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with _explained(self.path):
            return self._connection.execute(query, values).fetchall()

    # images ---------------------------------------------------------------------------------------

    def images(self) -> list[ImageRecord]:
        """All image records in the order in which they were added."""
        return [image_from_json(text) for (text,) in self._rows("SELECT record FROM images ORDER BY position")]

    def put_images(self, records: list[ImageRecord]) -> None:
        """Add or replace records, all or none."""
        with self.transaction() as connection:
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
        edit: Edit,
        data: bytes,
        author: str,
        group: str,
        undoes: int | None,
    ) -> int:
        """Append an edit inside a transaction; returns its number."""
        box = json.dumps([(s.start, s.stop) for s in edit.box()])
        cursor = connection.execute(
            "INSERT INTO edits (image, time, author, tool, grp, undoes, box, voxels, data) VALUES (?,?,?,?,?,?,?,?,?)",
            (image, time.time(), author, edit.tool, group, undoes, box, edit.index.size, data),
        )
        return int(cursor.lastrowid or 0)

    def rows_after(self, image: str, n: int) -> list[EditRow]:
        """Log rows of one image after edit `n`, oldest first."""
        query = f"SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? AND n > ? ORDER BY n"
        return [_edit_row(row) for row in self._rows(query, image, n)]

    def newest_rows(self, image: str, at_once: int = 500) -> Iterator[EditRow]:
        """Log rows of one image, the newest first, read as they are asked for."""
        query = f"SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? AND n < ? ORDER BY n DESC LIMIT ?"
        before = 1 << 62
        while rows := self._rows(query, image, before, at_once):
            yield from map(_edit_row, rows)
            before = rows[-1][0]

    def edit(self, n: int) -> Edit:
        """The voxels of one row."""
        rows = self._rows("SELECT tool, data FROM edits WHERE n = ?", n)
        if not rows:
            raise CellsegError(f"The log has no edit {n}.", "Open the project with --recover.")
        return decode_edit(*rows[0])

    def spoken(self) -> bool:
        """Whether any edit is a person's: neither a prediction nor a draft."""
        marks = ",".join("?" * len(EditRow.MACHINE))
        return bool(self._rows(f"SELECT 1 FROM edits WHERE tool NOT IN ({marks}) LIMIT 1", *EditRow.MACHINE))

    def log_ends(self) -> dict[str, int]:
        """The number of the newest edit of every image that has any."""
        return {str(image): int(n) for image, n in self._rows("SELECT image, MAX(n) FROM edits GROUP BY image")}

    def has_edit(self, image: str, n: int) -> bool:
        """Whether an edit of this number belongs to this image."""
        return bool(self._rows("SELECT 1 FROM edits WHERE n = ? AND image = ?", n, image))

    def undone(self, tool: str) -> dict[str, int]:
        """Per image, the newest *undo* that took back an edit of a tool."""
        query = (
            "SELECT back.image, MAX(back.n) FROM edits AS back JOIN edits AS done ON done.n = back.undoes "
            "WHERE back.tool = 'undo' AND done.tool = ? GROUP BY back.image"
        )
        return {str(image): int(n) for image, n in self._rows(query, tool)}

    def last_edit(self) -> int:
        """The number of the newest edit, 0 where there is none."""
        return int(self._rows("SELECT COALESCE(MAX(n), 0) FROM edits")[0][0])

    def restore_tables(self, tables: dict[str, list[tuple[Any, ...]]]) -> None:
        """Put salvaged rows back (after a recovery)."""
        with self.transaction() as connection:
            for table, rows in tables.items():
                for row in rows:
                    marks = ",".join("?" * len(row))
                    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)

    def start_log_after(self, n: int) -> None:
        """Let the next edit have a number above `n` (after a recovery)."""
        with self.transaction() as connection:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('edits', ?)", (n,))

    # holdouts, models, rounds, runs, settings -----------------------------------------------------

    def holdouts(self) -> dict[str, Holdout]:
        """Held-out parts by image id."""
        rows = self._rows("SELECT image, box FROM holdouts")
        return {image: Holdout(image, _boxes(text)) for image, text in rows}

    def put_holdout(self, holdout: Holdout) -> None:
        """Fix held-out parts beside those that exist, which stay: they were promised never to be learnt from."""
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

    def set_splits(self, splits: dict[str, str]) -> None:
        """Move images to other splits, all or none; what judges is fixed anew by the next training."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM holdouts")
            for id, split in splits.items():
                (record,) = connection.execute("SELECT record FROM images WHERE id = ?", (id,)).fetchone()
                changed = json.dumps(json.loads(record) | {"split": split})
                connection.execute("UPDATE images SET record = ? WHERE id = ?", (changed, id))

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
        rows = self._rows("SELECT n, time, parent, child, decision, before, after FROM rounds ORDER BY n")
        return [RoundRecord(n, t, p, c, d, json.loads(b), json.loads(a)) for n, t, p, c, d, b, a in rows]

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
        rows = self._rows(
            "SELECT image, time, author, object, box, outcome, seconds, edits, order_by FROM reviews "
            "WHERE ? IN ('', image) ORDER BY n", image,
        )  # fmt: skip
        return [
            ReviewRecord(i, t, a, o, tuple((int(x), int(y)) for x, y in json.loads(b)), c, s, e, w)
            for i, t, a, o, b, c, s, e, w in rows
        ]

    def add_hint(self, image: str, author: str, data: bytes) -> None:
        """Append a stroke of hints (see `Hints`)."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO hints (image, time, author, data) VALUES (?,?,?,?)", (image, time.time(), author, data)
            )

    def hints(self, image: str) -> Iterator[Edit]:
        """Strokes of hints of one image, oldest first."""
        for (data,) in self._rows("SELECT data FROM hints WHERE image = ? ORDER BY n", image):
            yield decode_edit("hint", data)

    def hinted(self) -> dict[str, int]:
        """The number of the newest stroke of hints of every image that has any."""
        return {str(image): int(n) for image, n in self._rows("SELECT image, MAX(n) FROM hints GROUP BY image")}

    def last_row(self, image: str) -> EditRow | None:
        """The newest row of one image's log."""
        query = f"SELECT {_EDIT_COLUMNS} FROM edits WHERE image = ? ORDER BY n DESC LIMIT 1"
        rows = self._rows(query, image)
        return _edit_row(rows[0]) if rows else None

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


def image_from_json(text: str) -> ImageRecord:
    """An image record from its JSON."""
    values = json.loads(text)
    for name in ("shape", "spacing_um"):
        values[name] = tuple(values[name]) if values[name] is not None else None
    return ImageRecord(**values)


def salvage_edits(path: Path) -> list[tuple[int, str, Edit]]:
    """Every edit (number, image, voxels) that can still be read from a damaged database."""
    found: list[tuple[int, str, Edit]] = []
    try:
        connection = sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)
        (last,) = connection.execute("SELECT MAX(n) FROM edits").fetchone()
    except sqlite3.Error:
        return found
    for n in range(1, (last or 0) + 1):
        try:
            row = connection.execute("SELECT image, tool, data FROM edits WHERE n = ?", (n,)).fetchone()
            if row:
                found.append((n, row[0], decode_edit(row[1], row[2])))
        except (sqlite3.Error, CellsegError):
            continue
    connection.close()
    return found


def salvage_tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the small tables that can still be read from a damaged database."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in ("images", "holdouts", "rounds", "reviews", "hints", "settings"):
        try:
            connection = sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)
            found[table] = connection.execute(f"SELECT * FROM {table}").fetchall()
            connection.close()
        except sqlite3.Error:
            found[table] = []
    found["hints"] = [row for row in found["hints"] if _readable(row[-1])]
    return found


def _readable(data: bytes) -> bool:
    try:
        decode_edit("", data)
    except (CellsegError, TypeError):
        return False
    return True


def _boxes(text: str) -> tuple[Span, ...]:
    """Boxes of a held-out image; until version 0.4 there was one, without a list round it."""
    values = json.loads(text)
    if values and not isinstance(values[0][0], list):
        values = [values]
    return tuple(tuple((int(a), int(b)) for a, b in box) for box in values)


def _edit_row(row: tuple[Any, ...]) -> EditRow:
    box = tuple((int(a or 0), int(b or 0)) for a, b in json.loads(row[7]))
    return EditRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], box, row[8])


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise CellsegError(
                f"{path.parent.name} could not be saved: {text}.",
                "The disk is full or failing. Everything saved before is safe: free some space and do it again.",
            ) from error
        if "locked" in text:
            raise CellsegError(f"{path.parent.name} is in use: {text}.", "Close other programs that use it.") from error
        raise CellsegError(
            f"{path} cannot be used: {text}.", "Check that the folder exists and is writable."
        ) from error
    except sqlite3.DatabaseError as error:
        raise CellsegError(
            f"The database of {path.parent.name} is damaged: {error}.",
            "The last good snapshot of every image is still there. Run: napari-cellseg recover "
            f"{path.parent.name} (the damaged file is kept beside it).",
        ) from error
