"""Who computes with a project's images just now: one locked file per process, in the cache. No image goes meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import CellsegError


@contextmanager
def reading(project: Path) -> Iterator[None]:
    """Say that images are being read, for as long as this lasts; the lock of a killed process is free at once."""
    path = _home(project) / f"{uuid.uuid4().hex[:12]}.lock"
    lock = FileLock(path, timeout=0)
    with suppress(OSError, NotImplementedError):  # a file system without locks, a full disk
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            path.unlink(missing_ok=True)


def check_unread(project: Path) -> None:
    """Refuse what would take an image away from a training or prediction that reads it.

    Raises
    ------
    CellsegError
        While one runs, in this process or another.
    """
    for path in _home(project).glob("*.lock"):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise CellsegError(
                "A training or a prediction reads the images of this project.", "Wait for it, or cancel it."
            ) from None
        except (OSError, NotImplementedError):
            continue
        lock.release()
        with suppress(OSError):  # of a process that was killed
            path.unlink(missing_ok=True)


def _home(project: Path) -> Path:
    return project / "cache" / "reading"
