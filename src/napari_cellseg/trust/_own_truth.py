"""Whose word the approved objects are: a person's, or a model's guess that nobody changed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..errors import CellsegError
from ..project import APPROVED, Objects, Project, undone_edits

_KEPT = "guesses/"
"""Settings of this name hold what was counted of an image, and at which edit."""


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
    kept, ends = project.db.settings(_KEPT), project.db.log_ends()
    found, fresh = [], dict[str, str]()
    for record in project.images():
        n, before = ends.get(record.id, 0), _read(kept.get(record.id, ""))
        if before is None or before[0] != n:
            before = (n, *_counted(project, record.id))
            fresh[_KEPT + record.id] = json.dumps(before)
        found.append(before)
    with contextlib.suppress(CellsegError):  # a full disk: it is counted again the next time
        project.db.put_settings(fresh)
    return OwnTruth(sum(approved for _, approved, _ in found), sum(unchanged for *_, unchanged in found))


def _read(text: str) -> tuple[int, int, int] | None:
    """What was counted of an image at which edit, None where nothing was."""
    try:
        n, approved, unchanged = json.loads(text)
        return int(n), int(approved), int(unchanged)
    except (ValueError, TypeError):
        return None


def _counted(project: Project, id: str) -> tuple[int, int]:
    """Approved objects of an image, and those that nobody has changed."""
    labels, state = project.load_labels(id)
    if not (state == APPROVED).any():
        return 0, 0
    objects = Objects(labels, state)
    mine = _approved(labels, state, objects)
    hands = _hands(project, id, labels.shape)
    return len(mine), sum(not _changed(labels, i, objects, hands) for i in mine)


def _approved(labels: Labels, state: NDArray[np.uint8], objects: Objects) -> list[int]:
    ids, counts = np.unique(labels[(state == APPROVED) & (labels > 0)], return_counts=True)
    return [id for id, n in zip(ids.tolist(), counts.tolist(), strict=True) if 2 * n >= objects.count(id)]


def _hands(project: Project, id: str, shape: tuple[int, ...]) -> Labels | None:
    """Where people changed labels: what stood there before, or the largest number where nothing did; 0 elsewhere.

    None where that is not known any more, since the log was folded: then all may be a person's.
    """
    rows = project.db.rows_after(id, 0)
    undone = undone_edits(rows)
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
