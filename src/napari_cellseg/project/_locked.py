"""Reading a file on which SQLite holds locks, without giving them up.

On POSIX, a process that closes any descriptor of a file drops all the locks that it holds on that file, also those of
SQLite's connections (https://www.sqlite.org/howtocorrupt.html, 2.2). Of the index of a write-ahead log (``-shm``), the
next process that opens the database then believes to be the first: it cuts the index off under the connections of this
one, which die of a bus error, or write where nobody reads. So such a descriptor is kept, one for every file.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

_kept: dict[tuple[int, int], list[int]] = {}
_keeping = threading.Lock()


def first_bytes(path: Path, n: int) -> bytes:
    """The first bytes of a file, fewer where it is shorter.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    if os.name == "nt":  # locks belong to handles there
        with path.open("rb") as file:
            return file.read(n)
    with _keeping:
        _close_deleted()
        found = path.stat()
        kept = _kept.get((found.st_dev, found.st_ino))
        return os.pread(kept[0] if kept else _open(path), n, 0)


def _open(path: Path) -> int:
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    opened = os.fstat(number)
    _kept.setdefault((opened.st_dev, opened.st_ino), []).append(number)
    return number


def _close_deleted() -> None:
    """Of a file that was deleted nobody waits for a lock any more: the last connection has deleted it."""
    for key, numbers in list(_kept.items()):
        if os.fstat(numbers[0]).st_nlink == 0:
            for number in numbers:
                os.close(number)
            del _kept[key]
