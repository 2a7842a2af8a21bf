"""Snapshots: one compressed zarr array that says of itself at which edit it stands.

A snapshot never replaces another in place: it is written beside it and swapped by renames. Edits hold absolute
values, so replaying some that a snapshot holds already changes nothing; whichever snapshot is found, the log
leads from it to now.
"""

from __future__ import annotations

import os
import shutil
import time
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
    part, old = path.with_suffix(".part"), path.with_suffix(".old")
    chunks = tuple(min(s, c) for s, c in zip(array.shape, (8, 512, 512)[-array.ndim :], strict=True))
    try:
        shutil.rmtree(part, ignore_errors=True)
        target = zarr.create_array(str(part), shape=array.shape, dtype=array.dtype, chunks=chunks, fill_value=0)
        target[:] = array
        target.attrs.update({"edit": n, "image": record})  # last: a snapshot without it is not finished
        _swap(part, path, old)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise CellsegError(
            f"The snapshot {path.parent.name}/{path.name} could not be written: {error}.",
            "Nothing is lost: every edit is in the log. Free some space.",
        ) from error


def read_snapshot(path: Path) -> Snapshot | None:
    """The newest whole snapshot, or None where there is none that can be read."""
    for attempt in range(6):
        for candidate in (path, path.with_suffix(".part"), path.with_suffix(".old")):
            if (found := _try_read(candidate)) is not None:
                return found
        if not path.parent.is_dir():
            return None
        time.sleep(0.02 * attempt)  # another process may be swapping
    return None


def _try_read(path: Path) -> Snapshot | None:
    try:
        before = zarr.open_array(str(path), mode="r")
        n = int(before.attrs["edit"])  # type: ignore[arg-type]
        array = np.ascontiguousarray(before[:])
        after = zarr.open_array(str(path), mode="r")
        # zarr reads a missing chunk as zeros: a folder swapped meanwhile shows in its number
        return Snapshot(array, n, str(after.attrs["image"])) if after.attrs["edit"] == n else None
    except _READ_ERRORS:
        return None


def _swap(part: Path, path: Path, old: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        os.replace(path, old)
    os.replace(part, path)
    shutil.rmtree(old, ignore_errors=True)
