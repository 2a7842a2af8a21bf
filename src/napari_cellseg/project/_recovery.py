"""A database made again from all that a project folder still holds.

Data flow: every database that is there, damaged ones too (`salvage`), and the snapshots -> a new database beside the
old one: records, the whole log with its history, and one more edit where a snapshot knows more than the log -> swapped
in by renames. Whenever it is interrupted, all that was there is still there, and the next try reads it again.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._db import Database
from ._edit import Edit, decode_edit, difference_of
from ._grids import zeros
from ._records import COUNTED, ImageRecord, ModelCard, image_from_json
from ._salvage import Row, Salvage, salvage
from ._snapshot import Snapshot, read_snapshot

NAME = "project.db"
_BESIDE = ("-wal", "-shm")
_RENUMBERED = ("rounds", "reviews", "hints", "spot_places", "spot_answers", "cycle_marks", "track_links", "object_said")
"""Tables whose rows nobody knows by their number."""


@dataclass(frozen=True)
class Recovered:
    """What a recovery found.

    Attributes
    ----------
    sources
        Names of the databases that were read.
    edits
        How many edits of the log could be read.
    from_snapshot
        Images whose snapshot knew more than the log.
    kept
        The name under which the old database lies beside the new one, "" where there was none.
    """

    sources: tuple[str, ...]
    edits: int
    from_snapshot: tuple[str, ...]
    kept: str

    @property
    def text(self) -> str:
        """The same for people."""
        text = f"Put together {self.edits} edits of {', '.join(self.sources) or 'no database'}."
        if self.from_snapshot:
            text += f" The snapshots knew more of {', '.join(self.from_snapshot)}."
        return text + (f" The old database is kept as {self.kept}." if self.kept else "")


def rebuild(path: Path, models: Sequence[ModelCard], author: str) -> Recovered:
    """Make the database of a project folder again; no window may have it open.

    Raises
    ------
    CellsegError
        When it cannot be written; everything is as before.
    """
    fresh = path / f"{NAME}.rebuilt-{uuid.uuid4().hex[:8]}"
    try:
        _tidy(path)
        while True:
            before = _stamps(path)
            sources = _sources(path)
            found = salvage(sources)
            ahead = _fill(fresh, found, _snapshots(path / "images"), models, author)
            if _stamps(path) == before:
                break
            fresh.unlink()  # another process wrote meanwhile: read it all again
        kept = _swap(path, fresh)
    except OSError as error:
        raise CellsegError(
            f"{path.name} could not be recovered: {error}.", "Nothing was lost. Free some space and try again."
        ) from error
    finally:
        for left in path.glob(f"{fresh.name}*"):
            left.unlink()
    return Recovered(tuple(p.name for p in sources), len(found.edits), tuple(ahead), kept)


# --- files ------------------------------------------------------------------------------------------


def _sources(path: Path) -> list[Path]:
    kept = [p for p in path.glob(f"{NAME}.damaged-*") if not p.name.endswith((*_BESIDE, "-journal"))]
    return [p for p in (*sorted(kept), path / NAME) if p.is_file()]


def _stamps(path: Path) -> list[tuple[str, int, int]]:
    """What changes when anything is written to one of the databases."""
    found = [(p.name, p.stat()) for p in path.glob(f"{NAME}*") if not p.name.endswith("-shm")]
    return sorted((name, s.st_size, s.st_mtime_ns) for name, s in found if ".rebuilt-" not in name)


def _tidy(path: Path) -> None:
    """End the renames of a recovery that was killed, and remove what it had not finished."""
    for left in path.glob(f"{NAME}.rebuilt-*"):
        left.unlink()
    if not (path / NAME).exists() and (kept := _sources(path)):
        for ending in _BESIDE:
            moved = kept[-1].with_name(kept[-1].name + ending)
            if (path / f"{NAME}{ending}").exists() and not moved.exists():
                os.replace(path / f"{NAME}{ending}", moved)


def _swap(path: Path, fresh: Path) -> str:
    """Put the new database in its place; returns the name of the old one, "" where there was none.

    The file itself goes first: without it nobody can open the project, so no moment shows an outdated one.
    """
    name, number = f"{NAME}.damaged-{time.strftime('%Y%m%d-%H%M%S')}", 1
    kept = name
    while list(path.glob(f"{kept}*")):
        number += 1
        kept = f"{name}-{number}"
    for ending in ("", *_BESIDE):
        if (path / f"{NAME}{ending}").exists():
            os.replace(path / f"{NAME}{ending}", path / f"{kept}{ending}")
    os.replace(fresh, path / NAME)
    return kept if (path / kept).exists() else ""


def _snapshots(folder: Path) -> dict[str, tuple[Snapshot, Snapshot]]:
    """Labels and state of every image that has a whole snapshot of both."""
    found = {}
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        if each.is_symlink() or not each.is_dir():
            continue
        labels, state = read_snapshot(each / "labels.zarr"), read_snapshot(each / "state.zarr")
        if labels is not None and state is not None and labels.array.shape == state.array.shape:
            found[each.name] = (labels, state)
    return found


# --- rows -------------------------------------------------------------------------------------------


def _fill(
    fresh: Path,
    found: Salvage,
    snapshots: dict[str, tuple[Snapshot, Snapshot]],
    models: Sequence[ModelCard],
    author: str,
) -> list[str]:
    """Write the new database, one file when it is done; returns the images of which snapshots knew more."""
    records, logs = _records(found, snapshots), defaultdict[str, list[Row]](list)
    for row in found.edits:
        logs[row[1]].append(row)
    above = max([s.n for pair in snapshots.values() for s in pair] + [card.edits_until for card in models], default=0)
    database = Database(fresh, create=True)
    try:
        with database.transaction() as connection:
            database.enter_images(connection, list(records.values()))
            _enter_others(connection, found.tables)
            moved = _enter_edits(connection, [row for row in found.edits if row[1] in records])
            _move_marks(connection, moved)
            database.count_on(connection, above)
            ahead = []
            for id, record in records.items():
                edit = _missing(record, logs[id], snapshots.get(id))
                if not edit.empty:
                    ahead.append(id)
                    database.append(connection, id, edit.packed, author)
        for card in models:
            database.put_model(card.id, card.parent)
        if models and database.setting("current_model") not in {card.id for card in models}:
            database.put_setting("current_model", models[-1].id)
        database.make_single()
    finally:
        database.close()
    return ahead


def _records(found: Salvage, snapshots: dict[str, tuple[Snapshot, Snapshot]]) -> dict[str, ImageRecord]:
    """Images of the databases, and of snapshots where a database has lost some.

    A folder without any edit that a whole database does not know is what is left of an `add` that was killed.
    """
    records, edited = dict(found.images), {row[1] for row in found.edits}
    for id, (labels, _) in snapshots.items():
        if id not in records and (labels.n > 0 or id in edited or not found.whole):
            try:
                record = image_from_json(labels.record)
            except ValueError:
                continue
            if record.id == id and record.shape == labels.array.shape:
                records[id] = record
    return records


def _enter_others(connection: sqlite3.Connection, tables: dict[str, list[Row]]) -> None:
    for table, rows in tables.items():
        for row in rows:
            if table == "settings" and row[0].startswith(COUNTED):
                continue  # sums over a log that is another now
            values = (None, *row[1:]) if table in _RENUMBERED else row
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({','.join('?' * len(row))})", values)


def _enter_edits(connection: sqlite3.Connection, rows: Sequence[Row]) -> dict[tuple[str, int], int]:
    """The log in its order, with the numbers it had where they still count upwards; new ones by image and old one."""
    last, moved = 0, dict[tuple[str, int], int]()
    for row in rows:
        n = row[0] if last < row[0] < 1 << 53 else last + 1
        undoes = moved.get((row[1], row[6])) if row[6] is not None else None
        connection.execute("INSERT INTO edits VALUES (?,?,?,?,?,?,?,?,?,?)", (n, *row[1:6], undoes, *row[7:]))
        moved[row[1], row[0]] = last = n
    return moved


def _move_marks(connection: sqlite3.Connection, moved: dict[tuple[str, int], int]) -> None:
    """Let marks of review cycles name edits by the numbers that these have now."""
    for n, image, edit in connection.execute("SELECT n, image, edit FROM cycle_marks").fetchall():
        if moved.get((image, edit), edit) != edit:
            connection.execute("UPDATE cycle_marks SET edit = ? WHERE n = ?", (moved[image, edit], n))


def _missing(record: ImageRecord, rows: Sequence[Row], snapshot: tuple[Snapshot, Snapshot] | None) -> Edit:
    """What the log lacks: from what it leads to, to the snapshot with what came after it."""
    labels, state = _replayed(record, rows)
    if snapshot is None or snapshot[0].array.shape != record.shape:
        return difference_of("recover", (labels, state), (labels, state))
    at = min(snapshot[0].n, snapshot[1].n)
    first = next((k for k, row in enumerate(rows) if row[0] >= at), len(rows))
    best = snapshot[0].array.astype(np.uint32, copy=False), snapshot[1].array.astype(np.uint8, copy=False)
    for k, row in enumerate(rows):
        if row[0] > at or k > first:  # later ones of a database that went its own way have lower numbers
            decode_edit(row[4], row[9], record.shape).onto(*best)
    return difference_of("recover", (labels, state), best)


def _replayed(record: ImageRecord, rows: Sequence[Row]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    labels, state = (zeros(record.shape, kind, Path(tempfile.gettempdir())) for kind in (np.uint32, np.uint8))
    for row in rows:
        decode_edit(row[4], row[9], record.shape).onto(labels, state)
    return labels, state
