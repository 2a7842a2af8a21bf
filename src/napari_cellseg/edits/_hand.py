"""What napari's brush did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Mask
from ..project import APPROVED, CORRECTED, PREDICTED, Edit
from ._context import EditContext, allowed, most_covered


def stroke(
    context: EditContext, index: NDArray[np.int64], old_labels: NDArray[np.uint32], *, tool: str = "brush"
) -> Edit:
    """The edit of a stroke that is in `context.labels` already; `context.objects` does not know of it yet.

    The objects that were painted or erased become corrected as a whole in the planes of the stroke (in semantic
    projects, only the voxels themselves do).

    Parameters
    ----------
    index, old_labels
        Flat positions in the image that changed and what stood there before, (N,); of repeated ones the first counts.
    """
    index, first = np.unique(context.places(np.asarray(index, np.int64)), return_index=True)
    old_labels = np.asarray(old_labels, np.uint32)[first]
    new_labels = _values(context.labels, index)
    real = new_labels != old_labels
    if not real.all():
        index, old_labels, new_labels = index[real], old_labels[real], new_labels[real]
    return _painted(context, tool, index, old_labels, new_labels)


def forbidden(
    context: EditContext, index: NDArray[np.int64], old_labels: NDArray[np.uint32], new_labels: NDArray[np.uint32]
) -> Mask:
    """Which positions of a stroke it was not allowed to change, (N,): to be put back before it is logged.

    While approved objects are locked, a stroke neither takes from them nor adds to them in a plane where they are
    approved.
    """
    return _forbidden(context, context.places(np.asarray(index, np.int64)), old_labels, new_labels)


def _forbidden(
    context: EditContext, index: NDArray[np.int64], old_labels: NDArray[np.uint32], new_labels: NDArray[np.uint32]
) -> Mask:
    if context.over == "object" and not context.only:
        context = replace(context, only=most_covered(old_labels))
    wrong = ~allowed(context, old_labels, _values(context.state, index))
    if context.locked and context.instances:
        wrong |= _extends_approved(context, index, old_labels, new_labels)
    return np.isin(index, index[wrong]) if wrong.any() else wrong  # of repeated ones all


def paint(context: EditContext, index: NDArray[np.int64], value: int) -> Edit:
    """Paint one id (0 erases) at flat positions (N,): what napari's brush does, for scripts and tests."""
    index = np.unique(context.places(np.asarray(index, np.int64)))
    old = _values(context.labels, index)
    new = np.full(index.size, value, np.uint32)
    keep = (old != value) & ~_forbidden(context, index, old, new)
    return _painted(context, "brush", index[keep], old[keep], new[keep])


# --- inside ---------------------------------------------------------------------------------------


def _values(array: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """What stands at flat positions; without a copy of a turned array."""
    return array.reshape(-1)[index] if array.flags.c_contiguous else array[np.unravel_index(index, array.shape)]


def _painted(
    context: EditContext, tool: str, index: NDArray[np.int64], old: NDArray[np.uint32], new: NDArray[np.uint32]
) -> Edit:
    """The edit of sorted positions, and of what else belongs to their objects."""
    rest = _rest_of_objects(context, index, old, new) if context.instances and index.size else index[:0]
    everything = np.concatenate([index, rest])
    order = np.argsort(everything)
    everything, same = everything[order], _values(context.labels, rest)
    edit = Edit(
        tool,
        context.labels.shape,
        everything,
        np.concatenate([old, same])[order],
        np.concatenate([new, same])[order],
        _values(context.state, everything),
        np.full(everything.size, CORRECTED, np.uint8),
    )
    return context.told(edit)


def _rest_of_objects(
    context: EditContext, index: NDArray[np.int64], old: NDArray[np.uint32], new: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """Flat positions of what else belongs to the painted objects, in the planes of the stroke, and is predicted."""
    ids = np.unique(np.concatenate([old, new]))
    inner = int(np.prod(context.labels.shape[-2:]))
    first, last = int(index[0]) // inner, int(index[-1]) // inner + 1
    found = []
    for id in ids[ids > 0].tolist():  # each for itself: two objects may lie far apart
        if id in context.objects:
            found.append(_places(context, id, PREDICTED, first, last))
    rest = np.concatenate([index[:0], *found])
    at = np.searchsorted(index, rest)
    painted = index[np.minimum(at, index.size - 1)] == rest
    return np.asarray(rest[~painted])


def _extends_approved(
    context: EditContext, index: NDArray[np.int64], old: NDArray[np.uint32], new: NDArray[np.uint32]
) -> Mask:
    """Which positions would belong to an object that is approved in their plane, and did not before."""
    inner = int(np.prod(context.labels.shape[-2:]))
    wrong, more = np.zeros(index.size, bool), (new > 0) & (new != old)
    for id in np.unique(new[more]).tolist():
        if id not in context.objects:
            continue
        mine = more & (new == id)
        for plane in np.unique(index[mine] // inner).tolist():
            approved = _places(context, id, APPROVED, plane, plane + 1)
            # the stroke may be in the array already, over approved background
            if not np.isin(approved, index[mine]).all():
                wrong |= mine & (index // inner == plane)
    return wrong


def _places(context: EditContext, id: int, state: int, first: int, last: int) -> NDArray[np.int64]:
    """Flat positions of an object's voxels of one state, in the planes `first` to `last`."""
    box = context.objects.box(context.labels, id)
    if len(box) == 3:
        start = max(box[0].start, first)
        box = (slice(start, max(start, min(box[0].stop, last))), *box[1:])
    mine = (context.labels[box] == id) & (context.state[box] == state)
    places = tuple(p + s.start for p, s in zip(np.nonzero(mine), box, strict=True))
    return np.asarray(np.ravel_multi_index(places, context.labels.shape), np.int64)
