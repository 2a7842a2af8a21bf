"""The review queue: which place comes next, what was done there, and how long it took. No Qt.

Data flow: labels, state, doubt -> `review_order` in the helper thread -> items in the session -> the view moves to one
-> approve, fix or skip -> a row in the table `reviews`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ... import edits
from ..._types import Span as Box
from ...errors import CellsegError
from ...evaluation import Item, Order, review_order
from ...probabilities import kept_path, open_kept
from ...project import Project, ReviewRecord, copied, frames_beside
from ...targets import tells_doubt
from ...tracks import track_doubts
from .time_line import series_of

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .strokes import Strokes
    from .workspace import Workspace


class Review:
    """Walks through the open image."""

    ended = Signal()
    """The queue was closed, or another one begins: whatever filled it is over."""

    def __init__(self, workspace: Workspace, writer: LabelWriter, strokes: Strokes) -> None:
        self._ws, self._writer, self._strokes = workspace, writer, strokes
        self._began = 0.0
        self._edits = 0
        self._outcomes: dict[int, str] = {}
        self._dealt = 0  # places before the queue was made again
        self._generation = 0

    # --- what buttons and keys do -----------------------------------------------------------------

    def start(self, order: Order, resume_at: Box = ()) -> None:
        """Order the places of the open image and go to the first (or to the one where a session ended)."""
        if self._ws.family is not None:  # its keys are those of the labels, whatever was selected (a hint, the image)
            self._ws.viewer.layers.selection.active = self._ws.family.labels
        self.ended.emit()
        self._ws.session.update(status="Ordering what to look at...")
        self._order(order, lambda items: self.load(items, order, resume_at))

    def renew(self) -> None:
        """The labels have a new prediction: order the places again, after the one that is being looked at."""
        if self._current() is not None and not self._ws.session.compared:
            self._order(cast("Order", self._ws.session.order), self._follow)

    def _order(self, order: Order, take: Callable[[list[Item]], None]) -> None:
        """Order the places in the helper thread; dropped when another image or order comes first."""
        ws = self._ws
        store, project, image = ws.store(), ws.project(), ws.session.image
        maps = ws.family.overlays.maps if ws.family is not None else {}
        spread = maps["disagreement"].data if "disagreement" in maps else None
        near = frames_beside(project.images(), image) if ws.instances else []
        series, tracks = series_of(ws.session, image), ws.session.tracking.tracks
        at = series.at(image) if series is not None else 0
        exclusive = not ws.instances and len(project.classes) > 1
        self._generation += 1
        generation = self._generation

        def work() -> list[Item]:
            labels, state = copied(store.labels, image), copied(store.state, image)
            try:
                kept = open_kept(kept_path(project.path, image))
                whole = tuple(slice(o, o + n) for o, n in zip(kept.origin, kept.shape[1:], strict=True))
                doubt = np.zeros(labels.shape, np.uint8) if tells_doubt(kept.target) else None
                if doubt is not None:
                    doubt[whole] = kept.doubt(exclusive)
            except CellsegError:
                doubt = None
            beside = _on_disk(project.path, near)
            through = track_doubts(tracks, at) if tracks is not None else None
            return review_order(
                labels, state, order, doubt=doubt, disagreement=spread, beside=beside, through_time=through
            )

        def taken(items: list[Item]) -> None:
            if generation == self._generation and image == ws.session.image:
                take(items)

        ws.helper.later(work, taken)

    def _follow(self, items: list[Item]) -> None:
        """Let new places come after the present one; the view moves only if that is not there any more."""
        current = self._current()
        if current is None or self._ws.session.compared:
            return
        dealt = self._dealt + sum(o != "skipped" for o in self._outcomes.values())
        # what a person is changing stays, and so does a tile; else the prediction has drawn and numbered it again
        stays = not current.id or self._edits > 0
        shared = {item: _shared(item, current) for item in items}
        again = current if stays else max((i for i in items if shared[i] > 0.5), key=shared.__getitem__, default=None)
        if again is None:
            self.load(items, cast("Order", self._ws.session.order))
        else:
            self._outcomes.clear()
            queue = (again, *(item for item in items if item.box != again.box))
            self._ws.session.update(queue=queue, place=0, status=f"The queue was made again: {len(queue)} places.")
            if again.id and self._ws.family is not None:
                self._ws.family.labels.selected_label = again.id
        self._dealt = dealt

    def load(self, items: list[Item], order: str, resume_at: Box = ()) -> None:
        """Walk through given places."""
        self._outcomes.clear()
        self._dealt = 0
        self._ws.session.update(queue=tuple(items), order=order, place=-1)
        if not items:
            self._ws.session.update(status="There is nothing left to look at in this image.")
        else:
            # the queue has grown shorter meanwhile: the place counts, not its number
            self.go(next((k for k, item in enumerate(items) if item.box == resume_at), 0))

    def leave(self, outcome: str) -> None:
        """Note that a place is dealt with, and go on."""
        self._leave(outcome)
        self._forward()

    def stop(self) -> None:
        """Close the queue."""
        self.ended.emit()
        self._generation += 1
        status = (
            "" if self._ws.session.queue else self._ws.session.status
        )  # what it said of a place is not true any more
        self._ws.session.update(queue=(), place=-1, status=status)

    def skip(self) -> None:
        """Go to the next place and change nothing."""
        if self._current() is not None:
            self.leave("skipped")

    def back(self) -> None:
        """Return to the place before."""
        if self._current() is not None and self._ws.session.place > 0:
            self.go(self._ws.session.place - 1)

    def fix(self) -> None:
        """Take the brush with this object's label."""
        item = self._current()
        if item is None or self._ws.family is None:
            return
        labels = self._ws.family.labels
        if item.id:
            labels.selected_label = item.id
            labels.mode = "paint"
            self._ws.session.update(tool="", status=f"Correct object {item.id}; then press 0 to approve it and go on.")
        else:
            self._strokes.new_label()

    def approve(self) -> None:
        """Approve the object (or what is in the tile) and go on."""
        ws, item = self._ws, self._current()
        if item is None:
            raise CellsegError("No review is running.", "Start one in the step Correct.")
        store = ws.store()
        context = self._writer.context()
        box = tuple(slice(a, b) for a, b in item.box)
        if item.id and item.id in store.objects:
            piece = context.at(None).piece(item.id)
            if (store.state[piece.box][piece.mask] != 2).any():
                ws.apply(edits.approve_object(context, piece))
        elif item.id:
            self.leave("gone")
            return
        else:
            ws.apply(edits.approve_background(context, box))
        self.leave("approved" if not self._edits else "fixed")

    def touched(self) -> None:
        """The person has changed something here."""
        self._edits += 1

    def go(self, place: int) -> None:
        """Show one place."""
        ws = self._ws
        item = ws.session.queue[place]
        self._began, self._edits = time.monotonic(), 0
        if ws.family is not None:
            ws.family.look_at(tuple(slice(a, b) for a, b in item.box))
            if item.id:
                ws.family.labels.selected_label = item.id
        name = f"object {item.id}" if item.id else "background"
        why = f": {', '.join(item.why)}" if item.why else ""
        ws.session.update(place=place, status=f"{place + 1} of {len(ws.session.queue)}, {name}{why}.")

    # --- inside -----------------------------------------------------------------------------------

    def _current(self) -> Item | None:
        session = self._ws.session
        return session.queue[session.place] if 0 <= session.place < len(session.queue) else None

    def _forward(self) -> None:
        """To the next place that is still there."""
        ws = self._ws
        place = ws.session.place + 1
        while place < len(ws.session.queue) and not self._there(ws.session.queue[place]):
            place += 1
        if place < len(ws.session.queue):
            self.go(place)
        else:
            approved = self._dealt + sum(o != "skipped" for o in self._outcomes.values())
            ws.session.update(queue=(), place=-1, status=f"The queue is done: {approved} places dealt with.")

    def _there(self, item: Item) -> bool:
        """Whether an object was neither deleted, merged nor dealt with meanwhile."""
        store = self._ws.store()
        if not item.id or self._ws.session.compared:
            return True
        if item.id not in store.objects:
            return False
        box = store.objects.box(store.labels, item.id)
        return not bool(store.state[box][store.labels[box] == item.id].all())

    def _leave(self, outcome: str) -> None:
        ws, item = self._ws, self._current()
        if item is None or ws.session.read_only:
            return
        self._outcomes[ws.session.place] = outcome
        ws.project().db.add_review(
            ReviewRecord(
                ws.session.image, time.time(), ws.project().author, item.id, item.box, outcome,
                time.monotonic() - self._began, self._edits, ws.session.order,
            )
        )  # fmt: skip


def _on_disk(folder: Path, ids: list[str]) -> list[NDArray[np.uint32]]:
    """Labels of other images as they stand on disk; with a connection of its own, so in any thread."""
    if not ids:
        return []
    with Project.open(folder) as project:
        return [project.load_labels(id)[0] for id in ids]


def _shared(item: Item, other: Item) -> float:
    """How much two objects' boxes have in common (intersection over union), 0 for a tile."""
    if not item.id:
        return 0.0
    common = math.prod(max(0, min(b, d) - max(a, c)) for (a, b), (c, d) in zip(item.box, other.box, strict=True))
    sizes = [math.prod(b - a for a, b in i.box) for i in (item, other)]
    return common / (sum(sizes) - common)
