"""What the clock looks at now and then. No Qt."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .controller import Controller


class Looking(ABC):
    """A part of the controller that looks every `every_s` seconds whether something has changed."""

    every_s = 1.0

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._due = 0.0

    def follow(self) -> None:
        """Called by the clock."""
        if time.monotonic() > self._due:
            self._due = time.monotonic() + self.every_s
            self.look()

    @abstractmethod
    def look(self) -> None:
        """Tell the session what has changed."""
