"""Let a viewer live until something is true."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari_cellseg.gui.app.controller import Controller

QUIET_S = 120.0
LIMIT_S = 1200.0
"""No test waits for ever; nothing is so slow on a machine that others use, too."""


def wait(turn: Callable[[], object], until: Callable[[], bool], seconds: float = LIMIT_S, pause: float = 0.005) -> bool:
    """Call `turn` again and again; whether `until` came true before the limit, which only ends a hanging test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn()
        if until():
            return True
        time.sleep(pause)
    return False


def spin(controller: Controller, until: Callable[[], bool]) -> None:
    """Tick a controller without a window; where nothing goes on any more, waiting longer is no use."""
    quiet = time.monotonic() + QUIET_S

    def turn() -> None:
        nonlocal quiet
        controller.tick()
        if controller.busy or controller.engine.busy:
            quiet = time.monotonic() + QUIET_S

    assert wait(turn, lambda: until() or time.monotonic() > quiet), said(controller)
    assert until(), f"nothing goes on any more: {said(controller)}"


def said(controller: Controller) -> str:
    """What the session says, for a test that waits in vain."""
    words = {k: v for k, v in vars(controller.session).items() if isinstance(v, str) and v}
    return f"{words} {controller.session.problem} {controller.session.progress}"


def settle(controller: Controller) -> None:
    """Tick until nothing is under way: what was asked for is there, or refused."""
    spin(controller, lambda: not controller.busy)
