"""Snapshots: one compressed zarr array that says of itself at which edit it stands.

A snapshot never replaces another in place: it is written beside it and swapped by renames. Edits hold absolute
values, so replaying some that a snapshot holds already changes nothing; whichever snapshot is found, the log
leads from it to now.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ..errors import CellsegError

_READ_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, zarr.errors.BaseZarrError)


@dataclass(frozen=True)
class Snapshot:
    """An array as it stood after edit `n` of its project; `record` is the image record it belongs to."""

    array: NDArray[Any]
    n: int
    record: str


def write_snapshot(path: Path, array: NDArray[Any], n: int, record: str) -> None:
    """Write an array (Z, Y, X) or (Y, X) beside `path`, then swap it in.

    Raises
    ------
    CellsegError
        When the disk is full or the folder cannot be written; the old snapshot stays.
    """
    mine = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"  # another process may be writing too
    part, old = path.with_name(f"{path.stem}.{mine}.part"), path.with_name(f"{path.stem}.{mine}.old")
    chunks = tuple(min(s, c) for s, c in zip(array.shape, (8, 512, 512)[-array.ndim :], strict=True))
    try:
        target = zarr.create_array(str(part), shape=array.shape, dtype=array.dtype, chunks=chunks, fill_value=0)
        target[:] = array
        # last: a snapshot without these is not finished
        target.attrs.update({"edit": n, "image": record, "crc32": _checksum(array)})
        _swap(part, path, old)
        _sweep(path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise CellsegError(
            f"The snapshot {path.parent.name}/{path.name} could not be written: {error}.",
            "Nothing is lost: every edit is in the log. Free some space.",
        ) from error


def read_snapshot(path: Path) -> Snapshot | None:
    """The newest whole snapshot, or None where there is none that can be read."""
    for attempt in range(6):
        if (found := _try_read(path)) is not None:
            return found
        others = [_try_read(p) for p in path.parent.glob(f"{path.stem}.*") if p != path]
        if whole := [s for s in others if s is not None]:
            return max(whole, key=lambda s: s.n)
        if not path.exists() and not any(path.parent.glob(f"{path.stem}.*")):
            return None  # there never was one; while one is swapped, it has another name
        time.sleep(0.02 * attempt)  # another process may be swapping
    return None


def _try_read(path: Path) -> Snapshot | None:
    try:
        before = zarr.open_array(str(path), mode="r")
        n = int(before.attrs["edit"])  # type: ignore[arg-type]
        if not 0 <= n < 1 << 53:
            return None
        array = np.ascontiguousarray(before[:])
        # zarr reads a missing chunk as zeros: the checksum notices that, and a folder swapped meanwhile
        return Snapshot(array, n, str(before.attrs["image"])) if before.attrs["crc32"] == _checksum(array) else None
    except _READ_ERRORS:
        return None


def _checksum(array: NDArray[Any]) -> int:
    # no copy of the bytes: making it would hold up all threads
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _swap(part: Path, path: Path, old: Path) -> None:
    if path.exists():
        os.replace(path, old)
    os.replace(part, path)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(path: Path, older_than_s: float = 600.0) -> None:
    """Remove what killed processes left beside a snapshot that is whole again."""
    for rest in path.parent.glob(f"{path.stem}.*"):
        if rest != path and time.time() - rest.stat().st_mtime > older_than_s:
            shutil.rmtree(rest, ignore_errors=True)
