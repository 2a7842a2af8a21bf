"""Moves through the frames of a time series, and from line to line of the list of images. No Qt.

Data flow: a wish for a frame -> it is opened as any image is; while one is being opened, only the newest wish counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CellsegError
from ...project import set_interval
from .report_errors import report_errors
from .time_line import duration, entries, entry_of, seconds_said, series_of

if TYPE_CHECKING:
    from .projects import Projects
    from .workspace import Workspace


class FrameWalk:
    """Moves through the frames of the open image's series."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects
        self._wish = ""
        self._now = ""  # what was opened last
        self._last: dict[str, str] = {}  # the frame that was open last, by series

    def opened(self) -> None:
        """An image is open."""
        self._now = self._ws.session.image
        series = series_of(self._ws.session, self._now)
        if series is not None:
            self._last[series.name] = self._ws.session.image

    def first_of(self, key: str) -> str:
        """The image that a line of the list opens: of a series the frame that was open last."""
        series = next((t for t in self._ws.session.time_series if t.name == key), None)
        if series is None:
            return key
        last = self._last.get(key, "")
        return last if last in series.ids else series.ids[0]

    def turn(self, by: int) -> None:
        """Open the next or the previous line of the list of images."""
        session = self._ws.session
        keys = [entry.key for entry in entries(session)]
        if (mine := entry_of(session, session.image)) in keys:
            self._projects.select_image(self.first_of(keys[(keys.index(mine) + by) % len(keys)]))

    @report_errors
    def go(self, frame: int) -> None:
        """Open a frame, from 0, of the series that is open."""
        session = self._ws.session
        series = series_of(session, session.image or self._wish or self._now)
        if series is None:
            session.update(status="The open image is no frame of a time series.")
            return
        self._wish = series.ids[max(0, min(frame, len(series.ids) - 1))]
        self.follow()

    @report_errors
    def set_interval(self, text: str) -> None:
        """Say how much time lies between two frames of the open series: ``15``, ``15 min``, ``0.5 h``; "" unsays it."""
        ws = self._ws
        series = series_of(ws.session, ws.session.image)
        if series is None:
            raise CellsegError("The open image is no frame of a time series.", "Open one.")
        seconds = seconds_said(text)
        if seconds == series.interval_s:
            return
        set_interval(ws.project(), series.name, seconds)
        self._projects.refresh()
        said = f"{duration(seconds)} from frame to frame of {series.name}." if seconds else f"{series.name}: no times."
        ws.session.update(status=said)

    def step(self, by: int) -> None:
        """Open the next or the previous frame."""
        session = self._ws.session
        at = session.image or self._wish
        series = series_of(session, at)
        if series is None:
            self.go(0)
        elif 0 <= (n := series.at(self._wish or at) + by) < len(series.ids):
            self.go(n)
        else:
            session.update(status=f"This is the {'last' if by > 0 else 'first'} frame of {series.name}.")

    def follow(self) -> None:
        """Called by the clock: open what is wished for, as soon as nothing else is being opened."""
        ws = self._ws
        if not self._wish or ws.turns.busy:
            return
        wish, self._wish = self._wish, ""
        if wish != ws.session.image:
            self._projects.select_image(wish)
