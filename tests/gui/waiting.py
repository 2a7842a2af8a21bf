"""Let a viewer live until something is true."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari_cellseg.gui.controller import Controller


def wait(turn: Callable[[], object], until: Callable[[], bool], seconds: float, pause: float = 0.005) -> bool:
    """Call `turn` again and again; whether `until` came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn()
        if until():
            return True
        time.sleep(pause)
    return False


def spin(controller: Controller, until: Callable[[], bool], seconds: float = 120) -> None:
    """Tick a controller without a window."""
    done = wait(controller.tick, until, seconds)
    assert done, f"not in {seconds} s: {controller.session.status} {controller.session.problem}"
