"""A small field before and after a training, for the page Fine-tune. No Qt.

Data flow: a new model waits for a decision -> a field that it did not learn from, where there is one in the open image,
else the middle of the view -> `PredictJob` of both models there, nothing kept -> two crops with outlines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._types import Span
from ...engine import PredictJob, Reply
from ...events import Failed, Finished, Predicted
from ...project import RoundRecord
from .crops import Crop, Pair, grey, outlined

if TYPE_CHECKING:
    from .session import Session
    from .workspace import Workspace

SIDE = 160
"""Of the field, in pixels; less where the image is smaller."""


class BeforeAfter:
    """Asks both models once a training has ended in this window."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._of = ""
        self._asked: dict[int, str] = {}
        self._crops: dict[str, Crop] = {}
        self._field: tuple[NDArray[np.uint8], bool] | None = None

    def follow(self) -> None:
        """Called by the clock: ask when a round waits, forget when it does not."""
        s = self._ws.session
        waiting = s.rounds[-1] if s.rounds and s.rounds[-1].decision == "open" and s.rounds[-1].parent else None
        if waiting is None or not s.curve.training:
            self._of = ""
            s.update(before_after=None)
        elif waiting.child != self._of and self._ws.family is not None and s.progress is None and s.store is not None:
            self._ask(waiting)

    def take(self, reply: Reply) -> bool:
        """Answers to what was asked here; True if it was one."""
        model = self._asked.get(reply.job)
        if model is None:
            return False
        if isinstance(reply.event, Finished | Failed):
            del self._asked[reply.job]
        elif isinstance(reply.event, Predicted) and self._field is not None:
            plane, held_out = self._field
            labels = np.asarray(reply.event.labels).reshape(-1, *plane.shape)[0]
            self._crops[model] = Crop(model, outlined(plane, labels), len(np.unique(labels[labels > 0])))
            self._show(held_out)
        return True

    # --- inside ---------------------------------------------------------------------------------

    def _ask(self, waiting: RoundRecord) -> None:
        ws, self._of = self._ws, waiting.child
        assert ws.family is not None
        box, held_out = field_of(ws.session, tuple((s.start, s.stop) for s in ws.family.visible_box()))
        channel = min(ws.session.channel, len(ws.family.source()) - 1)
        cut = tuple(slice(a, b) for a, b in box)
        pixels = np.asarray(ws.family.source()[(slice(None) if ws.family.channels.rgb else channel, *cut)], np.float32)
        plane = pixels.mean(0) if ws.family.channels.rgb else pixels
        self._field = grey(plane.reshape(plane.shape[-2:])), held_out
        self._crops.clear()
        self._asked.clear()
        for model, live in ((waiting.parent or "", True), (waiting.child, False)):
            job = PredictJob(
                ws.project().path, (ws.session.image,), (model,), ws.session.config.predict, region=box, show=False,
                live=live, keep=False,
            )  # fmt: skip
            self._asked[ws.engine.submit(job)] = model

    def _show(self, held_out: bool) -> None:
        session = self._ws.session
        waiting = session.rounds[-1] if session.rounds else None
        if waiting is not None and waiting.child == self._of and {waiting.parent, waiting.child} <= set(self._crops):
            pair = Pair(self._crops[waiting.parent or ""], self._crops[waiting.child], held_out)
            session.update(before_after=pair)


def field_of(s: Session, view: Span) -> tuple[Span, bool]:
    """Round what is held out of the open image, where something is, else in the middle of the view; and which it is."""
    record, holdout = s.record, s.holdouts.get(s.image)
    assert record is not None
    boxes = holdout.boxes if holdout is not None else ()
    whole = tuple((0, n) for n in record.shape)
    around = boxes[0] if boxes else whole if holdout is not None else view
    field = []
    for axis, ((a, b), n) in enumerate(zip(around, record.shape, strict=True)):
        size = min(SIDE, n) if axis >= len(record.shape) - 2 else 1
        start = int(np.clip((a + b - size + 1) // 2, 0, n - size))
        field.append((start, start + size))
    return tuple(field), holdout is not None
