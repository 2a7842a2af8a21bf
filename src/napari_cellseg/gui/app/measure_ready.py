"""Prepares what the first measurement needs while a person still looks at the step Measure. No Qt.

Data flow: the step is opened -> a process compiles the loops, where this machine has never done so -> a thread loads
what it kept on the disk. A measurement that is asked for meanwhile waits for both, in its own thread.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...measurement import PATIENCE_S, compiled_apart, note_compiled, warm_up

if TYPE_CHECKING:
    from .workspace import Workspace

SAID = "Getting ready to measure: its loops are compiled, once on a machine; go on meanwhile."
SAID_AFTER_S = 0.7
"""Where the machine has them already they are loaded before anybody could read a line."""


class MeasureReady:
    """Begins when the step is opened, once for images of one kind; the status line says so while it lasts."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._begun: set[tuple[int, str]] = set()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._since, self._before = 0.0, ""

    @property
    def working(self) -> bool:
        """Whether loops are being compiled or loaded."""
        return self._thread is not None and self._thread.is_alive()

    def prepare(self) -> None:
        """The step was opened."""
        record = self._ws.session.record
        kind = (len(record.shape), record.dtype) if record is not None else (2, "uint8")
        if kind in self._begun or self.working:
            return
        self._begun.add(kind)
        self._since, self._before = time.monotonic(), ""
        # a thread that ends with the program: closing the window need not wait for it
        self._thread = threading.Thread(target=self._work, args=kind, name="cellseg-measure-warming", daemon=True)
        self._thread.start()

    def wait(self, stop: Callable[[], bool]) -> None:
        """Wait in a helper thread until it is done, or somebody wants to stop."""
        thread = self._thread
        while thread is not None and thread.is_alive() and not stop():
            thread.join(0.05)

    def follow(self) -> None:
        """Called by the clock."""
        session = self._ws.session
        if self._thread is None:
            return
        if not self._thread.is_alive():
            self._thread = None
            if session.status == SAID:
                session.update(status=self._before)
        elif session.status != SAID and not self._before and time.monotonic() - self._since > SAID_AFTER_S:
            self._before = session.status or " "
            session.update(status=SAID)

    def close(self) -> None:
        """The window is closed: nobody needs it any more."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _work(self, ndim: int, dtype: str) -> None:
        with contextlib.suppress(Exception):  # whatever goes wrong here shows where it is needed
            self._process = compiled_apart(ndim, dtype)
            if self._process is not None and self._process.wait(PATIENCE_S) == 0:
                note_compiled(ndim, dtype)
            warm_up(ndim, dtype)
