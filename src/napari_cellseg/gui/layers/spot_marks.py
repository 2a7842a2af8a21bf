"""What a spot check shows over an image: the object in question, or a field with the cells clicked in it. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Points, Shapes
from napari.utils.colormaps import CyclicLabelColormap

from ..._types import Span
from . import _napari
from .image_layers import ImageLayers
from .objects import QUIET
from .overlays import geometry, keep_active

ASKED, MISSED = "#ffd400", "#ff4fd8"
"""Colour of what is asked about, and of clicked cells."""
RIM = 2
"""Pixels round an object that its layer holds, so that its outline is not cut."""
OF_THE_VIEW = 0.8
"""A field fills so much of it."""


class SpotMarks:
    """Layers of one image at a time, made for one place and taken away with it.

    Parameters
    ----------
    clicked
        Called with the voxel under a click while a field is shown.
    """

    def __init__(self, viewer: ViewerModel, clicked: Callable[[tuple[int, ...]], None]) -> None:
        self.viewer, self._clicked = viewer, clicked
        self._family: ImageLayers | None = None
        self._field: Span = ()
        self._layers: list[Any] = []

    def show_object(self, family: ImageLayers, id: int, box: Span) -> None:
        """Outline one object, and bring it into the middle of the view."""
        self.clear()
        self._begin(family)
        family.dim("spot check", on=True)
        wide = tuple(slice(max(0, a - RIM), b + RIM) for a, b in box)
        mask = (family.store.labels[wide] == id).astype(np.uint8)
        shift = np.array([s.start for s in wide], float) * (family.record.spacing_um or 1.0)
        layer = Labels(
            mask, name=self._name(family), translate=shift, opacity=1.0,
            colormap=CyclicLabelColormap(colors=("transparent", ASKED)), **geometry(family.record),
        )  # fmt: skip
        side = min(b - a for a, b in box[-2:])
        layer.contour, layer.editable = int(np.clip(side // 40, 1, 4)), False  # small ones must not be covered by it
        _napari.own_history(layer, family.labels.undo, family.labels.redo)
        self._add(layer)
        family.look_at(tuple(slice(a, b) for a, b in box))

    def show_field(self, family: ImageLayers, box: Span, points: Sequence[tuple[int, ...]]) -> None:
        """Frame a field, with what was clicked in it; clicks are taken from now on."""
        self.clear()
        self._begin(family)
        self._field = box
        (top, bottom), (left, right) = box[-2:]
        z = [a for a, _ in box[:-2]]
        corners = np.array([(*z, y, x) for y, x in ((top, left), (top, right), (bottom, right), (bottom, left))], float)
        corners[:, -2:] -= 0.5
        frame = Shapes(
            [corners], ndim=len(box), name=self._name(family), edge_color=ASKED, face_color="transparent",
            edge_width=max(1.0, (bottom - top) / 150), **geometry(family.record),
        )  # fmt: skip
        frame.editable = False
        self._add(frame)
        marks = Points(
            np.array(points, float).reshape(-1, len(box)), ndim=len(box), name=f"{family.record.id} [missed]",
            face_color="transparent", border_color=MISSED, border_width=0.15, size=max(6.0, (bottom - top) / 16),
            **geometry(family.record),
        )  # fmt: skip
        marks.editable = False
        self._add(marks)
        self.viewer.mouse_drag_callbacks.append(self._pressed)
        family.look_at(tuple(slice(a, b) for a, b in box), OF_THE_VIEW)

    def show_points(self, points: Sequence[tuple[int, ...]]) -> None:
        """Other clicks than before."""
        if self._field and self._layers:
            self._layers[-1].data = np.array(points, float).reshape(-1, len(self._field))

    def clear(self) -> None:
        """Take it all away."""
        for layer in self._layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        if self._pressed in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._pressed)
        if self._family is not None:
            self._family.dim("spot check", on=False)
        self._layers, self._field, self._family = [], (), None

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self, family: ImageLayers) -> None:
        """Objects and fields are judged in slices, and a click must not paint."""
        self._family = family
        self.viewer.dims.ndisplay = 2
        self.viewer.layers.selection.active = family.labels
        family.labels.mode = "pan_zoom"

    def _add(self, layer: Any) -> None:
        self._layers.append(layer)
        with keep_active(self.viewer):
            self.viewer.layers.append(layer)

    @staticmethod
    def _name(family: ImageLayers) -> str:
        return f"{family.record.id} [spot check]"

    def _pressed(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """A click that paints nothing and moves nothing."""
        dragged = event.button != 1
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        active = self.viewer.layers.selection.active
        if dragged or self._family is None or str(getattr(active, "mode", QUIET[0])) not in QUIET:
            return
        ndim = len(self._family.record.shape)
        voxel = self._family.voxel(event.position[-ndim:])
        if all(a <= v < b for v, (a, b) in zip(voxel, self._field, strict=True)):
            self._clicked(voxel)
