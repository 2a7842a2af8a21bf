"""What a tool sees: labels, state, where objects lie, and what the person allows to be changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from .. import boxes
from .._types import Box, Labels, Mask, State
from ..errors import CellsegError, NothingThere
from ..project import APPROVED, CORRECTED, Edit, LabelStore, Objects, difference
from ._turn import Turn, TurnedObjects

Over = Literal["all", "background", "object"]


@dataclass(frozen=True, eq=False)
class Piece:
    """An object, or its part in one slice: `mask` has the shape of `box`."""

    id: int
    box: Box
    mask: Mask


@dataclass(frozen=True, eq=False)
class EditContext:
    """One image as the tools see it. Nothing here writes.

    Attributes
    ----------
    labels, state
        (Z, Y, X) or (Y, X) uint32 and uint8.
    objects
        The index that follows them.
    first_id
        The first id that a new object may have.
    z
        The slice that tools act on; None lets them act through the volume.
    instances
        Whether ids are objects; otherwise they are classes, and what a tool picks is a connected region of one.
    locked
        Whether approved objects are protected.
    over
        What drawing may replace: everything, background only, or one object only: the id
        `only`, or (0) the one that a drawn shape covers most.
    spacing
        Voxel size per axis; only ratios matter.
    turn
        How the axes lie against those of the image (see `turned`); edits are always of the image as it is.
    """

    labels: Labels
    state: State
    objects: Objects | TurnedObjects
    first_id: int
    z: int | None = None
    instances: bool = True
    locked: bool = True
    over: Over = "all"
    only: int = 0
    spacing: tuple[float, ...] | None = None
    turn: Turn | None = None

    @classmethod
    def of(cls, labels: Labels, state: State, **choices: Any) -> EditContext:
        """A context of two arrays, scanning them."""
        objects = Objects(labels, state)
        return cls(labels, state, objects, choices.pop("first_id", objects.top + 1), **choices)

    @classmethod
    def on(cls, store: LabelStore, **choices: Any) -> EditContext:
        """A context of an open image."""
        return cls(store.labels, store.state, store.objects, choices.pop("first_id", store.next_id()), **choices)

    def turned(self, turn: Turn, z: int | None = None) -> EditContext:
        """The image (not turned yet) with its axes in another order, so that tools act in slices from the side.

        Points, lines and boxes that go in are turned (`Turn.there`, `Turn.line`), edits that come out are not.

        Parameters
        ----------
        z
            The slice from that side that tools act on; None lets them act through the volume.
        """
        assert isinstance(self.objects, Objects)
        if turn.across == 0:
            return replace(self, z=z)
        spacing = None if self.spacing is None else turn.there(self.spacing)
        return replace(
            self, labels=turn.array(self.labels), state=turn.array(self.state),
            objects=TurnedObjects(self.objects, turn), spacing=spacing, turn=turn, z=z,
        )  # fmt: skip

    @property
    def sampling(self) -> tuple[float, ...]:
        """Voxel size per axis, in units of the pixel in X."""
        spacing = self.spacing or (1.0,) * self.labels.ndim
        return tuple(s / spacing[-1] for s in spacing)

    # --- asking ---------------------------------------------------------------------------------

    def id_at(self, point: tuple[int, ...]) -> int:
        """The id at a voxel.

        Raises
        ------
        NothingThere
            When there is no object.
        """
        inside = len(point) == self.labels.ndim and all(
            0 <= p < n for p, n in zip(point, self.labels.shape, strict=True)
        )
        id = int(self.labels[tuple(point)]) if inside else 0
        if id == 0:
            raise NothingThere("There is no object here.", "Point at one.")
        return id

    def pick(self, point: tuple[int, ...]) -> Piece:
        """The object (or region of a class) at a voxel: its part in the slice, or all of it.

        Raises
        ------
        NothingThere
            When there is no object.
        """
        id = self.id_at(point)
        if self.z is not None and len(point) == 3 and point[0] != self.z:
            raise NothingThere(f"Slice {point[0]} is not the one tools act on.", "Go to that slice.")
        return self.piece(id) if self.instances else self._region(id, tuple(point))

    def piece(self, id: int) -> Piece:
        """An object: its part in the slice, or all of it.

        Raises
        ------
        NothingThere
            When there is no such object (in this slice).
        """
        box = self.plane(self.objects.box(self.labels, id))
        mask = self.labels[box] == id if box[0].stop > box[0].start else np.zeros((0,), bool)
        if not mask.any():
            raise NothingThere(f"Object {id} is not in this slice.", "Go to one of its slices.")
        return Piece(id, box, mask)

    def plane(self, box: Box) -> Box:
        """What of a box lies in the slice that tools act on."""
        if self.z is None or len(box) == 2:
            return box
        first = max(box[0].start, self.z)
        return (slice(first, max(first, min(box[0].stop, self.z + 1))), *box[1:])

    def grown(self, box: Box, by: int | tuple[int, ...]) -> Box:
        """A box with a rim, inside the image; a single slice stays one."""
        rim = (by,) * len(box) if isinstance(by, int) else by
        if self.z is not None and len(box) == 3:
            rim = (0, *rim[1:])
        return boxes.grown(box, rim, self.labels.shape)

    def widened(self, piece: Piece, by: int | tuple[int, ...]) -> tuple[Box, Mask]:
        """The box of a piece with a rim, and its mask there."""
        box = self.grown(piece.box, by)
        mask = np.zeros(boxes.size(box), bool)
        mask[boxes.relative(piece.box, box)] = piece.mask
        return box, mask

    def refuse_approved(self, *pieces: Piece) -> None:
        """Refuse to change approved objects while they are locked.

        Raises
        ------
        CellsegError
            When one of them has an approved voxel.
        """
        for piece in pieces if self.locked else ():
            if (self.state[piece.box][piece.mask] == APPROVED).any():
                raise CellsegError(
                    f"Object {piece.id} is approved, so it is protected.", "Unlock approved objects (key Shift-A)."
                )

    def open_to_drawing(self, box: Box) -> Mask:
        """Where drawing may change labels inside a box, as `over`, `only` and `locked` say."""
        return allowed(self, self.labels[box], self.state[box])

    # --- making edits ---------------------------------------------------------------------------

    def edit(self, tool: str, box: Box, new: NDArray[Any], touched: Mask | None = None) -> Edit:
        """The edit that gives a box new labels; what changes and what is `touched` becomes corrected.

        Protected voxels keep their label and state whatever `new` says.
        """
        old, state = self.labels[box], self.state[box]
        kept = protected(self, old, state)
        new = np.where(kept, old, new)
        mark = new != old
        if touched is not None:
            mark |= touched
        return self.change(tool, box, new, np.where(mark & ~kept, CORRECTED, state))

    def change(self, tool: str, box: Box, new_labels: NDArray[Any], new_state: NDArray[Any]) -> Edit:
        """The edit that gives a box new labels and states, whatever they are."""
        return self.told(difference(tool, self.labels, self.state, box, new_labels, new_state))

    def told(self, edit: Edit) -> Edit:
        """An edit of the arrays here as one of the image."""
        return edit if self.turn is None else self.turn.edit_back(edit)

    def places(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Flat positions in the arrays here, of those in the image, (N,)."""
        return index if self.turn is None else self.turn.places(index, self.labels.shape)

    def at(self, z: int | None) -> EditContext:
        """The same, acting on another slice."""
        return replace(self, z=z)

    # --- inside ---------------------------------------------------------------------------------

    def _region(self, id: int, point: tuple[int, ...]) -> Piece:
        """The connected region of a class round a voxel: a box grows until the region ends in it."""
        box = self.plane(tuple(slice(max(0, p - 64), p + 65) for p in point))
        box = self.grown(box, 0)
        while True:
            mask = self.labels[box] == id
            pieces = cc3d.connected_components(mask)
            at = tuple(p - s.start for p, s in zip(point, box, strict=True))
            mask = pieces == pieces[at]
            rim = [0] * len(box)
            for axis, span in enumerate(box):
                low = span.start > 0 and mask.take(0, axis).any()
                high = span.stop < self.labels.shape[axis] and mask.take(-1, axis).any()
                rim[axis] = span.stop - span.start if low or high else 0
            grown = self.grown(box, tuple(rim))
            if grown == box:
                return Piece(id, box, np.asarray(mask))
            box = grown


