"""Writes predictions, and approval of large parts, into the open image in boxes so small that nobody notices. No Qt.

Data flow: labels or a mask -> pieces, each of which says what its edit is when its turn comes -> one after another in
the ticks of the clock, when no stroke is open. The pieces of a group are undone together.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ... import edits
from ..._types import Box, Labels, State
from ...boxes import relative
from ...errors import CellsegError
from ...project import PREDICTED, Edit, LabelStore, Objects
from .label_queue import Piece, Queue, Waiting, approved, predicted, ready, spans
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace

PIECE = 256
"""Predictions are written in boxes of this side, each in a few milliseconds."""
AT_ONCE = 1 << 20
"""Voxels that are approved in one go."""
READY = 1 << 20
"""Voxels of a prediction that are written in one go, since the helper thread has made them ready for the log."""
MANY = 64
"""Of so many pieces it is told how far they are."""
PROVISIONAL = 1_000_000
"""Objects of single tiles are numbered this far above those of the whole image that replace them. No id is used twice:
one that is remembered (by the brush, a review, a comparison) is the object it was, or is gone."""


class LabelWriter:
    """Queues of boxes to write; every piece is an edit of its own. What a person approves comes before predictions.

    Attributes
    ----------
    group
        Of the whole prediction that is being written, "" where none is.
    next_id
        The id that the first object of the next tile gets.
    """

    replacing = Signal()
    """A prediction is about to replace labels."""
    predicted = Signal()
    """All of a prediction is written."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._approvals, self._predictions = Queue(), Queue()
        self.next_id = 1
        self.reserved = self.suggested = 0
        self._generation = 0
        self._first = 0  # of the prediction that runs
        self._before: tuple[Box, Labels] | None = None  # what it replaces
        self._streaming = False  # a prediction larger than memory is being written
        self._whole: Waiting | None = None  # the prediction that is being written,
        self.group = ""  # and its group
        self._making = ""  # what is done in the helper thread for a large image, in words
        self._coming = ""  # the group of what is numbered there
        self._seen = 0  # the newest edit that it knows of

    @property
    def pieces(self) -> deque[Piece]:
        """What waits and comes next."""
        return self._approvals.pieces or self._predictions.pieces

    @property
    def busy(self) -> bool:
        """Whether a whole prediction is being written."""
        return self._whole is not None or self._streaming

    def holds(self, group: str) -> bool:
        """Whether labels of a group are numbered or written just now."""
        return group in (self.group, self._coming)

    def opened(self) -> None:
        """Another image is open: else the first stroke would be of object 1."""
        if self._ws.instances:
            self.suggest_id()

    def reset(self) -> None:
        """Another image comes: finish what is half written, forget what was reserved."""
        store, image = self._ws.session.store, self._ws.session.image
        while self._approvals.pieces:
            self._write(self._approvals.pieces.popleft())
        if self._whole is not None and store is not None:
            box, labels = self._whole.box, self._whole.labels
            for span in spans(box, max(labels.shape)):
                change = partial(predicted, span, labels[relative(span, box)], self.group)
                self._write(Piece(image, self.group, change))  # what is written already does not count
        self._approvals.clear()
        self.drop()
        self.next_id, self.reserved, self.suggested = 1, 0, 0

    # --- numbers ----------------------------------------------------------------------------------

    def fresh_id(self) -> int:
        """The first id above every one that is in use, reserved or about to be written."""
        return max(self._ws.store().next_id(), self.next_id)

    def reserve_id(self) -> int:
        """A fresh id for the person's brush, which no prediction will use."""
        self.reserved = self.fresh_id()
        self.next_id = self.reserved + 1
        return self.reserved

    def suggest_id(self) -> None:
        """Let the brush begin with a free id, kept from nobody: predictions are numbered as without a window."""
        if self._ws.family is not None:
            self.suggested = self._ws.family.labels.selected_label = self.fresh_id()

    def forget_provisional(self) -> None:
        """Undo went through the numbers of single tiles, which nobody remembers: go on from those that are there."""
        objects = self._ws.store().objects
        if self._whole is not None or self._predictions.pieces or objects.top < PROVISIONAL:
            return
        if objects.top - int(objects.ids().max(initial=0)) > PROVISIONAL // 2:
            objects.settle_top()
            self.next_id = self.reserved + 1

    def suggest_again(self, edit: Edit, painted: bool) -> None:
        """Somebody has used the id that the brush was suggested: the person, so it is theirs, or others."""
        family = self._ws.family
        if family is None or not self.suggested or self.suggested not in self._ws.store().objects:
            return
        if not painted and family.labels.selected_label == self.suggested:
            self.suggest_id()
        else:
            self.suggested = 0

    def reserve_again(self) -> None:
        """Masks came that may have the number that was reserved: give the brush another."""
        layer = self._ws.family.labels if self._ws.family else None
        if layer is not None and self.reserved and layer.selected_label == self.reserved:
            layer.selected_label = self.reserve_id()

    def context(self, z: int | None = None) -> edits.EditContext:
        """The open image as the tools see it; `z` is the slice that was pointed at."""
        store, choices = self._ws.store(), self._ws.session.choices
        return edits.EditContext.on(
            store,
            first_id=self.fresh_id(),
            z=None if choices.through or store.labels.ndim == 2 else z,
            instances=self._ws.instances,
            locked=choices.locked,
            over=choices.over,
            spacing=store.record.spacing_um,
        )

    # --- what to write ----------------------------------------------------------------------------

    def begin(self, box: Box = ()) -> None:
        """A prediction of a box begins: keep ids for it, number its tiles above them, recall what was there before."""
        store = self._ws.store()
        box = box or tuple(slice(0, n) for n in store.labels.shape)
        if not edits.is_large(store, box):  # whose tiles are not shown
            self._first, self._before = self.fresh_id(), (box, store.labels[box].copy())
            self.next_id = self._first + PROVISIONAL

    def tile(self, image: str, box: Box, proposal: Labels, group: str) -> None:
        """Number a proposed tile, then cut it into pieces that are written one by one."""
        store, first = self._ws.store(), self.fresh_id()
        labels = edits.renumbered(store.labels[box], store.state[box], proposal, first, instances=self._ws.instances)
        self.next_id = first + int(proposal.max(initial=0))
        self.cut(image, box, labels, group)

    def whole(
        self, image: str, box: Box, proposal: Labels, min_size: int, group: str, then: Callable[[], None] = lambda: None
    ) -> None:
        """Queue labels of a box of the open image: objects that cross tiles become one.

        Numbering runs in the helper thread. `then` is called when all of it is written.
        """
        store, count = self._ws.store(), int(proposal.max(initial=0))
        first = self._first if self._first and count < PROVISIONAL else self.fresh_id()
        before = store.labels[box].copy() if self._before is None else self._before[1][relative(box, self._before[0])]
        self._first, self._before = 0, None
        self.next_id = max(self.next_id, first + count + 1)  # nobody gets an id that is on its way
        wide = tuple(
            slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(box, store.labels.shape, strict=True)
        )
        number = partial(
            edits.joined, box=relative(box, wide), proposal=proposal, first_id=first,
            before=before, min_size=min_size, instances=self._ws.instances,
        )  # fmt: skip
        self.changed(image, box, wide, number, group, then)

    def large(self, image: str, box: Box, proposal: Any, count: int, group: str, then: Callable[[], None]) -> None:
        """Queue labels that are larger than memory, `count` objects, numbered as they are written."""
        first = self.fresh_id()
        self.next_id, self._streaming, self.group = first + count + 1, True, group
        self.replacing.emit()
        for _, edit in edits.large_prediction(box, proposal, first, instances=self._ws.instances):
            self._predictions.add(Piece(image, group, edit))
        self._predictions.ends += [self._predicted, then]
        self.tell()

    def changed(
        self,
        image: str,
        box: Box,
        seen: Box,
        make: Callable[[Labels, State], Labels | None],
        group: str,
        then: Callable[[], None] = lambda: None,
        *,
        doing: str = "Numbering objects",
    ) -> None:
        """Queue what a function makes of labels and state of the open image, in the helper thread.

        Parameters
        ----------
        box, seen
            What is changed, and what the function gets to see of labels and state: a box that holds the other.
        make
            Gives labels of the box's shape, with the numbers that they will have; None: nothing is to be written.
        then
            Called when all of it is written.
        """
        store = self._ws.store()
        generation, known, self._coming = self._generation, store.n, group
        self._making = doing if store.labels[box].size > MANY * PIECE**2 else ""
        self.tell()
        labels, state = store.labels[seen].copy(), store.state[seen].copy()
        at_once = not self._ws.painting and store.labels[box].size <= READY

        def work() -> Waiting | None:
            new = make(labels, state)
            if new is None:
                return None
            inner = relative(box, seen)
            edit = ready(box, new, group, store, (labels[inner], state[inner])) if at_once else None
            return Waiting(box, new, Objects(new, np.zeros((), np.uint8)), edit)

        def take(found: Waiting | None) -> None:
            if generation != self._generation:
                return
            self._making, self._coming = "", ""
            if found is not None:
                self.next_id = max(found.objects.top, self.reserved) + 1
                self._queue(image, found, known, group)
                self._whole, self._seen, self.group = found, known, group
                self._predictions.ends += [self._predicted, then]
            self.tell()

        def failed(error: CellsegError) -> None:
            self._making, self._coming = "", ""
            self._ws.fail(error)

        self._ws.helper.later(work, take, failed)

    def cut(self, image: str, box: Box, labels: Labels, group: str) -> None:
        """Cut labels of a box into pieces that are written one by one."""
        self.replacing.emit()
        for span in spans(box, PIECE):
            change = partial(predicted, span, labels[relative(span, box)], group)
            self._predictions.add(Piece(image, group, change))

    def _queue(self, image: str, found: Waiting, known: int, group: str) -> None:
        """Queue labels of a box: in pieces, or in one, which is ready unless somebody has edited since `known`."""
        edit = found.edit
        if edit is None:
            self.cut(image, found.box, found.labels, group)
            return

        def change(store: LabelStore) -> Edit:
            return edit if store.n == known else predicted(found.box, found.labels, group, store)

        self.replacing.emit()
        self._predictions.add(Piece(image, group, change))

    def approve(self, box: Box, mask: NDArray[np.bool_], what: str) -> None:
        """Approve the voxels of a mask of the box's shape: at once, or piece by piece where they are many."""
        ws, small = self._ws, mask.size <= AT_ONCE and not self._approvals.pieces
        group = f"approve-{uuid.uuid4().hex[:8]}"
        for span in [box] if small else spans(box, 2 * PIECE):
            change = partial(approved, span, mask[relative(span, box)], f"approve {what}")
            self._approvals.add(Piece(ws.session.image, group, change))
        self._approvals.ends.append(lambda: ws.session.update(status=f"Approved the {what}."))
        if small:
            self.step()
        else:
            ws.session.update(status=f"Approving the {what}...")

    def cancel(self) -> None:
        """The person ends what is being written; what is written stays."""
        progress = self._ws.session.progress
        writing = progress is not None and progress.kind == "write"
        self.drop()
        if writing:
            self._ws.session.update(status="Cancelled; what is written stays. Undo takes it back.")

    def drop(self) -> None:
        """Write nothing more of a prediction that is on its way."""
        self._predictions.clear()
        self._whole, self.group, self._making, self._coming = None, "", "", ""
        self._streaming = False
        self._generation += 1
        self.next_id = self.reserved + 1
        self.forget()
        self.tell()

    def forget(self) -> None:
        """The job has ended: nothing is kept for it."""
        self._first, self._before = 0, None

    # --- telling --------------------------------------------------------------------------------

    def progress(self) -> Progress | None:
        """How far a large prediction or draft is that is being written; None where nothing is, or it is small."""
        left, total = len(self._predictions.pieces), self._predictions.total
        if self._making:
            return Progress("write", self._making)
        if not self.busy or not left or total < MANY:
            return None
        done = 100 * (total - left) // total
        return Progress("write", f"Writing labels: {done} %", max(done, 1) / 100)

    def tell(self) -> None:
        """Show that, unless something else is under way."""
        session = self._ws.session
        if session.progress is None or session.progress.kind == "write":
            session.update(progress=self.progress())

    # --- writing ----------------------------------------------------------------------------------

    def step(self) -> None:
        """Write the next piece; one of an image that is not open any more is dropped."""
        queue = self._approvals if self._approvals.pieces else self._predictions
        edit = self._write(queue.pieces.popleft())
        if edit is not None:
            self._ws.show(edit)
        if not queue.pieces:
            queue.end()
        if queue is self._predictions:
            self.tell()

    def _write(self, piece: Piece) -> Edit | None:
        store = self._ws.session.store
        if piece.image != self._ws.session.image or store is None:
            return None
        try:
            if self._whole is not None:
                self._take_in_user_edits(store, self._whole)
            return store.apply(piece.edit(store), piece.group)
        except CellsegError as error:
            self._approvals.clear()
            self.drop()
            self._ws.fail(error)
            return None

    def _predicted(self) -> None:
        self._whole, self.group, self._streaming = None, "", False
        self._ws.store().objects.settle_top()
        family = self._ws.family
        if family is not None and self.suggested and self.suggested == family.labels.selected_label:
            self.suggest_id()  # single tiles were numbered far above what there is now
        self.predicted.emit()

    def _take_in_user_edits(self, store: LabelStore, waiting: Waiting) -> None:
        """What a person has done since the prediction was numbered counts for what is not written yet, too."""
        for row in store.rows(self._seen) if store.n > self._seen else ():
            if row.by_hand:
                self._respect(store, waiting, store.edit(row.n))
        self._seen = store.n

    def _respect(self, store: LabelStore, waiting: Waiting, edit: Edit) -> None:
        """Leave out objects that the person has dealt with for more than half; give way where a number was taken."""
        places = np.unravel_index(edit.index, edit.shape)
        within = np.logical_and.reduce(
            [(p >= s.start) & (p < s.stop) for p, s in zip(places, waiting.box, strict=True)]
        )
        at = tuple(p[within] - s.start for p, s in zip(places, waiting.box, strict=True))
        met = np.unique(waiting.labels[at])
        if edit.tool in ("undo", "redo"):
            waiting.labels[at] = edit.new_labels[within]
        if not self._ws.instances:
            return
        here, state = store.labels[waiting.box], store.state[waiting.box]
        for id in met[met > 0].tolist():
            span, mine = self._of(waiting, id)
            if mine.any() and (state[span][mine] > 0).mean() > 0.5:
                waiting.labels[span][mine] = here[span][mine]
        for id in np.unique(edit.new_labels[edit.new_labels != edit.old_labels]).tolist():
            span, mine = self._of(waiting, id)
            if id and mine.any() and not (here[span][mine] == id).any():  # of that object nothing is there yet
                fresh = self.fresh_id()
                waiting.labels[span][mine & (state[span] == PREDICTED)] = fresh
                self.next_id = fresh + 1

    @staticmethod
    def _of(waiting: Waiting, id: int) -> tuple[Box, NDArray[np.bool_]]:
        """The box of an object of the prediction, in the prediction, and its mask there."""
        span = (
            waiting.objects.box(waiting.labels, id) if id in waiting.objects else (slice(0, 0),) * waiting.labels.ndim
        )
        return span, np.asarray(waiting.labels[span] == id)
