"""How long the project's log of edits is, and how it becomes shorter. No Qt.

Data flow: the person unfolds the section -> figures, in the helper thread; the button -> the image is closed -> old
edits are folded in the helper thread, with a connection of its own -> the image is opened again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...project import Compacted, LogSize, Project, compact, log_size
from .items import Control
from .report_errors import report_errors
from .turns import Steps

if TYPE_CHECKING:
    from ...errors import CellsegError
    from .projects import Projects
    from .session import Session
    from .workspace import Workspace

STAYS = "The newest 1,000 edits of every image stay, and those that the model in use has not learnt from."


@dataclass(frozen=True)
class LogView:
    """What is shown of the log: its size and what would become of it, and whether it can be shortened."""

    text: str
    shorten: Control


class EditLog:
    """Measures and shortens the log."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects

    def forget(self) -> None:
        """Another project is open."""
        self._ws.session.update(log=None)

    @report_errors
    def look(self) -> None:
        """Find out how long it is."""
        ws, folder = self._ws, self._ws.project().path

        def work() -> LogSize:
            with Project.open(folder) as own:  # this thread's own connection
                return log_size(own)

        def take(found: LogSize) -> None:
            if ws.session.folder == folder:
                ws.session.update(log=found)

        ws.helper.later(work, take)

    @report_errors
    def shorten(self) -> None:
        """Fold old edits of every image into one; they cannot be undone any more, which is said beside the button."""
        ws, folder, shown = self._ws, self._ws.project().path, self._ws.session.image
        ws.check_idle()
        ws.settle()
        self._projects.close_image()

        def work() -> Compacted:
            with Project.open(folder) as own:
                return compact(own, claimed=True)  # by this window, which has no image open now

        def again(status: str) -> Steps[None]:
            if shown and not ws.session.image:
                yield from self._projects.opening(shown)
            ws.session.update(status=status)
            self.look()

        def take(done: Compacted) -> None:
            if ws.session.folder == folder:
                sizes = f"{_size(done.before)} before, {_size(done.after)} now"
                ws.turns.run(again(f"{done.edits:,} old edits became one for each image: {sizes}."))

        def failed(error: CellsegError) -> None:
            ws.fail(error)
            if ws.session.folder == folder:
                ws.turns.run(again(ws.session.status))

        ws.session.update(status="Shortening the log...")
        ws.helper.later(work, take, failed)


def log_view(s: Session, *allowed: Control) -> LogView:
    """What to show of it."""
    if s.log is None:
        return LogView("", Control(False, "It is not known yet how long the log is."))
    some = Control(s.log.old > 0, f"There is nothing to shorten. {STAYS}")
    head = f"{s.log.edits:,} edits in {_size(s.log.bytes)}"
    if s.log.old:
        text = (
            f"{head}; the {s.log.old:,} oldest can become one for each image. Labels stay exactly as they are, and who "
            "did what and when stays in the history. But these edits cannot be undone or restored any more."
        )
    else:
        text = f"{head}. {some.reason}"
    return LogView(text, next((c for c in (*allowed, some) if not c.enabled), Control(True)))


def _size(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"
