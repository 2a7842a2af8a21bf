"""Rows cut out of the pages of an SQLite file that SQLite itself does not open, and what lies beside it.

Leaves of tables and their overflow pages are all that is needed, as https://www.sqlite.org/fileformat2.html tells.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]


def cut_out(path: Path) -> Iterator[Row]:
    """Rows that stand in any leaf of the file or its write-ahead log, of whatever table, whatever led to it."""
    pages, usable = _pages(path)
    for number, page in pages.items():
        start = 100 if number == 1 else 0
        if page[start : start + 1] != b"\x0d":
            continue
        (count,) = struct.unpack_from(">H", page, start + 3)
        for k in range(min(count, len(page) // 2)):
            with suppress(struct.error, IndexError, ValueError, KeyError):
                (at,) = struct.unpack_from(">H", page, start + 8 + 2 * k)
                yield _cell(pages, page, at, usable)


def _pages(path: Path) -> tuple[dict[int, bytes], int]:
    """Pages by number, as the write-ahead log beside the file leaves them, and how much of each can hold rows."""
    data = path.read_bytes()
    sound = data[:16] == b"SQLite format 3\0"
    size = struct.unpack_from(">H", data, 16)[0] if sound else 4096
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        size, sound = 4096, False
    reserved = data[20] if sound else 0
    pages = {n + 1: data[n * size : (n + 1) * size] for n in range(len(data) // size)}
    return pages | _overlaid(*_beside(path)), size - reserved


@dataclass(frozen=True)
class Frames:
    """A write-ahead log as it lies on disk.

    Attributes
    ----------
    pages
        Number of the page in every frame, in their order.
    commits
        After how many frames something was whole.
    unknown
        Whether there is something that is no such log.
    mark
        Another one where it was begun again.
    """

    pages: tuple[int, ...] = ()
    commits: tuple[int, ...] = ()
    unknown: bool = False
    mark: bytes = b""


def frames_beside(path: Path) -> Frames:
    """The write-ahead log beside a database, by the marks of its frames alone."""
    data, size = _beside(path)
    found = [struct.unpack_from(">II", data, at) for at in _places(data, size)]
    commits = tuple(n + 1 for n, (_, commit) in enumerate(found) if commit)
    return Frames(
        tuple(page for page, _ in found), commits, bool(len(data) > 32 + 24 + size and not found), data[16:24]
    )


def _beside(path: Path) -> tuple[bytes, int]:
    """Bytes of the write-ahead log (none where there is none), and the size of a page."""
    beside = path.with_name(path.name + "-wal")
    data = beside.read_bytes() if beside.is_file() else b""
    size = struct.unpack_from(">I", data, 8)[0] if len(data) > 32 else 0
    return data, size if 512 <= size <= 65536 and not size & (size - 1) else 4096


def _places(data: bytes, size: int) -> list[int]:
    """Where frames of the log as it is now begin; of one that was used before, the rest has other marks."""
    starts = range(32, len(data) - 24 - size + 1, 24 + size)
    marks = [data[at + 8 : at + 16] for at in starts]
    mine = data[16:24] if data[16:24] in marks[:1] else next(iter(marks), b"")
    whole = next((n for n in range(len(marks) - 1, -1, -1) if marks[n] == mine), -1)
    return list(starts[: whole + 1])


def _overlaid(data: bytes, size: int) -> dict[int, bytes]:
    """Pages of a write-ahead log, the last of each that was committed."""
    committed: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    for at in _places(data, size):
        number, commit = struct.unpack_from(">II", data, at)
        waiting[number] = data[at + 24 : at + 24 + size]
        if commit:
            committed |= waiting
            waiting = {}
    return committed


def _cell(pages: dict[int, bytes], page: bytes, at: int, usable: int) -> Row:
    """One row of a leaf: its columns, with the row's number for the first where that is where it is kept."""
    length, at = _varint(page, at)
    number, at = _varint(page, at)
    if length > usable * len(pages):
        raise ValueError("a row is longer than the file")
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    local = length
    if length > most:
        local = least + (length - least) % (usable - 4)
        local = local if local <= most else least
    payload = [page[at : at + local]]
    left = length - local
    if left:
        (follow,) = struct.unpack_from(">I", page, at + local)
        while left > 0:
            more = pages[follow]
            payload.append(more[4 : 4 + min(left, usable - 4)])
            left -= usable - 4
            (follow,) = struct.unpack_from(">I", more)
    row = _columns(b"".join(payload))
    return (number, *row[1:]) if row and row[0] is None else row


def _columns(record: bytes) -> Row:
    end, at = _varint(record, 0)
    kinds = []
    while at < end:
        kind, at = _varint(record, at)
        kinds.append(kind)
    row: list[Any] = []
    for kind in kinds:
        value, width = _value(record, at, kind)
        row.append(value)
        at += width
    return tuple(row)


def _value(record: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (0, 8, 9):
        return (None, 0, 1)[(0, 8, 9).index(kind)], 0
    if kind == 7:
        return struct.unpack_from(">d", record, at)[0], 8
    if kind < 7:
        width = (0, 1, 2, 3, 4, 6, 8)[kind]
        return int.from_bytes(record[at : at + width], "big", signed=True), width
    width = (kind - 12) // 2 if kind % 2 == 0 else (kind - 13) // 2
    data = record[at : at + width]
    if len(data) < width or kind < 12:
        raise ValueError("a value is cut off")
    return (data if kind % 2 == 0 else data.decode("utf-8", "replace")), width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for k in range(9):
        byte = data[at + k]
        if k == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            break
    return value, at + k + 1
