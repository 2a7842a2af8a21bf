"""Hints: what a person said of single voxels, cell or background, without saying where a cell ends or which it is.

Data flow: strokes -> rows in ``project.db``, append-only -> an array of the image's grid. What learns in seconds (the
head, the random forest) takes hints beside corrections; labels and state know nothing of them, so a prediction cannot
overwrite a hint and a hint cannot overwrite a label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..errors import CellsegError
from ._db import Database
from ._edit import Edit, difference, encode_edit, together
from ._grids import note, parts, zeros
from ._records import ImageRecord

NOTHING, BACKGROUND = 0, 1
"""Values of hints; 1 + n is class n, in a project of objects 2 is a cell."""
TOOL = "hint"


class Hints:
    """The hints of one image.

    Attributes
    ----------
    values
        (Z, Y, X) or (Y, X) uint8, C-contiguous; a napari layer may paint into it.
    n
        Strokes that are on disk, undone ones and their undoing included.
    """

    def __init__(self, db: Database, record: ImageRecord, n_classes: int, author: str) -> None:
        self.record, self._db, self._author = record, db, author
        self._most = BACKGROUND + n_classes
        self.values: NDArray[np.uint8] = zeros(record.shape, np.uint8, db.path.parent / "cache")
        self.n = 0
        for edit in db.hints(record.id, record.shape):
            self._write(edit)
        self._undo: list[Edit] = []
        self._redo: list[Edit] = []

    @property
    def any(self) -> bool:
        """Whether anything is said of the image."""
        return any(bool(self.values[box].any()) for box in parts(self.values))

    def paint(self, index: NDArray[np.int64], old: NDArray[np.integer], new: NDArray[np.integer]) -> None:
        """Keep a stroke: flat positions with what stood there and what stands there now, (N,) each.

        Raises
        ------
        CellsegError
            When a value is no hint of this project, or it cannot be saved; `values` are as before.
        """
        places, first = np.unique(index, return_index=True)
        if not places.size:
            return
        last = index.size - 1 - np.unique(index[::-1], return_index=True)[1]  # of a place painted twice, what remains
        values, state = np.asarray(new, np.uint32)[last], np.zeros(places.size, np.uint8)
        edit = Edit(TOOL, self.record.shape, places, np.asarray(old, np.uint32)[first], values, state, state)
        try:
            self._check(values)
            self._keep(edit)
        except CellsegError:
            self.values.reshape(-1)[edit.index] = edit.old_labels
            raise
        self._undo.append(edit)
        self._redo.clear()

    def put(self, values: NDArray[np.integer]) -> None:
        """Take hints from a picture of them, as one stroke; where it says nothing, what was said stays.

        Raises
        ------
        CellsegError
            When the shape or a value does not fit, or it cannot be saved.
        """
        self.check(values)
        self._replace(np.where(values > NOTHING, values, self.values), [tuple(slice(0, n) for n in values.shape)])

    def check(self, values: NDArray[np.integer]) -> None:
        """Refuse a picture of hints that does not fit, as `put` does."""
        if values.shape != self.values.shape:
            raise CellsegError(
                f"The hints are {values.shape}, the image {self.values.shape}.", "Draw them on this image."
            )
        self._check(values)

    def clear(self) -> None:
        """Take all of them away, as one stroke."""
        self._replace(np.broadcast_to(np.uint8(NOTHING), self.values.shape), parts(self.values))

    def undo(self) -> bool:
        """Take the last stroke of this session back; False where there is none."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        """Do again what was undone last; False where there is nothing."""
        return self._step(self._redo, self._undo)

    # --- inside ---------------------------------------------------------------------------------

    def _replace(self, values: NDArray[np.integer], boxes: Sequence[Box]) -> None:
        state = np.broadcast_to(np.uint8(0), values.shape)
        found = [difference(TOOL, self.values, state, box, values[box], state[box]) for box in boxes]  # type: ignore[arg-type]
        edit = together(TOOL, values.shape, found)
        if not edit.empty:
            self.paint(edit.index, edit.old_labels, edit.new_labels)

    def _step(self, source: list[Edit], other: list[Edit]) -> bool:
        if not source:
            return False
        turned = source[-1].inverse(TOOL)
        self._keep(turned)
        source.pop()
        other.append(turned)
        return True

    def _keep(self, edit: Edit) -> None:
        self._db.add_hint(self.record.id, self._author, encode_edit(edit))
        self._write(edit)

    def _write(self, edit: Edit) -> None:
        note(self.values, edit.index)
        self.values.reshape(-1)[edit.index] = edit.new_labels.astype(np.uint8)
        self.n += 1

    def _check(self, values: NDArray[np.integer]) -> None:
        if values.size and not 0 <= values.min() <= values.max() <= self._most:
            raise CellsegError(
                f"There is no hint {values.max()}.",
                f"1 is background, {'2 a cell' if self._most == 2 else f'2 to {self._most} are the classes'}.",
            )
