"""One truth and one prediction -> everything that is counted of them, by class, by slice and by object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from .._types import Labels
from ..errors import CellsegError
from ..matching import ids_in, mostly_known, overlaps
from ..settings import Settings
from ._agreement import check_same_grid
from ._declared import Counts, Metric, chosen
from ._instances import count_objects, object_rows
from ._pixels import Matrix, confusion, count_of_class, similarity
from ._surfaces import Spacing, apart
from ._tiling import nucleus_scores


class Judging(Settings):
    """What is measured, and how."""

    classes: tuple[str, ...] = Field((), description="Names of the classes 1, 2, ...; none: labels are objects.")
    metrics: tuple[str, ...] = Field((), description="Names of metrics or of their groups; none: all.")
    threshold: float = Field(0.5, gt=0, le=1, description="IoU from which two objects match.")
    tolerance: float = Field(
        0.0, ge=0, description="Of the F1 of the boundary, in um (pixels without a voxel size); 0: two pixels."
    )
    empty: Literal["zero", "one", "skip"] = Field(
        "one", description="What an image or slice counts where neither truth nor prediction has anything."
    )
    slices: tuple[int, int] | None = Field(
        None, description="First and last slice of volumes that count, the first of all is 1."
    )
    connectivity: Literal[0, 6, 26] = Field(
        0, description="Objects are the connected pieces, by faces (6) or corners, too (26); 0: what has one id."
    )
    objects: bool = Field(True, description="Make the table of objects.")

    @model_validator(mode="after")
    def _check(self) -> Judging:
        chosen(self.metrics)
        if self.slices is not None and not 1 <= self.slices[0] <= self.slices[1]:
            raise ValueError("slices go from the first to the last, counted from 1")
        return self

    @property
    def chosen(self) -> tuple[Metric, ...]:
        """The metrics that are asked for and make sense for the task."""
        for_classes = ("objects", "nuclei")
        return tuple(m for m in chosen(self.metrics) if not self.classes or m.group not in for_classes)

    def needs(self, group: str) -> bool:
        """Whether a group of metrics has to be counted."""
        return any(m.group == group for m in self.chosen)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was counted of one truth and one prediction.

    Attributes
    ----------
    by_class
        Counts of every class, in their order; of objects, of the foreground.
    matrix
        The confusion matrix.
    slices
        Number (from 1) and pixel counts by class of every slice of a volume.
    objects
        See `object_rows`.
    """

    by_class: tuple[Counts, ...]
    matrix: Matrix
    slices: tuple[tuple[int, tuple[Counts, ...]], ...] = ()
    objects: tuple[dict[str, Any], ...] = ()


def measure(
    truth: Labels, predicted: Labels, how: Judging, spacing: Spacing | None = None,
    known: NDArray[np.bool_] | None = None,
) -> Measured:  # fmt: skip
    """Count what the metrics of `how` need.

    Parameters
    ----------
    truth, predicted
        (Z, Y, X) or (Y, X) uint32: ids of objects, or classes.
    spacing
        Voxel size in um; None: distances are in pixels.
    known
        Only these voxels count, and of the objects those of which at least half is known.

    Raises
    ------
    CellsegError
        When the shapes differ, a label is no class, or there are fewer slices than are asked for.
    """
    check_same_grid(truth, predicted)
    _check(truth, spacing, known)
    first, part = _slices(truth.shape, how.slices)
    truth, predicted = truth[part], predicted[part]
    known = None if known is None or known[part].all() else known[part]
    if how.connectivity and not how.classes:
        truth, predicted = (_pieces(side, how.connectivity) for side in (truth, predicted))
    planes = _by_slice(truth, predicted, known, max(1, len(how.classes))) if truth.ndim == 3 else [
        confusion(truth, predicted, max(1, len(how.classes)), known)
    ]  # fmt: skip
    matrix: Matrix = np.asarray(sum(planes), np.int64)
    if known is not None:
        truth, predicted = _only_known(truth, predicted, known, objects=not how.classes)
    lengths = spacing or (1.0,) * truth.ndim
    by_class = [
        {**count_of_class(matrix, c), **_of_masks(truth, predicted, c, how, lengths, known)}
        for c in range(1, len(matrix))
    ]
    rows: tuple[dict[str, Any], ...] = ()
    if not how.classes and (how.needs("objects") or how.needs("nuclei") or how.objects):
        found = overlaps(truth, predicted)
        scores = nucleus_scores(truth, predicted, found) if how.needs("nuclei") or how.objects else {}
        by_class[0] |= count_objects(found, how.threshold) | {f"{k}_sum": float(v.sum()) for k, v in scores.items()}
        if how.objects:
            rows = tuple(object_rows((truth, predicted), found, scores, how.threshold, lengths))
    several = len(planes) > 1
    slices = tuple((first + z, tuple(count_of_class(m, c) for c in range(1, len(m)))) for z, m in enumerate(planes))
    return Measured(tuple(by_class), matrix, slices if several else (), rows)


