"""The rows of one image in all tables: copied to another database, deleted, given another name."""

from __future__ import annotations

import sqlite3

from ._db import Database

NUMBERED = {
    "edits": "n, image, time, author, tool, grp, undoes, box, voxels, data",
    "history": "n, image, time, author, tool, grp, undoes, box, voxels",
}
"""Tables whose rows are known by their number, and refer to each other by it."""
OTHERS = {
    "holdouts": "image, box",
    "reviews": "image, time, author, object, box, outcome, seconds, edits, order_by",
    "hints": "image, time, author, data",
    "spot_places": "image, spot_check, number, kind, object, box, found, mark",
    "tracks": "image, edit, data",
    "track_links": "image, time, author, said",
    "object_said": "image, time, author, kind, word, point",
    "spot_answers": "image, time, author, spot_check, number, answer, missed, points, seconds",
    "cycle_marks": "image, edit, cycle, kind, figures, data",
}
REFERRING = "cycle_marks"
"""The table among the others whose second column is the number of an edit."""
_OF_IMAGE = (
    "CASE WHEN substr(key, 1, 5) IN ('size:', 'seen:') THEN substr(key, 6) "
    "WHEN instr(key, '/') > 0 THEN substr(key, instr(key, '/') + 1) END = ?"
)
"""Settings of an image are called ``what/ID``; sizes (`_sizes.py`) have a colon."""


def copy_rows(source: Database, target: sqlite3.Connection, old: str, new: str, shift: int = 0) -> None:
    """Copy all rows of image `old` as rows of image `new`, inside a transaction of the target.

    Parameters
    ----------
    shift
        Added to the numbers of edits, where the target has others of these numbers.
    """
    for table, columns in {**NUMBERED, **OTHERS}.items():
        numbered = table in NUMBERED
        marks = ",".join("?" * len(columns.split(",")))
        for row in source.rows(f"SELECT {columns} FROM {table} WHERE image = ? ORDER BY rowid", old):
            values = list(row)
            values[numbered] = new
            if numbered:
                values[0] += shift
                values[6] = values[6] + shift if values[6] is not None else None
            elif table == REFERRING and values[1]:  # 0 is before the first edit
                values[1] += shift
            target.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", values)
    for key, value in source.rows(f"SELECT key, value FROM settings WHERE {_OF_IMAGE}", old):
        target.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (f"{str(key)[: -len(old)]}{new}", value))


def shift_for(source: Database, target: sqlite3.Connection) -> int:
    """What must be added to the numbers of edits of a source so that they are free in the target; 0 where they are."""
    used = "SELECT 1 FROM edits WHERE n = ? UNION SELECT 1 FROM history WHERE n = ? LIMIT 1"
    numbers = source.rows("SELECT n FROM edits UNION SELECT n FROM history")
    if not any(target.execute(used, (n, n)).fetchone() for (n,) in numbers):
        return 0
    top = "SELECT MAX(COALESCE((SELECT MAX(n) FROM edits), 0), COALESCE((SELECT MAX(n) FROM history), 0))"
    return int(target.execute(top).fetchone()[0])


def delete_rows(connection: sqlite3.Connection, image: str) -> None:
    """Delete an image and all of its rows, inside a transaction."""
    connection.execute("DELETE FROM images WHERE id = ?", (image,))
    for table in (*NUMBERED, *OTHERS):
        connection.execute(f"DELETE FROM {table} WHERE image = ?", (image,))
    connection.execute(f"DELETE FROM settings WHERE {_OF_IMAGE}", (image,))


def rename_rows(connection: sqlite3.Connection, old: str, new: str, record: str) -> None:
    """Give an image another id, inside a transaction; `record` is its record with the new one."""
    connection.execute("UPDATE images SET id = ?, record = ? WHERE id = ?", (new, record, old))
    for table in (*NUMBERED, *OTHERS):
        connection.execute(f"UPDATE {table} SET image = ? WHERE image = ?", (new, old))
    renamed = "substr(key, 1, length(key) - length(?)) || ?"
    connection.execute(f"UPDATE settings SET key = {renamed} WHERE {_OF_IMAGE}", (old, new, old))
