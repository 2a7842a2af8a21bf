"""What the scripts of pictures share: a screen where there is none, and waiting as a window does that a person uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable


def on_screen() -> None:
    """Where there is no display on Linux, run the script again under Xvfb and end as that does."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", sys.executable, *sys.argv]
        sys.exit(subprocess.call(command))


STEADY_S = 0.1
"""What is waited for is true for so long: between two turns of one thing nothing seems to run."""


def live(seconds: float, until: Callable[[], bool] | None = None, told: Callable[[], str] = lambda: "") -> None:
    """Let the viewer live for a while, or until something is true, which must come true in time.

    Qt's own loop runs: with `processEvents` alone nothing is deleted that is to be deleted later, and napari's wheel of
    an opened file would turn in every picture.
    """
    from qtpy.QtCore import QEventLoop, QTimer

    loop, clock, end = QEventLoop(), QTimer(), time.monotonic() + seconds
    since: float | None = None
    came = False

    def look() -> None:
        nonlocal since, came
        now = time.monotonic()
        since = (since or now) if until is not None and until() else None
        came = since is not None and now - since >= STEADY_S
        if came or now > end:
            loop.quit()

    clock.timeout.connect(look)
    clock.start(5)
    loop.exec()
    clock.stop()
    if until is not None and not came:
        raise SystemExit(f"not in {seconds:.0f} s: {told()}")
