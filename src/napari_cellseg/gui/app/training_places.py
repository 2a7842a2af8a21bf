"""Where the model in use disagrees with the labels it learnt from: found by the engine, looked at one by one. No Qt.

Data flow: `EvaluateJob` on the images that it learnt from -> labels, image by image -> in the helper thread the places
of each, and a cut of what the model sees there -> one list, the worst first -> the view moves to one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ..._types import Box, Labels, Span
from ...api import places_of, ranked
from ...boxes import grown
from ...engine import EvaluateJob, Reply
from ...errors import CellsegError
from ...events import Evaluated, Failed, Finished
from ...project import (
    Edit,
    EditRow,
    Project,
    TrainingPlace,
    TrainingPlaces,
    images_learnt,
    keep_training_places,
    training_places,
)
from .report_errors import report_errors
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace

Cuts = dict[tuple[str, Span], tuple[Box, NDArray[np.uint8]]]
"""Outlines of what the model sees round a place, and where they lie, by image and box of the place."""
RIM = 3
"""Pixels round a place that are shown with it."""
COLOURS = ("transparent", "#ffd400")


class PlacesOfTraining:
    """Finds them, lists them, goes to them."""

    wished = Signal(str)
    """The id of an image that is to be opened."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._job: int | None = None
        self._model = ""
        self._left = self._all = 0
        self._found: list[TrainingPlace] = []
        self._cuts: Cuts = {}

    @report_errors
    def find(self) -> None:
        """Predict what the model in use has learnt from, and compare."""
        ws, project = self._ws, self._ws.project()
        model = project.current_model
        if model is None:
            raise CellsegError("There is no model yet.", "Fine-tune one first (step Fine-tune).")
        ws.settle()
        images = images_learnt(project, model)
        ws.begin(EvaluateJob(project.path, images, model), "places")
        self._job, self._model, self._found, self._cuts = ws.job, model, [], {}
        self._left = self._all = len(images)

    @report_errors
    def go(self, n: int) -> None:
        """Show a place: the labels as they are, and what the model sees as outlines over them."""
        places = self._ws.session.places
        if not 0 <= n < len(places):
            return
        place, ws = places[n], self._ws
        if place.image != ws.session.image:
            self.wished.emit(place.image)
        if ws.family is None or place.image != ws.session.image:
            return
        box = tuple(slice(a, b) for a, b in place.box)
        ws.family.look_at(box)
        there = [i for i in place.objects if i in ws.store().objects]
        if there and ws.instances:
            ws.family.labels.selected_label = there[0]
        cut = self._cuts.get((place.image, place.box))
        if cut is not None:
            ws.family.overlays.show_changes(*cut, f"seen by {self._model}", COLOURS)
        else:  # found in an earlier session: only the place is known
            ws.family.overlays.show_outlines(None, None)
        ws.session.update(status=f"Mend the label if it is wrong. {_SAID[place.sees]}")

    def opened(self) -> None:
        """Another project, or another model: its list, if it was found before."""
        self._found, self._cuts, self._job = [], {}, None
        project = self._ws.session.project
        found = training_places(project) if project is not None else None
        self._ws.session.update(places=found.places if found is not None else ())

    def edited(self, edit: Edit, painted: bool) -> None:
        """What a person has edited is dealt with."""
        ws, places = self._ws, self._ws.session.places
        if not places or edit.tool in EditRow.MACHINE:
            return
        box = tuple((s.start, s.stop) for s in edit.box())
        ws.session.update(places=tuple(_after(p, ws.session.image, box) for p in places))

    def take(self, reply: Reply) -> bool:
        """Labels that were asked for; True if it was them."""
        if self._job is None or reply.job != self._job:
            return False
        event, ws = reply.event, self._ws
        if isinstance(event, Evaluated):
            folder, model, image, labels = ws.project().path, self._model, event.image, np.asarray(event.labels)
            ws.helper.later(lambda: _found(folder, image, model, labels), self._add)
            self._left -= 1
            share = 1 - self._left / max(1, self._all)
            ws.session.update(progress=Progress("places", f"{_DOING}: {image}", share))
            return True
        if isinstance(event, Finished | Failed):
            job, self._job = self._job, None
            if isinstance(event, Finished) and ws.cancelled != job:
                ws.helper.later(lambda: None, lambda _: self._done())  # after those of all images
        return False

    # --- inside ---------------------------------------------------------------------------------

    def _add(self, found: tuple[list[TrainingPlace], Cuts]) -> None:
        self._found += found[0]
        self._cuts |= found[1]

    def _done(self) -> None:
        ws, project = self._ws, self._ws.session.project
        if project is None or project.current_model != self._model:
            return
        found: TrainingPlaces = ranked(project, self._model, self._found)
        keep_training_places(project, found)
        n = len(found.places)
        said = f"{n} place{'s' if n != 1 else ''} to look at again" if n else "no place where it does"
        ws.session.update(places=found.places, status=f"{self._model} disagrees with what it learnt: {said}.")


_DOING = "Predicting what the model learnt from"
_SAID = {
    "nothing": "The model sees nothing here.", "an object": "The model sees an object here, the labels do not.",
    "several": "The model sees several objects in place of this one.",
    "one": "The model sees one object in place of these.", "another outline": "The model sees another outline.",
}  # fmt: skip


def _after(place: TrainingPlace, image: str, box: Span) -> TrainingPlace:
    """A place after an edit of an image."""
    meets = place.image == image and all(a < d and c < b for (a, b), (c, d) in zip(place.box, box, strict=True))
    return replace(place, changed=True) if meets and not place.changed else place


def _found(folder: Path, image: str, model: str, labels: Labels) -> tuple[list[TrainingPlace], Cuts]:
    """The places of an image; in the helper thread, with a connection of its own."""
    with Project.open(folder) as project:
        places = places_of(project, image, model, labels)
    return places, {(p.image, p.box): _outlines(labels, p.box) for p in places}


def _outlines(labels: Labels, box: Span) -> tuple[Box, NDArray[np.uint8]]:
    from skimage.segmentation import find_boundaries

    flat = len(box) - 2
    wide = grown(tuple(slice(a, b) for a, b in box), (*(0,) * flat, RIM, RIM), labels.shape)
    cut = labels[wide]
    planes = cut.reshape(-1, *cut.shape[-2:])
    rings = np.stack([find_boundaries(plane, mode="inner") for plane in planes])
    return wide, rings.reshape(cut.shape).astype(np.uint8)
