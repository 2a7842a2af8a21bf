"""Click: an object from a click, refined by further ones, or from a box. No Qt.

Data flow: a click or a box -> `ClickJob` -> the child finds the object in the picture -> `edits.found` -> the log. A
further click asks for the same object again, with all that was said of it; its answer takes the place of the one
before. Answers wait while a stroke is open.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ... import edits
from ...engine import ClickJob, Reply
from ...errors import CellsegError, NothingThere
from ...events import Failed, Finished, ObjectFound
from .report_errors import report_errors

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .workspace import Workspace

Said = Literal["new", "more", "less", "box"]
"""What a gesture says: an object is here; this is part of it, too; this is not; it lies in this box."""
HOW = "Shift-click what is missing, Ctrl-click what is too much."
SEEN_FROM_THE_SIDE = "Turn the volume to XY (⇧O): objects are found in the slices of the file."


class Clicks:
    """Asks for objects, and writes what was found."""

    def __init__(self, workspace: Workspace, writer: LabelWriter) -> None:
        self._ws, self._writer = workspace, writer
        self._asked: dict[int, ClickJob | None] = {}  # None: nobody waits for that answer any more
        self._late: list[tuple[ClickJob, ObjectFound]] = []
        self._last: ClickJob | None = None
        self._row = 0  # of the log: what the last prompt has written

    @report_errors
    def pointed(self, said: Said, place: tuple[object, ...]) -> None:
        """A click at a voxel, or a box (a slice per axis), of the open image."""
        ws = self._ws
        ws.store()
        if ws.job is not None:
            raise CellsegError("The engine is busy.", "Wait for it or cancel it; Scribble (T) needs no engine.")
        if ws.layers().turn.across:
            raise CellsegError("Click works in the slices of the file.", SEEN_FROM_THE_SIDE)
        job = self._job(said, place)
        if self._last is not None and said in ("more", "less"):
            self._asked = {n: None if asked is self._last else asked for n, asked in self._asked.items()}
            self._late = [late for late in self._late if late[0] is not self._last]
        else:
            self._row = 0
        self._last = job
        self._asked[ws.engine.submit(job)] = job
        ws.session.update(status="Looking..." if ws.engine.ready else "Looking: the engine starts...")

    def forget(self) -> None:
        """Another tool or image: the next click begins another object."""
        self._last, self._row = None, 0

    def closing(self) -> None:
        """The image closes: nobody waits for an answer any more."""
        self.forget()
        self._asked = dict.fromkeys(self._asked)
        self._late.clear()

    @property
    def expects(self) -> bool:
        """Whether an answer is on its way, or waits: the clock must not sleep."""
        return any(job is not None for job in self._asked.values()) or bool(self._late)

    def follow(self) -> None:
        """Write what has waited for the end of a stroke; called by the clock."""
        while self._late and not self._ws.painting:
            self._write(*self._late.pop(0))

    def take(self, reply: Reply) -> bool:
        """Answers to what was asked here; True if it was one."""
        if reply.job not in self._asked:
            return False
        job, event = self._asked[reply.job], reply.event
        if isinstance(event, Finished):
            del self._asked[reply.job]
        elif job is None:
            pass
        elif isinstance(event, ObjectFound):
            self._late.append((job, event))
            self.follow()
        elif isinstance(event, Failed):
            self._ws.fail(CellsegError(event.message, event.hint))
        return True

    # --- inside ---------------------------------------------------------------------------------

    def _job(self, said: Said, place: tuple[object, ...]) -> ClickJob:
        """What is asked for: of the same object as before, everything that was said of it."""
        ws = self._ws
        if said in ("more", "less"):
            last, (*plane, row, column) = self._last, place
            if last is None or (plane and plane[0] != last.z):
                raise NothingThere("There is no object to correct yet.", f"Click it first, in this slice; then {HOW}")
            here = (int(row), int(column))  # type: ignore[call-overload]
            if said == "more":
                return replace(last, inside=(*last.inside, here))
            return replace(last, outside=(*last.outside, here))
        job = ClickJob(ws.project().path, ws.session.image, through=ws.session.choices.through)
        if said == "box":
            spans = [(s.start, s.stop) for s in place]  # type: ignore[attr-defined]
            sides = ws.store().record.shape[-2:]
            box = tuple((max(0, a), min(n, b)) for (a, b), n in zip(spans[-2:], sides, strict=True))
            return replace(job, box=box, z=int(spans[0][0]) if len(spans) == 3 else 0)
        at = tuple(int(v) for v in place)  # type: ignore[call-overload]
        return replace(job, inside=((at[-2], at[-1]),), z=at[0] if len(at) == 3 else 0)

    @report_errors
    def _write(self, job: ClickJob, event: ObjectFound) -> None:
        ws = self._ws
        if ws.session.image != job.image or ws.session.store is None or ws.project().path != job.project:
            return
        ws.settle()
        store = ws.store()
        if job is self._last and self._row:
            act = store.act("undo")
            if act is not None and act.meant[0].n == self._row:
                ws.show_all(store.undo())
            self._row = 0
        box = tuple(slice(a, b) for a, b in event.box)
        context = self._writer.context(job.z)
        written = ws.apply(edits.found(context, box, event.mask, id=ws.drawn_class()))
        if job is self._last:
            self._row = store.n
        pixels = int(event.mask.sum())
        what = f"{pixels:,} {'voxels' if len(box) == 3 else 'pixels'}"
        ws.session.update(status=f"Found an object of {what}; {HOW}" if not written.empty else "That is so already.")
        ws.user_edited.emit()
