"""Whose word the approved objects are: a person's, or a model's guess that nobody changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..project import APPROVED, Objects, Project


@dataclass(frozen=True)
class OwnTruth:
    """Approved objects of a project, and how many of them stand as a model (or a draft) had made them."""

    approved: int = 0
    unchanged: int = 0

    @property
    def share(self) -> float:
        """Of the approved ones, those that no person has changed."""
        return self.unchanged / self.approved if self.approved else 0.0


def own_truth(project: Project) -> OwnTruth:
    """Count approved objects (for at least half of their voxels) and those of which no person ever changed a voxel.

    What a person did is told from the log: strokes and tools count, and so do imported masks; approving changes no
    label, and predictions, drafts and Live's answers are a model's. An edit that took a piece away beside an object
    counts for it.
    """
    if project.task != "instance":
        return OwnTruth()
    approved = unchanged = 0
    for record in project.images():
        store = project.load_labels(record.id)
        labels, state = store
        if not (state == APPROVED).any():
            continue
        objects = Objects(labels, state)
        mine = _approved(labels, state, objects)
        hands = _hands(project, record.id, labels.shape)
        approved += len(mine)
        unchanged += sum(not _changed(labels, id, objects, hands) for id in mine)
    return OwnTruth(approved, unchanged)


def _approved(labels: Labels, state: NDArray[np.uint8], objects: Objects) -> list[int]:
    ids, counts = np.unique(labels[(state == APPROVED) & (labels > 0)], return_counts=True)
    return [id for id, n in zip(ids.tolist(), counts.tolist(), strict=True) if 2 * n >= objects.count(id)]


def _hands(project: Project, id: str, shape: tuple[int, ...]) -> Labels | None:
    """Where people changed labels: what stood there before, or the largest number where nothing did; 0 elsewhere.

    None where that is not known any more, since the log was folded: then all may be a person's.
    """
    rows = project.db.rows_after(id, 0)
    undone: set[int] = set()
    for row in rows:
        if row.undoes is not None:
            (undone.add if row.tool == "undo" else undone.discard)(row.undoes)
    out = np.zeros(shape, np.uint32)
    flat = out.reshape(-1)
    for row in rows:
        if row.compacted and row.by_hand:
            return None
        if not row.by_hand or row.answer or row.undoes is not None or row.n in undone:
            continue
        if row.tool.startswith("approve"):
            continue
        edit = project.db.edit(row.n, shape)
        moved = edit.old_labels != edit.new_labels
        flat[edit.index[moved]] = np.where(edit.old_labels[moved] > 0, edit.old_labels[moved], np.iinfo(np.uint32).max)
    return out


def _changed(labels: Labels, id: int, objects: Objects, hands: Labels | None) -> bool:
    if hands is None:
        return True
    box = objects.box(labels, id)
    if hands[box][labels[box] == id].any():
        return True
    wide = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
    return bool((hands[wide] == id).any())
