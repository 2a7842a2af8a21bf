"""What a tool is: how it is named, its gesture, and the function that it carries. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Gesture = Literal["object", "click or line", "line", "loop", "box", "now"]
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
    only: tuple[Only, ...] = ()
    main: bool = False
    takes_first: bool = False
