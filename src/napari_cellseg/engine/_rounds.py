"""Rounds as the parent process keeps them: what is held out, what was judged, what the person decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..errors import CellsegError
from ..evaluation import headline
from ..events import Judged
from ..project import COVER, Project, RoundRecord, assign_holdouts, measure_sizes

Decision = Literal["keep", "roll back"]
Keep = Literal["auto", "yes", "no"]
FIRM, DOUBT = 20, 0.1
"""With fewer held-out objects than the first, a child must gain more than nothing: a tenth where there is none."""


def judged_better(kinds: Sequence[tuple[dict[str, Any], dict[str, Any]]], parent: str | None = None) -> bool:
    """Whether a child is at least as good as what was there before it.

    Twice it must not be worse: where every kind of image counts the same, and where every image does, since a kind of
    one small part may say anything. Against a parent it must be clearly better where few objects judge: five that are
    as good as before may hide that all others became worse. Where nothing can be measured, a parent stays.

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
    wanted = _wanted([after for _, after in measured]) if parent is not None else 0.0
    return bool(gains.mean() >= wanted and (gains * images).sum() / images.sum() >= wanted)


def _wanted(after: Sequence[dict[str, Any]]) -> float:
    """The least gain: `DOUBT` falls to 0 with `FIRM` held-out objects. Classes are judged by voxels, which are many."""
    if any("objects_tp" not in scores for scores in after):
        return 0.0
    n = sum(float(scores["objects_tp"] + scores["objects_fn"]) for scores in after)
    return DOUBT * max(0.0, 1 - n / FIRM)


def open_round(project: Project) -> None:
    """Fix, before a training, what is held out and what corrections say of sizes.

    Call it in the process that owns the project.
    """
    assign_holdouts(project)
    if project.task == "instance":
        measure_sizes(project)


def record_round(project: Project, judged: Judged) -> RoundRecord:
    """Record a judged round; the better one is used from now on until the person decides."""
    before, after = (
        metrics | ({COVER: cover} if cover else {})
        for metrics, cover in zip((judged.before, judged.after), judged.cover, strict=True)
    )
    n = project.db.add_round(
        judged.parent, judged.child, before, after | ({"kinds": judged.kinds} if judged.kinds else {})
    )
    project.db.put_setting("current_model", judged.child if judged.better else judged.parent or "")
    return next(r for r in project.db.rounds() if r.n == n)


def settle_round(project: Project, judged: Judged, keep: Keep = "auto") -> RoundRecord:
    """Record a judged round and decide it at once: "auto" keeps the child that has proved itself."""
    round_ = record_round(project, judged)
    kept = judged.better if keep == "auto" else keep == "yes"
    return decide(project, "keep" if kept else "roll back", round_.n)


def unjudged_models(project: Project) -> list[str]:
    """Models that were trained here and have no round: the window was closed, or died, before it was recorded."""
    judged = {r.child for r in project.db.rounds()}
    here = [c for c in project.models() if c.steps and not c.members and "from" not in c.metrics]
    return [c.id for c in here if c.id not in judged]


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
