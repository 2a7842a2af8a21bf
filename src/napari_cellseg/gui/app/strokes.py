"""What napari's own tools painted: logged, undone, and taken back where it cannot be saved. No Qt."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ... import edits
from ...errors import CellsegError
from .session import Problem

if TYPE_CHECKING:
    from ...project import Verb
    from .controller import Controller

AT_ONCE_S = 0.1
"""So long an undo may take in one go; what is left is taken back bit by bit."""


class Strokes:
    """The person's hand on the labels layer of the open image."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._unsaved: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._verb: Verb = "undo"
        self._group = ""  # what is being taken back bit by bit
        self._leave = ""  # the prediction that was running or being written when that began: it stays
        self._said = ""

    def painted(self, index: NDArray[Any], old: NDArray[Any], new: NDArray[Any], tool: str = "") -> None:
        """Napari's brush, eraser, fill or polygon changed labels: log it before the stroke counts as done."""
        canvas = self._c.canvas()
        flat = canvas.labels.reshape(-1)
        try:
            self._check_class(new)
            flat[index] = new  # some tools tell before they write
            scene = self._c.correcting.scene()
            index, old = self._put_back(edits.forbidden(scene, index, old, new), index, old)
            mode = str(self._c.family.labels.mode) if self._c.family else "paint"
            # nobody paints while panning
            tool = tool or (mode if mode in ("paint", "erase", "fill", "polygon") else "script")
            self._c.show(canvas.commit(edits.stroke(scene, index, old, tool=tool)), labels=False)
            self._c.reviewing.touched()
        except CellsegError as error:
            canvas.forget_objects()  # what it learnt of this stroke is not true
            self._unsaved = [*self._unsaved, (index, old)]
            self._c.fail(CellsegError(f"The last stroke was taken back: {error.message}", error.hint))
        except Exception as error:  # noqa: BLE001 - an exception here would make napari record the stroke twice
            self._c.session.update(
                problem=Problem(
                    f"The stroke could not be logged: {error}.", "Please report this.", traceback.format_exc()
                )
            )

    def _put_back(
        self, forbidden: NDArray[Any], index: NDArray[Any], old: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Undo what a stroke did to protected voxels; returns the rest of it."""
        if not forbidden.any():
            self._c.session.update(status="")
            return index, old
        wrong, was = index[forbidden], old[forbidden]
        self._c.canvas().labels.reshape(-1)[wrong[::-1]] = was[::-1]  # of repeated ones the first old value is true
        self._unsaved = [*self._unsaved, (wrong, was)]  # some tools write once more after they have told
        locked = self._c.session.choices.locked
        text = "Protected voxels were left as they are"
        self._c.session.update(status=f"{text} (key Shift-A unlocks approved objects)." if locked else f"{text}.")
        return index[~forbidden], old[~forbidden]

    def _check_class(self, new: NDArray[Any]) -> None:
        classes = self._c.project().classes
        if not self._c.instances() and new.max(initial=0) > len(classes):
            raise CellsegError(
                f"there is no class {new.max()}.", f"Classes: {', '.join(classes)} (1 to {len(classes)})."
            )

    def take_back_unsaved(self) -> None:
        """Take strokes back that could not be saved: some of napari's tools write only after they have told us."""
        for index, old in reversed(self._unsaved):
            if self._c.session.canvas is not None and self._c.family is not None:
                self._c.session.canvas.labels.reshape(-1)[index[::-1]] = old[::-1]
                self._c.family.labels.refresh()
        self._unsaved = []

    def step(self, verb: Verb) -> None:
        """Begin to undo or redo; ignored while a stroke is open, or something is being undone.

        A prediction that runs or is being written is left alone (Cancel ends it): what a person did last is taken back.
        """
        if self._c.family is None or self._c.family.stroke_open() or self.stepping:
            return
        self._leave = self._c.writer.group or self._c.predicting.group
        self.take_back_unsaved()
        canvas = self._c.canvas()
        self._c.correcting.forget()
        name = canvas.name_of(verb, self._leave)
        if not name:
            cancel = " Cancel ends the prediction." if self._leave and canvas.can_undo else ""
            self._c.session.update(status=f"Nothing to {verb}.{cancel}")
            return
        self._verb, self._said = verb, f"{verb.capitalize()}: {name}"
        self._go_on("", time.perf_counter() + AT_ONCE_S)

    def go_on(self, end: float) -> None:
        """Undo or redo more of what was begun, for as long as the clock of `time.perf_counter` allows."""
        if self.stepping and not (self._c.family and self._c.family.stroke_open()):
            self._go_on(self._group, end)

    def _go_on(self, group: str, end: float) -> None:
        more = True
        try:
            while more:
                edit, group = self._c.canvas().step(self._verb, group, self._leave)
                if edit is not None:
                    self._c.show(edit)
                more = bool(group) and time.perf_counter() < end
        except CellsegError as error:
            self.stop()
            self._c.fail(error)
            return
        self._group = group
        self._c.session.update(status=f"{self._said}..." if group else self._said)

    def stop(self) -> None:
        """Leave what is not undone yet; Undo goes on with it."""
        self._group = ""

    @property
    def stepping(self) -> bool:
        """Whether a long undo (of a prediction of thousands of pieces) is under way."""
        return bool(self._group)
