"""The standard streams of a child process, kept for frames."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable

from ._messages import CODEC, Beat, Reply
from ._pulse import EVERY_S


class Speaker:
    """Sends events and signs of life to the parent, from any thread."""

    def __init__(self, pipe: io.BufferedWriter) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def __call__(self, message: Reply | Beat) -> None:
        frame = CODEC.encode(message)
        with self._lock:
            for part in frame:
                self._pipe.write(part)
            self._pipe.flush()


def take_streams() -> tuple[io.BufferedReader, Speaker]:
    """Keep the pipes for the protocol; whatever prints goes to the log."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if hasattr(os, "nice"):
        os.nice(5)  # the viewer comes first
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb"), Speaker(replies)


def beat(send: Speaker, wanted: Callable[[], bool] = lambda: True) -> None:
    """In a thread of its own: tell that this process lives, whatever the others do."""
    with contextlib.suppress(OSError):  # the parent is gone, which the listener notices
        while True:
            if wanted():
                send(Beat())
            time.sleep(EVERY_S)
