"""How labels are shown: by state, as outlines that are seen from far away, and in which colours classes are. No Qt.

Nothing here touches labels, state or the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..layers.image_layers import ImageLayers
    from .workspace import Workspace


class StateView:
    """Follows what the person wants and how near the view is."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._shown: tuple[object, ...] = ()

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
        family.fit_outlines()
        self._tell_classes(family)

    def _tell_classes(self, family: ImageLayers) -> None:
        """The colour of every class, which a person may shuffle, and the class of the brush."""
        if self._ws.instances:
            self._ws.session.update(class_colours=(), brush_class=0)
            return
        colours = tuple(family.colour_of(n + 1) for n in range(len(self._ws.project().classes)))
        self._ws.session.update(class_colours=colours, brush_class=int(family.labels.selected_label))
