"""Gives objects classes: as a person says, by rules, by what is learnt from a few; colours them at once. No Qt.

Data flow: a word of a person -> the project -> all classes anew in a thread of its own, the newest wish first -> the
session, and colours of the open image.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...api import ClassTeller, keep_rules, read_rules
from ...api import open as open_project
from ...errors import CellsegError
from ...measurement import ClassesTold
from ...project import (
    ObjectClass,
    Project,
    add_object_classes,
    object_classes,
    object_rules,
    order_object_classes,
    recolour_object_class,
    remove_object_class,
    rename_object_class,
    said_classes,
    say_classes,
)
from ..layers.objects import UNKNOWN, Levels, ObjectView
from .background import Latest
from .class_state import NAME, ClassesHere, ClassState
from .measure_ready import MeasureReady
from .report_errors import report_errors
from .said_objects import points_in

if TYPE_CHECKING:
    from .workspace import Workspace


@dataclass(frozen=True, eq=False)
class _Told:
    """What the thread found out."""

    here: ClassesHere
    classes: tuple[ObjectClass, ...]
    unsure: tuple[int, ...]
    everywhere: tuple[int, ...]
    note: str
    pixels: Any
    levels: Levels
    edit: int


class ObjectClasses:
    """Classes of objects, beside the table of objects.

    Parameters
    ----------
    view
        What shows objects of the open image; shared with the table.
    ready
        Prepares what a measurement needs.
    uncolour
        Called when objects get the colours of their classes: other colours go, and other layers are not measured.
    choose
        Chooses an object and brings it into view.
    """

    def __init__(
        self,
        workspace: Workspace,
        view: ObjectView,
        ready: MeasureReady,
        uncolour: Callable[[], None],
        choose: Callable[[int], None],
    ) -> None:
        self._ws, self._view, self._ready = workspace, view, ready
        self._uncolour, self._choose = uncolour, choose
        self.learning = Latest(workspace.session)
        self.judging = Latest(workspace.session)
        self._teller = ClassTeller()
        self._stop = threading.Event()
        self._folder: Path | None = None
        self._edits = 0
        self._all = False

    @property
    def state(self) -> ClassState:
        """What is known and wanted."""
        return self._ws.session.measured.classes

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self.learning.busy or self.judging.busy

    # --- images -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """Another image is open."""
        session = self._ws.session
        if session.folder != self._folder:
            self._folder, self._teller, self._all = session.folder, ClassTeller(), False
            self._say(here=None, everywhere=(), unsure=(), accuracy="", coloured=False, stale=False, working=False)
        self._read(here=None, unsure=(), stale=False)
        if self.state.classes and self._there:
            self._view.watch(self._ws.layers().labels)
            if self.state.coloured or self._all:
                self._learn()

    def closing(self) -> None:
        """The open image is being closed; colours of its objects go with `ObjectView.leave`."""
        self._stop.set()
        self.learning.forget()
        self._say(here=None, unsure=(), working=False)

    def edited(self) -> None:
        """Labels were changed."""
        self._edits += 1
        if self.state.here is not None and not self.state.stale:
            self._say(stale=True)

    def read_again(self) -> None:
        """Classes came with masks."""
        self._read(here=None, unsure=(), everywhere=())
        if self._there:
            self.tell()

    # --- classes and rules --------------------------------------------------------------------------

    @report_errors
    def add(self, name: str) -> None:
        """Add a class."""
        if name.strip():
            self._change(lambda project: add_object_classes(project, [name]))
            self._watch()

    @report_errors
    def rename(self, old: str, new: str) -> None:
        """Give a class another name; its objects and rules go with it."""
        self._change(lambda project: rename_object_class(project, old, new))

    @report_errors
    def recolour(self, name: str, colour: str) -> None:
        """Give a class another colour, ``#rrggbb``."""
        self._change(lambda project: recolour_object_class(project, name, colour))

    @report_errors
    def remove(self, name: str) -> None:
        """Remove a class; what was said of its objects counts again when it is added again."""
        self._change(lambda project: remove_object_class(project, name))

    @report_errors
    def move(self, name: str, by: int) -> None:
        """Move a class up (-1) or down (1)."""
        names = [c.name for c in self.state.classes]
        at = names.index(name)
        names.insert(max(0, at + by), names.pop(at))
        self._change(lambda project: order_object_classes(project, names))

    @report_errors
    def set_rules(self, text: str) -> None:
        """Keep rules, one a line, in the place of those that there were."""
        rules = read_rules(text.splitlines())
        self._change(lambda project: keep_rules(project, rules))

    # --- words ------------------------------------------------------------------------------------

    @report_errors
    def say(self, labels: Sequence[int], name: str) -> None:
        """Say the class of objects of the open image; "" takes back. The classifier learns from it at once."""
        ws = self._ws
        if ws.session.read_only:
            raise CellsegError("Another window edits this project; this one only looks.", "Close the other one.")
        store, image, project = ws.store(), ws.session.image, ws.project()
        words = {int(label): name for label in labels if int(label) in store.objects}
        if not words:
            raise CellsegError("No object is chosen.", "Click on one first.")
        points, instead = points_in(store, words, said_classes(project, image))
        say_classes(project, image, points, instead)
        what = f"Object {next(iter(words))}" if len(words) == 1 else f"{len(words):,} objects"
        ws.session.update(status=f"{what}: {name or 'no word of yours'}. It is kept.", problem=None)
        self._watch()
        self.colour(True) if not self.state.coloured else self._learn()

    def say_by_number(self, number: int, labels: Sequence[int]) -> None:
        """Say the class of a key: 1 is the first class, 0 takes back."""
        names = ["", *(c.name for c in self.state.classes)]
        if labels and number < len(names):
            self.say(labels, names[number])

    @report_errors
    def go_to_unsure(self) -> None:
        """Choose the object that is most worth a word, and bring it into view; the next one the next time."""
        unsure, chosen = self.state.unsure, self._ws.session.measured.object
        if not unsure:
            raise CellsegError("There is no object to ask for.", "Press Class all first.")
        place = unsure.index(chosen) + 1 if chosen in unsure else 0
        self._watch()
        self._choose(unsure[place % len(unsure)])

    @report_errors
    def tell(self) -> None:
        """Class the objects of the open image, and colour them."""
        self._ws.check_idle()
        self._ws.settle()
        if self.state.coloured:
            self._learn()
        else:
            self.colour(True)

    @report_errors
    def tell_all(self) -> None:
        """Class the objects of all images, so that they are counted."""
        self._all = True
        self.tell()

    def colour(self, on: bool) -> None:
        """Give objects the colours of their classes, or their own back."""
        on = on and self._there and bool(self.state.classes)
        was = self.state.coloured
        if on:
            self._uncolour()
            self._watch()
        self._say(coloured=on)
        if on:
            self._learn()
        elif was:
            self._view.colour(None)

    def uncolour(self) -> None:
        """Other colours are shown now."""
        self._say(coloured=False)

    def cancel(self) -> None:
        """Tell no more."""
        self._stop.set()

    def follow(self) -> None:
        """Called by the clock."""
        self.learning.collect()
        self.judging.collect()

    def close(self) -> None:
        """End the threads."""
        self.cancel()
        self.learning.close()
        self.judging.close()

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _there(self) -> bool:
        return self._ws.family is not None and self._ws.instances

    def _watch(self) -> None:
        if self._there and not self._ws.session.measured.labels:
            self._view.watch(self._ws.layers().labels)

    def _read(self, **values: Any) -> None:
        project = self._ws.project()
        rules = tuple(f"{name}: {text}" for name, text in object_rules(project))
        self._say(classes=object_classes(project), rules=rules, **values)

    def _change(self, change: Callable[[Project], object]) -> None:
        if self._ws.session.read_only:
            raise CellsegError("Another window edits this project; this one only looks.", "Close the other one.")
        change(self._ws.project())
        told = self.state.here is not None or self.learning.busy
        self._read(here=None, unsure=(), everywhere=())  # those were numbers into other classes
        self._ws.session.update(problem=None)
        if told and self._there:
            self._learn()

    def _learn(self) -> None:
        """Tell all classes anew, as soon as nothing newer is asked for."""
        ws = self._ws
        if not (self.state.classes and self._there):
            self._say(here=None, unsure=(), everywhere=(), accuracy="")
            self._view.colour(None)
            return
        folder, image, layer = ws.project().path, ws.session.image, ws.layers().labels
        ids = [r.id for r in ws.session.images] if self._all else [image]
        data, edits, teller = ws.store().labels, self._edits, self._teller
        self._stop = stop = threading.Event()
        self._say(working=True)

        def work() -> tuple[_Told, ClassesTold]:
            self._ready.wait(stop.is_set)
            with open_project(folder) as opened:  # this thread's own connection
                told = teller.tell(opened.project, [image, *ids], stop.is_set, {image: data})
                return _found(teller, told, image, ids, opened.object_classes, data, edits), told

        def take(found: tuple[_Told, ClassesTold]) -> None:
            known = [c.name for c in found[0].classes] == [c.name for c in self.state.classes]
            if ws.session.image == image and known:
                self._take(*found, layer)

        def failed(error: CellsegError) -> None:
            self._say(working=False)
            if not stop.is_set() and ws.session.problem is None:
                ws.fail(error)

        self.learning.ask(work, take, failed)

    def _take(self, found: _Told, told: ClassesTold, layer: Any) -> None:
        note = found.note if told.classifier is None else self.state.accuracy
        self._say(
            here=found.here, unsure=found.unsure, everywhere=found.everywhere, accuracy=note, working=False,
            stale=self._edits != found.edit,
        )  # fmt: skip
        if self.state.coloured and self._view.layer is layer:
            self._view.recolour(found.levels, found.pixels)
        if told.classifier is not None:
            said = ", ".join(f"{n} {name}" for name, n in told.classifier.said.items())
            self.judging.ask(
                told.classifier.accuracy, lambda a: self._say(accuracy=f"Learnt from {said}. {a.text}")
            )  # fmt: skip

    def _say(self, **values: Any) -> None:
        measured = self._ws.session.measured
        self._ws.session.update(measured=replace(measured, classes=replace(measured.classes, **values)))


def _found(
    teller: ClassTeller,
    told: ClassesTold,
    image: str,
    ids: Sequence[str],
    classes: tuple[ObjectClass, ...],
    data: Any,
    edit: int,
) -> _Told:
    """In the thread: what was told of the open image, its colours, and counts of all."""
    labels = np.asarray(teller.objects(image).table["label"], np.int64)
    here = ClassesHere.of(told, image, labels, classes)
    numbers = np.where(here.codes >= 0, here.codes + 1, UNKNOWN).astype(np.uint8)
    levels = Levels(NAME, labels, numbers, tuple(c.colour for c in classes))
    names = np.concatenate([told.columns[id]["class"].to_numpy(object) for id in ids])
    counts = [int((names == c.name).sum()) for c in classes]
    everywhere = (*counts, len(names) - sum(counts)) if len(ids) > 1 else ()
    unsure = tuple(teller.least_sure(told, image).tolist())
    return _Told(here, classes, unsure, everywhere, told.note, levels.of(data), levels, edit)
