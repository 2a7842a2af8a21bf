"""How much work annotation was: actions, seconds, voxels; by tool, by person, by stretch between two trainings.

Data flow: rows of the log (made by hand) -> one action per entry, as a person sees it, with the seconds since the
action before it of the same person -> sums. Longer pauses are left out: somebody thought, or had coffee.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..project import Project, entries, undone_edits

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
        rows = project.db.history(record.id)
        undone = undone_edits(rows)
        kept = [r for r in reversed(rows) if r.by_hand and not r.compacted and r.n not in undone]
        for entry in entries(kept):
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
