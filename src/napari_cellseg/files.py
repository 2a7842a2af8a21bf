"""Files that appear whole or not at all, and a disk that takes no more in words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import CellsegError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a name to write to, which becomes `path` at the end; its folder is made where it is missing.

    Whatever goes wrong, what lay at `path` before is as it was, and nothing is left behind. The given name has the
    ending of `path`, since many writers go by it.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def take_place(temporary: Path, path: Path) -> None:
    """Rename a file or folder; a folder that was there is removed only when the new one stands in its place.

    Raises
    ------
    OSError
        When it cannot be renamed; then what was there still is.
    """
    if not path.is_dir():
        os.replace(temporary, path)
        return
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file (UTF-8), whole or not at all; returns its path.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
    return Path(path)


def full_disk(error: OSError) -> CellsegError | None:
    """What to tell a person where a disk took no more; None where something else is wrong."""
    if error.errno not in _FULL:
        return None
    where = f" ({error.filename})" if error.filename else ""
    return CellsegError(
        f"The disk is full{where}: {error.strerror}.",
        "What was finished before is safe. Free some space and do it again; temporary files go where TMPDIR says.",
    )