# --- inside ---------------------------------------------------------------------------------------


def _check(truth: Labels, spacing: Spacing | None, known: NDArray[np.bool_] | None) -> None:
    if truth.ndim not in (2, 3):
        raise CellsegError(f"Labels of {truth.ndim} axes cannot be measured.", "Give (Y, X) or (Z, Y, X), one by one.")
    if spacing is not None and (len(spacing) != truth.ndim or not all(0 < s < np.inf for s in spacing)):
        raise CellsegError(
            f"The voxel size {spacing} does not fit labels of {truth.ndim} axes.", "Give one length in um per axis."
        )
    if known is not None and known.shape != truth.shape:
        raise CellsegError(f"Labels are {truth.shape}, and what is known {known.shape}.", "Give one for every voxel.")


def _slices(shape: tuple[int, ...], wanted: tuple[int, int] | None) -> tuple[int, tuple[slice, ...]]:
    """Number of the first slice, and the part of the labels that counts."""
    if wanted is None or len(shape) == 2:
        return 1, ()
    first, last = wanted
    if last > shape[0]:
        raise CellsegError(f"Slices {first} to {last} were asked for, but there are {shape[0]}.", "They count from 1.")
    return first, (slice(first - 1, last),)


def _pieces(labels: Labels, connectivity: Literal[6, 26]) -> Labels:
    import cc3d

    if labels.ndim == 3:
        return np.asarray(cc3d.connected_components(labels > 0, connectivity=connectivity), np.uint32)
    around: Literal[4, 8] = 4 if connectivity == 6 else 8
    return np.asarray(cc3d.connected_components(labels > 0, connectivity=around), np.uint32)


def _by_slice(truth: Labels, predicted: Labels, known: NDArray[np.bool_] | None, n: int) -> list[Matrix]:
    masks: Iterator[NDArray[np.bool_] | None] = iter([None] * len(truth) if known is None else known)
    return [confusion(t, p, n, m) for t, p, m in zip(truth, predicted, masks, strict=True)]


def _only_known(truth: Labels, predicted: Labels, known: NDArray[np.bool_], *, objects: bool) -> tuple[Labels, Labels]:
    """Both sides without what nobody has looked at: objects as a whole, classes voxel by voxel."""
    if not objects:
        return np.where(known, truth, 0).astype(np.uint32), np.where(known, predicted, 0).astype(np.uint32)
    kept = []
    for side in (truth, predicted):
        ids = ids_in(side)
        kept.append(np.where(np.isin(side, ids[mostly_known(side, known, ids)]), side, 0).astype(np.uint32))
    return kept[0], kept[1]


def _of_masks(
    truth: Labels, predicted: Labels, number: int, how: Judging, spacing: Spacing, known: NDArray[np.bool_] | None
) -> dict[str, float]:
    """Similarity and boundary of one class."""
    if not (how.needs("similarity") or how.needs("boundary")):
        return {}
    one, other = ((side == number) if how.classes else (side > 0) for side in (truth, predicted))
    if known is not None:
        one, other = one & known, other & known
    counts = similarity(one, other) if how.needs("similarity") else {}
    return counts | (_boundary(one, other, how, spacing) if how.needs("boundary") else {})


def _boundary(one: NDArray[np.bool_], other: NDArray[np.bool_], how: Judging, spacing: Spacing) -> dict[str, float]:
    found, tolerance = apart(one, other, spacing), how.tolerance or 2 * min(spacing)
    sides = {"true": found.of_truth, "predicted": found.of_predicted}
    counts = {f"surface_{name}": float(d.size) for name, d in sides.items()}
    counts |= {f"near_{name}": float((d <= tolerance + 1e-6).sum()) for name, d in sides.items()}
    if not found.measurable:
        return counts | {"distance_sum": 0.0, "distances": 0.0}
    whole = sum(float(d.sum()) for d in sides.values())
    counts |= {"distance_sum": whole, "distances": float(sum(d.size for d in sides.values()))}
    return counts | {"hausdorff": found.hausdorff, "hd95": found.hd95}
