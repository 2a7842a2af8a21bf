"""What the window knows of objects through time, and what it shows of it. Pure functions of the session. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...project import TimeSeries
from ...tracks import Tracks
from .items import Control


@dataclass(frozen=True)
class TrackState:
    """Tracks of the open image's series.

    Attributes
    ----------
    series
        Its name, "" where the open image is of none.
    tracks
        As they are kept; None where it was not tracked.
    outdated
        Whether labels have changed since.
    shown, coloured
        Whether paths are drawn, and objects have the colours of their tracks.
    chosen
        The label that the brush has in the open image.
    follows
        The object, (place of the frame, label), that the chosen one follows; None where it follows none.
    marked
        The object, (image, label), that another one is to be linked with.
    summary, object
        What the tracks come to, and what is known of the chosen object, in words.
    """

    series: str = ""
    tracks: Tracks | None = None
    outdated: bool = False
    shown: bool = False
    coloured: bool = False
    chosen: int = 0
    follows: tuple[int, int] | None = None
    marked: tuple[str, int] | None = None
    summary: str = ""
    object: str = ""


@dataclass(frozen=True)
class TrackView:
    """What the panel of time shows; every control with the reason why it is off."""

    state: TrackState = field(default_factory=TrackState)
    there: bool = False
    summary: str = ""
    object: str = ""
    marked: str = ""
    track: Control = field(default_factory=lambda: Control(False))
    use: Control = field(default_factory=lambda: Control(False))
    mark: Control = field(default_factory=lambda: Control(False))
    same: Control = field(default_factory=lambda: Control(False))
    cut: Control = field(default_factory=lambda: Control(False))
    carry: Control = field(default_factory=lambda: Control(False))


def track_view(state: TrackState, series: TimeSeries | None, image: str, idle: Control, writable: Control) -> TrackView:
    """What is shown of the open image's objects through time."""
    if series is None or image not in series.ids:
        return TrackView(state)
    at, tracks = series.at(image), state.tracks
    free = idle if not idle.enabled else writable
    some = Control(tracks is not None, "" if tracks is not None else "Press Track first.")
    chosen = Control(state.chosen > 0, "" if state.chosen else "Pick an object first (Shift-N over it).")
    marked = Control(
        state.marked is not None and state.marked[0] in series.ids[:at], "Mark an object in a frame before."
    )
    last = Control(at + 1 < len(series.ids), "This is the last frame.")
    before = Control(state.follows is not None, "It follows nothing.")
    return TrackView(
        state, True, _told(state), state.object, _marked(state),
        free, some if free.enabled else free, _first(writable, chosen), _first(free, chosen, marked),
        _first(free, chosen, before), _first(free, last),
    )  # fmt: skip


def summary_of(tracks: Tracks) -> str:
    """What tracks come to: ``31 tracks, 4 divisions, 392 objects.``, in words."""
    divided = sum(len(children) > 1 for children in tracks.divisions.values())
    return f"{len(tracks)} tracks, {divided} division{'s' * (divided != 1)}, {len(tracks.frames)} objects."


def object_of(tracks: Tracks, at: int, label: int) -> str:
    """What is known of an object of a frame."""
    number = tracks.at(at).get(label)
    if number is None:
        return f"Object {label} is in no track yet."
    span = tracks.span(number)
    daughters = tracks.divisions.get(number, ())
    text = f"Object {label}: track {number}, frames {span.first + 1} to {span.last + 1}"
    text += f", daughter of {span.parent}" if span.parent else ""
    return text + (f", becomes {' and '.join(map(str, daughters))}." if daughters else ".")


def _told(state: TrackState) -> str:
    return f"{state.summary} Labels have changed since: track again." if state.outdated else state.summary


def _marked(state: TrackState) -> str:
    return "" if state.marked is None else f"Marked: object {state.marked[1]} of {state.marked[0]}."


def _first(*controls: Control) -> Control:
    return next((c for c in controls if not c.enabled), Control(True))
