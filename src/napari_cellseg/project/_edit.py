"""One undoable change of labels and state, and its bytes."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..errors import CellsegError
from ._grids import note, parts
from ._records import COMPACTED

_MAGIC = b"E1"
_HEAD = 41
"""Bytes that tell at most how many there are."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What changed, voxel by voxel.

    Attributes
    ----------
    tool
        What made it: brush, fill, merge, predict, approve, undo...
    shape
        Shape of the image's spatial grid.
    index
        Sorted flat (C order) positions in the grid, (N,) int64.
    old_labels, new_labels
        (N,) uint32.
    old_state, new_state
        (N,) uint8: 0 predicted, 1 corrected, 2 approved.
    """

    tool: str
    shape: tuple[int, ...]
    index: NDArray[np.int64]
    old_labels: NDArray[np.uint32]
    new_labels: NDArray[np.uint32]
    old_state: NDArray[np.uint8]
    new_state: NDArray[np.uint8]

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return self.index.size == 0

    def inverse(self, tool: str = "undo") -> Edit:
        """The edit that takes this one back."""
        return Edit(tool, self.shape, self.index, self.new_labels, self.old_labels, self.new_state, self.old_state)

    def box(self) -> Box:
        """The smallest box that holds every changed voxel."""
        return self._box

    @cached_property
    def packed(self) -> Packed:
        """What the log keeps of it, kept since it takes time; it may be asked for in another thread beforehand."""
        box = tuple((int(span.start), int(span.stop)) for span in self.box())
        return Packed(self.tool, box, self.index.size, encode_edit(self))

    @cached_property
    def _box(self) -> Box:
        if self.empty:
            return tuple(slice(0, 0) for _ in self.shape)
        first, last = int(self.index[0]), int(self.index[-1])  # sorted: the ends tell the slowest axis
        inner = int(np.prod(self.shape[1:]))
        spans = [slice(first // inner, last // inner + 1)]
        rest = self.index % inner
        for n in reversed(self.shape[1:]):
            at = rest % n
            spans.insert(1, slice(int(at.min()), int(at.max()) + 1))
            rest = rest // n
        return tuple(spans)

    def onto(self, labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> None:
        """Replay a row of the log: as `write_to`, but what stands for a whole log begins with empty arrays."""
        if self.tool.startswith(COMPACTED):
            for box in parts(labels, state):
                labels[box] = 0
                state[box] = 0
        for array in (labels, state):
            note(array, self.index)
        self.write_to(labels, state)

    def write_to(self, labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> None:
        """Write the new values into two C-contiguous arrays of the grid's shape, in place.

        Raises
        ------
        CellsegError
            When the arrays have another shape.
        """
        if labels.shape != self.shape:
            raise CellsegError(
                f"An edit of the log was made for {self.shape}, the image is {labels.shape}.",
                "The project is damaged. Run: napari-cellseg recover PROJECT",
            )
        labels.reshape(-1)[self.index] = self.new_labels
        state.reshape(-1)[self.index] = self.new_state


def difference(
    tool: str,
    labels: NDArray[np.uint32],
    state: NDArray[np.uint8],
    box: Box,
    new_labels: NDArray[Any],
    new_state: NDArray[Any],
) -> Edit:
    """The edit that turns `box` of the given arrays into new values of the box's shape."""
    return box_difference(tool, labels.shape, box, (labels[box], state[box]), (new_labels, new_state))


def box_difference(
    tool: str, shape: tuple[int, ...], box: Box, old: tuple[NDArray[Any], ...], new: tuple[NDArray[Any], ...]
) -> Edit:
    """The edit that turns old labels and state of a box into new ones, in a grid of some shape."""
    (old_labels, old_state), (new_labels, new_state) = old, new
    changed = (old_labels != new_labels) | (old_state != new_state)
    return Edit(
        tool,
        shape,
        _places(np.flatnonzero(changed), box, changed.shape, shape),
        np.asarray(old_labels[changed], np.uint32),
        np.asarray(new_labels[changed], np.uint32),
        np.asarray(old_state[changed], np.uint8),
        np.asarray(new_state[changed], np.uint8),
    )


