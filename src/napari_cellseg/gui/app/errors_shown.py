"""Where labels are right and wrong, as a layer over the open image. No Qt.

Data flow: a truth (what is approved, what of it is held out, a mask file) and labels (the model's, or those in the
window) -> in the helper thread their map of errors and their figures, by the functions that `evaluate` uses -> the
layer and words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..._types import Labels
from ...engine import Reply
from ...errors import CellsegError
from ...evaluation import (
    ERROR_COLOURS,
    FN,
    FP,
    TN,
    TP,
    Judging,
    Measured,
    Palette,
    error_map,
    error_places,
    measure,
)
from ...evaluation import METRICS as ALL_METRICS
from ...project import Edit, Project, copied, holdout_mask, known_mask, masks_for_image
from .error_list import ErrorList, listed
from .model_labels import ModelLabels
from .report_errors import report_errors

if TYPE_CHECKING:
    from .workspace import Workspace

Against = Literal["approved", "held out"]
_Shown = tuple[NDArray[np.uint8], str, ErrorList]
_MISSING = {
    "approved": ("known", "Correct or approve some of it first."),
    "held out": ("held out", "Fine-tune once, or let what is in view judge."),
}
_SAID = {"approved": "what is approved", "held out": "what is held out"}
_BEFORE = "Labels have changed since: show it again."
_TOLD_TN = 4
"""Value of the layer for what is rightly none of a class; 0 is what nobody knows."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Two labels of one image; `known` is where the truth counts, None: everywhere."""

    truth: Labels
    found: Labels
    known: NDArray[np.bool_] | None = None


class ErrorsShown:
    """Shows what was found, missed and false."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._model = ModelLabels(workspace)

    @report_errors
    def of_model(self, against: Against = "approved") -> None:
        """What the current model says, against the approved labels, or those of them that judge."""
        ws = self._ws
        ws.store()
        self._model.ask(lambda found, name: self._with_model(found, name, against))

    @report_errors
    def against_file(self, path: str | Path) -> None:
        """The labels in the window, against a file of masks that are right."""
        ws = self._ws
        found, image, folder = ws.store().labels.copy(), ws.session.image, ws.project().path

        def load() -> Sides:
            with Project.open(folder) as own:  # this thread's own connection
                return Sides(masks_for_image(own, image, path).labels, found)

        self._show(load, f"These labels against {Path(path).name}")

    @report_errors
    def go(self, n: int) -> None:
        """Look at an error of the list; its object is the brush's, where labels in the window have it."""
        ws, places = self._ws, self._ws.session.error_list.places
        if ws.family is None or not 0 <= n < len(places):
            return
        place = places[n]
        ws.family.look_at(tuple(slice(a, b) for a, b in place.box))
        if ws.instances and place.found in ws.store().objects:
            ws.family.labels.selected_label = place.found

    @report_errors
    def hide(self) -> None:
        """Take the errors away."""
        self.stop()

    def stop(self) -> None:
        """Labels or image are others now: what was shown is no longer true."""
        self._model.forget()
        if self._ws.session.errors and self._ws.family is not None:
            self._ws.family.overlays.show_errors(None)
        self._ws.session.update(errors="", error_list=ErrorList())

    def edited(self, edit: Edit, painted: bool) -> None:
        """Labels have changed: what is shown was true before."""
        said = self._ws.session.errors
        if said and not said.endswith(_BEFORE):
            self._ws.session.update(errors=f"{said} {_BEFORE}")

    def take(self, reply: Reply) -> bool:
        """The labels that the model was asked for; True if it was them."""
        return self._model.take(reply)

    def _with_model(self, found: Labels, name: str, against: Against) -> None:
        """The model has answered: see where it differs from what is known."""
        ws = self._ws
        store, project = ws.store(), ws.project()
        truth, state = copied(store.labels, ws.session.image), copied(store.state, ws.session.image)
        record, holdout = store.record, project.db.holdouts().get(ws.session.image)
        instances = ws.instances

        def load() -> Sides:
            known = known_mask(truth, state, 0, instances=instances)
            if against == "held out":
                known &= holdout_mask(record, holdout)
            if not known.any():
                raise CellsegError(f"Nothing of this image is {_MISSING[against][0]}.", _MISSING[against][1])
            return Sides(truth, found, None if known.all() else known)

        self._show(load, f"{name} against {_SAID[against]}")

    def _show(self, load: Callable[[], Sides], title: str) -> None:
        """Load and measure off the main thread, then show."""
        ws = self._ws
        image, spacing = ws.session.image, ws.store().record.spacing_um
        classes = () if ws.instances else ws.project().classes
        chosen = ws.family.labels.selected_label if ws.family is not None else 0
        number = chosen if classes and 1 <= chosen <= len(classes) else 0

        def work() -> _Shown:
            sides = load()
            how = Judging(classes=tuple(classes), metrics=_figures(bool(classes)), objects=False)
            measured = measure(sides.truth, sides.found, how, spacing, sides.known)
            text = f"{title}: {_words(measured, how, number)}"
            places = error_places(sides.truth, sides.found, sides.known, instances=not classes, number=number)
            return _layer(sides, number, classes=bool(classes)), text, listed(places)

        def then(shown: _Shown) -> None:
            if image == ws.session.image and ws.family is not None:
                palette: Palette = "classes" if classes else "objects"
                ws.family.overlays.show_errors(shown[0], palette_of(palette))
                ws.session.update(errors=shown[1], error_list=shown[2], status="")

        ws.session.update(status="Looking for errors...")
        ws.helper.later(work, then)


def palette_of(palette: Palette) -> tuple[str, ...]:
    """Colours of the layer's values: nothing, found, false, missed, rightly none."""
    colours = ERROR_COLOURS[palette]
    return ("transparent", *(colours[v] for v in (TP, FP, FN)), colours.get(TN, "transparent"))


def _layer(sides: Sides, number: int, *, classes: bool) -> NDArray[np.uint8]:
    errors = error_map(sides.truth, sides.found, sides.known, instances=not classes, number=number)
    if classes:
        known = np.ones(errors.shape, bool) if sides.known is None else sides.known
        errors[known & (errors == TN)] = _TOLD_TN
    return errors


def _figures(classes: bool) -> tuple[str, ...]:
    return ("dice", "iou") if classes else ("dice", "ap50", "objects_tp", "objects_fp", "objects_fn")


def _words(found: Measured, how: Judging, number: int) -> str:
    """The figures of all classes, or of one, for people."""
    counts = found.by_class[number - 1 : number] if number else found.by_class
    values = {m.name: [m.value(c) for c in counts] for m in ALL_METRICS if m.name in how.metrics}
    mean = {name: sum(v) / len(v) for name, v in values.items()}
    if how.classes:
        name = f"{how.classes[number - 1]}: " if number else ""
        return f"{name}Dice {mean['dice']:.3f}, IoU {mean['iou']:.3f}."
    hits, false, missed = (int(mean[f"objects_{k}"]) for k in ("tp", "fp", "fn"))
    return f"Dice {mean['dice']:.3f}, AP@0.5 {mean['ap50']:.3f}; {hits} found, {false} false, {missed} missed."
