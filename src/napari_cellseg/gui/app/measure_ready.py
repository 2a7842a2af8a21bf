"""Compiles what the first measurement needs while a person still looks at the step Measure. No Qt."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from ...measurement import warm_up

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
        self._since, self._before = 0.0, ""

    @property
    def working(self) -> bool:
        """Whether loops are being compiled."""
        return self._thread is not None and self._thread.is_alive()

    def prepare(self) -> None:
        """The step was opened."""
        record = self._ws.session.record
        kind = (len(record.shape), record.dtype) if record is not None else (2, "uint8")
        if kind in self._begun or self.working:
            return
        self._begun.add(kind)
        self._since = time.monotonic()
        # a thread that ends with the program: closing the window need not wait for it
        self._thread = threading.Thread(target=_work, args=kind, name="cellseg-measure-warming", daemon=True)
        self._thread.start()

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


def _work(ndim: int, dtype: str) -> None:
    with contextlib.suppress(Exception):  # whatever goes wrong here shows where it is needed
        warm_up(ndim, dtype)
