"""A person's mistake becomes a problem in the dock. No Qt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from psygnal import EmitLoopError

from ...errors import CellsegError

Method = TypeVar("Method", bound=Callable[..., Any])


def report_errors(method: Method) -> Method:
    """A person's mistake in a method becomes a problem in the dock, not a traceback in the terminal.

    For methods of whatever keeps its workspace as ``_ws``.
    """

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except (CellsegError, EmitLoopError) as error:
            if (cause := mistake(error)) is None:
                raise
            self._ws.fail(cause)
            return None

    return wrapper  # type: ignore[return-value]


def after_settling(method: Method) -> Method:
    """As `report_errors`, for what changes labels: an open stroke is finished, and so logged, first."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._ws.settle()
        return method(self, *args, **kwargs)

    return report_errors(wrapper)  # type: ignore[return-value]


def mistake(error: BaseException | None) -> CellsegError | None:
    """The person's mistake behind an error that may have come through signals; None where it is a bug."""
    while isinstance(error, EmitLoopError):
        error = error.__cause__
    return error if isinstance(error, CellsegError) else None
