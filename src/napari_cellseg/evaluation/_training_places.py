"""Places where a model disagrees with the labels it learnt from, the worst first: that is where labels are wrong.

A network that has learnt from many objects fits a label that contradicts the others last; what it still denies is
either hard to see or a slip of the annotator. (Northcutt et al. 2021, J. Artif. Intell. Res. 70, 1373, rank labels by
what models say that have not seen them; this asks the one that has, so it names fewer and surer places.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..matching import mostly_known, overlaps
from ..project import Sees, TrainingPlace
from ._agreement import Difference, compare, regions

SAME = 0.7
"""Objects with at least this IoU agree: outlines drawn by hand differ by so much."""
_SEES: dict[str, Sees] = {
    "only left": "nothing", "only right": "an object", "split": "several", "merged": "one",
    "outline": "another outline",
}  # fmt: skip


def disagreements(
    image: str, truth: Labels, found: Labels, learnt: NDArray[np.bool_], smallest: int = 0, *, instances: bool = True
) -> list[TrainingPlace]:
    """Places of one image, the worst first.

    Objects of either side count where at least half of them was learnt, and where they have `smallest` voxels. The
    score is (1 - IoU) times the size of the place, as a share of the median object's and at most 1: a missed cell
    counts more than missed debris, and a large cell no more than any other. Of classes, connected regions are objects.

    Parameters
    ----------
    truth, found
        Labels and what the model predicts, (Z, Y, X) or (Y, X) uint32; ids of objects, or classes.
    learnt
        Where the model has learnt the labels, of the same shape.
    """
    if instances:
        both = overlaps(truth, found)
        mine = _judged(truth, learnt, both.left_ids, both.left_sizes, smallest)
        theirs = _judged(found, learnt, both.right_ids, both.right_sizes, smallest)
        differences = compare(mine, theirs, same=SAME)
    else:
        classes = [np.where(learnt, side, 0).astype(np.uint32) for side in (truth, found)]
        differences = compare(*classes, same=SAME, instances=False)
        mine, theirs = (regions(side) for side in classes)
    typical = _median_size(mine) or _median_size(theirs)
    places = [_place(image, d, mine, theirs, typical) for d in differences]
    return worst_first(places if instances else [replace(p, objects=()) for p in places])


def worst_first(places: Iterable[TrainingPlace]) -> list[TrainingPlace]:
    """Places of several images in one order."""
    return sorted(places, key=lambda p: (-p.score, p.iou, p.image, p.box))


def _judged(
    labels: Labels, learnt: NDArray[np.bool_], ids: NDArray[np.int64], sizes: NDArray[np.int64], smallest: int
) -> Labels:
    """Only the objects that count."""
    if not ids.size:
        return labels
    kept = ids[mostly_known(labels, learnt, ids) & (sizes >= smallest)]
    return np.where(np.isin(labels, kept), labels, 0).astype(np.uint32)


def _median_size(labels: Labels) -> float:
    sizes = np.unique(labels[labels > 0], return_counts=True)[1]
    return float(np.median(sizes)) if sizes.size else 0.0


def _place(image: str, d: Difference, mine: Labels, theirs: Labels, typical: float) -> TrainingPlace:
    box = tuple(slice(a, b) for a, b in d.box)
    union = int((np.isin(mine[box], d.left) | np.isin(theirs[box], d.right)).sum())
    score = (1 - d.iou) * min(1.0, union / max(typical, 1.0))
    return TrainingPlace(image, _SEES[d.kind], d.left, d.box, round(d.iou, 4), round(score, 4))
