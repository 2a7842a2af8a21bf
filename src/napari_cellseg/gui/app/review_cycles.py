"""Review cycles in the dock: opened and closed by a button, told in a list. No Qt.

Data flow: a button -> the open stroke counts -> opening marks the log at once; closing measures every image in the
helper thread, with a connection of its own -> what every cycle was, told from there, too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...cycles import close_cycle
from ...errors import CellsegError
from ...project import Project, open_cycle, review_cycles, reviewer_of
from ...report import CycleTold, sentence, told_cycles
from .cycles_view import CyclesState
from .report_errors import report_errors
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace


class ReviewCycles:
    """What *Rounds* > *Review cycles* does."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace

    @report_errors
    def begin(self, reviewer: str) -> None:
        """Begin a cycle of a reviewer."""
        ws = self._ws
        ws.check_idle()
        ws.settle()  # the last stroke belongs to what was before
        cycle = open_cycle(ws.project(), reviewer)
        ws.session.update(status=f"Review cycle {cycle.n} of {cycle.reviewer} begins: go through the images.")
        self._tell()

    @report_errors
    def close(self) -> None:
        """End the open cycle and measure what it changed."""
        ws = self._ws
        ws.check_idle()
        ws.settle()
        folder, stop = ws.project().path, ws.new_stop()

        def work() -> CycleTold:
            with Project.open(folder) as own:  # this thread's own connection
                n = close_cycle(own, lambda n, of: not stop.is_set()).cycle.n
                return next(told for told in told_cycles(own) if told.cycle.n == n)

        def take(told: CycleTold) -> None:
            ws.session.update(progress=None, status=f"Review cycle {told.cycle.n} closed: {sentence(told)}.")
            self._tell()

        def failed(error: CellsegError) -> None:
            ws.session.update(progress=None, status="Cancelled: the review cycle is still open.")
            if not stop.is_set():
                ws.fail(error)

        ws.session.update(problem=None, progress=Progress("cycle", "Closing the review cycle: measuring what changed"))
        ws.helper.later(work, take, failed)

    def opened(self) -> None:
        """Another project: tell of its cycles."""
        project = self._ws.session.project
        self._ws.session.update(cycles=CyclesState(reviewer_of(project)) if project is not None else CyclesState())
        self._tell()

    # --- inside ---------------------------------------------------------------------------------

    def _tell(self) -> None:
        ws, project = self._ws, self._ws.session.project
        if project is None or not review_cycles(project.db):
            return
        folder = project.path

        def work() -> tuple[CycleTold, ...]:
            with Project.open(folder) as own:
                return tuple(told_cycles(own))

        def take(found: tuple[CycleTold, ...]) -> None:
            if ws.session.project is project:
                open_ = next((told.cycle.n for told in found if told.cycle.closed is None), 0)
                lines = tuple((_head(told), _text(told)) for told in found)
                ws.session.update(cycles=CyclesState(reviewer_of(project), open_, lines))

        ws.helper.later(work, take)


def _head(told: CycleTold) -> str:
    when = time.strftime("%Y-%m-%d", time.localtime(told.cycle.closed or told.cycle.opened))
    return f"Cycle {told.cycle.n}, {told.cycle.reviewer}, {'open since ' if told.cycle.closed is None else ''}{when}"


def _text(told: CycleTold) -> str:
    """What an open cycle is so far changes with every stroke, so it is not told."""
    return "" if told.cycle.closed is None else sentence(told)
