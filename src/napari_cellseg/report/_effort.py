"""How much work annotation was: actions, seconds, voxels; by tool, by person, by stretch between two trainings.

Data flow: rows of the log (made by hand) -> one action per entry, as a person sees it, with the seconds since the
action before it of the same person -> sums. Longer pauses are left out: somebody thought, or had coffee.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..project import EditRow, Project, entries, undone_edits

PAUSE = 20.0
"""An action that comes later than this after the one before it (s) counts, but not its time."""
_UNCOUNTED = ("undo", "redo", "restore", "outside", "import", "recover", "mend")
"""Taken back, brought from elsewhere, or put right by the program: no annotation."""


@dataclass(frozen=True)
class Action:
    """One thing that a person did.

    Attributes
    ----------
    n
        Number of its newest edit.
    seconds
        Since the action before; None after a pause, and for the first one.
    voxels
        Whose label or state changed.
    """

    n: int
    image: str
    time: float
    author: str
    tool: str
    voxels: int
    seconds: float | None

    @property
    def approves(self) -> bool:
        """Whether it says that what was there is right, and changes no label."""
        return self.tool.startswith("approve")


@dataclass(frozen=True)
class Effort:
    """Sums over actions.

    Attributes
    ----------
    timed
        How many of the actions are in `seconds`.
    """

    actions: int
    timed: int
    seconds: float
    voxels: int

    @property
    def each(self) -> float | None:
        """Seconds an action takes, of those that are timed."""
        return self.seconds / self.timed if self.timed else None


def actions(project: Project) -> list[Action]:
    """Everything that was done by hand and not taken back, in the order in which it was done."""
    found = []
    for record in project.images():
        for entry in entries(_by_hand(project, record.id)):
            if entry.tool not in _UNCOUNTED:
                found.append((record.id, entry))
    found.sort(key=lambda pair: pair[1].time)
    last: dict[str, float] = {}
    out = []
    for image, e in found:
        passed = e.time - last.get(e.author, -math.inf)
        last[e.author] = e.time
        seconds = passed if 0 <= passed <= PAUSE else None
        out.append(Action(e.n, image, e.time, e.author, e.tool, e.voxels, seconds))
    return out


class Touched(NamedTuple):
    """An object that an edit corrected or approved: number of the edit, image and id."""

    n: int
    image: str
    id: int


def touched(project: Project) -> list[Touched]:
    """The objects of every edit that was made by hand and not taken back; of what was deleted, the one that was there.

    [] in a project of classes.
    """
    found = []
    for record in project.images() if project.task == "instance" else ():
        for row in _by_hand(project, record.id):
            if row.tool not in _UNCOUNTED:
                edit = project.db.edit(row.n, record.shape)
                ids = np.unique(np.where(edit.new_labels > 0, edit.new_labels, edit.old_labels))
                found += [Touched(row.n, record.id, int(id)) for id in ids[ids > 0]]
    return found


def _by_hand(project: Project, image: str) -> list[EditRow]:
    """Edits of an image by hand that count, the newest first."""
    rows = project.db.history(image)
    undone = undone_edits(rows)
    return [r for r in reversed(rows) if r.by_hand and not r.compacted and r.n not in undone]


def summed(done: Iterable[Action], by: Callable[[Action], str] = lambda a: "all") -> dict[str, Effort]:
    """Effort by whatever the actions are told apart by, the most actions first."""
    groups: dict[str, list[Action]] = defaultdict(list)
    for action in done:
        groups[by(action)].append(action)
    sums = {name: _sum(own) for name, own in groups.items()}
    return dict(sorted(sums.items(), key=lambda item: -item[1].actions))


def _sum(done: list[Action]) -> Effort:
    timed = [a.seconds for a in done if a.seconds is not None]
    return Effort(len(done), len(timed), sum(timed), sum(a.voxels for a in done))
