"""Two or more label images of one picture: where they agree, what differs object by object, and their consensus."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..boxes import around
from ..cycles import agreement_of, class_table
from ..errors import CellsegError
from ..matching import numbered, overlaps
from ..project import Objects

Kind = Literal["only left", "only right", "split", "merged", "outline"]
LEFT, RIGHT, BOTH, OTHER = 1, 2, 3, 4
"""Values of the agreement map: labelled by one side, by both as the same object, by both as different objects."""


@dataclass(frozen=True)
class Difference:
    """One disagreement.

    Attributes
    ----------
    kind
        ``only left``, ``only right``: the other side has no such object; ``split``: the left object is several on the
        right; ``merged``: several left objects are one on the right; ``outline``: the same object, drawn differently.
    left, right
        Ids on each side.
    box
        (start, stop) per axis, round all of them.
    iou
        Of the unions of both sides.
    """

    kind: Kind
    left: tuple[int, ...]
    right: tuple[int, ...]
    box: tuple[tuple[int, int], ...]
    iou: float


def check_same_grid(left: Labels, right: Labels) -> None:
    """Refuse label images of different shapes.

    Raises
    ------
    CellsegError
        When the shapes differ.
    """
    if left.shape != right.shape:
        raise CellsegError(
            f"The labels are {left.shape} and {right.shape}.", "Only labels of the same image can be compared."
        )


def compare(left: Labels, right: Labels, *, same: float = 0.8, instances: bool = True) -> list[Difference]:
    """Disagreements between two label images (Z, Y, X) or (Y, X), the largest first.

    Objects that overlap by more than half of the smaller one belong together; every connected group of them is one
    item. Pairs with IoU >= `same` agree. In semantic projects the ids are classes, and connected regions take the
    place of objects.

    Raises
    ------
    CellsegError
        When the shapes differ.
    """
    check_same_grid(left, right)
    given = left, right
    if not instances:
        left, right = regions(left), regions(right)
    groups = _groups(left, right, None if instances else given)
    boxes = [Objects(side, np.zeros(side.shape, np.uint8)) for side in (left, right)]
    found = []
    for lefts, rights in groups:
        spans = [boxes[0].box(left, i) for i in lefts] + [boxes[1].box(right, i) for i in rights]
        box = around(spans)
        one, other = np.isin(left[box], lefts), np.isin(right[box], rights)
        union = int((one | other).sum())
        iou = float((one & other).sum()) / union if union else 1.0
        kind = _kind(lefts, rights)
        if kind == "outline" and iou >= same:
            continue
        spans2 = tuple((s.start, s.stop) for s in box)
        found.append((union * (1 - iou if kind == "outline" else 1), Difference(kind, lefts, rights, spans2, iou)))
    return [difference for _, difference in sorted(found, key=lambda f: -f[0])]


def regions(classes: Labels) -> Labels:
    """Connected regions of equal class, numbered: what takes the place of objects in semantic projects."""
    import cc3d

    return np.asarray(cc3d.connected_components(classes), np.uint32)


def agreement_map(left: Labels, right: Labels) -> NDArray[np.uint8]:
    """What each voxel is called by the two sides: 0 background for both, then `LEFT`, `RIGHT`, `BOTH`, `OTHER`.

    `BOTH` where the two objects are each other's best partner (for classes: where they are equal).
    """
    check_same_grid(left, right)
    found = overlaps(left, right)
    mine, theirs, _ = found.mutual
    numbers, behind = numbered(left)
    partner = np.zeros(len(behind), np.uint32)
    partner[np.searchsorted(behind, found.left_ids[mine])] = found.right_ids[theirs]
    same = (left > 0) & (partner[numbers] == right) & (right > 0)
    out = np.where(left > 0, LEFT, 0) + np.where(right > 0, RIGHT, 0)
    return np.where(same, BOTH, np.where(out == LEFT + RIGHT, OTHER, out)).astype(np.uint8)


def agreement(left: Labels, right: Labels, n_classes: int = 1) -> dict[str, float]:
    """Dice, IoU and Cohen's kappa of two label images, voxel by voxel.

    With one class, ids count as foreground. Dice and IoU are means over the classes; kappa is Cohen's, see
    `cycles.agreement_of`.
    """
    return agreement_of(_classes_of(left, right, n_classes))


def pooled_agreement(pairs: Iterable[tuple[Labels, Labels]], n_classes: int = 1) -> dict[str, float]:
    """The `agreement` of several pairs of label images (one image each) as if they were one image."""
    tables = [_classes_of(left, right, n_classes) for left, right in pairs]
    return agreement_of(np.sum(tables, axis=0))


def _classes_of(left: Labels, right: Labels, n_classes: int) -> NDArray[np.int64]:
    """Voxels by class, of labels that fit each other."""
    check_same_grid(left, right)
    if n_classes > 1 and max(int(left.max(initial=0)), int(right.max(initial=0))) > n_classes:
        raise CellsegError(f"There are more than {n_classes} classes.", "Compare labels of the same project.")
    return class_table(left, right, n_classes)


def pairwise(sides: Mapping[str, Labels], n_classes: int = 1) -> dict[tuple[str, str], dict[str, float]]:
    """The `agreement` of every two annotators, by their names."""
    return {(a, b): agreement(sides[a], sides[b], n_classes) for a, b in itertools.combinations(sides, 2)}


def consensus(annotators: list[Labels], *, instances: bool = True) -> Labels:
    """What most annotators say: (Z, Y, X) or (Y, X) uint32.

    Voxels belong to what more than half call foreground (for classes: to the class with most votes, background
    where there is a tie). Objects come from the annotator who agrees best with the others; each takes the voxels of
    the majority that its own annotator gives it, and majority voxels nobody there claims go to the nearest object
    within the same connected region.

    Raises
    ------
    CellsegError
        When fewer than two are given, or their shapes differ.
    """
    if len(annotators) < 2:
        raise CellsegError("A consensus needs two annotators.", "Give two or more label images.")
    for other in annotators[1:]:
        check_same_grid(annotators[0], other)
    if not instances:
        return _vote(annotators)
    votes = np.zeros(annotators[0].shape, np.uint16)
    for labels in annotators:
        votes += labels > 0
    majority = votes * 2 > len(annotators)
    best = max(range(len(annotators)), key=lambda k: _mean_agreement(annotators, k))
    return _spread(np.where(majority, annotators[best], 0).astype(np.uint32), majority)


# --- inside ---------------------------------------------------------------------------------------


def _kind(lefts: tuple[int, ...], rights: tuple[int, ...]) -> Kind:
    if not rights:
        return "only left"
    if not lefts:
        return "only right"
    if len(lefts) == len(rights) == 1:
        return "outline"
    return "split" if len(rights) > len(lefts) else "merged"


def _groups(
    left: Labels, right: Labels, classes: tuple[Labels, Labels] | None
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Objects of both sides that belong together, as connected components of their overlaps."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = overlaps(left, right)
    ids = found.left_ids, found.right_ids
    smaller = np.minimum(found.left_sizes[found.left], found.right_sizes[found.right])
    linked = found.shared * 2 > smaller
    if classes is not None:  # regions of different classes do not belong together
        kinds = [_first_values(side, given, of) for side, given, of in zip((left, right), classes, ids, strict=True)]
        linked &= kinds[0][found.left] == kinds[1][found.right]
    n = len(ids[0]) + len(ids[1])
    rows, columns = found.left[linked], found.right[linked] + len(ids[0])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    count, member = connected_components(graph, directed=False)
    groups: list[tuple[list[int], list[int]]] = [([], []) for _ in range(count)]
    for side, (begin, end) in enumerate(((0, len(ids[0])), (len(ids[0]), n))):
        for id, group in zip(ids[side].tolist(), member[begin:end].tolist(), strict=True):
            groups[group][side].append(id)
    return [(tuple(a), tuple(b)) for a, b in groups]


def _first_values(regions: Labels, classes: Labels, ids: NDArray[np.int64]) -> NDArray[np.uint32]:
    found, first = np.unique(regions, return_index=True)
    return np.asarray(classes.reshape(-1)[first[np.searchsorted(found, ids)]])


def _vote(annotators: list[Labels]) -> Labels:
    n = max(int(labels.max(initial=0)) for labels in annotators) + 1
    votes = np.stack([sum((labels == c).astype(np.uint16) for labels in annotators) for c in range(n)])
    winner = votes.argmax(0)
    tie = (votes == votes.max(0)).sum(0) > 1
    return np.where(tie, 0, winner).astype(np.uint32)


def _mean_agreement(annotators: list[Labels], k: int) -> float:
    others = [labels for n, labels in enumerate(annotators) if n != k]
    means = []
    for other in others:
        found = overlaps(annotators[k], other)  # of both sides: a miss counts as much as an object too many
        best = np.concatenate([found.of_left[0], found.of_right[0]])
        means.append(float(best.mean()) if best.size else 0.0)
    return float(np.mean(means))


def _spread(labels: Labels, majority: NDArray[np.bool_]) -> Labels:
    """Give majority voxels without an object to the nearest one in their region; regions without any get a new id."""
    import cc3d
    from skimage.segmentation import watershed

    regions = np.asarray(cc3d.connected_components(majority))
    lonely = np.setdiff1d(np.unique(regions), np.append(np.unique(regions[labels > 0]), 0))
    ids, places = np.unique(labels, return_inverse=True)
    markers = places.reshape(labels.shape).astype(np.int32) + int(ids[0] > 0)
    for region in lonely.tolist():
        markers[regions == region] = markers.max() + 1
    numbers = watershed(np.zeros(labels.shape, np.uint8), markers, mask=majority)
    known = ids if ids[0] == 0 else np.append(0, ids)
    names = np.append(known, int(known.max()) + 1 + np.arange(len(lonely)))
    return np.asarray(names[numbers], np.uint32)
