"""What a tool is: how it is named, its gesture, and the function that it carries. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

Gesture = Literal["object", "click or line", "click or box", "line", "loop", "box", "now"]
Only = Literal["volume", "classes", "objects"]
Act = Callable[..., None]
"""A method of `ToolActions`, not bound yet."""


def _cannot(*_: object) -> None:
    raise TypeError("The tool has no such gesture.")


@dataclass(frozen=True)
class Tool:
    """A tool as people see it, and what it does.

    Attributes
    ----------
    gesture
        What the hand does on the image. A key of an "object" tool acts at once on the object under the cursor; the
        button lets the person click objects. "now" needs no place.
    at, along, inside
        What it does at a voxel, along a line or loop, and inside a box ("now": the visible one).
    more, less
        What a click with Shift or Ctrl does, where it does something else than a plain one.
    only
        Where it can be used; empty: everywhere.
    main
        Whether it is one of the few that everybody needs.
    takes_first
        Whether its key, pressed over an object, is the first click as well.
    """

    name: str
    title: str
    key: str
    gesture: Gesture
    tip: str
    group: str
    at: Act = _cannot
    along: Act = _cannot
    inside: Act = _cannot
    more: Act | None = None
    less: Act | None = None
    only: tuple[Only, ...] = ()
    main: bool = False
    takes_first: bool = False

    def clicked(self, modifiers: Collection[str]) -> Act:
        """What a click with some keys held down does."""
        if "Control" in modifiers and self.less is not None:
            return self.less
        return self.more if "Shift" in modifiers and self.more is not None else self.at
