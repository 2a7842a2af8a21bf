"""Notices what plugins and scripts write into the labels unasked, so that it is logged like a stroke. No Qt.

Data flow: another array is put into the layer -> its differences are a stroke, our array comes back; the array is
written in place -> a checksum that follows our own edits does not fit any more (asked now and then, in the helper
thread) -> what the log says is read from the disk -> the differences are a stroke.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._types import Box, Labels
from ...errors import CellsegError
from ...project import LabelStore, Project, difference, together

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .strokes import Strokes
    from .workspace import Workspace

EVERY_S = 10.0
"""Seconds between two looks at the array; one takes 30 ms for 268 million voxels, in the helper thread."""
SAID = "Another plugin or script changed {voxels} of the labels. They count as corrections; Undo takes them back."


class Found(NamedTuple):
    """Where the array is not what was logged (flat positions), and what was; boxes round it, all that was logged."""

    places: NDArray[np.int64]
    old: NDArray[np.uint32]
    boxes: list[Box]
    logged: Labels


class ExternalEdits:
    """Looks after the labels array of the open image."""

    def __init__(self, workspace: Workspace, writer: LabelWriter, strokes: Strokes) -> None:
        self._ws, self._writer, self._strokes = workspace, writer, strokes
        self._due = 0.0
        self._looking = False

    def opened(self) -> None:
        """An image was opened."""
        family = self._ws.family
        assert family is not None
        self._ws.store().watch()
        family.labels.events.data.connect(self._replaced)
        self._looking = False
        self._due = time.monotonic() + EVERY_S

    def follow(self) -> None:
        """Called by the clock: look at the array when nothing else happens."""
        if time.monotonic() > self._due and not self._looking and self._quiet():
            self.look()

    def look(self) -> None:
        """Compare the array with what was logged, in the helper thread."""
        store, folder, image = self._ws.store(), self._ws.project().path, self._ws.session.image
        n = store.n

        def work() -> Found | None:
            boxes = store.unlike(everything=False)
            return None if not boxes or store.n != n else _difference(store, folder, image, boxes)

        def take(found: Found | None) -> None:
            self._looking = False
            self._due = time.monotonic() + EVERY_S
            if found is not None and store is self._ws.session.store and store.n == n and self._quiet():
                self._log(store, found)

        self._looking = True
        self._ws.helper.later(work, take)

    def settle(self) -> None:
        """The image is being closed: look now."""
        ws = self._ws
        store = ws.session.store
        if store is None or ws.session.read_only or not (boxes := store.unlike()):
            return
        if (found := _difference(store, ws.project().path, ws.session.image, boxes)) is not None:
            self._log(store, found)

    # --- inside -----------------------------------------------------------------------------------

    def _quiet(self) -> bool:
        """Whether nobody is just changing labels."""
        ws = self._ws
        painting = ws.family is None or ws.painting
        return not (painting or self._writer.pieces or self._strokes.stepping or ws.session.read_only)

    def _replaced(self, event: Any = None) -> None:
        """Another array was put into the layer."""
        ws = self._ws
        if ws.family is None or ws.family.labels.data is ws.family.store.labels:
            return
        layer, store = ws.family.labels, ws.family.store
        given = np.asarray(layer.data)
        layer.data = store.labels
        fits = given.shape == store.labels.shape and given.dtype.kind in "ui"
        if not fits or int(given.min(initial=0)) < 0 or int(given.max(initial=0)) > np.iinfo(np.uint32).max:
            ws.fail(CellsegError("Another array was put into the labels layer; it is no label image of this picture.",
                                "The labels are as they were. Masks come in by More: masks in and out."))  # fmt: skip
            return
        flat, ours = given.reshape(-1), store.labels.reshape(-1)
        index = np.flatnonzero(flat != ours)
        self._take(index, ours[index].copy(), flat[index].astype(np.uint32))

    def _log(self, store: LabelStore, found: Found) -> None:
        """Let what was found be a stroke; what was written since then does not fit the sum, and is found next time."""
        store.watch(found.logged, found.boxes)
        self._take(found.places, found.old, store.labels.reshape(-1)[found.places])

    def _take(self, index: NDArray[np.int64], old: NDArray[np.uint32], new: NDArray[np.uint32]) -> None:
        changed = old != new  # what was put back meanwhile is not
        index, old, new = index[changed], old[changed], new[changed]
        if not index.size:
            return
        ws = self._ws
        voxels = "a voxel" if index.size == 1 else f"{index.size:,} voxels"
        ws.session.update(notice=SAID.format(voxels=voxels))
        self._strokes.painted(index, old, new, tool="outside")
        if ws.family is not None:
            ws.family.labels.refresh()


def _difference(store: LabelStore, folder: Path, image: str, boxes: list[Box]) -> Found | None:
    """Where the array differs from what the log says, and what that is; None where it cannot be read just now."""
    try:
        with Project.open(folder) as project:
            labels, state = project.open_labels(image)
    except CellsegError:
        return None
    edits = [difference("outside", labels, state, box, store.labels[box], state[box]) for box in boxes]
    edit = together("outside", labels.shape, edits)
    return Found(edit.index, edit.old_labels, boxes, labels)
