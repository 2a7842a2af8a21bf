"""Whether the open project still lies where it was opened, and where to put it if not. No Qt."""

from __future__ import annotations

from pathlib import Path

from ...errors import ProjectGone
from ...project import Project, save_elsewhere
from .periodic import Looking


class Moved(Looking):
    """Tells at once that a folder is gone, not with the next stroke."""

    every_s = 2.0

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
