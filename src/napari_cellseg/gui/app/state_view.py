"""How the state of objects is shown: in their colours, or as outlines that are seen from far away, too. No Qt.

Nothing here touches labels, state or the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
