"""Writes predictions into the open image in boxes so small that nobody notices. No Qt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import edits
from ..errors import CellsegError

if TYPE_CHECKING:
    from .controller import Controller

PIECE = 256
"""Predictions are written in boxes of this side, each in a few milliseconds."""
PROVISIONAL = 1_000_000
"""Objects of single tiles are numbered this far above all others, so that none that a person touches meanwhile can
meet an object of the whole image."""
Piece = tuple[str, tuple[slice, ...], NDArray[np.uint32], str]


class PredictionWriter:
    """A queue of boxes to write; every piece is an edit of its own, grouped by job for undo.

    Attributes
    ----------
    pieces
        (image, box, labels, group) that wait.
    next_id
        The id that the first object of the next tile gets.
    """

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self.pieces: deque[Piece] = deque()
        self.next_id = 1
        self._promised = 0
        self._generation = 0
        self._whole = False  # the end of what waits is the end of a prediction

    def reset(self) -> None:
        """Another image is open: forget what waits and what was promised."""
        self.drop()
        self.next_id, self._promised = 1, 0

    def fresh_id(self) -> int:
        """The first id above every one that is in use, promised or about to be written."""
        return max(self._c.canvas().next_id(), self.next_id)

    def promise(self) -> int:
        """A fresh id for the person's brush, which no prediction will use."""
        self._promised = self.fresh_id()
        self.next_id = self._promised + 1
        return self._promised

    def tile(self, image: str, box: tuple[slice, ...], proposal: NDArray[np.uint32], group: str) -> None:
        """Number a proposed tile, then cut it into pieces that are written one by one."""
        canvas = self._c.canvas()
        labels = edits.reconcile(
            canvas.labels[box], canvas.state[box], proposal, self.next_id, instances=self._c.instances()
        )
        self.next_id = max(self.next_id, int(labels.max(initial=0)) + 1)
        self.cut(image, box, labels, group)

    def whole(
        self, image: str, box: tuple[slice, ...], proposal: NDArray[np.uint32], min_size: int, group: str
    ) -> None:
        """Queue labels of a box of the open image: objects that cross tiles become one.

        Numbering runs in the helper thread.
        """
        canvas, promised = self._c.canvas(), self._promised
        everything = proposal.shape == canvas.labels.shape
        n, used = int(proposal.max(initial=0)), self.fresh_id()
        everything = everything and n < PROVISIONAL
        self.next_id = used + n + 1  # nobody gets an id that is on its way
        generation = self._generation
        labels, state, instances = canvas.labels[box].copy(), canvas.state[box].copy(), self._c.instances()

        def number() -> NDArray[np.uint32]:
            # outside a part of the image ids are in use; in the whole image all but a person's are replaced
            first = max(edits.first_free_id(labels, state) if everything else used, promised + 1)
            return edits.reconcile(labels, state, proposal, first, min_size=min_size, instances=instances)

        def take(new: NDArray[np.uint32]) -> None:
            if generation == self._generation:
                self.next_id = max(int(new.max(initial=0)), self._promised) + 1
                self.cut(image, box, new, group)
                self._whole = True

        self._c.helper.later(number, take)

    def drop(self) -> None:
        """Write nothing more of what is on its way."""
        self.pieces.clear()
        self._whole = False
        self._generation += 1

    def cut(self, image: str, box: tuple[slice, ...], labels: NDArray[np.uint32], group: str) -> None:
        """Cut labels of a box into pieces that are written one by one."""
        y0, x0 = box[-2].start, box[-1].start
        depth = range(box[0].start, box[0].stop) if len(box) == 3 else (None,)
        for z in depth:
            plane = labels if z is None else labels[z - box[0].start : z - box[0].start + 1]
            front = () if z is None else (slice(z, z + 1),)
            for y in range(0, labels.shape[-2], PIECE):
                for x in range(0, labels.shape[-1], PIECE):
                    part = plane[..., y : y + PIECE, x : x + PIECE]
                    span = (slice(y0 + y, y0 + y + part.shape[-2]), slice(x0 + x, x0 + x + part.shape[-1]))
                    self.pieces.append((image, (*front, *span), part, group))

    def step(self) -> None:
        """Write the next piece; one of an image that is not open any more is dropped."""
        image, box, labels, group = self.pieces.popleft()
        if image != self._c.session.image or self._c.session.canvas is None:
            return
        canvas = self._c.session.canvas
        try:
            edit = edits.predicted(canvas.labels, canvas.state, box, labels)
            self._c.show(canvas.apply(edit, group))
        except CellsegError as error:
            self.drop()
            self._c.fail(error)
        if self._whole and not self.pieces:
            self._whole = False
            self._c.reviewing.renew()
