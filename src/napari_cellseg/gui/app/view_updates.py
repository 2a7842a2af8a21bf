"""One view for all docks of a viewer, and only what has changed of it reaches a widget. No Qt.

Data flow: session -> (changed) -> resolved once -> every dock -> its parts, of which those are shown again that look at
something that is different now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from psygnal import Signal

from .session import Session
from .view import View, resolve

ANSWERS = ("status", "notice", "problem")
"""With these a verb ends: every part is shown again then, since a widget may show by hand what was refused."""


class ViewUpdates:
    """The newest view of a session; `changed` tells it."""

    changed = Signal(object)

    def __init__(self, session: Session) -> None:
        self._session = session
        self.newest = resolve(session)
        session.changed.connect(self._resolve)

    def _resolve(self) -> None:
        view = resolve(self._session)
        if view != self.newest:
            self.newest = view
            self.changed.emit(view)


class _Looked:
    """A view that notes what is looked at."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.names: set[str] = set(ANSWERS)

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        value = self.__dict__[name] = getattr(self._view, name)  # the next look finds it without coming here
        return value


class Part:
    """Calls `show` with a view, unless all that it looked at the last time is the same.

    What a part looks at may depend on what it sees, but on nothing else.
    """

    def __init__(self, show: Callable[[View], None]) -> None:
        self._show = show
        self._last: View | None = None
        self._names: set[str] = set()

    def __call__(self, view: View) -> None:
        """Show a view."""
        if self._last is not None and all(_same(getattr(view, n), getattr(self._last, n)) for n in self._names):
            return
        looked = _Looked(view)
        self._show(cast("View", looked))
        self._last, self._names = view, looked.names


def _same(a: Any, b: Any) -> bool:
    return a is b or bool(a == b)