def reach_of(context: EditContext, box: Box, ids: NDArray[np.uint32]) -> Box:
    """A box grown until it holds the given objects, as far as they lie in its slices."""
    spans = list(box)
    for id in ids.tolist():
        if not id or id not in context.objects:
            continue
        own = context.objects.box(context.labels, id)
        if len(box) == 3 and (own[0].stop <= box[0].start or own[0].start >= box[0].stop):
            continue
        for axis in range(len(box) - 2, len(box)):
            spans[axis] = slice(min(spans[axis].start, own[axis].start), max(spans[axis].stop, own[axis].stop))
    return tuple(spans)


def faces(inside: NDArray[Any], box: Box, shape: tuple[int, ...], one_slice: bool) -> list[NDArray[Any]]:
    """The outermost planes of a box where it does not end at the image's border (or at the slice that counts).

    One background voxel is always among them.
    """
    found: list[NDArray[Any]] = [np.zeros(1, inside.dtype)]
    for axis, span in enumerate(box):
        if one_slice and axis == 0:
            continue
        if span.start > 0:
            found.append(np.asarray(inside.take([0], axis)))
        if span.stop < shape[axis]:
            found.append(np.asarray(inside.take([-1], axis)))
    return found


def protected(context: EditContext, labels: NDArray[np.uint32], state: State) -> Mask:
    """Approved objects, while they are locked; approved background may be drawn on."""
    if not context.locked:
        return np.zeros(labels.shape, bool)
    return np.asarray((state == APPROVED) & (labels > 0))


def allowed(context: EditContext, labels: NDArray[np.uint32], state: State) -> Mask:
    """Which voxels with these labels and states drawing may change."""
    free = ~protected(context, labels, state)
    if context.over == "background":
        free &= labels == 0
    elif context.over == "object":
        free &= (labels == context.only) & (context.only > 0)
    return free


def most_covered(old_labels: NDArray[np.uint32]) -> int:
    """The object that a shape covers most: the one that "one object only" means; 0 where there is none."""
    ids, counts = np.unique(old_labels[old_labels > 0], return_counts=True)
    return int(ids[counts.argmax()]) if ids.size else 0
