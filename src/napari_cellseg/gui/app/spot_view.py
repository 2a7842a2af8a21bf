"""What the dock shows of a spot check, as plain values. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from ...project import SpotPlace
from .items import Control


@dataclass(frozen=True)
class SpotState:
    """What the session knows of spot checks.

    Attributes
    ----------
    check
        Number of the newest one, 0 where there is none.
    open
        Places of it without an answer.
    outdated
        Whether images were predicted again since it was drawn.
    place
        The one that is shown; None while nobody answers.
    rank, of
        Its number among the places of its kind, and how many these are.
    missed
        Cells clicked in the field that is shown.
    first
        Whether there is none before it.
    said
        What the newest one comes to, in sentences.
    """

    check: int = 0
    open: int = 0
    outdated: bool = False
    place: SpotPlace | None = None
    rank: int = 0
    of: int = 0
    missed: int = 0
    first: bool = True
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpotView:
    """What the panel shows: controls with the reasons why they are off, and texts."""

    begin: Control
    go_on: Control
    going_on: bool
    running: bool
    in_field: bool
    question: str
    back: Control
    said: tuple[str, ...]


def spot_view(state: SpotState, begin: Control) -> SpotView:
    """The panel for a state; `begin` says whether a new check can be drawn."""
    unfinished = bool(state.open) and not state.outdated
    return SpotView(
        begin=begin,
        go_on=begin,
        going_on=unfinished and state.place is None,
        running=state.place is not None,
        in_field=state.place is not None and state.place.kind == "field",
        question=_question(state),
        back=Control(not state.first, "This is the first one." if state.first else ""),
        said=state.said,
    )


def _question(state: SpotState) -> str:
    place = state.place
    if place is None:
        return ""
    if place.kind == "object":
        return (
            f"<b>Object {state.rank} of {state.of}</b> ({place.image})<br>Would you accept the yellow outline "
            "as that of one cell?"
        )
    clicked = "none clicked yet" if not state.missed else f"{state.missed} clicked"
    return (
        f"<b>Field {state.rank} of {state.of}</b> ({place.image}), <b>{clicked}</b><br>Click every cell with its "
        "middle in the frame that has no outline you would accept. A second click takes it back."
    )
