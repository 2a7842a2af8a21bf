"""What waits to be written into the open image: pieces, and what each of them changes. No Qt."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import edits
from ..._types import Box, Labels, State
from ...project import Edit, LabelStore, Objects
from .act_words import BY_ALGORITHM


class Piece(NamedTuple):
    """One box to write."""

    image: str
    group: str
    edit: Callable[[LabelStore], Edit]


@dataclass
class Queue:
    """Pieces that wait, and what follows when all of them are written."""

    pieces: deque[Piece] = field(default_factory=deque)
    total: int = 0
    """Pieces since the queue was empty."""
    ends: list[Callable[[], None]] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        """Let a piece wait."""
        self.total = self.total + 1 if self.pieces else 1
        self.pieces.append(piece)

    def clear(self) -> None:
        """Forget them."""
        self.pieces.clear()
        self.ends.clear()

    def end(self) -> None:
        """Do what follows."""
        ends, self.ends = self.ends, []
        for end in ends:
            end()


class Waiting(NamedTuple):
    """A whole prediction that is being written.

    Attributes
    ----------
    labels
        Of the box's shape; the pieces are views of it.
    objects
        Where its objects lie.
    edit
        All of it at once, as it was when it was numbered; None where it is written in pieces.
    """

    box: Box
    labels: Labels
    objects: Objects
    edit: Edit | None = None


def spans(box: Box, side: int) -> Iterator[Box]:
    """A box in pieces of one slice and `side` pixels."""
    planes = [(slice(z, z + 1),) for z in range(box[0].start, box[0].stop)] if len(box) == 3 else [()]
    y, x = ([slice(a, min(a + side, s.stop)) for a in range(s.start, s.stop, side)] for s in box[-2:])
    return ((*plane, *span) for plane, *span in itertools.product(planes, y, x))


def predicted(box: Box, labels: Labels, group: str, store: LabelStore) -> Edit:
    """Labels of a box, whose source is what asked for them: a network, or an algorithm."""
    return edits.predicted(store.labels, store.state, box, labels, _tool(group))


def ready(box: Box, labels: Labels, group: str, store: LabelStore, before: tuple[Labels, State]) -> Edit:
    """The same where labels and state of the box are copies, in any thread, ready to be logged."""
    edit = edits.predicted_in(store.labels.shape, box, *before, labels, _tool(group))
    _ = edit.packed
    return edit


def _tool(group: str) -> str:
    return "draft" if group.partition("-")[0] in BY_ALGORITHM else "predict"


def approved(box: Box, mask: NDArray[np.bool_], tool: str, store: LabelStore) -> Edit:
    """The voxels of a mask of the box's shape are approved."""
    return edits.approve_mask(edits.EditContext.on(store), box, mask, tool=tool)
