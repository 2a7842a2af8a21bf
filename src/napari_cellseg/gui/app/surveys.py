"""Surveys of the data set from the dock: what it is like, which images to label, its plate and growth. No Qt.

Data flow: a button -> the verb of Python and the command line, in a helper thread, with files in a temporary folder ->
what is shown of it; *Save* copies the files. Nothing of the project is changed.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from ...api import OpenProject, Plating
from ...api import open as open_project
from ...errors import CellsegError
from ...events import ObjectsMeasured
from ...files import whole
from .background import Helper
from .report_errors import report_errors
from .session import Progress
from .survey_view import NOTHING_TOLD, Kind, Survey, boxed, described, plated, selected, told_by

if TYPE_CHECKING:
    from .workspace import Workspace

Ask = Callable[[OpenProject, Path, dict[str, Any]], Survey]
OUT = "out"
"""What files are called until they are saved."""


class SurveysOfData:
    """Asks the verbs, and saves what they wrote."""

    wished = Signal(str)
    """The id of an image that is to be opened."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self.worker = Helper(workspace.session)
        self._folder: Path | None = None
        self._stop = threading.Event()
        self._done: list[str] = []
        self._text = ""

    @property
    def busy(self) -> bool:
        """Whether anything is being found out."""
        return self.worker.busy

    @report_errors
    def describe(self) -> None:
        """What the images and their objects are like."""

        def ask(project: OpenProject, out: Path, how: dict[str, Any]) -> Survey:
            return described(project.describe(csv=out.with_suffix(".csv"), markdown=out.with_suffix(".md"), **how))

        self._begin("describe", "Describing", ask)

    @report_errors
    def select(self, n: int) -> None:
        """Which images to label; without labels a quick draft tells how full they are."""

        def ask(project: OpenProject, out: Path, how: dict[str, Any]) -> Survey:
            table, paths, sheet = (out.with_suffix(ending) for ending in (".csv", ".txt", ".png"))
            return selected(project.select(n=n, by="quick", csv=table, list=paths, figure=sheet, **how))

        self._begin("select", "Looking at", ask)

    @report_errors
    def plate(self, value: str, interval: str = "", group_by: str = "") -> None:
        """A map of the plate where names tell wells, and growth where they tell time points."""
        names = tuple(r.id for r in self._ws.session.images)
        wells, times = told_by(names)
        if not (wells or times):
            raise CellsegError(NOTHING_TOLD, "On the command line --well-by and --time-by say where they stand.")

        def ask(project: OpenProject, out: Path, how: dict[str, Any]) -> Survey:
            plates, growths = (
                tuple(out.with_name(f"{OUT}_{what}{ending}") for ending in (".csv", ".png")) if there else ()
                for what, there in (("plate", wells), ("growth", times))
            )
            plating = Plating(plates, growths, value=value or "confluency", interval=interval)
            done = project.measure(columns=("pixels",), group_by=group_by, plating=plating, **how)
            return plated(done, plating.value)

        self._begin("plate", "Measuring", ask)

    @report_errors
    def boxes(self, column: str = "", group_by: str = "") -> None:
        """Box plots of a column, or of the usual ones, for groups of images, or for every image."""

        def ask(project: OpenProject, out: Path, how: dict[str, Any]) -> Survey:
            table, beside = out.with_suffix(".csv"), out.with_name(f"{OUT}_summary.csv")
            columns = (column,) if column else ()
            files: dict[str, Any] = {"csv": table, "summary": beside, "boxes": out.with_suffix(".png")}
            return boxed(project.measure(columns=columns, group_by=group_by, **files, **how))

        self._begin("boxes", "Measuring", ask)

    @report_errors
    def save(self, kind: Kind, path: str | Path) -> None:
        """Write the files of a survey beside each other, called like `path`."""
        found, path = self._ws.session.surveys.get(kind), Path(path)
        if found is None or not found.files:
            raise CellsegError("Nothing was found out yet.", "Press the button above first.")
        written = [_copied(file, path) for file in found.files]
        self._ws.session.update(status=f"Wrote {', '.join(p.name for p in written)} to {path.parent}.")

    def go(self, image: str) -> None:
        """Open an image of the list."""
        self.wished.emit(image)

    # --- following --------------------------------------------------------------------------------

    def forget(self) -> None:
        """Another project is open."""
        self.cancel()
        self._ws.session.update(surveys={})

    def cancel(self) -> None:
        """Find out no more."""
        self._stop.set()

    def follow(self) -> None:
        """Called by the clock."""
        session = self._ws.session
        if session.progress is not None and session.progress.kind == "survey" and self._done:
            n, total = len(self._done), max(1, len(session.images))
            session.update(progress=Progress("survey", f"{self._text} image {min(n + 1, total)} of {total}", n / total))
        self.worker.collect()

    def close(self) -> None:
        """End the thread; what was not saved goes."""
        self.cancel()
        self.worker.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # --- inside -----------------------------------------------------------------------------------

    def _begin(self, kind: Kind, text: str, ask: Ask) -> None:
        ws = self._ws
        ws.check_idle()
        ws.settle()
        folder, stop = ws.project().path, threading.Event()
        self._stop, self._text, self._done = stop, text, []
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="cellseg-survey-"))
        out = Path(tempfile.mkdtemp(prefix=kind, dir=self._folder)) / OUT

        def work() -> Survey:
            with open_project(folder) as project:  # this thread's own connection
                return ask(project, out, {"on_event": self._count, "stop": stop.is_set})

        def take(found: Survey) -> None:
            ws.session.update(progress=None)
            if stop.is_set():
                ws.session.update(status="Cancelled; nothing was found out.")
            elif ws.session.folder == folder:
                ws.session.update(surveys={**ws.session.surveys, kind: found}, status=found.title)

        def failed(error: CellsegError) -> None:
            ws.session.update(progress=None)
            if stop.is_set():
                ws.session.update(status="Cancelled; nothing was found out.")
            else:
                ws.fail(error)

        ws.session.update(problem=None, notice="", progress=Progress("survey", f"{text} all images"))
        self.worker.later(work, take, failed)

    def _count(self, event: Any) -> None:
        """Called in the helper thread: an image is done."""
        if isinstance(event, ObjectsMeasured):
            self._done.append(event.image)


def _copied(file: Path, path: Path) -> Path:
    """A file that is called ``out...`` under the name that a person chose."""
    target = path.with_name(f"{path.stem}{file.stem.removeprefix(OUT)}{file.suffix}")
    with whole(target) as part:
        shutil.copyfile(file, part)
    return target
