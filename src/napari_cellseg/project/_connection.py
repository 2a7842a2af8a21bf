"""How ``project.db`` is opened: what it may hold, whether it is sound, and SQLite's errors in words."""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from ..errors import CellsegError, ProjectDamaged
from ._locked import first_bytes
from ._pages import frames_beside

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
CREATE TABLE IF NOT EXISTS history (
    n INTEGER, image TEXT NOT NULL, time REAL NOT NULL, author TEXT NOT NULL, tool TEXT NOT NULL, grp TEXT NOT NULL,
    undoes INTEGER, box TEXT NOT NULL, voxels INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS spot_checks (
    n INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, author TEXT, plan TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spot_places (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, spot_check INTEGER, number INTEGER, kind TEXT,
    object INTEGER, box TEXT, found INTEGER, mark INTEGER);
CREATE TABLE IF NOT EXISTS spot_answers (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, time REAL, author TEXT, spot_check INTEGER,
    number INTEGER, answer TEXT, missed INTEGER, points TEXT, seconds REAL);
CREATE TABLE IF NOT EXISTS review_cycles (
    n INTEGER PRIMARY KEY AUTOINCREMENT, opened REAL NOT NULL, reviewer TEXT NOT NULL, note TEXT NOT NULL, closed REAL);
CREATE TABLE IF NOT EXISTS cycle_marks (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, cycle INTEGER NOT NULL, kind TEXT NOT NULL,
    edit INTEGER NOT NULL, figures TEXT NOT NULL, data BLOB);
CREATE TABLE IF NOT EXISTS tracks (image TEXT PRIMARY KEY, edit INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS track_links (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, time REAL, author TEXT, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS object_said (
    n INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, time REAL, author TEXT, kind TEXT NOT NULL,
    word TEXT NOT NULL, point TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT);
"""
_LAST = 1 << 62
"""Edits are numbered below this; SQLite has no number after twice as many."""


def connected(path: Path, create: bool = False) -> sqlite3.Connection:
    """A connection to a database that is sound and holds nothing but tables; made where `create` says so.

    Raises
    ------
    CellsegError
        When it is missing, damaged, foreign or in use.
    """
    with explained(path):
        connection = sqlite3.connect(
            _address(path, create), uri=True, timeout=20, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            _check_schema(connection, path)  # before anything of it is asked, since a view may never end
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _check_pages(path.resolve(), _stamp(path))
            connection.executescript(_SCHEMA)
            (last,) = connection.execute("SELECT MAX(seq) FROM sqlite_sequence").fetchone()
            if not isinstance(last, int | None) or (last or 0) >= _LAST:
                raise sqlite3.DatabaseError(f"edits are numbered up to {last}")
        except BaseException:
            connection.close()
            raise
        return connection


STILL = 5
"""Damage is what so many looks in a row find alike, a hundredth of a second apart."""


@lru_cache(maxsize=256)
def _check_pages(path: Path, stamp: tuple[int, ...]) -> None:
    """Look for damage in all pages, once for every state of the file: threads open it again and again."""
    with closing(sqlite3.connect(_address(path), uri=True, timeout=20)) as connection:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        _check_frames(connection, path)


def _check_frames(connection: sqlite3.Connection, path: Path) -> None:
    """Notice damage in the write-ahead log, of which SQLite takes what comes before it and says nothing.

    What was being written when the machine went down may be torn; what came before two later commits was on disk.
    """
    before, alike = None, 0
    for _ in range(40):
        beside = frames_beside(path)
        if not beside.commits:
            return
        (known,) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1:2]
        if sum(n > known for n in beside.commits) < 2 or (known == 0 and _begun_again(path)):
            return
        # while another process copies the log nothing is known (-1), and while it writes the next look is another one
        alike = alike + 1 if known >= 0 and beside == before else 0
        if alike == STILL:
            raise sqlite3.DatabaseError(f"of {len(beside.pages)} pages in its write-ahead log only {known} are sound")
        before = beside
        time.sleep(0.01)


def _begun_again(path: Path) -> bool:
    """Whether the log was copied as a whole and is begun again: what still lies in its file counts no more.

    Its index (bytes 32 to 40 of ``-shm``) has the new salt first, then its header (16 to 24), then frames (40 to 48 of
    the first). Where the header itself is damaged, the index has none. See https://www.sqlite.org/walformat.html.
    """
    log, index = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
    try:
        now = first_bytes(index, 40)[32:]
        with log.open("rb") as file:  # on which SQLite has no locks
            beginning = file.read(48)
    except OSError:
        return False
    header = beginning[16:24]
    if now != header:
        return any(now)
    return header != beginning[40:48] and _sums_up(beginning[:32])


def _sums_up(header: bytes) -> bool:
    """Whether the header of a log (32 bytes) has the checksum that it says."""
    order = ">" if header[3] & 1 else "<"
    words = struct.unpack(f"{order}6I", header[:24])
    a = b = 0
    for x, y in zip(words[::2], words[1::2], strict=True):
        a = (a + x + b) & 0xFFFFFFFF
        b = (b + y + a) & 0xFFFFFFFF
    return (a, b) == struct.unpack(">2I", header[24:])


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file does."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _address(path: Path, create: bool = False) -> str:
    return f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}"


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what can run by itself: views, triggers, virtual tables, computed columns, indexes that are not ours."""
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
        foreign = kind in ("view", "trigger") or (sql or "").upper().startswith("CREATE VIRTUAL")
        if kind == "index" and sql:
            foreign = " ".join(sql.split()) not in " ".join(_SCHEMA.replace("IF NOT EXISTS ", "").split())
        if kind == "table" and not foreign:
            quoted = name.replace('"', '""')
            foreign = any(column[-1] > 1 for column in connection.execute(f'PRAGMA table_xinfo("{quoted}")'))
        if foreign:
            raise ProjectDamaged(
                f"The database of {path.parent.name} holds a {kind} {name!r} that no project has.",
                "Another program made it, maybe to do harm. To take over what belongs to a project, run: "
                f"napari-cellseg recover {path.parent.name}",
                str(path.parent),
            )


def file_mark(path: Path) -> tuple[int, int] | None:
    """What tells one file from another that has its name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def damaged(path: Path, reason: object) -> ProjectDamaged:
    """The message that offers recovery."""
    return ProjectDamaged(
        f"The database of {path.parent.name} is damaged: {reason}.",
        "The snapshots and what can still be read of the log are put together by: napari-cellseg recover "
        f"{path.parent.name} (the damaged file is kept beside it).",
        str(path.parent),
    )


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Rows that are not what we write are damage."""
    try:
        yield
    except CellsegError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise damaged(path, error) from error


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors in words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise CellsegError(
                f"{path.parent.name} could not be saved: {text}.",
                "The disk is full or failing. Everything saved before is safe: free some space and do it again.",
            ) from error
        if "locked" in text or "busy" in text:
            raise CellsegError(f"{path.parent.name} is in use: {text}.", "Close other programs that use it.") from error
        if "readonly" in text or "unable to open" in text or "authorized" in text:
            raise CellsegError(
                f"{path} cannot be used: {text}.", "Check that the folder exists and is writable."
            ) from error
        raise damaged(path, text) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
