"""Whether the open project still lies where it was opened, and where to put it if not. No Qt."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ProjectGone
from ..project import Project, save_elsewhere

if TYPE_CHECKING:
    from .controller import Controller

EVERY_S = 2.0
"""Seconds between two looks."""


class Moved:
    """Tells at once that a folder is gone, not with the next stroke."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._due = 0.0

    def follow(self) -> None:
        """Called by the clock."""
        if time.monotonic() > self._due:
            self._due = time.monotonic() + EVERY_S
            self.look()

    def look(self) -> None:
        """Say whether the project is there, where that has changed."""
        session = self._c.session
        if session.project is None:
            return
        try:
            session.project.db.check_place()
        except ProjectGone as error:
            if not session.gone:
                self._c.fail(error)
            return
        if session.gone:
            session.update(gone=False, problem=None, status=f"{session.project.name} is back where it was.")

    def save(self, path: str | Path) -> None:
        """Write what is open as another project and go on with that one."""
        c = self._c
        c.settle()
        saved = save_elsewhere(c.project(), path)
        c.use(Project.open(saved))
        c.session.update(notice="", problem=None, status=f"Saved as {saved}. You go on there.")
