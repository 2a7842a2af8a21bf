"""Rounds as the parent process keeps them: what is held out, what was judged, what the person decided."""

from __future__ import annotations

from typing import Any, Literal

from ..errors import CellsegError
from ..evaluate import headline
from ..events import Judged
from ..project import Project, RoundRecord, assign_holdouts

Decision = Literal["keep", "roll back"]


def judged_better(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the child is at least as good as its parent on the same held-out corrections."""
    return not before or headline(after) >= headline(before)


def open_round(project: Project) -> None:
    """Fix what is held out before a training; call it in the process that owns the project."""
    assign_holdouts(project)


def record_round(project: Project, judged: Judged) -> RoundRecord:
    """Record a judged round; the child is used from now on until the person decides."""
    n = project.db.add_round(judged.parent, judged.child, judged.before, judged.after)
    project.db.put_setting("current_model", judged.child)
    return next(r for r in project.db.rounds() if r.n == n)


def decide(project: Project, decision: Decision, n: int | None = None) -> RoundRecord:
    """Keep the child of a round (the newest one if not named) or roll back to its parent.

    Raises
    ------
    CellsegError
        When there is no such round.
    """
    rounds = [r for r in project.db.rounds() if n is None or r.n == n]
    if not rounds:
        raise CellsegError("There is no round to decide on.", "Fine-tune first.")
    last = rounds[-1]
    project.db.decide_round(last.n, decision, last.child if decision == "keep" else last.parent)
    return next(r for r in project.db.rounds() if r.n == last.n)
