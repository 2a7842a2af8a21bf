"""Where the labels of an image come from, voxel by voxel, told from the log.

Data flow: rows of the log without those that were taken back -> whoever changed a voxel's label last. Approving changes
no label, so a model's object that was approved as it was stays the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Mask
from ._folder import Project
from ._grids import note, parts, zeros
from ._records import EditRow

LabelSource = Literal["unknown", "manual", "model", "automatic", "imported"]
SOURCES: tuple[LabelSource, ...] = ("unknown", "manual", "model", "automatic", "imported")
"""By the number that `label_sources` has for them; unknown is what was folded, restored or recovered."""
_OF_TOOL: dict[str, LabelSource] = {
    "predict": "model", "draft": "automatic", "import": "imported", "recover": "unknown", "mend": "unknown",
}  # fmt: skip


def label_sources(project: Project, id: str) -> NDArray[np.uint8]:
    """Who gave every voxel its label: (Z, Y, X) or (Y, X) uint8, positions in `SOURCES`; 0 also where nobody did.

    Of an image whose labels are mapped, it is mapped as well.

    Raises
    ------
    CellsegError
        When there is no such image, or its log is damaged.
    """
    record = project.image(id)
    found = zeros(record.shape, np.uint8, project.path / "cache")
    flat, rows = found.reshape(-1), project.db.rows_after(id, 0)
    undone = undone_edits(rows)
    for row in rows:
        if row.n in undone or row.undoes is not None:
            continue
        if row.compacted:
            for box in parts(found):
                found[box] = 0
            continue
        edit = project.db.edit(row.n, record.shape)
        note(found, edit.index)
        flat[edit.index[edit.old_labels != edit.new_labels]] = SOURCES.index(_source(row))
    return found


def automatic_truth(project: Project, id: str, labels: NDArray[np.uint32], state: NDArray[np.uint8]) -> Mask:
    """What a classical draft said of an image and nobody has looked at since, (Z, Y, X) or (Y, X) bool.

    A draft speaks of the whole image, so what it left empty is its word, too. Nothing of it is approved by that.

    Parameters
    ----------
    labels, state
        Of the image, as they stand.

    Raises
    ------
    CellsegError
        When there is no such image, or its log is damaged.
    """
    rows = project.db.rows_after(id, 0)
    undone = undone_edits(rows)
    if not any(row.tool == "draft" and row.n not in undone for row in rows):
        return np.zeros(labels.shape, bool)
    found = label_sources(project, id)
    empty = (labels == 0) & (found == SOURCES.index("unknown"))
    return np.asarray((state == 0) & ((found == SOURCES.index("automatic")) | empty))


def undone_edits(rows: Sequence[EditRow]) -> set[int]:
    """Numbers of the edits that are undone in the end: what was undone may have been done again. Rows oldest first."""
    undone: set[int] = set()
    for row in rows:
        if row.undoes is not None:
            (undone.add if row.tool == "undo" else undone.discard)(row.undoes)
    return undone


def _source(row: EditRow) -> LabelSource:
    if row.tool.startswith("restore"):
        return "unknown"
    return _OF_TOOL.get(row.tool, "manual")
