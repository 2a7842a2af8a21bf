"""Review cycles measured: how much a pass over the images changed, and how far it agrees with the cycle before.

Data flow: marks of a cycle (`project`) -> labels at its opening, at the close of the cycle before and now -> sums per
image, kept when the cycle is closed -> `CycleResult`, pooled over all images from the very same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._types import Labels
from .errors import CellsegError
from .matching import STRIP, overlaps
from .project import CycleMark, Project, ReviewCycle, labels_at_marks, put_closed, review_cycles

SAME = 0.8
"""Objects that overlap so well (IoU) count as drawn alike, as in `evaluation.compare`."""


@dataclass(frozen=True)
class ImageChange:
    """What a cycle did to one image, or to all of them together: sums, and figures made of sums.

    Attributes
    ----------
    voxels
        Of the image.
    changed
        Voxels whose class (for objects: object or background) is another one than at the opening.
    table
        Voxels by class before (rows) and after (columns), background first; before is the close of the cycle before.
    objects_before, objects, objects_same
        Objects before and after, and pairs of them with an IoU of at least 0.8; 0 in projects of classes.
    """

    voxels: int = 0
    changed: int = 0
    table: tuple[tuple[int, ...], ...] = ()
    objects_before: int = 0
    objects: int = 0
    objects_same: int = 0

    @property
    def agreement(self) -> dict[str, float]:
        """Dice, IoU and Cohen's kappa; {} where nothing was compared."""
        return agreement_of(np.array(self.table)) if self.table else {}

    @property
    def objects_changed(self) -> int:
        """Objects that were added, removed, parted, joined or drawn otherwise."""
        return max(self.objects_before, self.objects) - self.objects_same


@dataclass(frozen=True)
class CycleResult:
    """A cycle and what it changed.

    Attributes
    ----------
    images
        By image, of those that were there when it was opened; {} while it is open.
    pooled
        All of them together.
    against
        The cycle that it is compared with; None for the labels at its own opening.
    """

    cycle: ReviewCycle
    images: dict[str, ImageChange] = field(default_factory=dict)
    pooled: ImageChange = field(default_factory=ImageChange)
    against: int | None = None


def results(project: Project) -> list[CycleResult]:
    """What every cycle changed, from the figures that were kept when it was closed; the oldest first.

    Raises
    ------
    CellsegError
        When the database cannot be read.
    """
    found, last = [], None
    for cycle in review_cycles(project.db):
        found.append(_result(cycle, last))
        last = cycle.n if cycle.closed is not None else last
    return found


def close_cycle(project: Project, told: Callable[[int, int], bool] = lambda n, of: True) -> CycleResult:
    """Close the open cycle: measure every image, then write all of it at once.

    Parameters
    ----------
    told
        Called before every image with its place (from 0) and how many there are; False ends it, with nothing written.

    Raises
    ------
    CellsegError
        When no cycle is open, it was ended, or it cannot be written; the cycle is open then, as before.
    """
    cycle = next((c for c in review_cycles(project.db) if c.closed is None), None)
    if cycle is None:
        raise CellsegError("No review cycle is open.", "Open one first.")
    before = next((c for c in reversed(review_cycles(project.db)) if c.closed is not None), None)
    ends, records, marks = project.db.log_ends(), project.images(), []
    for n, record in enumerate(records):
        if not told(n, len(records)):
            raise CellsegError("The review cycle is still open: closing it was ended.", "Nothing was written.")
        mark = CycleMark(record.id, cycle.n, "closed", ends.get(record.id, 0))
        opening = cycle.at_opening.get(record.id)
        former = before.at_closing.get(record.id) if before is not None else None
        change = _change(project, mark, opening, former or opening)
        marks.append(mark if change is None else replace(mark, figures=asdict(change)))
    put_closed(project, cycle.n, marks)
    return next(r for r in results(project) if r.cycle.n == cycle.n)


def class_table(left: Labels, right: Labels, n_classes: int = 1) -> NDArray[np.int64]:
    """Voxels by class of two label images, (n + 1, n + 1), background first; with one class ids are foreground."""
    n = n_classes + 1
    table = np.zeros(n * n, np.int64)
    for start in range(0, left.size, STRIP):
        a, b = (np.minimum(side.reshape(-1)[start : start + STRIP], n_classes) for side in (left, right))
        table += np.bincount(a.astype(np.int64) * n + b, minlength=n * n)
    return table.reshape(n, n)


def agreement_of(table: NDArray[Any]) -> dict[str, float]:
    """Dice, IoU (means over the classes) and kappa of a table of voxels by class.

    Kappa (Cohen, Educ. Psychol. Meas. 20, 1960) takes chance agreement off: 1 is perfect, 0 is what chance gives.
    """
    shares = table / max(1, int(table.sum()))
    dice, iou = [], []
    for c in range(1, len(shares)):
        both, one, other = shares[c, c], shares[c].sum(), shares[:, c].sum()
        dice.append(2 * both / (one + other) if one + other else 1.0)
        iou.append(both / (one + other - both) if one + other else 1.0)
    chance = float(shares.sum(0) @ shares.sum(1))
    observed = float(np.trace(shares))
    kappa = (observed - chance) / (1 - chance) if chance < 1 else 1.0
    return {"dice": float(np.mean(dice)), "iou": float(np.mean(iou)), "kappa": kappa}


def pooled(changes: Iterable[ImageChange]) -> ImageChange:
    """Several images as one: sums of their sums."""
    changes = list(changes)
    tables = [np.array(c.table) for c in changes if c.table]
    table = tuple(tuple(int(v) for v in row) for row in np.sum(tables, axis=0)) if tables else ()
    names = ("voxels", "changed", "objects_before", "objects", "objects_same")
    sums = {name: sum(getattr(c, name) for c in changes) for name in names}
    return ImageChange(table=table, **sums)


# --- inside ---------------------------------------------------------------------------------------


def _result(cycle: ReviewCycle, before: int | None) -> CycleResult:
    images = {id: _from_figures(m.figures) for id, m in cycle.at_closing.items() if m.figures}
    return CycleResult(cycle, images, pooled(images.values()), before)


def _from_figures(figures: dict[str, Any]) -> ImageChange:
    known = {f.name: figures[f.name] for f in fields(ImageChange) if f.name in figures}  # a newer version may keep more
    return ImageChange(**known | {"table": tuple(tuple(row) for row in figures["table"])})


def _change(
    project: Project, mark: CycleMark, opening: CycleMark | None, before: CycleMark | None
) -> ImageChange | None:
    """What a cycle did to an image; None where it was added while the cycle was open."""
    if opening is None or before is None:
        return None
    instances = project.task == "instance"
    n_classes = 1 if instances else len(project.classes)
    marks = sorted({m.edit: m for m in (opening, before, mark)}.values(), key=lambda m: m.edit)
    at = {m.edit: labels for m, (labels, _) in zip(marks, labels_at_marks(project, marks), strict=True)}
    old, opened, now = at[before.edit], at[opening.edit], at[mark.edit]
    during, table = class_table(opened, now, n_classes), class_table(old, now, n_classes)
    objects = _objects(old, now) if instances else (0, 0, 0)
    rows = tuple(tuple(int(v) for v in row) for row in table)
    return ImageChange(now.size, int(during.sum() - np.trace(during)), rows, *objects)


def _objects(old: Labels, now: Labels) -> tuple[int, int, int]:
    """Objects before and after, and pairs that are alike."""
    found = overlaps(old, now)
    return len(found.left_ids), len(found.right_ids), int((found.mutual[2] >= SAME).sum())
