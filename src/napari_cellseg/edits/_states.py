"""What a person approves, and what a network may write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Labels, Mask, State
from ..boxes import around, relative, size
from ..errors import NothingThere
from ..matching import ids_in, overlaps
from ..project import APPROVED, PREDICTED, Edit, box_difference
from ._context import EditContext, Piece, faces

SAME = 0.5
"""IoU from which a predicted object is the one of an earlier prediction."""


def approve_object(context: EditContext, piece: Piece) -> Edit:
    """Approve every voxel of an object (of its part in the slice); an empty edit where it is approved already."""
    box, state = piece.box, context.state[piece.box]
    new = np.where(piece.mask, APPROVED, state)
    return context.change("approve object", box, context.labels[box], new)


def approve_mask(context: EditContext, box: Box, mask: Mask, *, tool: str = "approve") -> Edit:
    """Approve the voxels of a mask of the box's shape."""
    new = np.where(mask, APPROVED, context.state[box])
    return context.change(tool, box, context.labels[box], new)


def approve_background(context: EditContext, box: Box) -> Edit:
    """Approve the background in a box: nothing is missing there. Its objects are other places to look at."""
    labels, state = context.labels[box], context.state[box]
    new = np.where(labels == 0, APPROVED, state)
    return context.change("approve background", box, labels, new)


def approve_box(context: EditContext, box: Box, *, tool: str = "approve field") -> Edit:
    """Approve what lies in a box (see `approval`)."""
    outer, mask = approval(context, box)
    return approve_mask(context, outer, mask, tool=tool)


def approval_of(context: EditContext, ids: Sequence[int]) -> tuple[Box, Mask]:
    """Every voxel of several objects: their common box and where they are in it.

    Raises
    ------
    NothingThere
        When none of them is there.
    """
    there = [id for id in ids if id in context.objects]
    if not there:
        raise NothingThere("None of these objects is there any more.", "Measure again.")
    box = around(context.objects.box(context.labels, id) for id in there)
    return box, np.isin(context.labels[box], np.asarray(there, np.uint32))


def approval(context: EditContext, box: Box) -> tuple[Box, Mask]:
    """What approving a box approves: its background, and whole objects of which at least half lies inside.

    Objects that only reach into the box are left as they are, since their other part was not seen. Of a single slice
    of a volume, only the objects' parts in it count.

    Returns
    -------
    Box, Mask
        A box that holds all of it, and which of its voxels.
    """
    labels = context.labels
    box = _within(box, labels.shape)
    inside = labels[box]
    if not context.instances or all(s.stop - s.start == n for s, n in zip(box, labels.shape, strict=True)):
        return box, np.broadcast_to(np.True_, inside.shape)
    if labels.ndim == 3 and box[0].stop - box[0].start == 1:  # one slice was seen
        context = context.at(box[0].start)
    cut = np.unique(np.concatenate([f.ravel() for f in faces(inside, box, labels.shape, context.z is not None)]))
    outer = box
    whole, partial = [], []
    for id in cut[cut > 0]:
        piece = context.piece(int(id))
        if int((inside == id).sum()) * 2 >= int(piece.mask.sum()):
            whole.append(id)
            outer = around((outer, piece.box))
        else:
            partial.append(id)
    mask = np.zeros(size(outer), bool)
    mask[relative(box, outer)] = True
    mask |= np.isin(labels[outer], np.asarray(whole, np.uint32))
    mask &= ~np.isin(labels[outer], np.asarray(partial, np.uint32))
    return outer, mask


def renumbered(
    labels: Labels,
    state: State,
    proposal: Labels,
    first_id: int,
    *,
    before: Labels | None = None,
    min_size: int = 0,
    instances: bool = True,
) -> Labels:
    """What a prediction may become: labels of the same shape, unchanged where there are user edits.

    Proposed objects that lie for more than half in corrected or approved voxels are what the person has dealt
    with already (also by deleting), so they are left out; of the others, what remains below `min_size` goes
    too. Of the rest, an object that was there `before` keeps its number: each is the other's best partner, with IoU
    of at least `SAME`, and no person's voxel has that number. The others are numbered from `first_id` in the order of
    the proposal.
    """
    known = state > 0
    if not instances:
        return np.where(known, labels, proposal).astype(np.uint32)
    sizes = np.bincount(proposal.ravel())
    free = np.bincount(proposal[~known], minlength=sizes.size)
    keep = (free * 2 >= sizes) & (free >= max(min_size, 1))
    keep[0] = False
    lookup = np.zeros(sizes.size, np.uint32)
    taken = ids_in(np.where(known, labels, 0))
    if before is not None:
        new, old = _the_same(np.where(known, 0, proposal), before, taken)
        lookup[new] = old
        lookup[~keep] = 0
    fresh = keep & (lookup == 0)
    lookup[fresh] = _unused(first_id, int(fresh.sum()), taken)  # napari's own ways to a new label know nothing of us
    return np.where(known, labels, lookup[proposal]).astype(np.uint32)


