"""What of an image is seen: the plane of a volume, the field in it, and moving to others. No Qt.

A volume is looked at in XY, XZ or YZ: `across` is the axis along which its slices follow each other then. All boxes and
points are of the image as it lies in the file, whatever the plane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from ..._types import Box
from ...edits import Turn
from . import _napari
from .objects import across_of, go_to_middle

PLANES = ("XY", "XZ", "YZ")
"""By the axis along which slices follow each other: Z, Y or X."""
SLAB = 48
"""Voxels on each side of a plane of a view from the side that a network labels, too: it sees XY planes, not rows."""


class SeenPlane:
    """The view of one image; `viewer`, its `labels` layer and its `shape` are the family's."""

    viewer: ViewerModel
    labels: Labels
    shape: tuple[int, ...]

    @property
    def in_slices(self) -> bool:
        """Whether the view shows one plane, not a volume."""
        return bool(self.viewer.dims.ndisplay == 2)

    @property
    def across(self) -> int:
        """The axis along which slices follow each other: 0 for XY, 1 for XZ, 2 for YZ; 0 in 2D."""
        return across_of(self.viewer, len(self.shape))

    @property
    def turn(self) -> Turn:
        """How tools see the axes."""
        return Turn(len(self.shape), self.across)

    def look_in(self, across: int) -> None:
        """Show the plane that this axis stands across, through the middle of what was seen, as a whole."""
        if len(self.shape) < 3 or (self.in_slices and across == self.across):
            return
        dims = self.viewer.dims
        middle, extra = self.labels.data_to_world(self.centre()), dims.ndim - 3
        dims.ndisplay = 2
        dims.order = (*range(extra), *(extra + axis for axis in Turn(3, across).order))
        dims.set_point(extra + across, float(middle[across]))
        self.viewer.reset_view()

    def visible_box(self) -> Box:
        """What the person sees: the field in the plane, the current slice in a volume."""
        corners = np.asarray(self.labels.corner_pixels)
        box = []
        extra = self.viewer.dims.ndim - len(self.shape)  # another layer may have more axes
        for axis, n in enumerate(self.shape):
            low, high = int(corners[0, axis]), int(corners[1, axis]) + 1
            if axis + extra in self.viewer.dims.not_displayed:
                low = int(np.clip(round(self._slice(axis)), 0, n - 1))
                high = low + 1
            elif high - low == 1:  # turned a moment ago, and not drawn since
                low, high = 0, n
            box.append(slice(max(0, low), min(n, high)))
        if any(s.stop <= s.start for s in box):  # no canvas yet, or the image is out of view
            return tuple(slice(0, n) for n in self.shape)
        return tuple(box)

    def field_to_label(self) -> Box:
        """What a network labels when asked for the visible field: from the side also what lies round the plane."""
        box = list(self.visible_box())
        if self.in_slices and self.across:
            span, n = box[self.across], self.shape[self.across]
            box[self.across] = slice(max(0, span.start - SLAB), min(n, span.stop + SLAB))
        return tuple(box)

    def slice_box(self) -> Box:
        """The whole current plane."""
        seen = self.visible_box()
        if len(self.shape) == 2:
            return tuple(slice(0, n) for n in self.shape)
        return tuple(
            s if a == self.across else slice(0, n) for a, (s, n) in enumerate(zip(seen, self.shape, strict=True))
        )

    def centre(self) -> tuple[float, ...]:
        """The middle of the visible field, in voxels."""
        return tuple((s.start + s.stop - 1) / 2 for s in self.visible_box())

    def look_at(self, box: Box, share: float = 1 / 3) -> None:
        """Move and zoom so that a box fills about a share of the view, in its middle slice.

        What is a single slice is looked at in its own plane: from the side it would be a line.
        """
        flat = [axis for axis, s in enumerate(box) if s.stop - s.start == 1] if len(box) == 3 else []
        if flat and self.across not in flat:
            self.look_in(flat[0])
        go_to_middle(self.viewer, self.labels, box)
        sides = np.array([(s.stop - s.start + 16) * c for s, c in zip(box, self.labels.scale, strict=True)])
        shown = sides[list(self.turn.order)][-2:]
        _napari.camera(self.viewer).zoom = float(np.min(_napari.canvas_size(self.viewer) / shown) * share)

    def go_to_slice(self, n: int) -> None:
        """Show another slice of a volume."""
        if len(self.shape) == 3:
            place = np.zeros(3)
            place[self.across] = n
            axis = self.viewer.dims.ndim - 3 + self.across
            self.viewer.dims.set_point(axis, float(self.labels.data_to_world(place)[self.across]))

    def voxel(self, position: Any) -> tuple[int, ...]:
        """World coordinates -> voxel."""
        return tuple(int(round(float(v))) for v in self.labels.world_to_data(position))

    def _slice(self, axis: int) -> float:
        point = list(self.viewer.dims.point[-len(self.shape) :])
        return float(self.labels.world_to_data(point)[axis])
