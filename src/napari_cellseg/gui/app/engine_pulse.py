"""Whether the engine answers, and a new one where it does not. No Qt."""

from __future__ import annotations

from pathlib import Path

from ...engine import Engine
from ...errors import CellsegError
from ...events import Connection
from .periodic import Periodic
from .session import Offer, Problem

AWAY = Offer("here")
"""The way out when an engine on another machine is away: this one computes."""


class EnginePulse(Periodic):
    """Tells the person about an engine that was stopped, or hangs."""

    def look(self) -> None:
        """Say whether the engine answers, where that has changed."""
        engine, session = self._ws.engine, self._ws.session
        silent = not engine.answers
        if silent != session.silent:
            session.update(silent=silent, engine="engine: does not answer" if silent else engine_line(engine))

    def move(self, server: str, token: Path | None = None) -> None:
        """Let an engine on another machine compute from now on; "" for this one."""
        if server:
            host, _, port = server.rpartition(":")
            if not host or not port.isdecimal() or int(port) > 65535:
                raise CellsegError(f"{server!r} is no address.", "Give HOST:PORT, for example localhost:7700.")
        self._ws.engine.move(server, token)
        self._ws.session.update(server=server, silent=False, engine=_starting(server))
        problem = self._ws.session.problem
        if problem is not None and AWAY in problem.offers:
            self._ws.session.update(problem=None)

    def connection(self, event: Connection) -> None:
        """The engine on another machine was reached, or lost."""
        session, engine = self._ws.session, self._ws.engine
        away = session.problem is not None and AWAY in session.problem.offers
        if event.up:
            said = engine_line(engine) if engine.ready else f"engine: connected to {event.text}, starting"
            session.update(engine=said, problem=None if away else session.problem)
        elif session.problem is None or away:
            hint = "It is tried again and again; what you correct is saved here as ever."
            told = Problem(f"The engine is away: {event.text}.", hint, offers=(AWAY,))
            session.update(engine="engine: away", problem=told)
        else:
            session.update(engine="engine: away")

    def restart(self) -> None:
        """End the engine and start a new one."""
        self._ws.engine.replace()
        self._ws.session.update(silent=False, engine=_starting(self._ws.session.server))


def _starting(server: str) -> str:
    return f"engine: connecting to {server}" if server else "engine: starting"


def engine_line(engine: Engine) -> str:
    """``engine: ready, CPU bf16``."""
    return f"engine: ready, {engine.ready.device} {engine.ready.precision}" if engine.ready else "engine: starting"
