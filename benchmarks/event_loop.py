"""Waiting inside Qt's event loop, as a window does that a person uses, and how long it stands still meanwhile.

To call `processEvents` again and again is something else: Qt then deletes nothing of what is to be deleted later, so
the wheel that napari shows while it opens a file turns for ever, and for each of its 22 pictures a second the whole
window is put together, which takes more than a core where Mesa draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BEAT_MS = 2


class EventLoop:
    """Runs Qt's event loop until something is so.

    Attributes
    ----------
    longest
        Seconds that a timer had to wait for its turn, at most: so long the window stood still. To be set to 0 where a
        measurement begins.
    """

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.longest = 0.0
        self._heart = QTimer()
        self._heart.setTimerType(Qt.TimerType.PreciseTimer)
        self._heart.setInterval(BEAT_MS)

    def wait(self, until: Callable[[], bool], seconds: float = 180.0) -> float:
        """Seconds until it is so, looked at with every beat.

        Raises
        ------
        TimeoutError
            After so many seconds without.
        """
        from qtpy.QtCore import QEventLoop

        loop = QEventLoop()
        start = last = time.perf_counter()

        def beat() -> None:
            nonlocal last
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - BEAT_MS / 1e3)
            last = now
            if until() or now - start > seconds:
                loop.quit()

        self._heart.timeout.connect(beat)
        self._heart.start()
        loop.exec()
        self._heart.stop()
        self._heart.timeout.disconnect(beat)
        if time.perf_counter() - start > seconds and not until():
            raise TimeoutError(f"not in {seconds:.0f} s")
        return time.perf_counter() - start

    def rest(self, seconds: float) -> None:
        """Let so many seconds go by."""
        end = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() > end, seconds + 60)
