"""Live: after a correction, the visible field is labelled again by what can be learnt in about a second. No Qt.

Data flow: an edit by hand -> (a moment without another one, no stroke open, nothing running) -> `LiveJob` with labels
and state of the visible field -> the child fits a head and answers with `Refined`, and again where other thresholds are
better -> the writer changes what is only predicted. The answer belongs to the correction and goes with it when that is
undone (see `project.Acts`), or alone.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ..._types import Span
from ...engine import LiveJob, Reply, live_reason
from ...errors import CellsegError
from ...events import Event, Failed, Finished, Refined
from ...models import frozen_network
from ...project import ANSWER, Edit, EditRow
from .act_words import HINTED

if TYPE_CHECKING:
    from .hint_strokes import HintStrokes
    from .label_writer import LabelWriter
    from .workspace import Workspace

ANSWER_TO_EDIT = ANSWER.removesuffix("-")
PAUSE_S = 0.05
"""So long a person has rested before the field is labelled again: the edits of one action are answered together."""
SIDE = 1024
"""Of a larger field, the middle is labelled again."""
ALIGNED = 64
"""Fields begin and end at multiples of this, so that small movements of the view cost nothing."""


class Live:
    """Learns from the corrections of the open image within a second."""

    def __init__(self, workspace: Workspace, writer: LabelWriter, hints: HintStrokes) -> None:
        self._ws, self._writer, self._hints = workspace, writer, hints
        self._due = 0.0
        self._asked: int | None = None
        self._n = 0
        self._corrected = 0  # in which slice, the last time
        self._why = ANSWER_TO_EDIT
        self._group = ""  # of the answer that is due, or was given last

    def opened(self) -> None:
        """Another image, model or project: nothing is due."""
        self._due, self._asked = 0.0, None
        store = self._ws.session.store
        self._n = store.n if store is not None else 0
        self._ws.session.update(live_reason=self._reason())

    def follow(self) -> None:
        """Ask when a person has corrected something and rests; called by the clock."""
        ws = self._ws
        store = ws.session.store
        if store is None or ws.session.read_only:
            return
        if store.n > self._n:
            by_hand = any(row.by_hand and row.undoes is None for row in store.rows(self._n))
            self._n = store.n
            if by_hand:
                self._due, self._why = time.monotonic() + PAUSE_S, ANSWER_TO_EDIT
        if self._due and time.monotonic() > self._due and self._free():
            self._due = 0.0
            self._ask()

    @property
    def expects(self) -> bool:
        """Whether a question is due or an answer on its way: the clock must not sleep."""
        wanted = self._ws.session.live and not self._ws.session.live_reason and self._ws.engine.ready is not None
        return self._asked is not None or (bool(self._due) and wanted)

    def edited(self, edit: Edit) -> None:
        """A correction is looked at now, not when a clock that sleeps wakes up by itself."""
        if len(edit.shape) == 3 and not edit.empty and edit.tool not in EditRow.MACHINE:
            span = edit.box()[0]
            self._corrected = (span.start + span.stop - 1) // 2
        if (soon := self._ws.turns.soon) is not None and edit.tool not in EditRow.MACHINE:
            soon(0)

    def hinted(self) -> None:
        """A person has painted or taken back a hint."""
        if not self._due:
            self._why = HINTED
        self._due = time.monotonic() + PAUSE_S

    def forget(self) -> None:
        """The person undoes or does again: what is due, on its way or being written answers what was before that."""
        self._due = 0.0
        if self._group and self._writer.holds(self._group):
            self._writer.drop()
        self._group = ""
        self._ws.session.update(live_learnt="")

    def take(self, reply: Reply) -> bool:
        """Answers to what was asked here; True if it was one."""
        if self._asked is None or reply.job != self._asked:
            return False
        self._taken(reply.event)
        return True

    # --- inside ---------------------------------------------------------------------------------

    def _reason(self) -> str:
        """Why there is no live learning, "" where there is."""
        session = self._ws.session
        if session.project is None or session.current_model is None:
            return "Live learning needs a model to begin with."
        try:
            if session.project.model_card(session.current_model).members:
                return "Several models together do not learn live."
            if reason := frozen_network(session.project.model_path(session.current_model)):
                return reason
            return live_reason(session.project.model_config(session.current_model), session.project.task)
        except CellsegError as error:  # somebody has taken its folder away
            return f"{error.message} {error.hint}"

    def _free(self) -> bool:
        """Whether nothing else is going on."""
        ws = self._ws
        wanted = ws.session.live and not ws.session.live_reason
        idle = ws.job is None and self._asked is None and not self._writer.pieces and ws.session.progress is None
        return wanted and idle and not ws.painting and ws.engine.ready is not None

    def _ask(self) -> None:
        ws = self._ws
        model, store = ws.session.current_model, ws.store()
        box = self._field()
        if model is None or not box:
            return
        cut = tuple(slice(a, b) for a, b in box)
        labels, state = store.labels[cut].copy(), store.state[cut].copy()
        target = ws.session.chosen
        hints = self._hints.inside(box)
        job = LiveJob(ws.project().path, ws.session.image, model, box, labels, state, target, hints)
        self._asked, self._group = ws.engine.submit(job), ws.new_group(self._why)

    def _field(self) -> Span:
        """The visible field, rounded outwards, at most `SIDE` pixels wide; of a volume, the slice that is shown.

        From the side it is the slice of the file in which was corrected, as far as the slab round the view reaches.
        """
        ws = self._ws
        if ws.family is None or not ws.family.in_slices:
            return ()  # the 3D view shows no slice
        seen, shape = ws.family.field_to_label(), ws.family.record.shape
        if len(seen) == 3 and seen[0].stop - seen[0].start > 1:
            seen = (slice(self._corrected, self._corrected + 1), *seen[1:])
        out = [(s.start, s.stop) for s in seen[:-2]]
        for span, n in zip(seen[-2:], shape[-2:], strict=True):
            start, stop = span.start, span.stop
            if stop - start > SIDE:
                start = (start + stop - SIDE) // 2
                stop = start + SIDE
            start = start // ALIGNED * ALIGNED
            out.append((start, min(n, -(-stop // ALIGNED) * ALIGNED)))
        return tuple(out)

    def _taken(self, event: Event) -> None:
        ws = self._ws
        if isinstance(event, Refined) and event.image == ws.session.image and ws.session.store is not None:
            if ws.session.chosen is None and event.target is not None:
                ws.session.update(fitted=event.target if event.target != ws.session.own else None)
            told = event.learnt and self._group  # what was undone meanwhile is not spoken of
            text = f"Live: {event.learnt} ({event.seconds:.1f} s)" if told else ""
            tell = partial(ws.session.update, live_learnt=text)
            if event.labels is not None and ws.job is None and self._group:
                box = tuple(slice(a, b) for a, b in event.box)
                target = ws.session.decoding
                if self._writer.holds(self._group):  # the answer before, whose thresholds were not fitted yet
                    self._writer.drop()
                least = target.min_size if target else 0
                self._writer.whole(event.image, box, event.labels, least, self._group, tell)
            else:
                tell()
        elif isinstance(event, Failed):
            ws.session.update(live_learnt=f"{event.message} {event.hint}")
        elif isinstance(event, Finished):
            self._asked = None
