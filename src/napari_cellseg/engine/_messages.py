"""What goes between a window and what computes for it: jobs and wishes down, events and signs of life up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import events
from ..config import Config, Predict
from ..events import Event
from ..settings import Settings, members
from ..targets import Target
from ._codec import Codec
from ._explain import Asking
from ._jobs import Job


@dataclass(frozen=True)
class Run:
    """Do a job."""

    number: int
    job: Job


@dataclass(frozen=True)
class Cancel:
    """End a job within a tile or a step."""

    number: int


@dataclass(frozen=True)
class Look:
    """Where the person looks while a job runs, in voxels."""

    number: int
    centre: tuple[float, ...]


@dataclass(frozen=True)
class Picture:
    """Where a picture lies that a job asked for (`PictureWanted`); or, with a reason, that it cannot be had."""

    source: str
    path: str
    reason: str


@dataclass(frozen=True)
class Reply:
    """An event and the job it belongs to; job 0 is the engine itself."""

    job: int
    event: Event


@dataclass(frozen=True)
class Beat:
    """A sign of life."""


EVENTS = tuple(kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event))
SETTINGS: tuple[type[Settings], ...] = (Config, Predict, *members(Target))
DOWN: tuple[type[Any], ...] = (Run, Cancel, Look, Picture, Asking, *members(Job), *SETTINGS)
UP: tuple[type[Any], ...] = (Reply, Beat, *EVENTS, *SETTINGS)
CODEC = Codec(dict.fromkeys((*DOWN, *UP)))