Pair = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""Labels and state of an image."""


def difference_of(tool: str, before: Pair, after: Pair) -> Edit:
    """The edit that turns labels and state of a whole image into others."""
    boxes = parts(*before, *after)
    edits = [difference(tool, *before, box, after[0][box], after[1][box]) for box in boxes]
    if len(edits) == 1:
        return edits[0]
    return together(tool, before[0].shape, edits)


def restored(tool: str, later: Sequence[Edit], labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> Edit:
    """The edit that brings back what was there before some edits (the oldest first) of labels and state as they are."""
    index = np.concatenate([edit.index for edit in later] or [np.zeros(0, np.int64)])
    index, first = np.unique(index, return_index=True)  # what the oldest edit of a voxel found there
    new = [np.concatenate([getattr(edit, name) for edit in later])[first] if later else index for name in _OLD]
    old = labels.reshape(-1)[index], state.reshape(-1)[index]
    changed = (old[0] != new[0]) | (old[1] != new[1])
    return Edit(
        tool, labels.shape, index[changed], old[0][changed], new[0][changed].astype(np.uint32), old[1][changed],
        new[1][changed].astype(np.uint8),
    )  # fmt: skip


_OLD = ("old_labels", "old_state")


def together(tool: str, shape: tuple[int, ...], edits: Sequence[Edit]) -> Edit:
    """Edits of boxes apart from each other, as one."""
    index = np.concatenate([edit.index for edit in edits] or [np.zeros(0, np.int64)])
    order = np.argsort(index)
    types = {"old_labels": np.uint32, "new_labels": np.uint32, "old_state": np.uint8, "new_state": np.uint8}
    values = {
        name: np.concatenate([getattr(edit, name) for edit in edits] or [np.zeros(0, dtype)])[order]
        for name, dtype in types.items()
    }
    return Edit(tool, shape, index[order], **values)


def _places(flat: NDArray[np.int64], box: Box, inner: tuple[int, ...], outer: tuple[int, ...]) -> NDArray[np.int64]:
    """Flat positions in a box of shape `inner` as flat positions in the whole of shape `outer`."""
    axes, block = list(zip((span.start or 0 for span in box), inner, outer, strict=True)), 1
    while len(axes) > 1 and axes[-1][1] == axes[-1][2]:  # whole rows lie side by side in both
        block *= axes.pop()[2]
    first = axes.pop(0)[0]
    if not axes:
        return flat + first * block
    rest, index = np.divmod(flat, block) if block > 1 else (flat, np.zeros_like(flat))
    for start, n, whole in reversed(axes):
        rest, at = np.divmod(rest, n)
        index += (at + start) * block
        block *= whole
    return np.asarray(index + (rest + first) * block)


@dataclass(frozen=True)
class Packed:
    """An edit as a row of the log keeps it; `box` is (start, stop) per axis."""

    tool: str
    box: tuple[tuple[int, int], ...]
    voxels: int
    data: bytes


def encode_edit(edit: Edit) -> bytes:
    """Runs of positions and run-length values, zlib-compressed, with a checksum."""
    index = np.asarray(edit.index, np.int64)
    starts = np.flatnonzero(np.diff(index, prepend=np.int64(-2)) != 1)
    lengths = np.diff(np.append(starts, index.size))
    gaps = np.diff(index[starts], prepend=np.int64(0))
    head = struct.pack("<QQB", index.size, starts.size, len(edit.shape)) + struct.pack(
        f"<{len(edit.shape)}Q", *edit.shape
    )
    parts = [gaps.astype("<i8"), lengths.astype("<i8")]
    parts += [edit.old_labels.astype("<u4"), edit.new_labels.astype("<u4")]
    parts += [edit.old_state.astype("u1"), edit.new_state.astype("u1")]
    body = zlib.compress(head + b"".join(part.tobytes() for part in parts), 1)
    return _MAGIC + struct.pack("<I", zlib.crc32(body)) + body


def decode_edit(tool: str, data: bytes, shape: tuple[int, ...] | None = None) -> Edit:
    """The inverse of `encode_edit`; where a shape is given, only for an image of this shape.

    Raises
    ------
    CellsegError
        When the bytes are damaged.
    """
    try:
        if data[:2] != _MAGIC or struct.unpack("<I", data[2:6])[0] != zlib.crc32(data[6:]):
            raise ValueError("its checksum is wrong")
        return _decoded(tool, data[6:], shape)
    except (ValueError, TypeError, struct.error, zlib.error) as error:
        raise CellsegError(
            f"A row of the edit log is damaged: {error}.", "To go on without it, run: napari-cellseg recover PROJECT"
        ) from error


def _decoded(tool: str, body: bytes, wanted: tuple[int, ...] | None) -> Edit:
    head = zlib.decompressobj().decompress(body, _HEAD)
    count, runs, ndim = struct.unpack_from("<QQB", head)
    if ndim not in (2, 3):
        raise ValueError(f"it has {ndim} dimensions")
    shape = struct.unpack_from(f"<{ndim}Q", head, 17)
    if (wanted is not None and shape != wanted) or not runs <= count <= math.prod(shape):
        raise ValueError(f"it has {count} voxels of {shape}")
    offset = 17 + 8 * ndim
    size = offset + 16 * runs + 10 * count
    raw = zlib.decompressobj().decompress(body, size)  # never more than the head claims, whatever is packed there
    arrays = []
    for n, dtype in ((runs, "<i8"), (runs, "<i8"), (count, "<u4"), (count, "<u4"), (count, "u1"), (count, "u1")):
        arrays.append(np.frombuffer(raw, dtype, n, offset))
        offset += n * np.dtype(dtype).itemsize
    gaps, lengths, *values = arrays
    starts = np.cumsum(gaps)
    if runs and (starts[0] < 0 or lengths.min() < 1 or lengths.max() > count or lengths.sum() != count):
        raise ValueError("its runs are wrong")
    if (starts[1:] < (starts + lengths)[:-1]).any() or (runs and starts[-1] + lengths[-1] > math.prod(shape)):
        raise ValueError("its places are wrong")
    before = np.cumsum(lengths) - lengths
    index = np.repeat(starts - before, lengths) + np.arange(count)
    return Edit(tool, tuple(int(n) for n in shape), index.astype(np.int64), *values)
