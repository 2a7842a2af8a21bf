"""Writes the report of the project, in the helper thread. No Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...project import Project
from ...report import tell, write_page
from .report_errors import report_errors

if TYPE_CHECKING:
    from .workspace import Workspace


class ReportFile:
    """What *Rounds* > *Write report* does."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace

    @report_errors
    def write(self, path: str | Path) -> None:
        """Write the report as one HTML file, without the worst cases, for which models would have to predict."""
        ws, file = self._ws, Path(path)
        file = file if file.suffix else file.with_suffix(".html")
        folder = ws.project().path
        ws.settle()  # the last stroke belongs to the story

        def make() -> Path:
            with Project.open(folder) as own:  # this thread's own connection
                return write_page(tell(own), file)

        ws.session.update(problem=None, status="Writing the report...")
        ws.helper.later(make, lambda written: ws.session.update(status=f"Report written: {written}"))
