"""Let a viewer live until something is true."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari_cellseg.gui.app.controller import Controller

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
    """Tick a controller without a window."""
    assert wait(controller.tick, until), f"{controller.session.status} {controller.session.problem}"
