"""Errors of one image one by one, the worst first: to look at them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Labels, Span
from ..matching import matched, mostly_known, numbered, overlaps
from ._errors import FN, FP, error_map

Error = Literal["missed", "false", "poor match"]
NEARLY_NOTHING = 0.1
"""Up to this IoU with everything an object was missed, or is false: what it touches is another one."""


@dataclass(frozen=True)
class ErrorPlace:
    """An error.

    Attributes
    ----------
    error
        Objects: missed, false, or without a match though something is there (badly drawn, parted, merged). Classes:
        voxels that lack the class, or have it wrongly.
    box
        Start and stop along each axis.
    true, found
        The ids, 0 where there is none; of classes both are 0.
    iou
        Of an object with the one that fits best.
    voxels
        Of the object, or of the region.
    """

    error: Error
    box: Span
    true: int
    found: int
    iou: float
    voxels: int


def error_places(
    truth: Labels,
    predicted: Labels,
    known: NDArray[np.bool_] | None = None,
    *,
    instances: bool = True,
    number: int = 0,
    threshold: float = 0.5,
) -> list[ErrorPlace]:
    """Every object without a match, or every connected region of voxels of a class that is wrong; the worst first.

    Parameters
    ----------
    truth, predicted
        (Z, Y, X) or (Y, X) uint32.
    known
        Where the truth is known: objects count of which at least half is.
    number
        The class; 0: any.
    threshold
        IoU from which objects match, one to one.

    Raises
    ------
    CellsegError
        When the shapes differ.
    """
    if not instances:
        places = list(_regions(error_map(truth, predicted, known, instances=False, number=number)))
        return sorted(places, key=lambda p: -p.voxels)
    errors = list(_objects(truth, predicted, known, threshold))
    return sorted(errors, key=lambda p: (p.iou > NEARLY_NOTHING, -p.voxels))


# --- inside ---------------------------------------------------------------------------------------


def _objects(
    truth: Labels, predicted: Labels, known: NDArray[np.bool_] | None, threshold: float
) -> Iterator[ErrorPlace]:
    both = overlaps(truth, predicted)
    rows, columns, _ = matched(both, threshold)
    left = np.setdiff1d(np.arange(both.left_ids.size), rows)
    right = np.setdiff1d(np.arange(both.right_ids.size), columns)
    if known is not None:
        left = left[mostly_known(truth, known, both.left_ids[left])]
        right = right[mostly_known(predicted, known, both.right_ids[right])]
    told = set()
    ious, partners = both.of_left
    boxes = _boxes(truth, both.left_ids[left])
    for row in left:
        iou, id, near = float(ious[row]), int(both.left_ids[row]), ious[row] > NEARLY_NOTHING
        other = int(both.right_ids[partners[row]]) if near else 0
        told.add(other)
        yield ErrorPlace("poor match" if near else "missed", boxes[id], id, other, iou, int(both.left_sizes[row]))
    ious, partners = both.of_right
    boxes = _boxes(predicted, both.right_ids[right])
    for row in right:
        iou, id, near = float(ious[row]), int(both.right_ids[row]), ious[row] > NEARLY_NOTHING
        if id in told:
            continue  # with the true object that it meets
        other = int(both.left_ids[partners[row]]) if near else 0
        yield ErrorPlace("poor match" if near else "false", boxes[id], other, id, iou, int(both.right_sizes[row]))


def _boxes(labels: Labels, ids: NDArray[np.int64]) -> dict[int, Span]:
    from scipy.ndimage import find_objects

    numbers, behind = numbered(labels)
    found = find_objects(np.asarray(numbers, np.int64))
    wanted = np.searchsorted(behind, ids)
    return {int(behind[n]): _span(found[n - 1]) for n in wanted}


def _regions(errors: NDArray[np.uint8]) -> Iterator[ErrorPlace]:
    import cc3d

    kinds: tuple[tuple[int, Error], ...] = (FN, "missed"), (FP, "false")
    for value, error in kinds:
        regions = cc3d.connected_components(errors == value, connectivity=8 if errors.ndim == 2 else 26)
        told = cc3d.statistics(regions)
        for box, voxels in zip(told["bounding_boxes"][1:], told["voxel_counts"][1:], strict=True):
            yield ErrorPlace(error, _span(box[-errors.ndim :]), 0, 0, 0.0, int(voxels))


def _span(box: tuple[slice, ...]) -> Span:
    return tuple((int(s.start), int(s.stop)) for s in box)