def joined(
    labels: Labels,
    state: State,
    box: Box,
    proposal: Labels,
    first_id: int,
    *,
    before: Labels | None = None,
    min_size: int = 0,
    instances: bool = True,
) -> Labels:
    """As `renumbered`, for a box of an image: an object that goes on beyond its border is one with that.

    They are one where each holds most of the other's contact with the border, unless either has user edits.

    Parameters
    ----------
    labels, state
        Of the image, or of a part that reaches a voxel further than the box where the image does.
    proposal, before
        Of the box's shape.
    """
    new = renumbered(labels[box], state[box], proposal, first_id, before=before, min_size=min_size, instances=instances)
    known = state[box] > 0
    for axis, (span, n) in enumerate(zip(box, labels.shape, strict=True)) if instances else ():
        for inside, beyond in ((0, span.start - 1), (-1, span.stop)):
            if 0 <= beyond < n:
                across = (*box[:axis], beyond, *box[axis + 1 :])
                here = np.where(known.take(inside, axis), 0, new.take(inside, axis))
                for mine, theirs in _joined(here, np.where(state[across] > 0, 0, labels[across])):
                    if mine != theirs:  # another that kept this number was parted from what goes on outside
                        new[(new == theirs) & ~known] = _unused(first_id, 1, ids_in(new))[0]
                        new[(new == mine) & ~known] = theirs
    return new


def predicted(labels: Labels, state: State, box: Box, new_labels: Labels, tool: str = "predict") -> Edit:
    """Write new labels of a box's shape, only where the state is still *predicted*."""
    return predicted_in(labels.shape, box, labels[box], state[box], new_labels, tool)


def predicted_in(
    shape: tuple[int, ...], box: Box, labels: Labels, state: State, new_labels: Labels, tool: str = "predict"
) -> Edit:
    """The same where only labels and state of the box are at hand; `shape` is that of the whole grid."""
    allowed = np.where(state == PREDICTED, new_labels, labels)
    return box_difference(tool, shape, box, (labels, state), (allowed, state))


# --- inside ---------------------------------------------------------------------------------------


def _unused(first_id: int, count: int, taken: NDArray[np.integer[Any]]) -> NDArray[np.uint32]:
    """Ids that nobody has, from `first_id` or above all that are taken on; where those end, from the widest gap on."""
    end = 1 << 32
    first = max(first_id, int(taken.max(initial=0)) + 1)
    if first + count > end:
        edges = np.concatenate([[0], np.sort(taken).astype(np.int64), [end]])
        first = int(edges[np.diff(edges).argmax()]) + 1
    return np.arange(first, first + count, dtype=np.int64).astype(np.uint32)


def _the_same(
    proposal: Labels, before: Labels, taken: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of proposed objects, and those that they had before."""
    found = overlaps(proposal, before)
    new, old, iou = found.mutual
    new, old = found.left_ids[new[iou >= SAME]], found.right_ids[old[iou >= SAME]]
    free = ~np.isin(old, taken)
    return new[free], old[free]


def _joined(here: Labels, beyond: Labels) -> list[tuple[int, int]]:
    """Ids on both sides of a border that are one object."""
    found = overlaps(here, beyond)
    longer = np.maximum(found.left_sizes[found.left], found.right_sizes[found.right])
    most = found.shared * 2 > longer
    left, right = found.left_ids[found.left[most]], found.right_ids[found.right[most]]
    return list(zip(left.tolist(), right.tolist(), strict=True))


def _within(box: Box, shape: tuple[int, ...]) -> Box:
    return tuple(
        slice(max(0, s.start or 0), min(n, n if s.stop is None else s.stop)) for s, n in zip(box, shape, strict=True)
    )
