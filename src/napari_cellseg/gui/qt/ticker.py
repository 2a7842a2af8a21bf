"""The timer that lets the controller take what has arrived."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer

from ..app.controller import Controller

BUSY_MS, IDLE_MS = 15, 120


class Ticker(QObject):
    """Calls `Controller.tick` often while something runs, seldom otherwise."""

    def __init__(self, controller: Controller, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
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
        wanted = BUSY_MS if self._controller.busy else IDLE_MS
        if self._timer.interval() != wanted:
            self._timer.setInterval(wanted)
