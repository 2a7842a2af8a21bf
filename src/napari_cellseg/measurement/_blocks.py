"""A label image block by block, along its rows or planes, whatever it lies in: memory, memmap, zarr, dask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

BLOCK_BYTES = 1 << 26
"""About so much of a label image is in memory at a time."""
Stop = Callable[[], bool]


class Block(NamedTuple):
    """A part of an image.

    Attributes
    ----------
    labels
        (Z, Y, X) uint32, a plane being a volume of one.
    origin
        Plane and row of the image where it begins.
    skip
        How many planes and rows at its beginning belong to the block before.
    span
        Rows or planes of the image without these: start, stop.
    """

    labels: NDArray[np.uint32]
    origin: tuple[int, int]
    skip: tuple[int, int]
    span: tuple[int, int]


def check_labels(labels: Any) -> None:
    """Refuse what is no label image.

    Raises
    ------
    CellsegError
        When it is not (Z, Y, X) or (Y, X) of whole numbers.
    """
    shape, kind = getattr(labels, "shape", None), np.dtype(getattr(labels, "dtype", object)).kind
    if shape is None or len(shape) not in (2, 3):
        given = "no array" if shape is None else f"{len(shape)} axes"
        raise CellsegError(f"Labels are (Y, X) or (Z, Y, X), not {given}.", "Measure frame by frame.")
    if kind not in "uib":
        raise CellsegError(
            f"Labels are whole numbers, not {labels.dtype}.", "Number the objects first: skimage.measure.label."
        )


def blocks(labels: Any, stop: Stop, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Go through an image once, `stop` being asked before every block.

    Raises
    ------
    CellsegError
        When labels are below zero or above uint32, or somebody wished to stop.
    """
    deep = len(labels.shape) == 3
    n, step = labels.shape[0], _step(labels, size)
    before: NDArray[np.uint32] | None = None
    for start in range(0, n, step):
        if stop():
            raise CellsegError("Measuring was stopped before it was complete.")
        stopped = min(n, start + step)
        halo = int(start > 0)
        if isinstance(labels, np.ndarray) and labels.dtype == np.uint32:
            part = np.ascontiguousarray(labels[start - halo : stopped])
        else:
            part = _as_ids(np.asarray(labels[start:stopped]))
            part = np.concatenate([before, part]) if before is not None else part
            before = part[-1:].copy()
        place, skip = ((start - halo, 0), (halo, 0)) if deep else ((0, start - halo), (0, halo))
        yield Block(part if deep else part[None], place, skip, (start, stopped))


def own(block: Block) -> NDArray[np.uint32]:
    """A block without what belongs to the block before."""
    return block.labels[block.skip[0] :, block.skip[1] :]


def _step(labels: Any, size: int) -> int:
    """Rows or planes of a block: whole chunks, where the array has some."""
    line = max(1, int(np.prod(labels.shape[1:], dtype=np.int64)) * 4)
    step = max(1, size // line)
    chunks = getattr(labels, "chunks", None)
    if chunks:  # zarr gives a size per axis, dask the sizes of all chunks
        chunk = chunks[0] if isinstance(chunks[0], int) else max(chunks[0], default=1)
        step = max(1, step // chunk) * chunk
    return step


def _as_ids(part: NDArray[Any]) -> NDArray[np.uint32]:
    """uint32, where that holds all of it."""
    if part.dtype.kind == "i" and part.min(initial=0) < 0:
        raise CellsegError("Labels below zero cannot be measured.", "Number objects from 1; 0 is background.")
    if part.dtype.itemsize > 4 and part.max(initial=0) > np.iinfo(np.uint32).max:
        raise CellsegError("Labels above 4,294,967,295 cannot be measured.", "Renumber the objects.")
    return np.ascontiguousarray(part, np.uint32)
