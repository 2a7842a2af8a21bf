"""Tools for whole objects: merge, delete, fill holes, smooth, grow, shrink, keep largest, remove small, relabel."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from .._types import Box, Labels, Mask
from ..boxes import around, relative
from ..errors import CellsegError, NothingThere
from ..project import Edit
from ._context import EditContext, Piece, faces, protected, reach_of
from ._lines import rasterise


def delete(context: EditContext, piece: Piece) -> Edit:
    """Remove an object; its place becomes corrected background."""
    context.refuse_approved(piece)
    return context.edit("delete", piece.box, np.where(piece.mask, 0, context.labels[piece.box]), piece.mask)


def delete_inside(context: EditContext, box: Box) -> Edit:
    """Remove the objects whose middle lies in a box, as seen in the box's slice; approved ones stay while locked.

    Parameters
    ----------
    box
        One slice of it, where labels are a volume; objects go as a whole where tools act through the volume.

    Raises
    ------
    NothingThere
        When no object may go.
    """
    seen = context.at(box[0].start) if len(box) == 3 else context
    ids = []
    for id in context.objects.within(box).tolist():
        with suppress(NothingThere):  # its box reaches in here, the object itself does not
            if _centred(seen.piece(id).box, box) and not _protected_part(context, id):
                ids.append(id)
    if not ids:
        raise NothingThere(
            "No object lies in the box.", "Draw it around objects. Approved ones stay (Shift-A unlocks)."
        )
    return _without(context, ids)


def delete_objects(context: EditContext, ids: Sequence[int]) -> Edit:
    """Remove several objects as a whole; approved ones stay while locked.

    Raises
    ------
    NothingThere
        When none of them is there and may go.
    """
    free = [id for id in ids if id in context.objects and not _protected_part(context, id)]
    if not free:
        raise NothingThere("None of these objects may go.", "Approved ones stay (Shift-A unlocks).")
    return _without(context, free)


def _without(context: EditContext, ids: Sequence[int]) -> Edit:
    wide = around(context.piece(id).box for id in ids)
    gone = np.isin(context.labels[wide], np.asarray(ids, np.uint32))
    return context.edit("delete", wide, np.where(gone, 0, context.labels[wide]), gone)


def merge(context: EditContext, ids: Sequence[int]) -> Edit:
    """Give all objects the id of the first.

    Raises
    ------
    CellsegError
        When fewer than two different objects are named, or one is approved and locked.
    """
    ids = list(dict.fromkeys(int(i) for i in ids if i))
    if len(ids) < 2:
        raise CellsegError("Merging needs two objects.", "Click on one object, then on the other.")
    pieces = [context.piece(id) for id in ids]
    context.refuse_approved(*pieces)
    box = around(p.box for p in pieces)
    mine = np.isin(context.labels[box], np.asarray(ids, np.uint32))
    return context.edit("merge", box, np.where(mine, ids[0], context.labels[box]), mine)


def ids_along(context: EditContext, line: NDArray[np.floating]) -> list[int]:
    """Ids under a drawn line, in the order in which it meets them."""
    plane, points = rasterise(line, context.labels.shape)
    ids = context.labels[plane][tuple(points.T)]
    return [int(i) for i in dict.fromkeys(ids.tolist()) if i]


def fill_holes(context: EditContext, piece: Piece) -> Edit:
    """Give an object the background that it encloses: holes of the slice, or cavities of the volume.

    Raises
    ------
    CellsegError
        When there are none, or the object is approved and locked.
    """
    context.refuse_approved(piece)
    flat = piece.mask[0] if piece.mask.ndim == 3 and len(piece.mask) == 1 else piece.mask
    filled = np.asarray(ndi.binary_fill_holes(flat)).reshape(piece.mask.shape)
    return _reshape(context, "fill holes", piece, piece.box, filled, "has no holes")


def smooth(context: EditContext, piece: Piece, radius: float = 3.0) -> Edit:
    """Smooth the outline: a Gaussian of the mask (sigma = radius / 2 pixels, equal in micrometres) above one half.

    Raises
    ------
    CellsegError
        When nothing would be left, or the object is approved and locked.
    """
    from ..kernels import blur

    context.refuse_approved(piece)
    sigma = tuple(radius / 2 / s for s in context.sampling)
    if context.z is not None:
        sigma = (0.0, *sigma[1:]) if len(sigma) == 3 else sigma
    box, mask = context.widened(piece, tuple(int(np.ceil(2 * s)) for s in sigma))
    new = blur.gaussian(mask, sigma, "repeat") > 0.5
    return _reshape(context, "smooth", piece, box, new, "is smooth already")


def grow(context: EditContext, piece: Piece, pixels: int = 1) -> Edit:
    """Move the outline outward in every slice, over background only."""
    return _moved(context, piece, pixels, "grow", "has no background to grow into")


def shrink(context: EditContext, piece: Piece, pixels: int = 1) -> Edit:
    """Move the outline inward in every slice; the image's border is no outline.

    Raises
    ------
    CellsegError
        When nothing would be left, or the object is approved and locked.
    """
    return _moved(context, piece, pixels, "shrink", "cannot shrink")


def keep_largest(context: EditContext, piece: Piece) -> Edit:
    """Of an object in several pieces, keep the largest.

    Raises
    ------
    CellsegError
        When it is in one piece, or approved and locked.
    """
    context.refuse_approved(piece)
    pieces = cc3d.connected_components(piece.mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return _reshape(context, "keep largest", piece, piece.box, pieces == sizes.argmax(), "is in one piece")


def remove_small(context: EditContext, box: Box, min_size: int) -> Edit:
    """Delete every object below a size whose middle lies in a box; approved ones stay while they are locked.

    Parameters
    ----------
    min_size
        Voxels of the volume, or pixels of the slice where tools act on one.

    Raises
    ------
    CellsegError
        When there are none.
    """
    box = context.plane(box)
    new, gone = np.array(context.labels[box]), np.zeros(tuple(s.stop - s.start for s in box), bool)
    if context.instances and context.z is None:
        small = [i for i in context.objects.within(box).tolist() if context.objects.count(i) < min_size]
        inside = [i for i in small if _centred(context.objects.box(context.labels, i), box)]
        inside = [i for i in inside if not _protected_part(context, i)]
        box = reach_of(context, box, np.asarray(inside, np.uint32))
        depth = [context.objects.box(context.labels, i)[0] for i in inside] if len(box) == 3 else []
        if depth:
            box = (slice(min(d.start for d in depth), max(d.stop for d in depth)), *box[1:])
        new = np.array(context.labels[box])
        gone = np.isin(new, np.asarray(inside, np.uint32))
    else:
        pieces = cc3d.connected_components(new)
        sizes = np.bincount(pieces.ravel())
        rims = faces(pieces, box, context.labels.shape, context.z is not None)
        sizes[np.unique(np.concatenate([r.ravel() for r in rims]))] = min_size  # not seen as a whole; background
        gone = sizes[pieces] < min_size
    gone &= ~protected(context, context.labels[box], context.state[box])
    if not gone.any():
        raise NothingThere(f"Nothing here is smaller than {min_size}.", "Raise the size, or move the view.")
    return context.edit("remove small", box, np.where(gone, 0, new), gone)


def relabel(context: EditContext, piece: Piece, id: int) -> Edit:
    """Give an object (or its part in the slice) another id; where that is in use the two become one object.

    Raises
    ------
    CellsegError
        When the id is 0 or the object's own, or one of the two is approved and locked.
    """
    if id <= 0 or id == piece.id:
        raise CellsegError(f"The object cannot become {id}.", "Choose another number with the brush's label.")
    context.refuse_approved(piece)
    if context.instances and id in context.objects:
        context.refuse_approved(context.at(None).piece(id))
    return context.edit("relabel", piece.box, np.where(piece.mask, id, context.labels[piece.box]), piece.mask)


def replace_objects(context: EditContext, box: Box, ids: Sequence[int], shapes: Labels) -> Edit:
    """Put other objects in place of some: somebody else's outlines are accepted.

    Parameters
    ----------
    box
        Where all of them lie.
    ids
        Objects that go; their voxels in the box become background.
    shapes
        What comes, of the box's shape: 0 or numbers of the new objects, which get fresh ids in their order (in
        semantic projects: classes). They never take voxels of objects that stay.

    Raises
    ------
    CellsegError
        When an object that goes is approved and locked.
    """
    old: Labels = context.labels[box]
    gone = np.isin(old, np.asarray(ids, np.uint32)) & (old > 0) if context.instances else shapes != old
    if context.instances:
        context.refuse_approved(*(context.at(None).piece(int(id)) for id in ids))
    names, places = np.unique(shapes, return_inverse=True)
    fresh = context.first_id + np.arange(len(names)) - int(names[0] == 0)
    numbers = np.where(names > 0, fresh, 0)[places].reshape(shapes.shape) if context.instances else shapes
    room = (shapes > 0) & ((old == 0) | gone)
    return context.edit("accept theirs", box, np.where(room, numbers, np.where(gone, 0, old)), gone | room)


def assign_class(context: EditContext, piece: Piece, value: int, n_classes: int) -> Edit:
    """Give a connected region another class.

    Raises
    ------
    CellsegError
        In instance projects, and for a class that does not exist.
    """
    if context.instances:
        raise CellsegError("Objects have no class in this project.", "Classes exist in semantic projects.")
    if not 1 <= value <= n_classes:
        raise CellsegError(f"There is no class {value}.", f"Classes are 1 to {n_classes}.")
    context.refuse_approved(piece)
    return context.edit("assign class", piece.box, np.where(piece.mask, value, context.labels[piece.box]), piece.mask)


# --- inside ---------------------------------------------------------------------------------------


def _moved(context: EditContext, piece: Piece, pixels: int, tool: str, unchanged: str) -> Edit:
    context.refuse_approved(piece)
    box, mask = context.widened(piece, (0, pixels, pixels)[-len(piece.box) :])
    cross = _cross(mask.ndim)
    if tool == "grow":
        new = ndi.binary_dilation(mask, cross, iterations=pixels)
    else:
        new = ndi.binary_erosion(mask, cross, iterations=pixels, border_value=1)
    return _reshape(context, tool, piece, box, new, unchanged)


def _reshape(context: EditContext, tool: str, piece: Piece, box: Box, shape: Mask, unchanged: str) -> Edit:
    """An object in a new shape: it loses what is outside and takes background only."""
    old: Labels = context.labels[box]
    mask = np.zeros(shape.shape, bool)
    mask[relative(piece.box, box)] = piece.mask
    gains = shape & (old == 0)
    losses = mask & ~shape
    if not (gains.any() or losses.any()):
        raise CellsegError(f"Object {piece.id} {unchanged}.", "Nothing was changed.")
    if not (gains | (mask & ~losses)).any():
        raise CellsegError(f"Nothing would be left of object {piece.id}.", "Delete it instead (key D).")
    new = np.where(gains, piece.id, np.where(losses, 0, old))
    return context.edit(tool, box, new, mask)


def _protected_part(context: EditContext, id: int) -> bool:
    box = context.objects.box(context.labels, id)
    mine = context.labels[box] == id
    return bool(protected(context, context.labels[box], context.state[box])[mine].any())


def _cross(ndim: int) -> Mask:
    cross = np.asarray(ndi.generate_binary_structure(2, 1))
    return cross[None] if ndim == 3 else cross


def _centred(box: Box, outer: Box) -> bool:
    return all(o.start <= (s.start + s.stop - 1) / 2 < o.stop for s, o in zip(box, outer, strict=True))
