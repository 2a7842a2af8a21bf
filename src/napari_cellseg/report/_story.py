"""What a project's report tells, as plain values.

Data flow: project folder -> rounds, models, images, log -> `Story`, which curves, page and JSON are made of. Nothing
here predicts: what was measured when a round was judged stands in the round.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..config import Config
from ..project import (
    SOURCES,
    ImageRecord,
    ImageStatus,
    ModelCard,
    Project,
    RoundRecord,
    TrainingPlaces,
    cover_ratios,
    image_statuses,
    label_sources,
    training_places,
)
from ..trust import SpotResult, as_row, results
from ._cycles import CycleTold, cycle_rows, told_cycles
from ._dynamics import ModelRow, model_rows
from ._effort import Action, Effort, Touched, actions, summed, touched

MEASURED = {"iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall", "ap50": "AP@0.5"}
"""What rounds are judged by, in this order."""


@dataclass(frozen=True)
class Stretch:
    """From one training to the next: what was done by hand, what it taught, and what came of it.

    Attributes
    ----------
    round
        Of the model that was trained at the end; None while there is none yet.
    effort
        By hand in this stretch.
    corrected, confirmed
        Voxels that were looked at: whose label a person changed, and those that were approved as they were.
    objects
        How many objects were corrected or approved by hand; 0 in projects of classes.
    """

    round: RoundRecord | None
    card: ModelCard | None
    effort: Effort
    corrected: int
    confirmed: int
    objects: int = 0

    @property
    def share(self) -> float | None:
        """Of what was looked at, what had to be corrected: the honest measure of progress."""
        seen = self.corrected + self.confirmed
        return self.corrected / seen if seen else None

    def metric(self, name: str, when: str) -> float | None:
        """A measure before or after the training; None where it was not to be had."""
        if self.round is None:
            return None
        value = (self.round.before if when == "before" else self.round.after).get(name)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


@dataclass(frozen=True)
class Story:
    """A project, told.

    Attributes
    ----------
    stretches
        In order; the last one may have no round yet.
    by_tool, by_person
        Effort over the whole project.
    own_truth
        What judged was the model's own masks, approved as they were, in so many rounds.
    objects_known
        How many objects were corrected or approved, without imported masks; 0 in projects of classes.
    cover
        True / predicted area of each image that was held out from the model in use.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    images: tuple[ImageRecord, ...]
    statuses: dict[str, ImageStatus]
    images_held_out: int
    stretches: tuple[Stretch, ...]
    by_tool: dict[str, Effort]
    by_person: dict[str, Effort]
    models: tuple[ModelCard, ...]
    current: str | None
    config: Config
    own_truth: int
    begun: float | None
    ended: float | None
    spot_checks: tuple[SpotResult, ...] = ()
    training_places: TrainingPlaces | None = None
    learnt: tuple[ModelRow, ...] = ()
    cycles: tuple[CycleTold, ...] = ()
    cover: tuple[float, ...] = ()
    objects_known: int = 0

    @property
    def rounds(self) -> list[Stretch]:
        """Those that ended with a judged model."""
        return [s for s in self.stretches if s.round is not None]


_Work = tuple[Sequence[Action], Sequence[Touched]]
OWN = 0.999
"""An old model that agrees so well (IoU) with what judges has made it."""


def tell(project: Project) -> Story:
    """Gather what a report tells.

    Raises
    ------
    CellsegError
        When the project's database cannot be read.
    """
    done = actions(project)
    cards = {card.id: card for card in project.models()}
    current = project.current_model
    rounds = project.db.rounds()
    statuses = image_statuses(project)
    return Story(
        name=project.name,
        task=project.task,
        classes=tuple(project.classes),
        images=tuple(project.images()),
        statuses=statuses,
        images_held_out=len(project.db.holdouts()),
        stretches=tuple(_stretches((done, touched(project)), rounds, cards)),
        by_tool=summed(done, lambda a: a.tool),
        by_person=summed(done, lambda a: a.author or "unknown"),
        models=tuple(cards.values()),
        current=current,
        config=project.model_config(current) if current else project.config,
        own_truth=sum(r.before.get("iou", 0.0) > OWN for r in rounds),
        begun=done[0].time if done else None,
        ended=done[-1].time if done else None,
        spot_checks=tuple(results(project)),
        training_places=training_places(project),
        learnt=tuple(model_rows(project)),
        cycles=tuple(told_cycles(project, done)),
        cover=cover_ratios(project, current) if current else (),
        objects_known=_objects_known(project, statuses),
    )


