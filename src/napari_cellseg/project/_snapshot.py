"""Snapshots: one compressed zarr array that says of itself at which edit it stands.

A snapshot never replaces another in place: it is written beside it and swapped by renames. Edits hold absolute
values, so replaying some that a snapshot holds already changes nothing; whichever snapshot is found, the log
leads from it to now.

Of a mapped array only used blocks are written, each a chunk; those that have not changed since the snapshot before are
its files under a second name, so that a snapshot of a huge image costs what was changed.
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

from .._types import Box
from ..errors import CellsegError
from ..kernels.checksum import checksum
from ._grids import BLOCK, every_block, is_mapped, keep, note_box, since_kept, too_large, writes, zeros
from ._watch import Moment, Watch

_READ_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, zarr.errors.BaseZarrError)
_AT_ONCE = 1 << 28


@dataclass(frozen=True)
class Snapshot:
    """An array as it stood after edit `n` of its project; `record` is the image record it belongs to.

    `watch` knows what the array should add up to, of mapped arrays.
    """

    array: NDArray[Any]
    n: int
    record: str
    watch: Watch | None = None


def write_snapshot(
    path: Path, array: NDArray[Any], n: int, record: str, moment: Moment | None = None, before: int = -1
) -> bool:
    """Write an array (Z, Y, X) or (Y, X) beside `path`, then swap it in.

    Parameters
    ----------
    moment
        What a mapped array was at edit `n`; None: what it is now.
    before
        The edit at which the snapshot stands from which a mapped array was loaded, or which was written last.

    Returns
    -------
    bool
        False, and nothing is written, where a mapped array has changed since that moment, or holds what no edit wrote
        (an open stroke).

    Raises
    ------
    CellsegError
        When the disk is full or the folder cannot be written; the old snapshot stays.
    """
    mine = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"  # another process may be writing too
    part, old = path.with_name(f"{path.stem}.{mine}.part"), path.with_name(f"{path.stem}.{mine}.old")
    chunks = _chunks(array.shape)
    try:
        target = zarr.create_array(str(part), shape=array.shape, dtype=array.dtype, chunks=chunks, fill_value=0)
        proof: dict[str, int | str]
        if is_mapped(array):
            moment = moment or Watch(array).moment()
            if not _write_blocks(target, part, array, moment, path if _stands_at(path, before) else None):
                shutil.rmtree(part, ignore_errors=True)
                return False
            proof = {"sum": str(moment.total)}
        else:
            target[:] = array
            proof = {"crc32": _checksum(array)}
        # last: a snapshot without these is not finished
        target.attrs.update({"edit": n, "image": record, **proof})
        _swap(part, path, old)
        if moment is not None:
            keep(array, moment.writes)
        _sweep(path)
        return True
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise CellsegError(
            f"The snapshot {path.parent.name}/{path.name} could not be written: {error}.",
            "Nothing is lost: every edit is in the log. Free some space.",
        ) from error


def _write_blocks(target: Any, part: Path, array: NDArray[Any], moment: Moment, earlier: Path | None) -> bool:
    """Write a mapped array as it was at a moment, with what an earlier snapshot has of it; whether it still was so."""
    for box, changed in since_kept(array, moment.writes):
        name = _chunk(box)
        if earlier is not None and not changed:
            if (earlier / name).exists():  # else there is nothing but zeros in it
                _link(earlier / name, part / name)
            continue
        values = array[box].copy()
        if not moment.holds(box, values, array.shape):
            return False
        target[box] = values
    return True


def _chunk(box: Box) -> str:
    """Where zarr keeps a block."""
    return "/".join(["c", *(str(s.start // b) for s, b in zip(box, BLOCK[-len(box) :], strict=True))])


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without second names
        shutil.copyfile(source, target)


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(s, c) for s, c in zip(shape, BLOCK[-len(shape) :], strict=True))


def _stands_at(path: Path, n: int) -> bool:
    """Whether a snapshot is the one of edit `n`, in the blocks of today."""
    try:
        found = zarr.open_array(str(path), mode="r")
        return found.attrs["edit"] == n and found.chunks == _chunks(found.shape)
    except _READ_ERRORS:
        return False


def read_snapshot(path: Path) -> Snapshot | None:
    """The newest whole snapshot, or None where there is none that can be read; a large one in a mapped array."""
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
        record, proof = str(before.attrs["image"]), {k: before.attrs[k] for k in ("crc32", "sum") if k in before.attrs}
        if too_large(before.shape):
            array, watch = _mapped(before, path)
            return Snapshot(array, n, record, watch) if _proved(array, proof, watch) else None
        array = np.ascontiguousarray(before[:])
        # zarr reads a missing chunk as zeros: the checksum notices that, and a folder swapped meanwhile
        return Snapshot(array, n, record) if _proved(array, proof) else None
    except _READ_ERRORS:
        return None


def _mapped(source: Any, path: Path) -> tuple[NDArray[Any], Watch]:
    """A snapshot's array, mapped: only chunks that are there are read."""
    array = zeros(source.shape, source.dtype, path.parent, mapped=True)
    watch = Watch(array)
    sparse = source.chunks == _chunks(source.shape)
    for box in every_block(source.shape):
        if not sparse or (path / _chunk(box)).exists():
            array[box] = source[box]
            note_box(array, box)
            watch.learn(box)
    keep(array, writes(array))
    return array, watch


def _proved(array: NDArray[Any], proof: dict[str, Any], watch: Watch | None = None) -> bool:
    """Whether an array is what a snapshot says that it is."""
    if "sum" in proof:
        return bool(proof["sum"] == str(checksum(array) if watch is None else watch.total))
    return bool(proof["crc32"] == _checksum(array))


def _checksum(array: NDArray[Any]) -> int:
    # no copy of the bytes: making it would hold up all threads
    flat, crc = np.ascontiguousarray(array).reshape(-1).view(np.uint8), 0
    for start in range(0, flat.size, _AT_ONCE):
        crc = zlib.crc32(flat[start : start + _AT_ONCE].data, crc)
    return crc


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
