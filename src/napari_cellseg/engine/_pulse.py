"""Signs of life of the child: a beat every second from a thread of its own, and the processor time that it uses."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

EVERY_S = 1.0
"""Seconds between two beats."""
PATIENCE_S = 10.0
"""A child that is silent for longer does not answer."""
START_S = 120.0
"""The same before its first beat: a slow disk may have to read libraries first."""
LATE_S = 2 * EVERY_S
"""When a beat is so late, the processor time is looked at."""


def processor_seconds(pid: int) -> float:
    """Time that a process has computed (s); 0 where that cannot be told."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


class Pulse:
    """Tells a child that is stopped from one that is busy with long native code, during which no thread can beat.

    Parameters
    ----------
    used
        The processor time of a process (s).
    """

    def __init__(
        self,
        pid: int,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[int], float] = processor_seconds,
    ) -> None:
        self._pid, self._clock, self._used = pid, clock, used
        self._heard = self._moved = clock()
        self._spent = 0.0
        self._awake = False

    def beat(self) -> None:
        """Something came from the child; called in any thread."""
        self._heard, self._awake = self._clock(), True

    @property
    def regular(self) -> bool:
        """Whether the child lives: it has said something or computed not long ago. To be asked now and then."""
        now = self._clock()
        if now - self._heard > LATE_S and (spent := self._used(self._pid)) > self._spent:
            self._spent, self._moved = spent, now
        return now - max(self._heard, self._moved) < (PATIENCE_S if self._awake else START_S)
