"""Work of the main thread in steps, one for each turn of the program, so that clicks and pictures come between. No Qt.

What puts layers into a window costs napari a tenth of a second for each: together the window would stand still. Where
no clock runs (scripts, a viewer without a window), nothing has to come between, and all steps are done at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
Steps = Generator["Future[Any] | None", None, T]
"""Yields where another turn may come, or what must be done first."""


BETWEEN_MS = 5
"""Time for clicks and for drawing between two steps; without any, Qt would do all steps in one go."""


class Turns:
    """Does one piece of work at a time; another one that begins ends it where it is.

    Attributes
    ----------
    soon
        Asks the clock for a tick in so many milliseconds (0: before anything else); None where no clock runs.
    """

    def __init__(self) -> None:
        self.soon: Callable[[int], None] | None = None
        self._steps: Steps[None] | None = None
        self._awaited: Future[Any] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cellseg-opening")
        self._inside, self._stepped, self._rest_until = False, False, 0.0

    @property
    def busy(self) -> bool:
        """Whether there is a step left."""
        return self._steps is not None

    def run(self, steps: Steps[None]) -> None:
        """Begin: the first step at once, the others in turns of their own; called from inside a step: as part of it."""
        if self._inside:
            for awaited in steps:
                if awaited is not None:
                    awaited.exception()  # waits
            return
        self.stop()
        self._steps, self._rest_until = steps, 0.0
        self.step()
        while self.soon is None and self._steps is not None:
            self.step()

    def step(self) -> None:
        """Do the next step, where there is one and what it needs is there; called by the clock."""
        if self._steps is None or self._inside:
            return
        if self._awaited is not None and not self._awaited.done():
            if self.soon is not None:
                return
            self._awaited.exception()
        if self.soon is not None and time.monotonic() < self._rest_until:
            return
        self._inside = True
        try:
            self._awaited = next(self._steps)
        except BaseException as error:
            self._steps, self._awaited = None, None
            if not isinstance(error, StopIteration):
                raise
        finally:
            self._inside, self._stepped = False, True
            self._rest()
        self._ask()

    def ended(self) -> None:
        """The clock's turn, in which there may have been a step, is over: first clicks and drawing have theirs."""
        if self._stepped:
            self._stepped = False
            self._rest()
            self._ask()

    def away(self, work: Callable[[], T]) -> Steps[T]:
        """What `work` gives, done in a thread while the window goes on: ``found = yield from turns.away(work)``."""
        future = self._pool.submit(work)
        yield future
        return future.result()

    def stop(self) -> None:
        """End what is not done; nothing from inside a step."""
        if self._steps is not None and not self._inside:
            steps, self._steps, self._awaited = self._steps, None, None
            self._inside = True
            try:
                steps.close()
            finally:
                self._inside, self._rest_until = False, 0.0

    def close(self) -> None:
        """End for good."""
        self.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _rest(self) -> None:
        """No step for a while: a little less than until the tick that is asked for, since timers are not exact."""
        self._rest_until = time.monotonic() + 0.8 * BETWEEN_MS / 1000

    def _ask(self) -> None:
        if self._steps is not None and self._awaited is None and self.soon is not None:
            self.soon(BETWEEN_MS)
