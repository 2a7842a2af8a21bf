"""Writes predictions into the open image in boxes so small that nobody notices. No Qt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import edits
from ..boxes import relative
from ..errors import CellsegError

if TYPE_CHECKING:
    from ..project import Canvas
    from .controller import Controller

PIECE = 256
"""Predictions are written in boxes of this side, each in a few milliseconds."""
PROVISIONAL = 1_000_000
"""Objects of single tiles are numbered this far above those of the whole image that replace them. No id is used twice:
one that is remembered (by the brush, a review, a comparison) is the object it was, or is gone."""
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
        self.promised = 0
        self._first = 0  # of the prediction that runs,
        self._before: NDArray[np.uint32] | None = None  # and what it replaces
        self._generation = 0
        self._whole: tuple[tuple[slice, ...], NDArray[np.uint32]] | None = (
            None  # box and labels, while they are written
        )
        self._heeded = 0  # the newest edit that they know of

    def reset(self) -> None:
        """Another image comes: finish what is half written, forget what was promised."""
        while self._whole is not None and self.pieces:
            self.step()
        self.drop()
        self.next_id, self.promised = 1, 0

    def fresh_id(self) -> int:
        """The first id above every one that is in use, promised or about to be written."""
        return max(self._c.canvas().next_id(), self.next_id)

    def promise(self) -> int:
        """A fresh id for the person's brush, which no prediction will use."""
        self.promised = self.fresh_id()
        self.next_id = self.promised + 1
        return self.promised

    def promise_again(self) -> None:
        """Masks came that may have the number that was promised: give the brush another."""
        layer = self._c.family.labels if self._c.family else None
        if layer is not None and self.promised and layer.selected_label == self.promised:
            layer.selected_label = self.promise()

    def begin(self) -> None:
        """A prediction begins: keep ids for the whole of it, number its tiles above them; recall what was before."""
        self._first, self._before = self.fresh_id(), self._c.canvas().labels.copy()
        self.next_id = self._first + PROVISIONAL

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
        canvas, n = self._c.canvas(), int(proposal.max(initial=0))
        first = self._first if self._first and n < PROVISIONAL else self.fresh_id()
        before = canvas.labels[box].copy() if self._before is None else self._before[box]
        self._first, self._before = 0, None
        self.next_id = max(self.next_id, first + n + 1)  # nobody gets an id that is on its way
        generation, heeded = self._generation, canvas.n
        labels, state, instances = canvas.labels[box].copy(), canvas.state[box].copy(), self._c.instances()

        def number() -> NDArray[np.uint32]:
            return edits.reconcile(
                labels, state, proposal, first, before=before, min_size=min_size, instances=instances
            )

        def take(new: NDArray[np.uint32]) -> None:
            if generation == self._generation:
                self.next_id = max(int(new.max(initial=0)), self.promised) + 1
                self.cut(image, box, new, group)
                self._whole, self._heeded = (box, new), heeded

        self._c.helper.later(number, take)

    def drop(self) -> None:
        """Write nothing more of what is on its way."""
        self.pieces.clear()
        self._whole, self._first, self._before = None, 0, None
        self._generation += 1

    def cut(self, image: str, box: tuple[slice, ...], labels: NDArray[np.uint32], group: str) -> None:
        """Cut labels of a box into pieces that are written one by one; a comparison with what they replace ends."""
        if self._c.session.compared:
            self._c.reviewing.stop()
            self._c.session.update(notice="The comparison has ended: a prediction changed the labels. Compare again.")
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
        if self._whole is not None:
            self._heed(canvas, *self._whole)
        try:
            edit = edits.predicted(canvas.labels, canvas.state, box, labels)
            self._c.show(canvas.apply(edit, group))
        except CellsegError as error:
            self.drop()
            self._c.fail(error)
        if self._whole is not None and not self.pieces:
            self._whole = None
            canvas.objects.settle_top()
            self._c.reviewing.renew()

    def _heed(self, canvas: Canvas, box: tuple[slice, ...], labels: NDArray[np.uint32]) -> None:
        """Leave out objects that a person has dealt with for more than half since they were numbered."""
        for row in canvas.rows(self._heeded):
            if not row.by_hand:
                continue
            near = tuple(
                slice(max(s.start, a - (PIECE if axis >= len(box) - 2 else 0)), min(s.stop, b + PIECE))
                for axis, (s, (a, b)) in enumerate(zip(box, row.box, strict=True))
            )
            if any(s.stop <= s.start for s in near):
                continue
            view, now, known = labels[relative(near, box)], canvas.labels[near], canvas.state[near] > 0
            for id in np.unique(view[known]).tolist():
                mine = view == id
                if id and known[mine].mean() > 0.5:
                    view[mine] = now[mine]
        self._heeded = canvas.n
