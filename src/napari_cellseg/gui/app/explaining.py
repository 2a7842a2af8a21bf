"""Why the model says what it says: maps over the open image, and reasons at a place. No Qt.

Data flow: a click, an object or the view -> `ExplainJob` or `WhyJob` -> the child -> a layer and sentences. No label
is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from ..._types import Span
from ...engine import Asking, ExplainJob, Reply, WhyJob
from ...errors import CellsegError
from ...events import Event, Explaining, MapFound, ReasonsFound
from .explained import METHODS, ExplainState, MapWanted, Near, Of, grids_told, map_lines
from .report_errors import report_errors
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace

_SAID: dict[Of, str] = {"view": "what is in view"}
AROUND = 60
"""Voxels on every side of a place that is looked at."""
VIEW = 512
"""Voxels along a side of the visible field that are asked about, at most; all of a large one would say little."""


class Explanations:
    """Asks, and shows the answers."""

    wished = Signal(str)
    """An image is to be opened, to look at a place in it."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._job: int | None = None
        self._of = ""
        self._there: tuple[str, tuple[int, ...]] | None = None

    @report_errors
    def explain(self, wanted: MapWanted, out: str | Path | None = None) -> None:
        """Show where what the model says of something comes from; with `out`, write map, picture and numbers there."""
        ws = self._ws
        ws.store()
        of = wanted.of
        self._of = _SAID.get(of, "")
        asking = Asking(
            wanted.method,
            object=self._object() if of == "object" else None,
            point=self._pointed() if of == "point" else (),
            box=self._view() if of == "view" else (),
            class_=self._class() if of == "class" else None,
            layer=wanted.layer.strip() if wanted.method == "gradcam" else "",
            filters=wanted.filters,
            out=Path(out) if out is not None else None,
        )
        self._begin(ExplainJob(ws.project().path, ws.session.image, self._model(), asking))

    @report_errors
    def why(self, point: tuple[int, ...]) -> None:
        """Why the model found, or missed, what is at a voxel."""
        ws = self._ws
        ws.store()
        place = tuple(int(p) for p in point)
        ws.session.update(pointed=place)
        self._begin(WhyJob(ws.project().path, ws.session.image, self._model(), place))

    def go_to(self, image: str, centre: tuple[int, ...]) -> None:
        """Look at a place, of another image when that is open."""
        self._there = image, centre
        if image == self._ws.session.image:
            self.image_opened()
        else:
            self.wished.emit(image)

    def image_opened(self) -> None:
        """Look at what was waited for, if it is in this image."""
        if self._there is None or self._ws.family is None or self._there[0] != self._ws.session.image:
            return
        (_, centre), self._there = self._there, None
        self._ws.family.look_at(tuple(slice(max(0, c - AROUND), c + AROUND) for c in centre))

    def hide(self) -> None:
        """Take the map and the words away."""
        self.stop()

    def stop(self) -> None:
        """The image closes, or another model is used: what was said is of something else."""
        self._job = None
        if self._ws.family is not None:
            self._ws.family.overlays.show_explanation(None)
        if self._ws.session.explained.title or self._ws.session.pointed:
            self._ws.session.update(explained=ExplainState(), pointed=())

    def take(self, reply: Reply) -> bool:
        """An answer to what was asked here; True if it was one."""
        if reply.job != self._job or self._job is None:
            return False
        event = reply.event
        if isinstance(event, Explaining | MapFound | ReasonsFound):
            if self._ws.cancelled != reply.job and event.image == self._ws.session.image:
                self._show(event)
            return True
        return False

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self, job: ExplainJob | WhyJob) -> None:
        self._ws.begin(job, "explain")
        self._job = self._ws.job

    def _show(self, event: Event) -> None:
        session, family = self._ws.session, self._ws.family
        if isinstance(event, Explaining):
            done = event.done / event.total if event.total else 0.0
            session.update(progress=Progress("explain", "Explaining", done))
        elif isinstance(event, MapFound) and family is not None:
            family.overlays.show_explanation(event.map, tuple(slice(a, b) for a, b in event.box))
            title = f"{METHODS[event.numbers['method']['kind']]} of {self._of or event.of}, {event.model}"
            found = ExplainState(title, map_lines(event.numbers), mapped=True, grids=grids_told(event.grids))
            files = [Path(file) for file in event.files]
            said = f"Wrote {', '.join(f.name for f in files)} to {files[0].parent}." if files else ""
            session.update(explained=found, status=said)
        elif isinstance(event, ReasonsFound):
            near = tuple(
                Near(n["image"], n["object"], tuple(n["centre"]), n["similarity"]) for n in event.numbers["nearest"]
            )
            where = ", ".join(map(str, event.point))
            found = ExplainState(
                f"At {where}, {event.model}", event.sentences, session.explained.mapped,
                tuple(float(v) for v in event.profile), event.numbers["here"], event.numbers["threshold"], near,
            )  # fmt: skip
            session.update(explained=found, status=event.sentences[0])

    def _model(self) -> str:
        model = self._ws.session.current_model
        if not model:
            raise CellsegError("There is no model to explain.", "Choose one at the foot of the Workbench.")
        return model

    def _object(self) -> int:
        chosen = int(self._ws.layers().labels.selected_label)
        if not self._ws.instances or not (self._ws.store().labels == chosen).any():
            raise CellsegError(f"There is no object {chosen} in this image.", "Pick one first: L, then click it.")
        return chosen

    def _class(self) -> str:
        chosen, classes = int(self._ws.layers().labels.selected_label), self._ws.project().classes
        if self._ws.instances or not 1 <= chosen <= len(classes):
            raise CellsegError("No class is chosen.", "In a project of classes, choose one on the page Correct.")
        return classes[chosen - 1]

    def _pointed(self) -> tuple[int, ...]:
        if not self._ws.session.pointed:
            raise CellsegError("No place of this image was pointed at.", "Press Point at a place, then click it.")
        return self._ws.session.pointed

    def _view(self) -> Span:
        """What is visible, or its middle."""
        box, layers = [], self._ws.layers()
        seen = layers.field_to_label()
        if layers.in_slices and layers.across:  # a slice of the file, from whatever side it is seen
            z = round(layers.centre()[0])
            seen = (slice(z, z + 1), *seen[1:])
        for side in seen:
            middle, half = (side.start + side.stop) // 2, VIEW // 2
            box.append((max(side.start, middle - half), min(side.stop, middle + half)))
        return tuple(box)
