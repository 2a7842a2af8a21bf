"""The project's annotation rules: read, kept, illustrated. No Qt."""

from __future__ import annotations

from pathlib import Path

from ...errors import CellsegError
from .report_errors import report_errors
from .workspace import Workspace


class Guidelines:
    """The rules of the open project."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace

    @report_errors
    def save(self, text: str, folder: Path) -> bool:
        """Keep the rules of the project in `folder`; None where that is not open or cannot be written."""
        project = self._ws.project()
        if project.path != folder:
            raise CellsegError("These guidelines are of another project.", "Open that project to save them.")
        project.save_guidelines(text)
        self._ws.session.update(guidelines=text, status="Saved the guidelines.")
        return True

    def text(self) -> str:
        """The rules, "" where there are none or they cannot be read (which is then shown)."""
        try:
            return self._ws.project().guidelines()
        except CellsegError as error:
            self._ws.fail(error)
            return ""

    @report_errors
    def add_reference(self, picture: str | Path) -> None:
        """Copy a reference picture into the project and show it at the end of the rules."""
        project = self._ws.project()
        text = f"{project.guidelines().rstrip()}\n\n{project.add_reference(picture)}\n"
        project.save_guidelines(text)
        self._ws.session.update(guidelines=text)
