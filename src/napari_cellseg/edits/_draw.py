"""New shapes: polygon, scribble, copy to the next slice, interpolation between slices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Mask
from ..boxes import relative, size
from ..errors import CellsegError
from ..project import APPROVED, CORRECTED, Edit
from ._context import EditContext, Piece, most_covered, reach_of
from ._lines import box_around, rasterise

Guide = Callable[[Box], NDArray[Any]]
REACH = 48
"""How many pixels a scribble looks around itself."""


def polygon(context: EditContext, corners: NDArray[np.floating], *, convex: bool = False, id: int = 0) -> Edit:
    """Draw a closed shape in the plane of its first corner.

    Parameters
    ----------
    corners
        (N, ndim) voxel coordinates, N >= 3.
    convex
        Take the convex hull of the corners.
    id
        What to draw: an id or class; 0 is the next new object.

    Raises
    ------
    CellsegError
        When it encloses nothing that may be drawn on.
    """
    from skimage.draw import polygon as fill

    corners = np.atleast_2d(np.asarray(corners, float))
    if len(corners) < 3:
        raise CellsegError("A shape needs three corners.", "Draw round the object.")
    plane = tuple(int(round(v)) for v in corners[0, :-2])
    ring = corners[:, -2:]
    if convex:
        ring = _hull(ring)
    rows, columns = fill(ring[:, 0], ring[:, 1], context.labels.shape[-2:])
    if not len(rows):
        raise CellsegError("The shape encloses nothing.", "Draw round the object, inside the image.")
    box2d = box_around(np.stack([rows, columns], axis=1), 0, context.labels.shape)
    mask = np.zeros(tuple(s.stop - s.start for s in box2d), bool)
    mask[rows - box2d[0].start, columns - box2d[1].start] = True
    box = (*(slice(p, p + 1) for p in plane), *box2d)
    tool = "convex polygon" if convex else "polygon"
    return _drawn(context, tool, box, mask.reshape(*(1,) * len(plane), *mask.shape), id)


def scribble(
    context: EditContext,
    line: NDArray[np.floating],
    guide: Guide,
    *,
    kind: Literal["probability", "image"],
    id: int = 0,
) -> Edit:
    """A new object from a rough line inside it, snapped to a probability map or to the edges of the image.

    Probability: everything connected with the line that is at least half as probable as the line's median.
    Image: a watershed on the gradient (Gaussian, sigma 1) between the line and what lies `REACH` pixels away.
    Other objects are never taken.

    Parameters
    ----------
    line
        (N, ndim) points in voxel coordinates, in one plane.
    guide
        Gives the values of a box (Z, Y, X) or (Y, X).
    id
        What to draw: an id or class; 0 is the next new object.

    Raises
    ------
    CellsegError
        When the line lies outside the image or on objects only.
    """
    from scipy import ndimage as ndi

    context = _on_background(context)
    plane, points = rasterise(line, context.labels.shape)
    box2d = box_around(points, REACH, context.labels.shape)
    box: Box = (*(slice(p, p + 1) for p in plane), *box2d)
    if plane and context.z is None:
        depth = max(1, round(REACH / context.sampling[0]))
        box = (slice(max(0, plane[0] - depth), min(context.labels.shape[0], plane[0] + depth + 1)), *box2d)
    free = context.open_to_drawing(box) & ((context.labels[box] == 0) | (context.labels[box] == id))
    seeds = np.zeros(free.shape, bool)
    local = tuple((points - [s.start for s in box2d]).T)
    seeds[(plane[0] - box[0].start, *local) if plane else local] = True
    seeds &= free
    if not seeds.any():
        raise CellsegError("The line lies on other objects.", "Draw it where the new object is missing.")
    values = np.asarray(guide(box), np.float32).reshape(free.shape)
    region = _probable(values, seeds, free) if kind == "probability" else _edged(values, seeds, free)
    flat = region[0] if region.ndim == 3 and len(region) == 1 else region
    region = np.asarray(ndi.binary_fill_holes(flat)).reshape(region.shape) & free
    return _drawn(context, "scribble", box, region | seeds, id)


def found(context: EditContext, box: Box, mask: Mask, *, id: int = 0) -> Edit:
    """The object that somebody pointed at: the new shape of the one that it mostly covers, or a new one.

    Corrected and approved pixels of other objects stay theirs; predicted ones give way.

    Parameters
    ----------
    box, mask
        Where it was found; one slice, or of a volume several.
    id
        In projects of classes, the class to draw.

    Raises
    ------
    CellsegError
        When nothing of it may be drawn, or the object is approved and locked.
    """
    if not context.instances:
        return _drawn(context, "click", box, mask, id)
    old, state = context.labels[box], context.state[box]
    value = _mostly_covered(context, box, mask)
    if value:
        context.refuse_approved(context.at(None).piece(value))
    others, own = (old > 0) & (old != value), (old == value) & (value > 0)
    # what drawing may replace is about others: an object may always have its own pixels
    mask = mask & (context.open_to_drawing(box) | own) & ~(others & np.isin(state, (CORRECTED, APPROVED)))
    if not value:
        return _drawn(context, "click", box, mask, 0)
    outer = reach_of(context, box, np.array([value], np.uint32))
    drawn = np.zeros(size(outer), bool)
    drawn[relative(box, outer)] = mask
    before = context.labels[outer]
    edit = context.edit("click", outer, np.where(drawn, value, np.where(before == value, 0, before)), drawn)
    if edit.empty:
        raise CellsegError(
            f"Object {value} has this shape already.", "Shift-click what is missing, Ctrl-click what is too much."
        )
    return edit


def _mostly_covered(context: EditContext, box: Box, mask: Mask) -> int:
    """The object of which a mask covers at least half, as far as it lies in its slices; 0 where there is none."""
    old = context.labels[box]
    id = most_covered(old[mask])
    if not id:
        return 0
    outer = reach_of(context, box, np.array([id], np.uint32))
    return id if 2 * (old[mask] == id).sum() >= (context.labels[outer] == id).sum() else 0


def copy_to_slice(context: EditContext, piece: Piece, to: int) -> Edit:
    """Draw an object's part in one slice in another slice, too.

    Parameters
    ----------
    piece
        Of one slice: ``context.at(z).piece(id)``.
    to
        The other slice.

    Raises
    ------
    CellsegError
        In 2D, when `to` lies outside, or when nothing may be drawn there.
    """
    if context.labels.ndim == 2 or not 0 <= to < context.labels.shape[0]:
        raise CellsegError("There is no other slice.", "Copying needs a volume and a slice beside this one.")
    if context.instances:
        context.refuse_approved(context.at(None).piece(piece.id))
    box = (slice(to, to + 1), *piece.box[1:])
    return _drawn(context, "copy to slice", box, piece.mask, piece.id)


def interpolate(context: EditContext, id: int) -> Edit:
    """Fill the slices between those in which an object is drawn: signed distances change linearly.

    Source: S. P. Raya, J. K. Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 9, 1990.

    Raises
    ------
    CellsegError
        In 2D, or when no slice is missing.
    """
    if context.labels.ndim == 2:
        raise CellsegError("There are no slices to fill.", "Interpolation needs a volume.")
    context = _on_background(context)
    piece = context.at(None).piece(id)
    context.refuse_approved(piece)
    present = np.flatnonzero(piece.mask.any((1, 2)))
    shape = np.zeros(piece.mask.shape, bool)
    padded = np.pad(piece.mask, ((0, 0), (1, 1), (1, 1)))
    for below, above in itertools.pairwise(present):
        if above - below > 1:
            ends = _signed(padded[below]), _signed(padded[above])
            for z in range(below + 1, above):
                share = (z - below) / (above - below)
                shape[z] = ((1 - share) * ends[0] + share * ends[1] > 0)[1:-1, 1:-1]
    if not shape.any():
        raise CellsegError(f"Object {id} has no missing slices.", "Draw it in two slices with a gap between them.")
    free = shape & (context.labels[piece.box] == 0)  # what lies in the gap stays
    if not free.any():
        raise CellsegError(f"Other objects fill the gap of object {id}.", "Delete or move them first.")
    return _drawn(context, "interpolate", piece.box, free, id)


# --- inside ---------------------------------------------------------------------------------------


def _on_background(context: EditContext) -> EditContext:
    """For what takes background only: "one object only" would forbid all of it."""
    return replace(context, over="background") if context.over == "object" else context


def _drawn(context: EditContext, tool: str, box: Box, mask: Mask, id: int) -> Edit:
    """Draw a mask where drawing is allowed; objects that lose voxels become corrected in its slices."""
    old = context.labels[box]
    if context.over == "object" and not context.only:
        context = replace(context, only=most_covered(old[mask]))
    mask = mask & context.open_to_drawing(box)
    value = id or context.first_id
    if not (mask & (old != value)).any():
        raise CellsegError("Nothing may be drawn here.", "Look at 'Paint over' and at the lock of approved objects.")
    if not context.instances:
        return context.edit(tool, box, np.where(mask, value, old), mask)
    ids = np.unique(np.append(old[mask], value))
    outer = reach_of(context, box, ids)
    drawn = np.zeros(size(outer), bool)
    drawn[relative(box, outer)] = mask
    touched = drawn | np.isin(context.labels[outer], ids[ids > 0])
    return context.edit(tool, outer, np.where(drawn, value, context.labels[outer]), touched)


def _probable(values: NDArray[np.float32], seeds: Mask, free: Mask) -> Mask:
    import cc3d

    threshold = 0.5 * float(np.median(values[seeds]))
    pieces = cc3d.connected_components(((values > threshold) & free) | seeds, connectivity=4 if values.ndim == 2 else 6)
    return np.isin(pieces, np.unique(pieces[seeds]))


def _edged(values: NDArray[np.float32], seeds: Mask, free: Mask) -> Mask:
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    single = values.ndim == 3 and len(values) == 1
    height = ndi.gaussian_gradient_magnitude(values[0] if single else values, 1.0).reshape(values.shape)
    far = np.asarray(ndi.distance_transform_edt(~(seeds[0] if single else seeds))).reshape(seeds.shape) >= REACH - 1
    markers = seeds.astype(np.int32) + 2 * (far & free)
    return np.asarray(watershed(height, markers, mask=free) == 1)


def _signed(mask: Mask) -> NDArray[np.float64]:
    from scipy import ndimage as ndi

    inside, outside = ndi.distance_transform_edt(mask), ndi.distance_transform_edt(~mask)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside))


def _hull(ring: NDArray[np.floating]) -> NDArray[np.floating]:
    from scipy.spatial import ConvexHull, QhullError

    try:
        return np.asarray(ring[ConvexHull(ring).vertices])
    except QhullError as error:
        raise CellsegError("The shape encloses nothing.", "Draw round the object, not along a line.") from error
