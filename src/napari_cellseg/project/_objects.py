"""Where every object lies and how large it is, kept up with every edit, so that no tool has to search an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..errors import CellsegError
from ._edit import Edit
from ._grids import is_mapped, parts

if TYPE_CHECKING:
    from ..kernels.extents import Extents

ROOM = 1 << 24
"""So many free numbers above the largest are enough for whatever comes; where fewer are left, a gap is used."""
LAST = (1 << 32) - 1


class Objects:
    """Ids, voxel counts and boxes of the objects of a label image, and voxels per state.

    A box always holds its object. It may be larger than the object after voxels were taken away, until `box` is asked.

    Parameters
    ----------
    labels, state
        (Z, Y, X) or (Y, X) uint32 and uint8, scanned once.
    """

    def __init__(self, labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> None:
        ids, self._counts, self._low, self._high, self._edited = _found(labels, state)
        self._slots = {int(id): slot for slot, id in enumerate(ids)}
        self._top = int(ids[-1]) if len(ids) else 0
        self._n = len(ids)
        self._size = labels.size
        self._states = np.array([0, *count_states(state)], np.int64)
        self._loose: set[int] = set()

    @property
    def top(self) -> int:
        """A number after which new objects are numbered: nobody has used the ids after it since the last `settle_top`.

        It is the largest id, unless that is so near the end of uint32 that the widest gap between ids holds more.
        """
        return self._top if LAST - self._top >= ROOM else self._before_gap()

    def settle_top(self) -> None:
        """Let ids that nobody uses any more be free again."""
        ids = self.ids()
        self._top = int(ids[-1]) if ids.size else 0

    def __len__(self) -> int:
        return self._n

    def __contains__(self, id: int) -> bool:
        return self.count(id) > 0

    def ids(self) -> NDArray[np.uint32]:
        """Ids in use, rising, (N,)."""
        used = (id for id, slot in self._slots.items() if self._counts[slot] > 0)
        return np.sort(np.fromiter(used, np.uint32))

    def count(self, id: int) -> int:
        """Voxels of an object, 0 where there is none."""
        slot = self._slots.get(int(id))
        return 0 if slot is None else int(self._counts[slot])

    def share(self, state: int) -> float:
        """Share of the voxels that are corrected (1) or approved (2)."""
        return float(self._states[state] / max(1, self._size))

    def known(self) -> tuple[int, int]:
        """How many objects are corrected, and how many approved: for at least half of their voxels.

        Voxels that are approved count for corrected, too, where an object is a bit of both.
        """
        n = len(self._slots)
        counts, edited = self._counts[:n], self._edited[:n]
        approved = (counts > 0) & (2 * edited[:, 1] >= counts)
        corrected = (counts > 0) & ~approved & (2 * edited.sum(1) >= counts)
        return int(corrected.sum()), int(approved.sum())

    def untouched(self) -> NDArray[np.uint32]:
        """Ids of objects of which no voxel is corrected or approved, rising, (N,)."""
        used = (i for i, slot in self._slots.items() if self._counts[slot] > 0 and not self._edited[slot].any())
        return np.sort(np.fromiter(used, np.uint32))

    def box(self, labels: NDArray[np.uint32], id: int) -> Box:
        """The smallest box of an object of `labels`, the array this index follows.

        Raises
        ------
        CellsegError
            When there is no such object.
        """
        slot = self._slots.get(int(id))
        if slot is None or not self._counts[slot]:
            raise CellsegError(f"There is no object {id}.", "It may have been deleted or merged.")
        box = self._box(slot)
        if slot in self._loose:
            box = self._tightened(labels, slot, int(id), box)
        return box

    def within(self, box: Box) -> NDArray[np.uint32]:
        """Ids whose boxes reach into `box`, rising, (N,): candidates; who needs certainty looks at the labels."""
        n = len(self._slots)
        hits = self._counts[:n] > 0
        for axis, span in enumerate(box):
            hits &= (self._low[:n, axis] < span.stop) & (self._high[:n, axis] >= span.start)
        if not hits.any():
            return np.zeros(0, np.uint32)
        by_slot = np.fromiter(self._slots, np.uint32, len(self._slots))  # slots were given out in this order
        return np.sort(by_slot[hits])

    def update(self, edit: Edit) -> None:
        """Follow an edit whose old values are what this index knows."""
        if edit.empty:
            return
        moved = np.flatnonzero(edit.old_labels != edit.new_labels)
        if moved.size:
            places = np.stack(np.unravel_index(edit.index[moved], edit.shape), axis=1).astype(np.int32)
            self._remove(edit.old_labels[moved])
            self._add(edit.new_labels[moved], places)
        states = np.bincount(edit.new_state, minlength=3) - np.bincount(edit.old_state, minlength=3)
        self._states[1:] += states[1:3]
        self._change_states(edit.old_labels, edit.old_state, -1)
        self._change_states(edit.new_labels, edit.new_state, 1)

    # --- inside ---------------------------------------------------------------------------------

    def _change_states(self, labels: NDArray[np.uint32], state: NDArray[np.uint8], by: int) -> None:
        """Count corrected and approved voxels of objects, (N,) each, in or (`by` is -1) out."""
        for s in (1, 2):
            ids, counts = np.unique(labels[(state == s) & (labels > 0)], return_counts=True)
            slots = [self._slots[id] for id in ids.tolist()]
            self._edited[slots, s - 1] += by * counts

    def _before_gap(self) -> int:
        """The id (or 0) below the widest run of numbers that nobody uses or has used."""
        known = np.sort(np.fromiter(self._slots, np.int64, len(self._slots)))
        ends = np.concatenate([[0], known, [LAST + 1]])
        return int(ends[np.diff(ends).argmax()])

    def _remove(self, ids: NDArray[np.uint32]) -> None:
        for id, count in zip(*(v.tolist() for v in np.unique(ids, return_counts=True)), strict=True):
            slot = self._slots.get(id)
            if slot is None:
                continue
            self._counts[slot] = max(0, int(self._counts[slot]) - count)
            self._loose.add(slot)
            self._n -= int(self._counts[slot] == 0)

    def _add(self, ids: NDArray[np.uint32], places: NDArray[np.int32]) -> None:
        order = np.argsort(ids, kind="stable")
        ids, places = ids[order], places[order]
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        low, high = np.minimum.reduceat(places, starts), np.maximum.reduceat(places, starts)
        counts = np.diff(np.append(starts, ids.size))
        for id, count, first, last in zip(ids[starts].tolist(), counts.tolist(), low, high, strict=True):
            if id:
                self._grow(id, count, first, last)

    def _grow(self, id: int, count: int, low: NDArray[np.int32], high: NDArray[np.int32]) -> None:
        slot = self._slots.get(id)
        if slot is None:
            slot = self._slots[id] = len(self._slots)
            if slot >= len(self._counts):
                self._reserve(slot, len(low))
        if self._counts[slot] == 0:
            self._low[slot], self._high[slot] = low, high
            self._n += 1
            self._loose.discard(slot)
        else:
            np.minimum(self._low[slot], low, out=self._low[slot])
            np.maximum(self._high[slot], high, out=self._high[slot])
        self._counts[slot] += count
        self._top = max(self._top, id)

    def _reserve(self, slot: int, ndim: int) -> None:
        room = max(64, slot)
        self._counts = np.concatenate([self._counts, np.zeros(room, np.int64)])
        self._edited = np.concatenate([self._edited, np.zeros((room, 2), np.int64)])
        self._low = np.concatenate([self._low, np.zeros((room, ndim), np.int32)])
        self._high = np.concatenate([self._high, np.zeros((room, ndim), np.int32)])

    def _box(self, slot: int) -> Box:
        pairs = zip(self._low[slot].tolist(), self._high[slot].tolist(), strict=True)
        return tuple(slice(a, b + 1) for a, b in pairs)

    def _tightened(self, labels: NDArray[np.uint32], slot: int, id: int, box: Box) -> Box:
        mine = labels[box] == id
        for axis in range(mine.ndim):
            hits = np.flatnonzero(mine.any(tuple(a for a in range(mine.ndim) if a != axis)))
            if hits.size:
                self._high[slot, axis] = box[axis].start + hits[-1]
                self._low[slot, axis] = box[axis].start + hits[0]
        self._loose.discard(slot)
        return self._box(slot)


def count_states(state: NDArray[np.uint8]) -> tuple[int, int]:
    """How many voxels are corrected, and how many approved."""
    boxes = parts(state) if state.ndim else [()]
    corrected, approved = (sum(int(np.count_nonzero(state[box] == s)) for box in boxes) for s in (1, 2))
    return corrected, approved


def known_ids(labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Ids of which at least a voxel is corrected or approved, rising, (N,)."""
    found = [np.unique(labels[box][state[box] > 0]) for box in parts(labels, state)]
    ids = np.unique(np.concatenate(found or [np.zeros(0, np.uint32)]))
    return ids[ids > 0]


def _found(labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> Extents:
    """What is known of every object; of mapped arrays, block by block."""
    from ..kernels.extents import extents, joined_extents

    boxes = parts(labels)
    if not is_mapped(labels):
        return extents(labels, state)
    pieces = [(extents(labels[box].copy(), state[box].copy() if state.ndim else None), box) for box in boxes]
    return joined_extents(pieces, labels.ndim)
