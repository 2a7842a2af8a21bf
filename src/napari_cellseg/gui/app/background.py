"""Helper threads for work that is too long for the main thread and needs no network. No Qt."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ...errors import CellsegError
from .report_errors import mistake
from .session import Problem, Session

Failing = Callable[[CellsegError], None]


class Helper:
    """Runs work in its thread and hands results back in the main thread, when `collect` is called."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cellseg-helper")
        self._waiting: list[tuple[Future[Any], Callable[[Any], None], Failing | None]] = []

    @property
    def busy(self) -> bool:
        """Whether a result is still to come."""
        return bool(self._waiting)

    def later(self, work: Callable[[], Any], then: Callable[[Any], None], otherwise: Failing | None = None) -> None:
        """Run `work` in the helper thread and `then` with its result in the main thread.

        `otherwise` gets what a person can mend, instead of the dock. Once closed, or while Python ends (which closes
        every pool before windows are gone), nothing is done: nobody is left to see the result.
        """
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            return
        self._waiting.append((future, then, otherwise))

    def wait(self) -> None:
        """Wait until all of it is done; `collect` hands it back."""
        for future, _, _ in self._waiting:
            future.exception()

    def collect(self) -> None:
        """Hand back what is done; errors become problems in the dock."""
        for one in [w for w in self._waiting if w[0].done()]:
            self._waiting.remove(one)
            self._hand_back(*one)

    def close(self) -> None:
        """Wait for what runs, drop what does not."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hand_back(self, future: Future[Any], then: Callable[[Any], None], otherwise: Failing | None) -> None:
        try:
            then(future.result())
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: a bug must reach the person
            known = mistake(error)
            if known is None:
                text = f"Something went wrong: {error}."
                self._session.update(progress=None, problem=Problem(text, "", traceback.format_exc()))
                known = CellsegError(text)
            elif otherwise is None:
                self._session.update(progress=None, problem=Problem(known.message, known.hint))
            if otherwise is not None:
                otherwise(known)


class Latest(Helper):
    """A helper that does only what was asked last: requests that have not begun are replaced, stale answers dropped."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._asked: tuple[Callable[[], Any], Callable[[Any], None], Failing | None] | None = None

    def ask(self, work: Callable[[], Any], then: Callable[[Any], None], otherwise: Failing | None = None) -> None:
        """Do this next, and nothing that was asked before and has not begun; see `later`."""
        self._asked = (work, then, otherwise)
        self._begin()

    def forget(self) -> None:
        """Drop what was asked and not begun."""
        self._asked = None

    def collect(self) -> None:
        """Hand back the answer, if nothing newer was asked, and begin what waits."""
        super().collect()
        self._begin()

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return super().busy or self._asked is not None

    def _begin(self) -> None:
        if self._asked is not None and not super().busy:
            asked, self._asked = self._asked, None
            self.later(*asked)
