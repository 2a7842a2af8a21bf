"""What the clock looks at now and then. No Qt."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .workspace import Workspace


class Periodic(ABC):
    """A part that looks every `every_s` seconds whether something has changed."""

    every_s = 1.0

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._due = 0.0

    def follow(self) -> None:
        """Called by the clock."""
        if time.monotonic() > self._due:
            self._due = time.monotonic() + self.every_s
            self.look()

    @abstractmethod
    def look(self) -> None:
        """Tell the session what has changed."""
