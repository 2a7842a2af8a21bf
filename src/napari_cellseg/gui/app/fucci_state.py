"""What a Workbench knows of FUCCI, and what it says of it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...measurement import FUCCI_STATES, STATE_NAMES, Threshold, fucci_states
from .items import Control

if TYPE_CHECKING:
    from pandas import DataFrame

NAME = "FUCCI"
"""Of the layer of colours."""


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The nuclei of all images as they were measured: ``image``, ``label``, ``red``, ``green``, ``by_hand``."""

    frame: DataFrame

    @cached_property
    def images(self) -> NDArray[np.object_]:
        """The image of every row."""
        return np.asarray(self.frame["image"], object)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The label of every row."""
        return np.asarray(self.frame["label"], np.int64)

    @cached_property
    def said(self) -> NDArray[np.int8]:
        """The state that a person said of every row, a number into `FUCCI_STATES`; -1 where nobody did."""
        number = {name: n for n, name in enumerate(STATE_NAMES)}
        return np.array([number.get(s, -1) for s in self.frame["by_hand"]], np.int8)

    def row(self, image: str, label: int) -> int:
        """The row of a nucleus, -1 where there is none."""
        found = np.flatnonzero((self.images == image) & (self.labels == label))
        return int(found[0]) if found.size else -1

    def with_said(self, row: int, state: str) -> Nuclei:
        """The same, with what a person says of one row; "" for nothing."""
        frame = self.frame.copy()
        frame["by_hand"] = np.where(np.arange(len(frame)) == row, state, frame["by_hand"].to_numpy(object))
        return Nuclei(frame)


@dataclass(frozen=True, eq=False)
class Points:
    """Nuclei as the scatter shows them, (N,) each.

    Attributes
    ----------
    red, green
        Mean intensities.
    states
        Numbers into `FUCCI_STATES`, -1 where none is known.
    said
        Whether a person said so.
    mine
        Whether it is a nucleus of the open image.
    labels
        In their images.
    """

    red: NDArray[np.float64]
    green: NDArray[np.float64]
    states: NDArray[np.int8]
    said: NDArray[np.bool_]
    mine: NDArray[np.bool_]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, nuclei: Nuclei, thresholds: tuple[float, float], image: str) -> Points:
        """What there is to show for thresholds and an open image."""
        red, green = (np.asarray(nuclei.frame[m], np.float64) for m in ("red", "green"))
        said = nuclei.said >= 0
        states = np.where(said, nuclei.said, fucci_states(red, green, thresholds)).astype(np.int8)
        return cls(red, green, states, said, nuclei.images == image, nuclei.labels)

    def counts(self, mine: bool) -> tuple[int, ...]:
        """How many are in every state, in the open image or in all."""
        states = self.states[self.mine] if mine else self.states
        return tuple(int((states == n).sum()) for n in range(len(FUCCI_STATES)))


@dataclass(frozen=True)
class FucciState:
    """What the person wants to know of the cell cycle, and what is known."""

    channels: tuple[str, ...] = ()
    """Of the open image."""
    red: str = ""
    green: str = ""
    nuclear: str = ""
    nuclei: Nuclei | None = None
    thresholds: tuple[Threshold, ...] = ()
    """Of red and green, once nuclei are measured."""
    points: Points | None = None
    coloured: bool = False
    stale: bool = False

    @property
    def values(self) -> tuple[float, float]:
        """The thresholds as numbers."""
        red, green = self.thresholds
        return red.value, green.value


@dataclass(frozen=True)
class FucciView:
    """What is shown of FUCCI."""

    state: FucciState
    there: bool
    """Whether the open image can have it at all."""
    tell: Control
    use: Control
    """Whether there are states to look at and to save."""
    say: Control
    """Whether a state can be given to the chosen object."""
    counts: tuple[tuple[str, str, str, str], ...]
    """Per state: colour, name, how many here, how many in all images."""
    doubt: str
    object: str
    """What is known of the chosen object."""


def fucci_view(state: FucciState, image: str, chosen: int, idle: Control, writable: Control) -> FucciView:
    """What to show for a state.

    Parameters
    ----------
    image
        The open one.
    chosen
        The label of the chosen object, 0 for none.
    """
    named = Control(bool(state.red and state.green), "Choose the channels of red and green first.")
    told = Control(state.points is not None, "Press Tell states first.")
    row = state.nuclei.row(image, chosen) if state.nuclei is not None and chosen else -1
    one = Control(row >= 0, "Click on a nucleus first, in the image or in the plot.")
    doubts = [t.doubt for t in state.thresholds if t.doubt]
    if state.stale and state.nuclei is not None:
        doubts.insert(0, "Labels were edited since: tell states again.")
    return FucciView(
        state,
        there=len(state.channels) > 1,
        tell=next((c for c in (named, idle) if not c.enabled), named),
        use=told,
        say=next((c for c in (told, one, writable) if not c.enabled), one),
        counts=_counts(state.points),
        doubt="\n".join(doubts),
        object=_object(state, row),
    )


def _counts(points: Points | None) -> tuple[tuple[str, str, str, str], ...]:
    if points is None:
        return ()
    here, everywhere = points.counts(True), points.counts(False)
    return tuple(
        (s.colour, s.name, _share(here[n], sum(here)), _share(everywhere[n], sum(everywhere)))
        for n, s in enumerate(FUCCI_STATES)
    )


def _share(n: int, of: int) -> str:
    return f"{n:,} ({100 * n / of:.0f} %)" if of else "0"


def _object(state: FucciState, row: int) -> str:
    if row < 0 or state.points is None:
        return ""
    number, label = int(state.points.states[row]), int(state.points.labels[row])
    name = STATE_NAMES[number] if number >= 0 else "unknown"
    return f"Nucleus {label}: {name} ({'you said so' if state.points.said[row] else 'by the thresholds'})."
