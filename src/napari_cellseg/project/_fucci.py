"""What a project knows of FUCCI: which channels are which, thresholds that a person set, states that a person said.

Setting ``fucci`` holds the first two; states are words of table ``object_said`` (`_said.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from ..errors import CellsegError
from ._folder import Project
from ._said import Point, Said, said, say

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


def said_states(project: Project, image: str) -> tuple[Said, ...]:
    """What persons said of an image's nuclei, the newest last."""
    return said(project, _SETTING, image, _before(project, image))


def say_states(project: Project, image: str, states: Mapping[Point, str], instead: Collection[Point] = ()) -> None:
    """Keep what a person says of nuclei of an image; see `say`.

    Raises
    ------
    CellsegError
        When there is no such image.
    """
    say(project, _SETTING, image, states, instead)


def _before(project: Project, image: str) -> tuple[Said, ...]:
    """States as they were kept once: all of an image in one setting."""
    try:
        rows = json.loads(project.db.setting(f"{_SETTING}/{image}") or "[]")
        return tuple(Said(tuple(r["point"]), str(r["state"]), str(r["author"]), float(r["time"])) for r in rows)
    except (ValueError, KeyError, TypeError):
        return ()
