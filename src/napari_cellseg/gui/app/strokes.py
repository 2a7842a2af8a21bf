"""What napari's own tools painted: logged, undone, and taken back where it cannot be saved. No Qt."""

from __future__ import annotations

import itertools
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from psygnal import Signal

from ... import edits
from ...errors import CellsegError
from ...project import write_history
from ..layers import _napari
from .act_words import LARGEST, act_text, takes_all
from .report_errors import report_errors
from .session import Problem

if TYPE_CHECKING:
    from ...project import Act, EditRow, Entry, Verb
    from .label_writer import LabelWriter
    from .workspace import Workspace

AT_ONCE_S = 0.1
"""So long an undo may take in one go; what is left is taken back bit by bit."""


class Strokes:
    """The person's hand on the labels layer of the open image."""

    undoing = Signal()
    """Undo or redo begins: what a tool remembers of its last clicks is not true any more."""

    def __init__(self, workspace: Workspace, writer: LabelWriter) -> None:
        self._ws, self._writer = workspace, writer
        self._unsaved: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._verb: Verb = "undo"
        self._last: EditRow | None = None  # of what is being taken back bit by bit
        self._answer = False  # whether that is Live's answer alone
        self._leave = ""  # the prediction that was running or being written when that began: it stays
        self._said = ""
        self._named: tuple[object, ...] = ()

    def painted(self, index: NDArray[Any], old: NDArray[Any], new: NDArray[Any], tool: str = "") -> None:
        """Napari's brush, eraser, fill or polygon changed labels: log it before the stroke counts as done."""
        store = self._ws.store()
        flat = store.labels.reshape(-1)
        try:
            self._check_class(new)
            flat[index] = new  # some tools tell before they write
            context = self._writer.context()
            if self._ws.family is not None:
                context = context.turned(self._ws.family.turn)
            index, old = self._put_back(edits.forbidden(context, index, old, new), index, old)
            mode = str(self._ws.family.labels.mode) if self._ws.family else "paint"
            # nobody paints while panning
            tool = tool or (mode if mode in ("paint", "erase", "fill", "polygon") else "script")
            self._ws.show(store.commit(edits.stroke(context, index, old, tool=tool)), painted=True)
            self._ws.user_edited.emit()
        except CellsegError as error:
            store.forget_objects()  # what it learnt of this stroke is not true
            self._unsaved = [*self._unsaved, (index, old)]
            self._ws.fail(CellsegError(f"The last stroke was taken back: {error.message}", error.hint))
        except Exception as error:  # noqa: BLE001 - an exception here would make napari record the stroke twice
            self._ws.session.update(
                problem=Problem(
                    f"The stroke could not be logged: {error}.", "Please report this.", traceback.format_exc()
                )
            )

    def _put_back(
        self, forbidden: NDArray[Any], index: NDArray[Any], old: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Undo what a stroke did to protected voxels; returns the rest of it."""
        if not forbidden.any():
            self._ws.session.update(status="")
            return index, old
        wrong, was = index[forbidden], old[forbidden]
        self._ws.store().labels.reshape(-1)[wrong[::-1]] = was[::-1]  # of repeated ones the first old value is true
        self._unsaved = [*self._unsaved, (wrong, was)]  # some tools write once more after they have told
        locked = self._ws.session.choices.locked
        text = "Protected voxels were left as they are"
        self._ws.session.update(status=f"{text} (key Shift-A unlocks approved objects)." if locked else f"{text}.")
        return index[~forbidden], old[~forbidden]

    def _check_class(self, new: NDArray[Any]) -> None:
        classes = self._ws.project().classes
        if not self._ws.instances and new.max(initial=0) > len(classes):
            raise CellsegError(
                f"there is no class {new.max()}.", f"Classes: {', '.join(classes)} (1 to {len(classes)})."
            )

    def finish(self) -> None:
        """An open stroke counts, and what could not be saved is taken back."""
        if self._ws.family is not None:
            _napari.settle(self._ws.family.labels)
        self.take_back_unsaved()

    def new_label(self) -> None:
        """Select the next free id for the brush; of classes, the next one."""
        ws = self._ws
        if ws.family is None or ws.session.project is None:
            return
        labels, classes = ws.family.labels, ws.session.project.classes
        if ws.instances:
            labels.selected_label = self._writer.reserve_id()
            status = f"Paint object {labels.selected_label}."
        else:
            labels.selected_label = labels.selected_label % len(classes) + 1
            status = f"Paint class {labels.selected_label}: {classes[labels.selected_label - 1]}."
        labels.mode = "paint"
        ws.session.update(tool="", status=status)

    def choose_class(self, value: int) -> None:
        """The brush with a class, of projects that have several; nothing where there is no such one."""
        ws = self._ws
        if ws.family is None or ws.instances or not 1 <= value <= len(ws.project().classes):
            return
        ws.viewer.layers.selection.active = labels = ws.family.labels
        labels.selected_label, labels.mode = value, "paint"
        ws.session.update(tool="", status=f"Paint {ws.project().classes[value - 1]} (class {value}).")

    def take_back_unsaved(self) -> None:
        """Take strokes back that could not be saved: some of napari's tools write only after they have told us."""
        for index, old in reversed(self._unsaved):
            if self._ws.session.store is not None and self._ws.family is not None:
                self._ws.session.store.labels.reshape(-1)[index[::-1]] = old[::-1]
                self._ws.family.labels.refresh()
        self._unsaved = []

    @report_errors
    def undo(self) -> None:
        """Take back the last edit of the open image; ignored while a stroke is open."""
        self.step("undo")

    @report_errors
    def undo_answer(self) -> None:
        """Take back Live's newest answer and leave the correction as it is."""
        self.step("undo", answer=True)

    @report_errors
    def redo(self) -> None:
        """Do again what was undone."""
        self.step("redo")

    @report_errors
    def history(self, most: int) -> list[Entry]:
        """What was done to the open image, the newest first."""
        return list(itertools.islice(self._ws.store().history(), most))

    @report_errors
    def export_history(self, path: Path) -> None:
        """Write the whole log of the open image as a table (CSV)."""
        write_history(path, self._ws.store().all_rows())
        self._ws.session.update(status=f"Wrote {path.name}.")

    @report_errors
    def restore(self, n: int) -> None:
        """Bring the labels back as they were after edit `n` (a new edit: it can be undone)."""
        if self._ws.family is not None and not self._ws.painting and not self._writer.pieces:
            self._ws.show(self._ws.store().restore(n))
            self._ws.session.update(status="Restored an earlier state; Undo takes that back.")

    def step(self, verb: Verb, *, answer: bool = False) -> None:
        """Begin to undo or redo; ignored while a stroke is open, or something is being undone.

        A prediction that runs or is being written is left alone (Cancel ends it): what a person did last is taken back,
        and with it Live's answer to that; or the answer alone.
        """
        if self._ws.family is None or self._ws.painting or self.stepping:
            return
        self.undoing.emit()
        self._leave = self._writer.group or self._ws.group
        self.take_back_unsaved()
        act = self._ws.store().act(verb, self._leave)
        if act is None or (answer and not act.rows[0].answer):
            cancel = " Cancel ends the prediction." if self._leave and self._ws.store().act(verb) else ""
            self._ws.session.update(status=f"Nothing to {verb}.{cancel}")
            return
        name = "Live's answer" if answer else self._text(act)
        self._verb, self._answer, self._said = verb, answer, f"{verb.capitalize()}: {name}"
        self._go_on(time.perf_counter() + AT_ONCE_S)

    def go_on(self, end: float) -> None:
        """Undo or redo more of what was begun, for as long as the clock of `time.perf_counter` allows."""
        if self.stepping and not self._ws.painting:
            self._go_on(end)

    def _go_on(self, end: float) -> None:
        turned = False
        try:
            while (row := self._coming()) is not None and not (turned and time.perf_counter() >= end):
                self._ws.show(self._ws.store().turn(self._verb, row))
                self._last, turned = row, True
        except CellsegError as error:
            self.stop()
            self._ws.fail(error)
            return
        if row is None:
            self._last = None
            self._writer.forget_provisional()
        self._ws.session.update(status=f"{self._said}..." if self._last else self._said)

    def _coming(self) -> EditRow | None:
        row = self._ws.store().coming(self._verb, self._last, self._leave)
        return None if row is None or (self._answer and not row.answer) else row

    def stop(self) -> None:
        """Leave what is not undone yet; Undo goes on with it."""
        self._last = None

    @property
    def stepping(self) -> bool:
        """Whether a long undo (of a prediction of thousands of pieces) is under way."""
        return self._last is not None

    # --- what that would be -----------------------------------------------------------------------

    def follow(self) -> None:
        """Say what Undo and Redo would turn, whenever something was done and nothing is being written."""
        store = self._ws.session.store
        now = (store, store.n if store is not None else 0)
        if now == self._named or self.stepping or self._writer.pieces:
            return
        self._named = now
        acts = [store.act(verb) if store is not None else None for verb in ("undo", "redo")]
        undo, redo = (self._text(act) for act in acts)
        answered = acts[0] is not None and acts[0].rows[0].answer
        self._ws.session.update(undo=undo, redo=redo, undo_takes_all=takes_all(acts[0]), answered=answered)

    def _text(self, act: Act | None) -> str:
        """What an act is; one small edit of a person is read to see which object it is of."""
        if act is None:
            return ""
        small = len(act.meant) == 1 and act.meant[0].by_hand and act.meant[0].voxels <= LARGEST
        edit = self._ws.store().edit(act.meant[0].n) if small else None
        return act_text(act, edit, self._ws.project().meanings)
