"""Rounds as the parent process keeps them: what is held out, what was judged, what the person decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..errors import CellsegError
from ..evaluate import headline
from ..events import Judged
from ..project import Project, RoundRecord, assign_holdouts

Decision = Literal["keep", "roll back"]


def judged_better(kinds: Sequence[tuple[dict[str, Any], dict[str, Any]]], parent: str | None = None) -> bool:
    """Whether a child is at least as good as what was there before it.

    Twice it must not be worse: where every kind of image counts the same, and where every image does, since a kind of
    one small part may say anything. Where nothing can be measured, a parent stays.

    Parameters
    ----------
    kinds
        Metrics before and after of every kind; before is empty (or of no images) where nothing was there.
    """
    measured = [(before, after) for before, after in kinds if after.get("images")]
    if not measured:
        return parent is None
    gains = np.array([headline(after) - headline(before) for before, after in measured])
    images = np.array([after["images"] for _, after in measured])
    return bool(gains.sum() >= 0 and (gains * images).sum() >= 0)


def open_round(project: Project) -> None:
    """Fix what is held out before a training; call it in the process that owns the project."""
    assign_holdouts(project)


def record_round(project: Project, judged: Judged) -> RoundRecord:
    """Record a judged round; the better one is used from now on until the person decides."""
    after = judged.after | ({"kinds": judged.kinds} if judged.kinds else {})
    n = project.db.add_round(judged.parent, judged.child, judged.before, after)
    project.db.put_setting("current_model", judged.child if judged.better else judged.parent or "")
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
