"""What the dock shows of review cycles, as plain values. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from .items import Control


@dataclass(frozen=True)
class CyclesState:
    """What the session knows of review cycles.

    Attributes
    ----------
    reviewer
        Who is proposed for the next one.
    open
        Number of the open one, 0 where none is.
    lines
        What every cycle was: its head, and what came of it; the oldest first.
    """

    reviewer: str = ""
    open: int = 0
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CyclesView:
    """What the panel shows: the buttons with the reasons why they are off, and texts."""

    begin: Control
    close: Control
    open: int
    reviewer: str
    lines: tuple[tuple[str, str], ...]


def cycles_view(state: CyclesState, allowed: Control) -> CyclesView:
    """The panel for a state; `allowed` says whether the project can be written to now."""
    close = allowed if state.open else Control(False, "No review cycle is open.")
    return CyclesView(allowed, close, state.open, state.reviewer, state.lines)
