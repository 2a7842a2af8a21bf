"""Hints: strokes on cells and on background that teach what learns in seconds, without any outline. No Qt.

Data flow: napari's brush on the ``[hints]`` layer -> `events.paint` -> `Hints`, on disk before the stroke counts as
done -> live learning (or a draft by random forest). Labels are never touched by a hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ..._types import Span
from ...errors import CellsegError
from ...project import BACKGROUND, Hints
from ..layers import _napari
from .report_errors import report_errors

if TYPE_CHECKING:
    from napari.layers import Labels

    from .workspace import Workspace

BRUSH = 5
"""Width of the brush (pixels): thinner than most cells."""


class HintStrokes:
    """The hints of the open image and the layer on which they are painted."""

    choosing = Signal()
    """The person takes the brush for hints: no tool is chosen any more."""
    took_brush = Signal(object, object)
    """What leaves the brush for hints (None: it is left), and the layer of hints."""
    changed = Signal()
    """A hint was painted or taken back."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._hints: Hints | None = None
        self._choosing = False
        self._unsaved: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def opened(self) -> None:
        """Another image was opened: show what was said of it."""
        ws = self._ws
        self._hints = ws.project().hints(ws.session.image)
        ws.session.update(hint=0, hinted=self._hints.any)
        if ws.session.hinted:
            self._layer()

    def closing(self) -> None:
        """The image is closed; every stroke is on disk already."""
        layer = self._shown()
        if layer is not None:
            _napari.settle(layer)
            self._ws.viewer.layers.selection.events.active.disconnect(self._left)
        self._hints = None

    @report_errors
    def choose(self, value: int) -> None:
        """Paint hints from now on: 1 background, 2 cells (1 + n: class n); 0 goes back to the labels."""
        ws, family = self._ws, self._ws.family
        if family is None or self._hints is None:
            raise CellsegError("No image is open.", "Add one in the step Image.")
        self.choosing.emit()
        if value:
            layer = self._layer()
            layer.visible = True
            layer.editable = not ws.session.read_only
            layer.selected_label = value
            self._choosing = True
            ws.viewer.layers.selection.active = layer
            layer.mode = "paint"
            self._choosing = False
            what = "background" if value == BACKGROUND else self.name(value)
            status = f"Paint over some {what}; a few strokes are enough. Key 1 erases them, Esc ends it."
            ws.session.update(hint=value, status=status)
            self.took_brush.emit(self._leave, layer)
        else:
            ws.viewer.layers.selection.active = family.labels
            ws.session.update(hint=0, status="")

    @report_errors
    def clear(self) -> None:
        """Take all hints of this image away; undo brings them back."""
        if self._hints is not None:
            self._hints.clear()
            self._changed()
            self._ws.session.update(
                status="All hints of this image are gone; Ctrl+Z on the layer of hints brings them back."
            )

    def name(self, value: int) -> str:
        """What a hint says, in words."""
        return "cells" if self._ws.instances else self._ws.project().classes[value - 2]

    @report_errors
    def undo(self) -> None:
        """Take back the last stroke of hints."""
        self.step(redo=False)

    @report_errors
    def redo(self) -> None:
        """Paint it again."""
        self.step(redo=True)

    def step(self, redo: bool) -> None:
        """Undo or redo a stroke of hints."""
        layer = self._shown()
        if self._hints is not None and layer is not None and not _napari.stroke_open(layer):
            done = self._hints.redo() if redo else self._hints.undo()
            verb = "Redo" if redo else "Undo"
            self._ws.session.update(status=f"{verb}: hint" if done else f"No hint to {verb.lower()}.")
            self._changed()

    def follow(self) -> None:
        """Take strokes back that could not be kept: some of napari's tools write only after they have told us."""
        for index, old in reversed(self._unsaved):
            if self._hints is not None:
                self._hints.values.reshape(-1)[index[::-1]] = old[::-1]
                self._changed()
        self._unsaved = []

    def inside(self, box: Span) -> NDArray[np.uint8] | None:
        """The hints of a field, None where the image has none."""
        if self._hints is None or not self._ws.session.hinted:
            return None
        return self._hints.values[tuple(slice(a, b) for a, b in box)].copy()

    # --- inside ---------------------------------------------------------------------------------

    def _shown(self) -> Labels | None:
        return self._ws.family.overlays.hints if self._ws.family is not None else None

    def _layer(self) -> Labels:
        """The layer, made when it is first needed or the person has removed it."""
        assert self._ws.family is not None
        assert self._hints is not None
        overlays = self._ws.family.overlays
        layer, new = overlays.show_hints(self._hints.values)
        if new:
            layer.brush_size = BRUSH
            _napari.own_history(layer, self.undo, self.redo)
            layer.events.paint.connect(self._painted, position="first")
            self._ws.viewer.layers.selection.events.active.connect(self._left)
        return layer

    def _leave(self) -> None:
        self.choose(0)

    def _left(self, event: Any = None) -> None:
        """The person chose another layer."""
        layer = self._shown()
        if not self._choosing and layer is not None and self._ws.viewer.layers.selection.active is not layer:
            _napari.settle(layer)
            if self._ws.session.hint:
                self.took_brush.emit(None, layer)
            self._ws.session.update(hint=0)

    def _painted(self, event: Any) -> None:
        """A stroke is done: keep it; where that fails, it is taken back and said."""
        if self._hints is None:
            return
        index, old, new = _napari.changes(event.value, self._hints.values.shape)
        if not index.size:
            return
        try:
            self._hints.paint(index, old, new)
        except CellsegError as error:
            self._unsaved.append((index, old))
            self._ws.fail(error)
        except Exception as error:  # noqa: BLE001 - an exception here would make napari record the stroke twice
            self._ws.fail(CellsegError(f"The hint could not be kept: {error}.", "Please report this."))
        self._changed(repaint=False)  # napari has painted it

    def _changed(self, *, repaint: bool = True) -> None:
        assert self._hints is not None
        if repaint and (layer := self._shown()) is not None:
            layer.refresh()
        self._ws.session.update(hinted=self._hints.any)
        self.changed.emit()