def measured_against(round_: RoundRecord) -> str:
    """What a round was measured against: the parent, or what was on the screen before any model."""
    return round_.parent or ("draft" if round_.before else "nothing")


def _objects_known(project: Project, statuses: dict[str, ImageStatus]) -> int:
    """Objects of which a person corrected or approved any voxel, here: imported masks are work done elsewhere."""
    if project.task != "instance":
        return 0
    known = 0
    for id in (id for id, status in statuses.items() if status.corrected or status.approved):
        labels, state = project.load_labels(id)
        ours = (state > 0) & (label_sources(project, id) != SOURCES.index("imported"))
        known += int(np.count_nonzero(np.unique(labels[ours])))
    return known


def _stretches(work: _Work, rounds: Sequence[RoundRecord], cards: dict[str, ModelCard]) -> list[Stretch]:
    """The log, cut where trainings took it up; what came after the last one is a stretch without a round."""
    out, start = [], 0
    for round_ in rounds:
        card = cards.get(round_.child)
        end = card.edits_until if card is not None else start
        out.append(_stretch(work, (start, end), round_, card))
        start = max(start, end)
    rest = any(a.n > start for a in work[0])
    return [*out, _stretch(work, (start, sys.maxsize), None, None)] if rest or not out else out


def _stretch(work: _Work, span: tuple[int, int], round_: RoundRecord | None, card: ModelCard | None) -> Stretch:
    """What was done after the first and up to the last of these edits."""
    own = [action for action in work[0] if span[0] < action.n <= span[1]]
    effort = summed(own).get("all", Effort(0, 0, 0.0, 0))
    confirmed = sum(a.voxels for a in own if a.approves)
    seen = {(each.image, each.id) for each in work[1] if span[0] < each.n <= span[1]}
    return Stretch(round_, card, effort, effort.voxels - confirmed, confirmed, len(seen))


def as_json(story: Story) -> dict[str, Any]:
    """The same as plain numbers and texts, for other programs."""
    rounds = [
        {
            "round": s.round.n, "before": s.round.parent, "after": s.round.child, "decision": s.round.decision,
            "time": s.round.time, "objects": s.objects, **_effort(s.effort),
            "corrected_voxels": s.corrected, "confirmed_voxels": s.confirmed,
            "corrected_share": s.share,
            "metrics": {n: {w: s.metric(n, w) for w in ("before", "after")} for n in MEASURED},
        }
        for s in story.rounds
        if s.round is not None
    ]  # fmt: skip
    return {
        "project": story.name, "task": story.task, "classes": list(story.classes), "current_model": story.current,
        "images": {r.id: {"split": r.split, "status": story.statuses[r.id].word} for r in story.images},
        "rounds": rounds, "by_tool": {k: _effort(v) for k, v in story.by_tool.items()},
        "objects_corrected_or_approved": story.objects_known,
        "by_person": {k: _effort(v) for k, v in story.by_person.items()},
        "models": {m.id: {"parent": m.parent, "steps": m.steps, "seconds": m.seconds} for m in story.models},
        "spot_checks": [as_row(r) for r in story.spot_checks],
        "learnt": [asdict(row) for row in story.learnt],
        "review_cycles": cycle_rows(story.cycles), "true_to_predicted_area": list(story.cover),
    }  # fmt: skip


def _effort(effort: Effort) -> dict[str, Any]:
    return {
        "actions": effort.actions, "timed_actions": effort.timed, "seconds": round(effort.seconds, 1),
        "voxels": effort.voxels,
    }  # fmt: skip
