"""What a project knows of FUCCI: which channels are which, thresholds that a person set, states that a person said.

Setting ``fucci`` holds the first two, ``fucci/<image>`` the states of nuclei of one image. A nucleus is known by a
pixel inside it, not by its number: predictions and tools number objects anew.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from ..errors import CellsegError
from ._folder import Project

_SETTING = "fucci"


@dataclass(frozen=True)
class FucciSetup:
    """How the states of a project's nuclei are told.

    Attributes
    ----------
    red, green, nuclear
        Channels by name or number from 1; "" where nobody said.
    red_threshold, green_threshold
        Mean intensities that a person set; None: they are proposed from all nuclei.
    """

    red: str = ""
    green: str = ""
    nuclear: str = ""
    red_threshold: float | None = None
    green_threshold: float | None = None


@dataclass(frozen=True)
class SaidState:
    """What a person said of one nucleus.

    Attributes
    ----------
    point
        A pixel inside it, (Z, Y, X) or (Y, X).
    state
        The name of its state.
    author, time
        Who said so, and when (seconds since 1970).
    """

    point: tuple[int, ...]
    state: str
    author: str
    time: float


def fucci_setup(project: Project) -> FucciSetup:
    """What is set; what cannot be read counts as not set."""
    try:
        values = json.loads(project.db.setting(_SETTING) or "{}")
        return FucciSetup(**{k: v for k, v in values.items() if k in FucciSetup.__dataclass_fields__})
    except (ValueError, AttributeError, TypeError):
        return FucciSetup()


def put_fucci_setup(project: Project, setup: FucciSetup) -> None:
    """Keep channels and thresholds.

    Raises
    ------
    CellsegError
        When a threshold is not above 0, or one channel is both red and green.
    """
    for marker in ("red", "green"):
        value = getattr(setup, f"{marker}_threshold")
        if value is not None and not 0 < value < float("inf"):
            raise CellsegError(f"A {marker} threshold of {value:g} cannot be used.", "Give an intensity above 0.")
    if setup.red and setup.red.casefold() == setup.green.casefold():
        raise CellsegError(f"Channel {setup.red} cannot be both red and green.", "Name two channels.")
    if setup != fucci_setup(project):
        project.db.put_setting(_SETTING, json.dumps(asdict(setup)))


def said_states(project: Project, image: str) -> tuple[SaidState, ...]:
    """What persons said of an image's nuclei, the newest last."""
    try:
        rows = json.loads(project.db.setting(f"{_SETTING}/{image}") or "[]")
        return tuple(SaidState(tuple(r["point"]), str(r["state"]), str(r["author"]), float(r["time"])) for r in rows)
    except (ValueError, KeyError, TypeError):
        return ()


def say_states(project: Project, image: str, states: dict[tuple[int, ...], str], taken_back: set[int]) -> None:
    """Keep what a person says of nuclei of an image.

    Parameters
    ----------
    states
        By a pixel inside each nucleus; "" takes back.
    taken_back
        Places among `said_states` of what was said of these nuclei before.

    Raises
    ------
    CellsegError
        When there is no such image.
    """
    project.image(image)
    kept = [s for n, s in enumerate(said_states(project, image)) if n not in taken_back and s.point not in states]
    now = time.time()
    kept += [SaidState(point, state, project.author, now) for point, state in states.items() if state]
    project.db.put_setting(f"{_SETTING}/{image}", json.dumps([asdict(s) for s in kept]))
