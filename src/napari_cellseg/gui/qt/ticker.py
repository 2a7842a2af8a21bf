"""The timer that lets the controller take what has arrived."""

from __future__ import annotations

import time

from qtpy.QtCore import QObject, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

from ..app.controller import Controller

BUSY_MS, IDLE_MS = 15, 120


class Ticker(QObject):
    """Calls `Controller.tick` often while something runs or is expected, seldom otherwise."""

    def __init__(self, controller: Controller, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._mouse, self._at_rest_since = (0, 0), time.monotonic()
        self._timer = QTimer(self)
        self._timer.setInterval(IDLE_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        controller.ticked_by(self._soon)

    def stop(self) -> None:
        """Stop for good."""
        self._timer.stop()

    def _soon(self, ms: int) -> None:
        """Tick in so many milliseconds; 0: before the next picture is drawn, if that can be."""
        if self._timer.isActive():
            QTimer.singleShot(ms, self._tick)

    def _tick(self) -> None:
        if not self._timer.isActive():  # the window was closed meanwhile
            return
        self._controller.tick()
        self._rest()
        wanted = BUSY_MS if self._controller.restless else IDLE_MS
        if self._timer.interval() != wanted:
            self._timer.setInterval(wanted)

    def _rest(self) -> None:
        """Say for how long the mouse has not been moved, none of its buttons was held, and nothing has run."""
        now, at = time.monotonic(), QCursor.pos()
        if (at.x(), at.y()) != self._mouse or QApplication.mouseButtons() or self._controller.restless:
            self._mouse, self._at_rest_since = (at.x(), at.y()), now
        else:
            self._controller.rest(now - self._at_rest_since)
