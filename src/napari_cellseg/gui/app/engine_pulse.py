"""Whether the engine answers, and a new one where it does not. No Qt."""

from __future__ import annotations

from ...engine import Engine
from .periodic import Periodic


class EnginePulse(Periodic):
    """Tells the person about an engine that was stopped, or hangs."""

    def look(self) -> None:
        """Say whether the engine answers, where that has changed."""
        engine, session = self._ws.engine, self._ws.session
        silent = not engine.answers
        if silent != session.silent:
            session.update(silent=silent, engine="engine: does not answer" if silent else engine_line(engine))

    def restart(self) -> None:
        """End the engine and start a new one."""
        self._ws.engine.replace()
        self._ws.session.update(silent=False, engine="engine: starting")


def engine_line(engine: Engine) -> str:
    """``engine: ready, CPU bf16``."""
    return f"engine: ready, {engine.ready.device} {engine.ready.precision}" if engine.ready else "engine: starting"
