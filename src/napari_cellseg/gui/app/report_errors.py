"""A person's mistake becomes a problem in the dock. No Qt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import CellsegError

Method = TypeVar("Method", bound=Callable[..., Any])


def shown(method: Method) -> Method:
    """A person's mistake in a method becomes a problem in the dock, not a traceback in the terminal."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except CellsegError as error:
            self.fail(error)
            return None

    return wrapper  # type: ignore[return-value]


def changing(method: Method) -> Method:
    """As `shown`, for what changes labels: an open stroke is finished, and so logged, first."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.settle()
        return method(self, *args, **kwargs)

    return shown(wrapper)  # type: ignore[return-value]
