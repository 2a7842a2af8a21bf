"""Long verbs: called, they answer with a result; their ``events`` are the same work, event by event.

Data flow: a generator yields events while it works and returns a result -> `Run` hands the events to whoever iterates
and to a callback, and keeps the result. A verb is written once, as that generator.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import wraps
from types import MethodType
from typing import Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from ..engine import Stop
from ..errors import CellsegError
from ..events import Event
from ..processes import compute_here

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
Work = Generator[Event, None, R]
OnEvent = Callable[[Event], None] | None

__all__ = ["OnEvent", "Run", "Stop", "Verb", "Work", "method", "never", "verb"]


def never() -> bool:
    """Nobody asks for an early end."""
    return False


class Run(Generic[R]):
    """Work under way: iterate over its events, then ask for its `result`.

    Nothing is done before the first event is asked for, and nothing more when no further one is.
    """

    def __init__(self, work: Work[R], on_event: OnEvent = None) -> None:
        self._work, self._on_event = work, on_event
        self._results: list[R] = []
        self._goes_on = True

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            with compute_here():
                event = next(self._work)
            if self._on_event is not None:
                self._on_event(event)
        except StopIteration as end:
            if self._goes_on:
                self._results.append(end.value)
            self._goes_on = False
            raise StopIteration from None
        except BaseException:
            self.close()  # what was begun ends tidily, whatever the callback does
            raise
        return event

    def close(self) -> None:
        """End the work here; what is finished stays."""
        self._goes_on = False
        self._work.close()

    @property
    def result(self) -> R:
        """What the work comes to; what is left of it is done first.

        Raises
        ------
        CellsegError
            When it was closed, or failed, before its end.
        """
        for _ in self:
            pass
        if not self._results:
            raise CellsegError("This work ended before it had a result.", "Start it again.")
        return self._results[0]


class Verb(Protocol[P, R]):
    """A long verb. ``verb(...)`` answers with its result, ``verb.events(...)`` is a `Run` of the same work."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do all of it."""
        ...

    def events(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Do it event by event."""
        ...


def verb(work: Callable[P, Work[R]]) -> Verb[P, R]:
    """Make a verb of a generator function; its keyword `on_event` is the callback."""

    def events(*args: P.args, **kwargs: P.kwargs) -> Run[R]:
        return Run(work(*args, **kwargs), cast(OnEvent, kwargs.get("on_event")))

    @wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return events(*args, **kwargs).result

    call.events = events  # type: ignore[attr-defined]
    return cast(Verb[P, R], call)


class method(Generic[S, P, R]):
    """A `verb` of the objects of a class."""

    def __init__(self, work: Callable[Concatenate[S, P], Work[R]]) -> None:
        self._work, self.__doc__ = work, work.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[S, P], Work[R]]: ...

    @overload
    def __get__(self, instance: S, owner: type) -> Verb[P, R]: ...

    def __get__(self, instance: S | None, owner: type) -> Callable[Concatenate[S, P], Work[R]] | Verb[P, R]:
        """The verb, bound to an object; of the class itself, what `help` shows."""
        if instance is None:
            return self._work
        return verb(cast(Callable[P, Work[R]], MethodType(self._work, instance)))
