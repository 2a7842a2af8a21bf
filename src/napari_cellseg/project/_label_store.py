"""The working copy of one image's labels and state, and the only way to change it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..errors import CellsegError
from ..kernels.checksum import checksum
from ._acts import Act, Acts, Verb
from ._db import Database
from ._edit import Edit, difference_of, restored
from ._grids import is_mapped, note, zeros, zeros_like
from ._known import PREDICTED
from ._objects import Objects
from ._records import COMPACTED, EditRow, Entry, ImageRecord, entries
from ._snapshot import read_snapshot, write_snapshot
from ._watch import Watch

SNAPSHOT_EVERY = 500
"""Edits between snapshots while an image stays open."""
RETRY = 20
"""Edits until the next try of a snapshot that was not to be had."""


class LabelStore:
    """Labels and state of one image: always the newest snapshot plus the whole log after it.

    They are in memory, or, where that is too small, in mapped files (see `_grids`).

    Attributes
    ----------
    labels
        (Z, Y, X) or (Y, X) uint32, C-contiguous; a napari layer may paint into it.
    state
        Same shape, uint8.
    n
        The newest edit the arrays contain.
    read_only
        Whether this process only looks: nothing can be changed then.
    taken_in
        Edits of other processes that have been written into the arrays; whoever shows them clears the list.
    """

    def __init__(self, folder: Path, db: Database, record: ImageRecord, author: str) -> None:
        self.record, self.author = record, author
        self._folder, self._db = folder, db
        self._writing = threading.Lock()
        labels, self._labels_at, watched = _start(folder / "labels.zarr", record.shape, np.uint32)
        state, self._state_at, self._state_watch = _start(folder / "state.zarr", record.shape, np.uint8)
        self.labels: NDArray[np.uint32] = labels
        self.state: NDArray[np.uint8] = state
        self._watch: Watch | None = watched
        self.n = min(self._labels_at, self._state_at)
        self._objects: Objects | None = None
        self._acts = Acts()
        self.taken_in: list[Edit] = []
        self.read_only = False
        rows = db.rows_after(record.id, 0)
        self._ahead = max(self._labels_at, self._state_at) > (rows[-1].n if rows else 0)
        for row in rows:
            if row.n > self.n:
                self._replay(self.edit(row.n))
                self.n = row.n
            self._acts.take(row)
        self._snapshot_at = self.n
        self.snapshot_every = SNAPSHOT_EVERY

    def log_snapshot(self) -> bool:
        """Log what the snapshot knows beyond the log, as one edit; returns whether there was anything.

        So it is where an older database was put back. The log goes on above the snapshot's number: edits below it would
        be taken for part of the snapshot, and be lost.
        """
        if not self._ahead:
            return False
        rows, above = self.rows(), max(self._labels_at, self._state_at)
        labels, state = zeros_like(self.labels), zeros_like(self.state)
        for row in rows:
            self.edit(row.n).onto(labels, state)
        edit = difference_of("recover", (labels, state), (self.labels, self.state))
        packed = edit.packed
        with self._db.transaction() as connection:
            if len(self.rows()) > len(rows):  # another process was faster
                return False
            self._db.count_on(connection, above)
            if not edit.empty:
                self._db.append(connection, self.record.id, packed, self.author)
        self._ahead = False
        for row in self._db.rows_after(self.record.id, above):
            self.n = row.n
            self._acts.take(row)
        self.snapshot(force=True)
        return True

    # --- changing -------------------------------------------------------------------------------

    def apply(self, edit: Edit, group: str = "", undoes: int | None = None) -> Edit:
        """Commit an edit to the log, then write it into the arrays.

        Rows that another process added meanwhile are taken in first, and what a person said there stands: a
        prediction or a tool that was computed without knowing of it does not write over it. An edit that changes
        nothing is not logged.

        Parameters
        ----------
        group
            Edits that follow each other with the same non-empty group are undone together.

        Returns
        -------
        Edit
            What was written.

        Raises
        ------
        CellsegError
            When it cannot be saved; the arrays are as before.
        """
        old_labels, old_state = self.labels.reshape(-1)[edit.index], self.state.reshape(-1)[edit.index]
        if not (np.array_equal(old_labels, edit.old_labels) and np.array_equal(old_state, edit.old_state)):
            edit = replace(edit, old_labels=old_labels, old_state=old_state)
        return self.commit(edit, group, undoes)

    def commit(self, edit: Edit, group: str = "", undoes: int | None = None) -> Edit:
        """As `apply`, for an edit whose new labels may be in the array already (napari's own brush)."""
        if edit.empty:
            return edit
        if self.read_only:
            raise CellsegError("This project is open in another window.", "Close the other one to edit here.")
        packed = edit.packed  # before the write lock, for which others wait: it takes time
        for array in (self.labels, self.state):
            note(array, edit.index)  # and while a full disk is still a message
        with self._db.transaction() as connection:
            if rows := self._db.rows_after(self.record.id, self.n):
                edit = self._rebase(edit, rows)
                packed = edit.packed
            if edit.empty:
                return edit
            n = self._db.append(connection, self.record.id, packed, self.author, group, undoes)
        self._write(edit)
        self.n = n
        self._acts.take(self._db.rows_after(self.record.id, n - 1)[0])
        return edit

    def undo(self) -> list[Edit]:
        """Take back the newest edit (or group) that is not undone; returns what was written, [] if nothing."""
        return self._all("undo")

    def redo(self) -> list[Edit]:
        """Do again what was undone last; returns what was written, [] if nothing."""
        return self._all("redo")

    def coming(self, verb: Verb, last: EditRow | None = None, leave: str = "") -> EditRow | None:
        """The row to `turn` next; see `Acts.coming`."""
        self.sync()
        return self._acts.coming(verb, last, leave)

    def turn(self, verb: Verb, row: EditRow) -> Edit:
        """Undo or redo one row of the log; returns what was written."""
        edit = self.edit(row.n)
        turned = edit.inverse() if verb == "undo" else replace(edit, tool=verb)
        written = self.apply(turned, row.group, undoes=row.n)
        if written.empty:  # so it was not logged, and nobody else knows
            self._acts.forget(verb, row)
        return written

    def restore(self, n: int) -> Edit:
        """Bring back labels and state as they were after edit `n`, as a new edit that can be undone itself.

        Raises
        ------
        CellsegError
            When the log has no such edit, or it cannot be saved.
        """
        self.sync()
        later = self._db.rows_after(self.record.id, n)
        if n and not any(row.n == n for row in self.rows()):
            raise CellsegError(
                f"The log of {self.record.id} has no edit {n}, or it was folded into one with later ones.",
                "Choose another line of the history.",
            )
        return self.apply(restored(f"restore {n}", [self.edit(row.n) for row in later], self.labels, self.state))

    def act(self, verb: Verb, leave: str = "") -> Act | None:
        """What the next undo takes back, or redo does again, None where there is nothing; a group is left alone."""
        return self._acts.act(verb, leave)

    def sync(self) -> bool:
        """Take in rows that another process has logged; returns whether there were any."""
        return self._take_in(self._db.rows_after(self.record.id, self.n))

    # --- keeping --------------------------------------------------------------------------------

    def snapshot(self, force: bool = False) -> None:
        """Write both arrays to disk unless they stand there already (or `force` is given).

        While Python ends nothing is written: zarr needs threads, which cannot be started any more, and the log holds
        every edit.
        """
        if not threading.main_thread().is_alive():
            return
        if force:
            self._labels_at = self._state_at = -1
        self.prepare_snapshot(copy=False)()

    def prepare_snapshot(self, copy: bool = True) -> Callable[[], None]:
        """Work that writes both arrays as they are now; it may run in another thread while painting goes on.

        It copies the arrays there. Where an edit comes meanwhile, or they hold what no edit has written (an open
        stroke, another plugin), nothing is written; a snapshot is due again some edits later.
        """
        n, record = self.n, json.dumps(asdict(self.record))
        mapped = is_mapped(self.labels)  # then each block is copied by itself, and held against this moment
        expected = None if self._watch is None or mapped else self._watch.total
        moments = [w.moment() if mapped and w is not None else None for w in (self._watch, self._state_watch)]
        self._snapshot_at = n

        def write() -> None:
            self._db.check_place()  # else a folder that is gone would be made again, with one image
            labels, state = self.labels, self.state
            if copy and not mapped:
                labels, state = labels.copy(), state.copy()
            if self.n != n or (expected is not None and checksum(labels) != expected):
                self._snapshot_at = n - self.snapshot_every + RETRY
                return
            at = self._folder / "labels.zarr", self._folder / "state.zarr"
            with self._writing:
                if self._labels_at < n or not at[0].exists():
                    if not write_snapshot(at[0], labels, n, record, moments[0], self._labels_at):
                        self._snapshot_at = n - self.snapshot_every + RETRY
                        return
                    self._labels_at = n
                due = self._state_at < n or not at[1].exists()
                if due and write_snapshot(at[1], state, n, record, moments[1], self._state_at):
                    self._state_at = n

        return write

    @property
    def snapshot_due(self) -> bool:
        """Whether many edits have come since the last snapshot."""
        return self.n - self._snapshot_at >= self.snapshot_every

    # --- reading --------------------------------------------------------------------------------

    @property
    def objects(self) -> Objects:
        """Where every object lies; scanned at the first use (a second for a gigabyte), then kept up by every edit."""
        if self._objects is None:
            self._objects = Objects(self.labels, self.state)
        return self._objects

    def watch(self, logged: NDArray[np.uint32] | None = None, boxes: Sequence[Box] = ()) -> None:
        """From now on `unlike` can be asked; in some boxes of it, what should be there stands in another array."""
        if self._watch is None:
            self._watch = Watch(self.labels)
        for box in boxes:
            self._watch.learn(box, logged)

    def unlike(self, *, everything: bool = True) -> list[Box]:
        """Boxes in which labels hold something that no edit has written since `watch`, as where a stroke is open.

        Of an image in memory it is all of it or none; of a mapped one with `everything` false only its next few blocks
        are looked at.
        """
        return [] if self._watch is None else self._watch.unlike(everything=everything)

    def is_as_logged(self) -> bool:
        """Whether the labels hold what edits wrote since `watch`, and nothing else; False while a stroke is open."""
        return not self.unlike()

    def forget_objects(self) -> None:
        """Scan again at the next use: the arrays held something that was never logged."""
        self._objects = None

    def next_id(self) -> int:
        """An id above every id in use."""
        return self.objects.top + 1

    def rows(self, after: int = 0) -> list[EditRow]:
        """The log of this image after an edit, oldest first."""
        return self._db.rows_after(self.record.id, after)

    def history(self) -> Iterator[Entry]:
        """What was done to this image, the newest first, read from the log as it is asked for."""
        return entries(self._db.newest_rows(self.record.id))

    def all_rows(self) -> list[EditRow]:
        """Everything that was ever done to this image, oldest first, also what `compact` has folded."""
        return self._db.history(self.record.id)

    def last_row(self) -> EditRow | None:
        """The newest row of this image's log."""
        return self._db.last_row(self.record.id)

    def edit(self, n: int) -> Edit:
        """The voxels of one edit of the log."""
        return self._db.edit(n, self.record.shape)

    # --- inside ---------------------------------------------------------------------------------

    def _all(self, verb: Verb) -> list[Edit]:
        written, row = [], self.coming(verb)
        while row is not None:
            written.append(self.turn(verb, row))
            row = self.coming(verb, row)
        return written

    def _write(self, edit: Edit) -> None:
        for array in (self.labels, self.state):
            note(array, edit.index)
        edit.write_to(self.labels, self.state)
        if self._watch is not None:
            self._watch.follow(edit.index, edit.old_labels, edit.new_labels)
        if self._state_watch is not None:
            self._state_watch.follow(edit.index, edit.old_state, edit.new_state)
        if self._objects is not None:
            self._objects.update(edit)

    def _take_in(self, rows: list[EditRow]) -> bool:
        for row in rows:
            foreign = self._as_change(self.edit(row.n)) if row.compacted else self.edit(row.n)
            self._write(foreign)
            self.taken_in.append(foreign)
            self.n = row.n
            self._acts.take(row)
        return bool(rows)

    def _as_change(self, whole: Edit) -> Edit:
        """The edit from the arrays as they are to those that a compacted row stands for."""
        labels, state = zeros_like(self.labels), zeros_like(self.state)
        whole.onto(labels, state)
        return difference_of(whole.tool, (self.labels, self.state), (labels, state))

    def _replay(self, edit: Edit) -> None:
        """Write a row of the log, whatever was there before."""
        if self._state_watch is None:
            edit.onto(self.labels, self.state)
            return
        whole = self._as_change(edit) if edit.tool.startswith(COMPACTED) else edit
        flat = self.labels.reshape(-1), self.state.reshape(-1)
        self._write(replace(whole, old_labels=flat[0][whole.index], old_state=flat[1][whole.index]))

    def _rebase(self, edit: Edit, rows: list[EditRow]) -> Edit:
        """Take foreign rows in and leave out what would overwrite user edits.

        A voxel that the rows changed and that is corrected or approved now is only written where this edit, too, is a
        person's word on it: a new label, not a label or state carried along.
        """
        meant, before = edit, len(self.taken_in)  # what the edit saw when it was made
        self._take_in(rows)
        touched = np.isin(edit.index, np.concatenate([f.index for f in self.taken_in[before:]]))
        labels, state = self.labels.reshape(-1)[edit.index], self.state.reshape(-1)[edit.index]
        carried = (meant.new_labels == meant.old_labels) | (meant.new_state == PREDICTED)
        keep = ~(touched & (state > PREDICTED) & carried)
        # elsewhere the edit's own old values hold; napari may have painted the new ones already
        old_labels = np.where(touched, labels, meant.old_labels)
        old_state = np.where(touched, state, meant.old_state)
        return Edit(
            edit.tool,
            edit.shape,
            edit.index[keep],
            old_labels[keep],
            edit.new_labels[keep],
            old_state[keep],
            edit.new_state[keep],
        )


def _start(path: Path, shape: tuple[int, ...], dtype: type) -> tuple[NDArray[Any], int, Watch | None]:
    """The array of the newest snapshot and its edit; an empty one (and 0) where the log must tell all.

    Mapped arrays are watched from the start.
    """
    found = read_snapshot(path)
    if found is not None and found.array.shape == shape:
        return found.array.astype(dtype, copy=False), found.n, found.watch
    array = zeros(shape, dtype, path.parent)
    return array, 0, Watch(array) if is_mapped(array) else None
