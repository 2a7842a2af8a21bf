"""Old and new model on the visible field, before a round is decided. No Qt.

Data flow: a side -> `PredictJob` on the visible field, nothing kept -> what differs from the labels, as outlines over
them (never in them), which are dimmed meanwhile. What was seen once is shown again at once while the view stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..._types import Span
from ...engine import PredictJob, Reply
from ...errors import CellsegError
from ...events import Failed, Finished, Predicted
from ...project import RoundRecord
from .side_changes import COLOURS, changes_of_classes, changes_of_objects, text_of

if TYPE_CHECKING:
    from .workspace import Workspace

Side = Literal["", "old", "new"]
Key = tuple[str, str, Span]
"""Image, model and field."""


def model_of(round_: RoundRecord | None, side: Side) -> str:
    """The model of a side of a round, "" where there is none."""
    if round_ is None or not side:
        return ""
    return round_.child if side == "new" else round_.parent or ""


class OldAndNew:
    """The switch between old and new."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._seen: dict[Key, NDArray[np.uint32]] = {}
        self._asked: dict[int, Key] = {}  # every job that still answers: its labels must never count as a prediction
        self._wanted: Key | None = None

    def show(self, side: Side) -> None:
        """Show what one side finds in the visible field as outlines; "" takes them away.

        Raises
        ------
        CellsegError
            When no round waits for a decision, or it has no such side.
        """
        ws = self._ws
        if not side:
            self.clear()
            return
        waiting = ws.session.rounds[-1] if ws.session.rounds and ws.session.rounds[-1].decision == "open" else None
        model = model_of(waiting, side)
        if not model:
            raise CellsegError("There is no such model to look at.", "Fine-tune first; a first model has no old one.")
        ws.store()
        box = tuple((s.start, s.stop) for s in ws.family.field_to_label()) if ws.family is not None else ()
        key = self._wanted = (ws.session.image, model, box)
        ws.session.update(side=side)
        if key in self._seen:
            self._draw(key)
            return
        image, options, live = ws.session.image, ws.session.config.predict, side == "old"
        job = PredictJob(ws.project().path, (image,), (model,), options, region=box, show=False, live=live, keep=False)
        self._asked[ws.engine.submit(job)] = key
        ws.session.update(side_text=f"Looking with {model}...")

    def take(self, reply: Reply) -> bool:
        """Answers to what was asked here; True if it was one."""
        key = self._asked.get(reply.job)
        if key is None:
            return False
        if isinstance(reply.event, Finished):
            del self._asked[reply.job]
        elif key != self._wanted:
            pass  # something else is looked at by now
        elif isinstance(reply.event, Predicted):
            self._seen[key] = np.asarray(reply.event.labels)
            self._draw(key)
        elif isinstance(reply.event, Failed):
            self._ws.session.update(side="", side_text=f"{reply.event.message} {reply.event.hint}")
        return True

    def clear(self) -> None:
        """Another image, a decision, or nobody wants to look any more."""
        self._seen.clear()
        self._wanted = None
        if self._ws.session.side and self._ws.family is not None:
            self._ws.family.overlays.show_outlines(None, None)
            self._ws.family.dim("looking", on=False)
        self._ws.session.update(side="", side_text="")

    def _draw(self, key: Key) -> None:
        _, model, box = key
        family, labels = self._ws.family, self._seen[key]
        if family is None:
            return
        cut = tuple(slice(a, b) for a, b in box)
        compare = changes_of_objects if self._ws.instances else changes_of_classes
        changes = compare(labels, self._ws.store().labels[cut])
        family.overlays.show_changes(cut, changes.values, self._ws.session.side, COLOURS)
        family.dim("looking", on=True)
        n = len(np.unique(labels[labels > 0]))
        self._ws.session.update(side_text=f"{model} finds {n} objects in view: {text_of(changes)}")
