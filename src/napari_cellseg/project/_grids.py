"""Arrays on an image's grid: in memory where they fit, else mapped files of which only the used blocks are touched.

A mapped array is an ordinary numpy array over a sparse file that has no name any more (so a killed process leaves
nothing behind): tools, napari and kernels work on it as on any other, and the system keeps in memory what is looked at.
What must go through *all* of an array asks `parts` for the blocks in which something may be, and never reads the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from .. import images as pictures
from .._types import Box
from ..errors import CellsegError

BLOCK = (8, 512, 512)
"""Voxels of a block, which is a chunk of a snapshot, too."""
IN_MEMORY = 2.0
"""Gigabytes of labels and states together that are kept in memory; ``CELLSEG_LABELS_IN_MEMORY`` says otherwise."""
VOXEL_BYTES = 5
SPARE = 1 << 30
"""Bytes that must stay free on the disk: a mapped file that finds no room ends its process."""
SPARSE = 0.1
"""So much of what labels and states take at most must be free when an image is opened."""


class _File(mmap.mmap):
    """A mapped file that knows how often each block of its array was written, and how often when it was last kept."""

    written: NDArray[np.int64]
    kept: NDArray[np.int64]
    folder: Path

    def __new__(cls, fileno: int, length: int, blocks: tuple[int, ...], folder: Path) -> _File:
        self = super().__new__(cls, fileno, length)
        self.written, self.kept, self.folder = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64), folder
        return self

    @property
    def used(self) -> NDArray[np.bool_]:
        """Blocks that may hold something."""
        return self.written > 0


def too_large(shape: Sequence[int]) -> bool:
    """Whether labels and states of a grid are mapped, since they would take too much memory."""
    return _decided(tuple(int(n) for n in shape), _in_memory())


@lru_cache(maxsize=4096)  # once said it stays: labels and states of an image are of one kind
def _decided(shape: tuple[int, ...], in_memory: float) -> bool:
    need = math.prod(shape) * VOXEL_BYTES
    return need > in_memory or need * 2 > pictures.memory_left()


def check_room(name: str, shape: Sequence[int], folder: Path) -> None:
    """Refuse an image whose labels and states fit neither into memory nor onto the disk.

    Raises
    ------
    CellsegError
        With what is needed and what there is.
    """
    if not too_large(shape):
        return
    need, free = math.prod(shape) * VOXEL_BYTES, _free(folder)
    if need * SPARSE + SPARE > free:
        raise CellsegError(
            f"{name} has {pictures.by(shape)} voxels: its labels and states take up to {pictures.in_words(need)} of "
            f"disk, of which {pictures.in_words(free)} are free.",
            "Make room on the disk of the project, or crop the image into parts. Without correcting, it can be "
            "labelled as it is: napari-cellseg predict --model MODEL IMAGE --out DIR --format ome.zarr.",
        )


def check_in_memory(name: str, shape: Sequence[int]) -> None:
    """Refuse what needs all labels and states of an image in memory at once, where they do not fit.

    Raises
    ------
    CellsegError
        With the numbers.
    """
    need, left = math.prod(shape) * VOXEL_BYTES, pictures.memory_left()
    if need > _in_memory() and need * 2 > left:
        raise CellsegError(
            f"This needs all labels of {name} in memory at once: {pictures.in_words(need)} for {pictures.by(shape)} "
            f"voxels, and as much again to work on them; {pictures.in_words(left)} are free.",
            "Correcting, predicting and training work on parts of it. For the rest, crop what matters into an image of "
            "its own, or use a machine with more memory.",
        )


def zeros(shape: Sequence[int], dtype: Any, folder: Path, *, mapped: bool | None = None) -> NDArray[Any]:
    """An empty array: in memory, or mapped to a file in `folder` (or, where that cannot be, the system's own).

    Raises
    ------
    CellsegError
        When no such file can be made.
    """
    if not (too_large(shape) if mapped is None else mapped):
        return np.zeros(shape, dtype)
    length = math.prod(shape) * np.dtype(dtype).itemsize
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    where = folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=where, prefix="labels-") as file:  # has no name: nobody finds it, nothing stays
            file.truncate(length)
            return np.ndarray(tuple(shape), dtype, buffer=_File(file.fileno(), length, _counts(shape), where))
    except (OSError, ValueError) as error:
        raise CellsegError(
            f"A file of {pictures.in_words(length)} for labels cannot be made in {where}: {error}.",
            "Choose a project folder on a disk with room that can hold such files.",
        ) from error


def zeros_like(array: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
    """An empty array of the same shape, mapped where the other is."""
    file = _file(array)
    folder = Path(tempfile.gettempdir()) if file is None else file.folder
    return zeros(array.shape, array.dtype if dtype is None else dtype, folder, mapped=file is not None)


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array (all of it, not a part) is mapped."""
    return _file(array) is not None


def note(array: NDArray[Any], index: NDArray[np.int64]) -> None:
    """Remember that flat positions (N,) of an array are being written.

    Raises
    ------
    CellsegError
        When the disk has no room for them.
    """
    file = _file(array)
    if file is None or not index.size:
        return
    new = _blocks_of(index, array.shape)
    if (fresh := new & ~file.used).any():
        _check_free(file, int(fresh.sum()) * min(index.size * mmap.PAGESIZE, math.prod(BLOCK) * array.itemsize))
    file.written += new


def note_box(array: NDArray[Any], box: Box) -> None:
    """The same for all of a box."""
    file = _file(array)
    if file is not None:
        spans = zip(box, _block(array.ndim), strict=True)
        at = tuple(slice(s.start // b, -(-s.stop // b)) for s, b in spans)
        file.written[at] += 1


def parts(*arrays: NDArray[Any]) -> list[Box]:
    """Boxes that hold all that is not 0 in any of some arrays of one shape: of mapped ones their used blocks."""
    files = [_file(a) for a in arrays]
    used = [f.used for f in files if f is not None]
    if len(used) < len(files):
        return [tuple(slice(0, n) for n in arrays[0].shape)]
    return list(_boxes(np.logical_or.reduce(used), arrays[0].shape))


def writes(array: NDArray[Any]) -> NDArray[np.int64]:
    """How often each block of a mapped array was written until now."""
    file = _file(array)
    assert file is not None
    return file.written.copy()


def keep(array: NDArray[Any], moment: NDArray[np.int64]) -> None:
    """A snapshot holds a mapped array as it was at a moment (`writes`)."""
    file = _file(array)
    assert file is not None
    file.kept[...] = moment


def since_kept(array: NDArray[Any], moment: NDArray[np.int64]) -> Iterator[tuple[Box, bool]]:
    """Blocks of a mapped array that were used at a moment, and whether they were written since the snapshot then."""
    file = _file(array)
    assert file is not None
    changed = moment != file.kept
    for box in _boxes(moment > 0, array.shape):
        yield box, bool(changed[_at(box)])


def islands(state: NDArray[np.uint8], around: int = 0) -> list[Box]:
    """Boxes apart from each other that hold all that is known of an image, with a rim of `around` pixels in Y and X.

    Of an array in memory it is one box, all of it; of a mapped one, blocks that touch are together.
    """
    file = _file(state)
    if file is None:
        return [tuple(slice(0, n) for n in state.shape)]
    known = np.zeros_like(file.used)
    for box in _boxes(file.used, state.shape):
        if state[box].any():
            known[_at(box)] = True
    found: list[Box] = []
    for block in ndi.find_objects(ndi.label(known, np.ones((3,) * known.ndim))[0]):
        inside = _voxels(block, state.shape)
        found.append(_tight(state, inside, around))
    return _apart(found)


def copied(array: NDArray[Any], name: str = "the image") -> NDArray[Any]:
    """A copy in memory.

    Raises
    ------
    CellsegError
        When a mapped array does not fit there (see `check_in_memory`).
    """
    if not is_mapped(array):
        return array.copy()
    check_in_memory(name, array.shape)
    whole = np.zeros(array.shape, array.dtype)
    for box in parts(array):
        whole[box] = array[box]
    return whole


def blocks_in(box: Box) -> Iterator[Box]:
    """A box cut along the blocks of its grid, in the order of its arrays."""
    spans = (
        [slice(max(s.start, k), min(s.stop, k + b)) for k in range(s.start // b * b, s.stop, b)]
        for s, b in zip(box, _block(len(box)), strict=True)
    )
    return itertools.product(*spans)


def every_block(shape: tuple[int, ...]) -> Iterator[Box]:
    """All blocks of a grid, in the order of its arrays."""
    return _boxes(np.ones(_counts(shape), bool), shape)


def block_numbers(index: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The number of the block in which each flat position (N,) lies, (N,)."""
    at = (a // b for a, b in zip(np.unravel_index(index, shape), _block(len(shape)), strict=True))
    return np.asarray(np.ravel_multi_index(tuple(at), _counts(shape)), np.int64)


def block_number(box: Box, shape: tuple[int, ...]) -> int:
    """The number of a block."""
    return int(np.ravel_multi_index(_at(box), _counts(shape)))


# --- inside ---------------------------------------------------------------------------------------


def _in_memory() -> float:
    try:
        return float(os.environ.get("CELLSEG_LABELS_IN_MEMORY", "") or IN_MEMORY) * 1e9
    except ValueError:
        return IN_MEMORY * 1e9


def _file(array: NDArray[Any]) -> _File | None:
    return array.base if isinstance(array.base, _File) else None


def _block(ndim: int) -> tuple[int, ...]:
    return BLOCK[-ndim:]


def _free(folder: Path) -> int:
    there = next((p for p in (folder, *folder.parents) if p.exists()), Path.cwd())
    try:
        return int(shutil.disk_usage(there).free)
    except OSError:  # some network drives do not say
        return 1 << 62


def _check_free(file: _File, need: int) -> None:
    if need + SPARE > (free := _free(file.folder)):
        raise CellsegError(
            f"The disk is nearly full: {pictures.in_words(free)} are free, and labels of a large image take room there "
            "while they are open.",
            "Nothing was changed. Free some space.",
        )


def _counts(shape: Sequence[int]) -> tuple[int, ...]:
    """Blocks along every axis."""
    return tuple(-(-n // b) for n, b in zip(shape, _block(len(shape)), strict=True))


def _blocks_of(index: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which blocks flat positions lie in."""
    found = np.zeros(math.prod(_counts(shape)), bool)
    found[block_numbers(index, shape)] = True
    return found.reshape(_counts(shape))


def _boxes(blocks: NDArray[np.bool_], shape: tuple[int, ...]) -> Iterator[Box]:
    """The voxels of blocks, in the order of the array."""
    for at in np.argwhere(blocks):
        yield _voxels(tuple(slice(int(k), int(k) + 1) for k in at), shape)


def _voxels(blocks: Box, shape: tuple[int, ...]) -> Box:
    spans = zip(blocks, _block(len(shape)), shape, strict=True)
    return tuple(slice(s.start * b, min(s.stop * b, n)) for s, b, n in spans)


def _at(box: Box) -> tuple[int, ...]:
    return tuple(s.start // b for s, b in zip(box, _block(len(box)), strict=True))


def _tight(state: NDArray[np.uint8], box: Box, around: int) -> Box:
    """A box drawn in to what is not 0 in it, with a rim."""
    held = state[box] > 0
    spans = []
    for axis, (span, n) in enumerate(zip(box, state.shape, strict=True)):
        hits = np.flatnonzero(held.any(tuple(a for a in range(held.ndim) if a != axis)))
        rim = around if axis >= held.ndim - 2 else 0
        low, high = span.start + int(hits[0]), span.start + int(hits[-1]) + 1
        spans.append(slice(max(0, low - rim), min(n, high + rim)))
    return tuple(spans)


def _apart(found: Iterable[Box]) -> list[Box]:
    """Boxes that meet become one, until none do."""
    left = list(found)
    done: list[Box] = []
    while left:
        box = left.pop()
        meets = [
            b for b in (*left, *done) if all(s.start < t.stop and t.start < s.stop for s, t in zip(b, box, strict=True))
        ]
        if not meets:
            done.append(box)
            continue
        left, done = ([b for b in side if b not in meets] for side in (left, done))
        spans = zip(box, *meets, strict=True)
        left.append(tuple(slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in spans))
    return sorted(done, key=lambda b: tuple(s.start for s in b))
