"""Writes the report of the project: the engine predicts for the worst cases, the helper thread writes. No Qt.

Data flow: `EvaluateJob` on the held-out images -> labels, image by image, old and new -> in the helper thread the worst
objects of each, cut out -> the page, from there, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._types import Labels
from ...api import Worst, WorstWanted, worst_in, worst_wanted, write_report
from ...engine import EvaluateJob, Reply
from ...errors import CellsegError
from ...events import Evaluated, Failed, Finished
from ...project import Project
from .report_errors import report_errors
from .session import Progress
from .workspace import RUNNING

if TYPE_CHECKING:
    from .workspace import Workspace

CASES = 6
"""Of the worst objects are shown, as by the command."""


class ReportFile:
    """What *Rounds* > *Write report* does."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._job: int | None = None
        self._file, self._wanted = Path(), WorstWanted((), (), 0, 0)
        self._labels: dict[str, Labels] = {}
        self._worst: list[Worst] = []
        self._done = 0

    @report_errors
    def write(self, path: str | Path) -> None:
        """Write the report as one HTML file, with the worst cases where a round has any."""
        ws, file = self._ws, Path(path)
        ws.check_idle()
        ws.settle()  # the last stroke belongs to the story
        self._file = file if file.suffix else file.with_suffix(".html")
        self._labels, self._worst, self._done = {}, [], 0
        wanted = worst_wanted(ws.project())
        if wanted is None:
            self._write()
            return
        self._wanted = wanted
        images, model, others = wanted.job
        ws.begin(EvaluateJob(ws.project().path, images, model, also=others), "report")
        self._job = ws.job

    @report_errors
    def text(self) -> str:
        """The page that was written last, to look at it.

        Raises
        ------
        CellsegError
            When there is none, or it is gone.
        """
        written = self._ws.session.report_written
        if written is None:
            raise CellsegError("No report was written yet.", "Press Write report first.")
        try:
            return written.read_text(encoding="utf-8")
        except OSError as error:
            raise CellsegError(f"{written} cannot be read: {error}.", "Write the report again.") from error

    def forget(self) -> None:
        """Another project is open."""
        self._ws.session.update(report_written=None)

    def take(self, reply: Reply) -> bool:
        """Labels that were asked for; True if it was them."""
        if self._job is None or reply.job != self._job:
            return False
        event, ws = reply.event, self._ws
        if isinstance(event, Evaluated):
            self._take(event)
            return True
        if isinstance(event, Finished | Failed):
            job, self._job = self._job, None
            if isinstance(event, Finished):
                ws.helper.later(lambda: None, lambda _: self._write(ws.cancelled == job))  # after those of all images
        return False

    # --- inside ---------------------------------------------------------------------------------

    def _take(self, event: Evaluated) -> None:
        """Labels of one model; where it is the last one's, the worst of the image are looked for."""
        ws, wanted, image = self._ws, self._wanted, event.image
        self._labels[event.model] = np.asarray(event.labels)
        if event.model != wanted.models[-1]:
            return
        labels, self._labels = self._labels, {}
        folder = ws.project().path

        def look() -> list[Worst]:
            with Project.open(folder) as own:  # this thread's own connection
                return worst_in(own, wanted, image, labels, CASES)

        ws.helper.later(look, self._worst.extend)
        self._done += 1
        text = f"{RUNNING['report']}: {self._done} of {len(wanted.images)}"
        ws.session.update(progress=Progress("report", text, self._done / len(wanted.images)))

    def _write(self, cancelled: bool = False) -> None:
        ws, file = self._ws, self._file
        if ws.session.project is None:
            return
        folder, worst, stop = ws.session.project.path, [] if cancelled else self._worst, ws.new_stop()

        def make() -> Path:
            with Project.open(folder) as own:
                for _ in write_report(own, file, worst, CASES, None, stop.is_set):
                    pass
            return file

        def take(written: Path) -> None:
            without = ", without the worst cases" if cancelled else ""
            ws.session.update(progress=None, status=f"Report written{without}: {written}", report_written=written)

        def failed(error: CellsegError) -> None:
            ws.session.update(progress=None)
            ws.fail(error)

        ws.session.update(progress=Progress("report", "Writing the report"))
        ws.helper.later(make, take, failed)
