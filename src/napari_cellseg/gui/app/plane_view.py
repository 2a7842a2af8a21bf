"""From which side a volume is looked at: XY, XZ or YZ, whoever turns it. No Qt.

napari's own keys (Ctrl+E rolls the axes, Ctrl+T transposes them, Ctrl+Y is 3D) change the same thing, and are followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..layers.plane import PLANES

if TYPE_CHECKING:
    from .workspace import Workspace

SOLID = "3D"
"""What is said of a view that shows the whole volume."""


class PlaneView:
    """Turns the view of a volume and tells the session how it stands."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        dims = workspace.viewer.dims.events
        for event in (dims.order, dims.ndisplay):
            event.connect(self.follow)

    def follow(self, event: Any = None) -> None:
        """Another image, or another side of it."""
        family = self._ws.family
        volume = family is not None and len(family.shape) == 3
        plane = (PLANES[family.across] if family.in_slices else SOLID) if volume and family is not None else ""
        self._ws.session.update(plane=plane)

    def closing(self) -> None:
        """No image is open."""
        self._ws.session.update(plane="")

    def look_in(self, plane: str) -> None:
        """Show XY, XZ or YZ, through the middle of what was seen; nothing where there is no volume."""
        if self._ws.family is not None and not self._ws.painting:
            self._ws.family.look_in(PLANES.index(plane))

    def turn(self) -> None:
        """The next of the three."""
        plane = self._ws.session.plane
        if plane:
            self.look_in(PLANES[(PLANES.index(plane) + 1) % 3] if plane in PLANES else PLANES[0])
