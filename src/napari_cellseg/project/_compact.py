"""A shorter log: of every image, old edits become one, which holds what they led to; who did what and when is kept.

Data flow: log of an image up to its limit -> replayed -> one row in place of the newest of them, summaries of all in
the table `history`, labels at marks of review cycles in the marks -> everything in one transaction, then the file is
made smaller. What replays the log begins with that row, whatever it had before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CellsegError
from ._cycles import keep_marks
from ._edit import Packed, difference_of
from ._folder import Project
from ._grids import zeros
from ._records import COMPACTED, EditRow, ImageRecord


@dataclass(frozen=True)
class Compacted:
    """What became of the log: edits that were folded, and bytes of the file before and after."""

    edits: int
    before: int
    after: int


@dataclass(frozen=True)
class LogSize:
    """How long the log is: edits, how many of them `compact` would fold, and bytes of the file."""

    edits: int
    old: int
    bytes: int


def log_size(project: Project, keep: int = 1000) -> LogSize:
    """How long the log of all images is, and what `compact` with the same `keep` would make of it."""
    logs = [project.db.rows_after(record.id, 0) for record in project.images()]
    old = [len(_old(rows, keep, _learnt_until(project))) for rows in logs]
    return LogSize(sum(map(len, logs)), sum(n for n in old if n > 1), project.db.size())


def compact(project: Project, keep: int = 1000, *, claimed: bool = False) -> Compacted:
    """Fold all but the newest edits of every image into one; they cannot be undone or restored any more.

    Edits that the current model has not learnt from stay, since the next training begins with what is new, and so does
    what a later edit undoes.

    Parameters
    ----------
    keep
        How many edits of every image stay at least.
    claimed
        The window that edits the project asks for it, and has closed its image.

    Raises
    ------
    CellsegError
        When a window edits the project, or the log cannot be written; it is as before.
    """
    if project.open_images:
        raise CellsegError(f"{', '.join(project.open_images)} is open and can be undone.", "Close it first.")
    if not claimed and not project.claim():
        raise CellsegError(
            f"{project.path.name} is open in a napari window, which may undo what would be folded.", "Close it first."
        )
    before, folded = project.db.size(), 0
    with project.db.transaction() as connection:
        for record in project.images():
            rows = _old(project.db.rows_after(record.id, 0), keep, _learnt_until(project))
            if len(rows) > 1:
                keep_marks(connection, project, record, rows)
                project.db.fold(connection, rows, _folded(project, record, rows))
                folded += len(rows)
    project.db.shrink()
    return Compacted(folded, before, project.db.size())


def _learnt_until(project: Project) -> int | None:
    """The newest edit the current model has learnt from, None where there was no training."""
    current = project.current_model
    return (project.model_card(current).edits_until or None) if current else None


def _old(rows: Sequence[EditRow], keep: int, learnt: int | None) -> Sequence[EditRow]:
    """The rows that may become one: none that a later one takes back, no group in parts."""
    count = max(0, len(rows) - keep)
    if learnt is not None:
        count = min(count, sum(row.n <= learnt for row in rows))
    while True:
        later = rows[count:]
        least = min((row.undoes for row in later if row.undoes is not None), default=None)
        fewer = count if least is None else min(count, sum(row.n < least for row in rows))
        while 0 < fewer < len(rows) and rows[fewer].group and rows[fewer - 1].group == rows[fewer].group:
            fewer -= 1
        if fewer == count:
            return rows[:count]
        count = fewer


def _folded(project: Project, record: ImageRecord, rows: Sequence[EditRow]) -> Packed:
    before, after = (
        [zeros(record.shape, kind, project.path / "cache") for kind in (np.uint32, np.uint8)] for _ in range(2)
    )
    for row in rows:
        project.db.edit(row.n, record.shape).onto(*after)
    packed = difference_of(COMPACTED, (before[0], before[1]), (after[0], after[1])).packed
    by_hand = any(row.by_hand for row in rows)
    return packed if by_hand else replace(packed, tool=EditRow.MACHINE[-1])
