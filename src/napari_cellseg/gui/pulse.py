"""Whether the engine answers, and a new one where it does not. No Qt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..engine import Engine

if TYPE_CHECKING:
    from .controller import Controller

EVERY_S = 1.0
"""Seconds between two looks."""


class EnginePulse:
    """Tells the person about an engine that was stopped, or hangs."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._due = 0.0

    def follow(self) -> None:
        """Called by the clock."""
        if time.monotonic() > self._due:
            self._due = time.monotonic() + EVERY_S
            self.look()

    def look(self) -> None:
        """Say whether the engine answers, where that has changed."""
        engine, session = self._c.engine, self._c.session
        silent = not engine.answers
        if silent != session.silent:
            session.update(silent=silent, engine="engine: does not answer" if silent else engine_line(engine))

    def restart(self) -> None:
        """End the engine and start a new one."""
        self._c.engine.replace()
        self._c.session.update(silent=False, engine="engine: starting")


def engine_line(engine: Engine) -> str:
    """``engine: ready, CPU bf16``."""
    return f"engine: ready, {engine.ready.device} {engine.ready.precision}" if engine.ready else "engine: starting"
