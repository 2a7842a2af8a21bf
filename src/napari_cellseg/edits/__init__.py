"""Corrections as pure functions: a `Scene` (labels, state, what may be changed) in, an `Edit` with its inverse out.

Nothing here writes: `Canvas.apply` logs an edit and then writes it. Arrays are (Z, Y, X) or (Y, X); a point is in
voxel coordinates of the same axes. Tools look only at the box of what they change, which the scene's `objects`
know. Whatever a person touches becomes *corrected* as a whole object in the plane, so that the next prediction
replaces all of it or nothing; approved objects are protected while the scene is locked.
"""

from __future__ import annotations

from ._cut import split, split_seeds
from ._draw import copy_to_slice, interpolate, polygon, scribble
from ._hand import forbidden, paint, stroke
from ._objects import (
    assign_class,
    delete,
    fill_holes,
    grow,
    ids_along,
    keep_largest,
    merge,
    merge_line,
    relabel,
    remove_small,
    replace_objects,
    shrink,
    smooth,
)
from ._scene import Over, Piece, Scene
from ._states import (
    approval,
    approve_background,
    approve_box,
    approve_mask,
    approve_object,
    fitted,
    predicted,
    reconcile,
)

__all__ = [
    "Over",
    "Piece",
    "Scene",
    "approval",
    "approve_background",
    "approve_box",
    "approve_mask",
    "approve_object",
    "assign_class",
    "copy_to_slice",
    "delete",
    "fill_holes",
    "fitted",
    "forbidden",
    "grow",
    "ids_along",
    "interpolate",
    "keep_largest",
    "merge",
    "merge_line",
    "paint",
    "polygon",
    "predicted",
    "reconcile",
    "relabel",
    "remove_small",
    "replace_objects",
    "scribble",
    "shrink",
    "smooth",
    "split",
    "split_seeds",
    "stroke",
]
