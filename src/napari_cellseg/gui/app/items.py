"""What views are made of: controls that say why they are off, and lines of lists. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Control:
    """Whether a control works, and if not, why."""

    enabled: bool
    reason: str = ""


@dataclass(frozen=True)
class Step:
    """How far a step of the Workbench is.

    Attributes
    ----------
    state
        "done", "next" (the most sensible one now), "locked" (nothing can be done there yet) or "".
    reason
        Why it is locked.
    """

    state: Literal["done", "next", "locked", ""] = ""
    reason: str = ""


@dataclass(frozen=True)
class Item:
    """A line of a list: its key, text and the group it belongs to; a mark before it, and what that means."""

    key: str
    text: str
    detail: str = ""
    mark: str = ""
    tip: str = ""
    off: str = ""
    """Why it cannot be chosen, "" where it can."""
