"""What a Workbench knows of classes of objects, and what it says of them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...measurement import CLASS_COLUMNS, ClassesTold
from ...project import ObjectClass
from .items import Control

NAME = "classes"
"""Of the layer of colours."""
_BY = {"hand": "you said so", "rule": "by a rule", "classifier": "by the classifier", "": ""}


@dataclass(frozen=True, eq=False)
class ClassesHere:
    """Classes of the objects of the open image, (N,) each, labels rising.

    Attributes
    ----------
    codes
        Numbers into the project's classes, -1 for none.
    by
        hand, rule, classifier or "".
    sure
        Probability where the classifier decided, else NaN.
    """

    labels: NDArray[np.int64]
    codes: NDArray[np.int16]
    by: NDArray[np.object_]
    sure: NDArray[np.float64]

    @classmethod
    def of(
        cls, told: ClassesTold, image: str, labels: NDArray[np.int64], classes: tuple[ObjectClass, ...]
    ) -> ClassesHere:
        """What was told of an image."""
        name, by, sure = (told.columns[image][column].to_numpy() for column, _ in CLASS_COLUMNS)
        number = {c.name: n for n, c in enumerate(classes)}
        codes = np.array([number.get(str(n), -1) for n in name], np.int16)
        return cls(labels, codes, by.astype(object), sure.astype(np.float64))

    def row(self, label: int) -> int:
        """The row of an object, -1 where there is none."""
        place = int(np.searchsorted(self.labels, label))
        return place if place < len(self.labels) and self.labels[place] == label else -1


@dataclass(frozen=True)
class ClassState:
    """What the person wants to know of classes of objects, and what is known."""

    classes: tuple[ObjectClass, ...] = ()
    rules: tuple[str, ...] = ()
    here: ClassesHere | None = None
    everywhere: tuple[int, ...] = ()
    """How many objects of every class there are in all images, and last of none; () while they are not counted."""
    unsure: tuple[int, ...] = ()
    """Labels of the open image that are worth a word, the most worth it first."""
    accuracy: str = ""
    """How good the classifier is, or why there is none."""
    coloured: bool = False
    working: bool = False
    stale: bool = False


@dataclass(frozen=True)
class ClassRow:
    """A line of the list of classes."""

    name: str
    colour: str
    here: str
    everywhere: str


@dataclass(frozen=True)
class ClassesView:
    """What is shown of classes of objects."""

    state: ClassState
    there: bool
    """Whether the open image can have any."""
    rows: tuple[ClassRow, ...]
    change: Control
    """Whether classes and rules can be changed."""
    say: Control
    """Whether a class can be given to what is chosen."""
    tell: Control
    next: Control
    use: Control
    """Whether there is anything to colour."""
    chosen: str
    """What is known of what is chosen."""
    words: str
    """How good the classifier is, what is outdated."""


def classes_view(
    state: ClassState, there: bool, chosen: tuple[int, ...], idle: Control, writable: Control
) -> ClassesView:
    """What to show for a state.

    Parameters
    ----------
    there
        Whether objects of an open image are measured, not another layer.
    chosen
        Labels that are chosen.
    """
    image = Control(there, "Open an image of a project of objects first.")
    some = Control(bool(state.classes), "Add a class first.")
    one = Control(bool(chosen), "Click on an object first; or choose several in the table or with a loop.")
    told = Control(state.here is not None, "Press Class all, or say the class of an object.")
    left = Control(bool(state.unsure), "Every object has a class by your word or by a rule.")
    return ClassesView(
        state,
        there,
        _rows(state),
        change=_first(image, writable),
        say=_first(image, writable, some, one),
        tell=_first(image, some, idle),
        next=_first(image, some, told, left),
        use=_first(image, some, told),
        chosen=_chosen(state, chosen),
        words="\n".join(_words(state)),
    )


def _first(*controls: Control) -> Control:
    return next((c for c in controls if not c.enabled), controls[0])


def _rows(state: ClassState) -> tuple[ClassRow, ...]:
    codes = state.here.codes if state.here is not None else np.zeros(0, np.int16)
    return tuple(
        ClassRow(
            c.name,
            c.colour,
            f"{int((codes == n).sum()):,}" if state.here is not None else "",
            f"{state.everywhere[n]:,}" if n < len(state.everywhere) - 1 else "",
        )
        for n, c in enumerate(state.classes)
    )


def _words(state: ClassState) -> list[str]:
    lines = ["Labels were edited since: they are told again with your next word."] if state.stale else []
    lines += ["Learning..."] if state.working else []
    return lines + ([state.accuracy] if state.accuracy else [])


def _chosen(state: ClassState, chosen: tuple[int, ...]) -> str:
    if len(chosen) > 1:
        return f"{len(chosen):,} objects are chosen."
    row = state.here.row(chosen[0]) if chosen and state.here is not None else -1
    if not chosen:
        return ""
    if row < 0 or state.here is None or state.here.codes[row] < 0:
        return f"Object {chosen[0]}: no class yet."
    by, sure = str(state.here.by[row]), state.here.sure[row]
    how = f"{_BY[by]}, {100 * sure:.0f} % sure" if np.isfinite(sure) else _BY[by]
    return f"Object {chosen[0]}: {state.classes[state.here.codes[row]].name} ({how})."
