"""napari's layer of tracks for a time series, and the slider of time that comes with it. No Qt.

The layer has an axis of time before those of the image, so napari shows a slider for it; the open frame follows that
slider, and the slider the open frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Tracks as Layer

from ...project import ImageRecord
from ...tracks import Tracks, napari_tracks
from .overlays import OURS, keep_active

TAIL = 12
"""So many frames of a path are seen behind an object."""


class TrackLayer:
    """The paths of one series; `moved` is called with a frame that napari's slider asks for."""

    def __init__(self, viewer: ViewerModel, moved: Callable[[int], None]) -> None:
        self.viewer, self._moved = viewer, moved
        self.layer: Layer | None = None
        self._busy = False
        viewer.dims.events.current_step.connect(self._stepped)

    def close(self) -> None:
        """Follow the slider no more."""
        self.viewer.dims.events.current_step.disconnect(self._stepped)

    def show(self, name: str, tracks: Tracks, record: ImageRecord, frame: int) -> None:
        """Show the paths of a series, in the place of others."""
        self.hide()
        data, graph = napari_tracks(tracks)
        if not len(data):
            return
        letters = ("t", *record.spatial_axes.lower())
        scale = (1.0, *(record.spacing_um or (1.0,) * len(record.shape)))
        units = {"units": ("pixel", *("um",) * len(record.shape))} if record.spacing_um else {}
        self._busy = True
        self.layer = Layer(
            data, graph=graph, name=f"{name} [tracks]", scale=scale, axis_labels=letters, tail_length=TAIL,
            tail_width=2, head_length=0, metadata={OURS: name}, **units,
        )  # fmt: skip
        with keep_active(self.viewer):
            self.viewer.layers.append(self.layer)
        self._busy = False
        self.go(frame)

    def hide(self) -> None:
        """Take the paths away."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self.viewer.layers:
            with keep_active(self.viewer):
                self.viewer.layers.remove(layer)

    @property
    def gone(self) -> bool:
        """Whether somebody took the layer out of the viewer."""
        return self.layer is not None and self.layer not in self.viewer.layers

    def go(self, frame: int) -> None:
        """A frame is open: the slider says so, and the paths lie over its layers."""
        if self.layer is None or self.layer not in self.viewer.layers:
            return
        layers = self.viewer.layers
        layers.move(layers.index(self.layer), len(layers))
        self._busy = True
        try:
            self.viewer.dims.set_point(self._axis, float(frame))
        finally:
            self._busy = False

    @property
    def _axis(self) -> int:
        """The axis of time among those of the viewer."""
        return int(self.viewer.dims.ndim) - (self.layer.ndim if self.layer is not None else 0)

    def _stepped(self, event: Any = None) -> None:
        if self.layer is None or self._busy or self.layer not in self.viewer.layers:
            return
        self._moved(int(np.rint(self.viewer.dims.point[self._axis])))
