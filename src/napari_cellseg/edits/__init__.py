"""Corrections as pure functions: an `EditContext` (labels, state, what may be changed) in, an invertible `Edit` out.

Nothing here writes: `LabelStore.apply` logs an edit and then writes it. Arrays are (Z, Y, X) or (Y, X); a point is in
voxel coordinates of the same axes; of a volume seen from the side they are turned (`EditContext.turned`). Tools look
only at the box of what they change, which the context's `objects` know. Whatever a person touches becomes *corrected*
as a whole object in the plane, so that the next prediction replaces all of it or nothing; approved objects are
protected while the context is locked.
"""

from __future__ import annotations

from ._context import EditContext, Over, Piece
from ._cut import split, split_seeds
from ._draw import copy_to_slice, found, interpolate, polygon, scribble
from ._hand import forbidden, paint, stroke
from ._large import is_large, large_prediction
from ._objects import (
    assign_class,
    delete,
    delete_inside,
    delete_objects,
    fill_holes,
    grow,
    ids_along,
    keep_largest,
    merge,
    relabel,
    remove_small,
    replace_objects,
    shrink,
    smooth,
)
from ._states import (
    approval,
    approval_of,
    approve_background,
    approve_box,
    approve_mask,
    approve_object,
    joined,
    predicted,
    predicted_in,
    renumbered,
)
from ._turn import Turn

__all__ = [
    "EditContext",
    "Over",
    "Piece",
    "Turn",
    "approval",
    "approval_of",
    "approve_background",
    "approve_box",
    "approve_mask",
    "approve_object",
    "assign_class",
    "copy_to_slice",
    "delete",
    "delete_inside",
    "delete_objects",
    "fill_holes",
    "forbidden",
    "found",
    "grow",
    "ids_along",
    "interpolate",
    "is_large",
    "joined",
    "keep_largest",
    "large_prediction",
    "merge",
    "paint",
    "polygon",
    "predicted",
    "predicted_in",
    "relabel",
    "remove_small",
    "renumbered",
    "replace_objects",
    "scribble",
    "shrink",
    "smooth",
    "split",
    "split_seeds",
    "stroke",
]
