"""How far every image is, told from the log, so that no image has to be opened; and which model predicted it last.

Data flow: the newest count of an image (table settings) + what the edits since then changed -> a new count, kept ->
`ImageStatus`. Edits hold old and new values, so their sums are exact; where many have come, the snapshot is counted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from ..errors import CellsegError
from ._edit import Edit
from ._folder import Project
from ._grids import parts
from ._known import APPROVED, CORRECTED
from ._objects import count_states
from ._records import COUNTED

T = TypeVar("T")
Word = Literal["not begun", "predicted", "corrected", "approved"]
WHOLE = 0.999
"""Share of approved voxels from which an image counts as approved."""
MANY = 300
"""Edits that are summed up one by one; where more have come, opening the image is faster."""
_PREDICTION = "predicted/"
_COUNT = COUNTED[0]


@dataclass(frozen=True)
class ImageStatus:
    """How far one image is.

    Attributes
    ----------
    labelled
        Whether it has any labels.
    corrected, approved
        Shares of its voxels.
    predicted_by
        The models that predicted it last (``v2``, ``v1+v2``), "" where none did or that was undone.
    """

    labelled: bool = False
    corrected: float = 0.0
    approved: float = 0.0
    predicted_by: str = ""

    @property
    def word(self) -> Word:
        """The same in a word."""
        if self.approved >= WHOLE:
            return "approved"
        if self.corrected + self.approved > 0:
            return "corrected"
        return "predicted" if self.labelled else "not begun"


@dataclass(frozen=True)
class Prediction:
    """Which models predicted an image, with which settings (a digest), and the newest edit when that was written."""

    models: str
    how: str
    edit: int


def image_status(project: Project, id: str) -> ImageStatus:
    """How far one image is.

    Raises
    ------
    CellsegError
        When there is no such image, or its log is damaged.
    """
    project.image(id)
    return _statuses(project, [id])[id]


def image_statuses(project: Project) -> dict[str, ImageStatus]:
    """How far every image is; one whose log is damaged is left out."""
    found: dict[str, ImageStatus] = {}
    ids = [r.id for r in project.images()]
    try:
        return _statuses(project, ids)
    except CellsegError:
        for id in ids:
            with contextlib.suppress(CellsegError):
                found |= _statuses(project, [id])
    return found


def note_prediction(project: Project, id: str, models: str, how: str) -> None:
    """Remember that a whole image was predicted, so that it need not be predicted again."""
    newest = project.db.last_row(id)
    note = Prediction(models, how, newest.n if newest else 0)
    project.db.put_setting(_PREDICTION + id, json.dumps(asdict(note)))


def last_predictions(project: Project) -> dict[str, Prediction]:
    """What predicted each image last; images whose prediction was undone are left out."""
    undone = project.db.undone("predict")
    notes = {id: _read(Prediction, text) for id, text in project.db.settings(_PREDICTION).items()}
    return {id: note for id, note in notes.items() if note is not None and undone.get(id, 0) <= note.edit}


# --- inside ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Count:
    """Voxels of an image after edit `n`."""

    n: int = 0
    labelled: int = 0
    corrected: int = 0
    approved: int = 0

    def after(self, n: int, edit: Edit) -> _Count:
        """The count after one more edit."""
        labelled = int(np.count_nonzero(edit.new_labels)) - int(np.count_nonzero(edit.old_labels))
        states = np.bincount(edit.new_state, minlength=3) - np.bincount(edit.old_state, minlength=3)
        corrected, approved = int(states[CORRECTED]), int(states[APPROVED])
        return _Count(n, self.labelled + labelled, self.corrected + corrected, self.approved + approved)


def _read(kind: type[T], text: str) -> T | None:
    """A remembered value, None where another version wrote it."""
    try:
        return kind(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _statuses(project: Project, ids: Iterable[str]) -> dict[str, ImageStatus]:
    kept, ends, shapes = project.db.settings(_COUNT), project.db.log_ends(), {r.id: r.shape for r in project.images()}
    by = {id: note.models for id, note in last_predictions(project).items()}
    found: dict[str, ImageStatus] = {}
    fresh: dict[str, str] = {}
    for id in ids:
        before = _read(_Count, kept.get(id, "")) or _Count()
        count = before if before.n == ends.get(id, 0) else _counted(project, id, shapes[id], before)
        if count != before:
            fresh[_COUNT + id] = json.dumps(asdict(count))
        voxels = max(1, int(np.prod(shapes[id])))
        shares = count.corrected / voxels, count.approved / voxels
        found[id] = ImageStatus(count.labelled > 0, *shares, by.get(id, ""))
    with contextlib.suppress(CellsegError):  # a full disk: it is counted again the next time
        project.db.put_settings(fresh)
    return found


def _counted(project: Project, id: str, shape: tuple[int, ...], count: _Count) -> _Count:
    """The count as it is now."""
    if count.n and not project.db.has_edit(id, count.n):  # the log was rebuilt since
        count = _Count()
    rows = project.db.rows_after(id, count.n)
    if len(rows) > MANY:
        store = project._open_store(id)  # the working copy may hold a stroke that is not logged yet
        corrected, approved = count_states(store.state)
        labelled = sum(int(np.count_nonzero(store.labels[box])) for box in parts(store.labels))
        return replace(count, n=store.n, labelled=labelled, corrected=corrected, approved=approved)
    for row in rows:
        count = count.after(row.n, project.db.edit(row.n, shape))
    return count
