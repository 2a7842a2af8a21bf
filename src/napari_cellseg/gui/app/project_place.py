"""Whether the open project still lies where it was opened. No Qt."""

from __future__ import annotations

from ...errors import ProjectGone
from .periodic import Periodic


class ProjectPlace(Periodic):
    """Tells at once that a folder is gone, not with the next stroke."""

    every_s = 2.0

    def look(self) -> None:
        """Say whether the project is there, where that has changed."""
        session = self._ws.session
        if session.project is None:
            return
        try:
            session.project.db.check_place()
        except ProjectGone as error:
            if not session.gone:
                self._ws.fail(error)
            return
        if session.gone:
            session.update(gone=False, problem=None, status=f"{session.project.name} is back where it was.")
