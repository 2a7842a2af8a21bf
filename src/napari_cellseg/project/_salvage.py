"""What can still be read of databases that are damaged, outdated or made to do harm.

Data flow: ``project.db`` and every ``project.db.damaged-*`` -> rows, asked of SQLite where it answers, else cut out of
the file's pages -> one list of edits without repetitions, and the newest of every other row. Files are only read.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ._edit import decode_edit
from ._pages import cut_out, frames_beside
from ._records import COMPACTED, ImageRecord, image_from_json

Row = tuple[Any, ...]
COLUMNS = {
    "images": 3, "edits": 10, "holdouts": 2, "rounds": 7, "reviews": 10, "hints": 5, "settings": 2, "history": 9,
    "spot_checks": 4, "spot_places": 9, "spot_answers": 10, "review_cycles": 5, "cycle_marks": 7, "tracks": 3,
    "track_links": 5, "object_said": 7,
}  # fmt: skip
"""Tables that are taken over, with the number of their columns."""
_OTHERS = tuple(name for name in COLUMNS if name not in ("images", "edits"))
PATIENCE_S = 10.0
"""A query that takes longer for its next row is given up."""


@dataclass
class Salvage:
    """Rows of one database or several.

    Attributes
    ----------
    edits
        Rows of the log in the order in which they were made. Numbers may repeat, where databases went separate ways.
    images
        Records by id.
    tables
        Rows of the other tables.
    whole
        Whether there was a database, and every table could be read to its end.
    """

    edits: list[Row] = field(default_factory=list)
    images: dict[str, ImageRecord] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    whole: bool = True


def salvage(paths: list[Path]) -> Salvage:
    """What several databases of a project hold together.

    Edits are put in the order of their times; of other rows that differ, the database with the newest edit is right.
    """
    files = sorted((_tables_of(path) for path in paths), key=lambda file: _newest(file[0]["edits"]))
    found, rests, seen = Salvage(whole=bool(files) and all(whole for _, whole in files)), [], set[Row]()
    for rows, _ in files:
        found.images.update({record.id: record for record in _records(rows["images"])})
        for table in _OTHERS:
            known = {_key(table, row): row for row in [*found.tables.get(table, []), *rows[table]]}
            found.tables[table] = list(known.values())
    for rows, _ in reversed(files):
        mine = {_made(row): row for row in rows["edits"]}  # once, also where it was asked for and cut out as well
        rests.append(sorted((row for made, row in mine.items() if made not in seen), key=lambda row: row[0]))
        seen |= mine.keys()
    found.edits = _replayable(found, list(heapq.merge(*rests, key=lambda row: row[2])))
    return found


def _newest(edits: list[Row]) -> float:
    return max((row[2] for row in edits), default=0.0)


def _made(row: Row) -> Row:
    """What an edit is known by, whatever number it has: image, time, tool, box, voxels."""
    return (*row[1:3], row[4], *row[7:9])


def _key(table: str, row: Row) -> Row:
    """What other rows are known by: their key, or where they are numbered, number, image and time."""
    return (row[0],) if table in ("holdouts", "settings", "tracks") else row[:3]


def _records(rows: list[Row]) -> Iterator[ImageRecord]:
    for row in sorted(rows, key=lambda r: r[1] if isinstance(r[1], int) else 0):
        with suppress(ValueError, CellsegError):
            yield image_from_json(row[2])


def _replayable(found: Salvage, edits: list[Row]) -> list[Row]:
    """Edits that can be read, without those that a compacted log holds as one."""
    compacted = {row[1]: row[2] for row in edits if row[4].startswith(COMPACTED)}
    kept = []
    for row in edits:
        if not row[4].startswith(COMPACTED) and row[2] <= compacted.get(row[1], float("-inf")):
            continue
        with suppress(CellsegError):
            decode_edit(row[4], row[9], found.images[row[1]].shape if row[1] in found.images else None)
            kept.append(row)
    return kept


def _tables_of(path: Path) -> tuple[dict[str, list[Row]], bool]:
    """Rows of every table of a file, and whether all could be read."""
    rows: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    whole = True
    for table in COLUMNS:
        try:
            for row in _asked(path, table):
                rows[table].append(row)
        except (sqlite3.Error, UnicodeDecodeError):
            whole = False
    beside = frames_beside(path)  # of a damaged one SQLite takes the beginning and says nothing
    whole &= not beside.unknown
    if not whole or beside.commits:
        for row in cut_out(path):
            if (name := _table_of(row)) is not None:
                rows[name].append(row)
    return {table: [r for r in found if _is_sound(table, r)] for table, found in rows.items()}, whole


_KINDS: dict[str, tuple[Any, ...]] = {
    "edits": (int, str, float | int, str, str, str, int | None, str, int, bytes),
    "hints": (int, str, object, object, bytes),
    "images": (str, object, str),
    "holdouts": (str, str),
    "settings": (str, str),
    "rounds": (int, *[object] * 6),
    "reviews": (int, str, *[object] * 8),
    "history": (int, str, float | int, str, str, str, int | None, str, int),
    "spot_checks": (int, float | int, str, str),
    "tracks": (str, int, bytes),
    "track_links": (int, str, object, object, str),
    "object_said": (int, str, object, object, str, str, str),
    "spot_places": (int, str, int, int, str, int, str, int, int),
    "spot_answers": (int, str, float | int, str, int, int, str, int, str, float | int),
    "review_cycles": (int, float | int, str, str, float | int | None),
    "cycle_marks": (int, str, int, str, int, str, bytes | None),
}
_JSON = {"spot_checks": 3, "spot_places": 6, "spot_answers": 8, "cycle_marks": 5, "track_links": 4, "object_said": 6}
"""Columns whose text must be JSON."""


def _is_sound(table: str, row: Row) -> bool:
    if not all(map(isinstance, row, _KINDS[table])):
        return False
    try:
        if table == "hints":
            decode_edit("hint", row[4])
        elif table == "edits":
            return all(isinstance(v, int | None) for span in json.loads(row[7]) for v in span)
        elif table == "rounds":
            json.loads(row[5]), json.loads(row[6])
        elif table in _JSON:
            json.loads(row[_JSON[table]])
    except (CellsegError, ValueError, TypeError):
        return False
    return True


def _table_of(row: Row) -> str | None:
    if len(row) == COLUMNS["edits"] and isinstance(row[-1], bytes) and row[-1][:2] == b"E1":
        return "edits"
    if len(row) == COLUMNS["hints"] and isinstance(row[-1], bytes) and row[-1][:2] == b"E1":
        return "hints"
    if len(row) == COLUMNS["track_links"] and isinstance(row[-1], str) and '"earlier"' in row[-1]:
        return "track_links"
    if len(row) == COLUMNS["object_said"] and isinstance(row[-1], str) and row[-1].startswith('{"point"'):
        return "object_said"
    if len(row) == COLUMNS["images"] and isinstance(row[2], str) and '"fingerprint"' in row[2]:
        return "images"
    return None


def _connected(path: Path) -> sqlite3.Connection:
    """For reading; where nothing lies beside the file, not even a lock is made."""
    alone = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{alone}", uri=True, timeout=5)


def _asked(path: Path, table: str) -> Iterator[Row]:
    """Rows of a table as SQLite gives them, the last of them before the first that it cannot read."""
    with closing(_connected(path)) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.execute("PRAGMA trusted_schema=OFF")
        kinds = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (table,)).fetchall()
        if not kinds:
            return  # an older version had no such table
        if kinds[0][0] != "table" or kinds[0][1].upper().startswith("CREATE VIRTUAL"):
            raise sqlite3.DatabaseError(f"{table} is a {kinds[0][0]}")
        deadline = time.monotonic() + PATIENCE_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid"):
            deadline = time.monotonic() + PATIENCE_S
            if len(row) == COLUMNS[table]:
                yield row
