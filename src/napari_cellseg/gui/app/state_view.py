"""How labels are shown: by state, as outlines that are seen from far away, and in which colours classes are. No Qt.

Nothing here touches labels, state or the log.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import CellsegError

if TYPE_CHECKING:
    from ..layers.image_layers import ImageLayers
    from .workspace import Workspace

IN_SLICES = "The labels of this volume do not fit into memory: they are shown slice by slice (2D)."
REST_S = 0.2
"""So long a view has rested before outlines are drawn again."""


class StateView:
    """Follows what the person wants and how near the view is."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._shown: tuple[object, ...] = ()
        self._wanted, self._since = (0, 0), 0.0
        self._drawing = False

    def colour_by_state(self, on: bool) -> None:
        """Colour objects by predicted, corrected, approved instead of each by its own colour."""
        self._ws.session.update(by_state=on)
        self.follow()

    def follow(self) -> None:
        """Called by the clock: another image, another view."""
        family = self._ws.family
        if family is None or self._ws.painting:
            return
        now = (family, self._ws.session.by_state, family.in_slices)
        if now != self._shown:
            family.colour_by_state(self._ws.session.by_state)
            self._shown = now
            if family.large and not family.in_slices:
                self._ws.session.update(status=IN_SLICES)
        self._fit_outlines(family)
        self._draw_plane(family)
        self._tell_classes(family)

    def _fit_outlines(self, family: ImageLayers) -> None:
        """When the view rests, draw outlines of another plane, or too thin or thick, again: in the helper thread."""
        wanted, now = family.fitting, time.monotonic()
        if wanted != self._wanted:
            self._wanted, self._since = wanted, now
        if wanted == family.outlines or self._drawing or now - self._since < REST_S:
            return
        n, self._drawing = family.store.n, True

        def take(out: NDArray[np.uint8]) -> None:
            self._drawing = False
            if family is self._ws.family and family.store.n == n and not self._ws.painting:
                family.take_outlines(out, wanted)

        def failed(error: CellsegError) -> None:
            self._drawing = False

        self._ws.helper.later(lambda: family.outlined(wanted), take, failed)

    def _draw_plane(self, family: ImageLayers) -> None:
        """States and outlines of a large image, plane by plane as they come into view: in the helper thread."""
        plane = family.undrawn
        if plane is None or self._drawing:
            return
        self._drawing = True

        def take(_: None) -> None:
            self._drawing = False
            if family is self._ws.family:
                family.take_plane(plane)

        def failed(error: CellsegError) -> None:
            self._drawing = False

        self._ws.helper.later(lambda: family.draw_plane(plane), take, failed)

    def _tell_classes(self, family: ImageLayers) -> None:
        """The colour of every class, which a person may shuffle, and the class of the brush."""
        if self._ws.instances:
            self._ws.session.update(class_colours=(), brush_class=0)
            return
        colours = tuple(family.colour_of(n + 1) for n in range(len(self._ws.project().classes)))
        self._ws.session.update(class_colours=colours, brush_class=int(family.labels.selected_label))
