"""Corrections as pure functions: labels and state in, an `Edit` with its inverse out.

Nothing here writes: `Canvas.apply` logs an edit and then writes it. Arrays are (Z, Y, X) or (Y, X); a point is
in voxel coordinates of the same axes. Whatever a person touches becomes *corrected* as a whole object in the
plane, so that the next prediction replaces all of it or nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import cc3d
import numpy as np
from numpy.typing import NDArray

from .errors import CellsegError
from .project import APPROVED, CORRECTED, PREDICTED, Edit, difference

Labels = NDArray[np.uint32]
State = NDArray[np.uint8]
Box = tuple[slice, ...]


# --- what a brush did -----------------------------------------------------------------------------


def stroke(
    labels: Labels,
    state: State,
    index: NDArray[np.int64],
    old_labels: NDArray[np.uint32],
    *,
    tool: str = "brush",
    instances: bool = True,
) -> Edit:
    """The edit of a stroke that is in `labels` already.

    Parameters
    ----------
    index, old_labels
        Flat positions that changed and what stood there before, (N,); of repeated ones the first counts.
    instances
        Whether ids are objects: then the objects that were painted or erased become corrected as a whole in the
        planes of the stroke.
    """
    index, first = np.unique(np.asarray(index, np.int64), return_index=True)
    old_labels = np.asarray(old_labels, np.uint32)[first]
    flat_labels, flat_state = labels.reshape(-1), state.reshape(-1)
    rest = np.zeros(0, np.int64)
    if instances and index.size:
        ids = np.unique(np.concatenate([old_labels, flat_labels[index]]))
        places = _touched(labels, ids[ids > 0], box_of(index, labels.shape))
        rest = np.setdiff1d(places[flat_state[places] == PREDICTED], index, assume_unique=True)
    everything = np.concatenate([index, rest])
    order = np.argsort(everything)
    everything = everything[order]
    return Edit(
        tool,
        labels.shape,
        everything,
        np.concatenate([old_labels, flat_labels[rest]])[order],
        flat_labels[everything],
        flat_state[everything],
        np.full(everything.size, CORRECTED, np.uint8),
    )


def paint(labels: Labels, state: State, index: NDArray[np.int64], value: int, *, instances: bool = True) -> Edit:
    """Paint one id (0 erases) at flat positions (N,): what napari's brush does, for scripts and tests."""
    index = np.unique(np.asarray(index, np.int64))
    index = index[labels.reshape(-1)[index] != value]
    painted = labels.copy()
    painted.reshape(-1)[index] = value
    return stroke(painted, state, index, labels.reshape(-1)[index], instances=instances)


def box_of(index: NDArray[np.int64], shape: tuple[int, ...]) -> Box:
    """The smallest box that holds flat positions."""
    return tuple(slice(int(p.min()), int(p.max()) + 1) for p in np.unravel_index(index, shape))


# --- tools ----------------------------------------------------------------------------------------


def object_at(labels: Labels, point: tuple[int, ...]) -> int:
    """The id at a voxel.

    Raises
    ------
    CellsegError
        When there is no object.
    """
    inside = len(point) == labels.ndim and all(0 <= p < n for p, n in zip(point, labels.shape, strict=True))
    id = int(labels[point]) if inside else 0
    if id == 0:
        raise CellsegError("There is no object at this place.", "Click on an object.")
    return id


def delete(labels: Labels, state: State, id: int) -> Edit:
    """Remove an object; its place becomes corrected background."""
    box = _box_of_id(labels, id)
    mine = labels[box] == id
    return difference(
        "delete", labels, state, box, np.where(mine, 0, labels[box]), np.where(mine, CORRECTED, state[box])
    )


def merge(labels: Labels, state: State, ids: list[int]) -> Edit:
    """Give all objects the id of the first.

    Raises
    ------
    CellsegError
        When fewer than two different objects are named.
    """
    ids = list(dict.fromkeys(int(i) for i in ids if i))
    if len(ids) < 2:
        raise CellsegError("Merging needs two objects.", "Click on one object, then on the other.")
    boxes = [_box_of_id(labels, id) for id in ids]
    box = tuple(slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(labels.ndim))
    mine = np.isin(labels[box], np.asarray(ids, np.uint32))
    return difference(
        "merge", labels, state, box, np.where(mine, ids[0], labels[box]), np.where(mine, CORRECTED, state[box])
    )


def split(labels: Labels, state: State, line: NDArray[np.floating], new_id: int) -> Edit:
    """Cut every object that a drawn line parts, in the line's plane.

    Parameters
    ----------
    line
        (N, ndim) corner points of the line in voxel coordinates, N >= 2; all in one plane of a volume.
    new_id
        First free id; the smaller pieces get it and the ones after it.

    Raises
    ------
    CellsegError
        When the line parts no object.
    """
    line = np.atleast_2d(np.asarray(line, float))
    plane = tuple(int(round(v)) for v in line[0, :-2])
    flat, states = labels[plane], state[plane]
    cut = _rasterise(line[:, -2:], flat.shape)
    new = flat.copy()
    for id in np.unique(flat[cut]):
        if id:
            new_id += _cut(new, flat, int(id), cut, new_id)
    changed = np.isin(flat, np.unique(flat[new != flat]))
    if not changed.any():
        raise CellsegError("The line does not part an object.", "Draw it across the object, from outside to outside.")
    full_labels, full_state = new, np.where(changed, CORRECTED, states)
    box = (*(slice(p, p + 1) for p in plane), slice(0, flat.shape[0]), slice(0, flat.shape[1]))
    shape = (1,) * len(plane) + flat.shape
    return difference("split", labels, state, box, full_labels.reshape(shape), full_state.reshape(shape))


def approve_object(labels: Labels, state: State, id: int) -> Edit:
    """Approve every voxel of one object."""
    box = _box_of_id(labels, id)
    return difference(
        "approve object", labels, state, box, labels[box], np.where(labels[box] == id, APPROVED, state[box])
    )


def approve_box(labels: Labels, state: State, box: Box, *, instances: bool = True, tool: str = "approve field") -> Edit:
    """Approve what lies in a box: its background, and whole objects of which at least half lies inside.

    Objects that only reach into the box are left as they are, since their other part was not seen.
    """
    box = _within(box, labels.shape)
    if labels.ndim == 3 and box[0].stop - box[0].start == 1:  # one slice was seen: what counts is its part of objects
        z = box[0].start
        edit = approve_box(labels[z], state[z], box[1:], instances=instances, tool=tool)
        return replace(edit, shape=labels.shape, index=edit.index + z * labels[0].size)
    inside = labels[box]
    if not instances or all(s.stop - s.start == n for s, n in zip(box, labels.shape, strict=True)):
        return difference(tool, labels, state, box, inside, np.full(inside.shape, APPROVED, np.uint8))
    cut = np.unique(np.concatenate([f.ravel() for f in _faces(inside, box, labels.shape)]))
    outer = box
    whole, partial = [], []
    for id in cut[cut > 0]:
        reach = _box_of_id(labels, int(id))
        own = int((inside == id).sum())
        if own * 2 >= int((labels[reach] == id).sum()):
            whole.append(id)
            outer = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(outer, reach, strict=True))
        else:
            partial.append(id)
    mask = np.zeros(tuple(s.stop - s.start for s in outer), bool)
    mask[tuple(slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))] = True
    mask |= np.isin(labels[outer], np.asarray(whole, np.uint32))
    mask &= ~np.isin(labels[outer], np.asarray(partial, np.uint32))
    return difference(tool, labels, state, outer, labels[outer], np.where(mask, APPROVED, state[outer]))


# --- what a network says --------------------------------------------------------------------------


def reconcile(
    labels: Labels, state: State, proposal: Labels, first_id: int, *, min_size: int = 0, instances: bool = True
) -> Labels:
    """What a prediction may become: labels of the same shape, unchanged where a person has spoken.

    Proposed objects that lie for more than half in corrected or approved voxels are what the person has dealt
    with already (also by deleting), so they are left out; of the others, what remains below `min_size` goes
    too. The rest is numbered from `first_id` in the order of the proposal.
    """
    known = state > 0
    if not instances:
        return np.where(known, labels, proposal).astype(np.uint32)
    sizes = np.bincount(proposal.ravel())
    free = np.bincount(proposal[~known], minlength=sizes.size)
    keep = (free * 2 >= sizes) & (free >= max(min_size, 1))
    keep[0] = False
    lookup = np.zeros(sizes.size, np.uint32)
    lookup[keep] = np.arange(first_id, first_id + int(keep.sum()), dtype=np.uint32)
    return np.where(known, labels, lookup[proposal]).astype(np.uint32)


def predicted(labels: Labels, state: State, box: Box, new_labels: Labels, tool: str = "predict") -> Edit:
    """Write new labels of a box's shape, only where the state is still *predicted*."""
    allowed = np.where(state[box] == PREDICTED, new_labels, labels[box])
    return difference(tool, labels, state, box, allowed, state[box])


def first_free_id(labels: Labels, state: State) -> int:
    """One above the largest id that a person's voxels carry."""
    return int(labels.max(initial=0, where=state > 0)) + 1


# --- inside ---------------------------------------------------------------------------------------


def _box_of_id(labels: Labels, id: int) -> Box:
    mine = labels == id
    if not mine.any():
        raise CellsegError(f"There is no object {id}.", "It may have been deleted or merged.")
    spans = []
    for axis in range(labels.ndim):
        hits = np.flatnonzero(mine.any(tuple(a for a in range(labels.ndim) if a != axis)))
        spans.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return tuple(spans)


def _touched(labels: Labels, ids: NDArray[np.uint32], box: Box) -> NDArray[np.int64]:
    """Flat positions of the given objects near a box, in the box's planes: grown until no object is cut."""
    while True:
        view = labels[box]
        mine = np.isin(view, ids)
        edges = [(a, s) for a, s in enumerate(box) if a >= labels.ndim - 2]
        grown = list(box)
        for axis, span in edges:
            length = max(32, span.stop - span.start)
            low, high = mine.take(0, axis).any(), mine.take(-1, axis).any()
            start = max(0, span.start - length) if low else span.start
            stop = min(labels.shape[axis], span.stop + length) if high else span.stop
            grown[axis] = slice(start, stop)
        if tuple(grown) == box:
            places = np.nonzero(mine)
            shifted = tuple(p + s.start for p, s in zip(places, box, strict=True))
            return np.asarray(np.ravel_multi_index(shifted, labels.shape), np.int64)
        box = tuple(grown)


def _within(box: Box, shape: tuple[int, ...]) -> Box:
    return tuple(
        slice(max(0, s.start or 0), min(n, n if s.stop is None else s.stop)) for s, n in zip(box, shape, strict=True)
    )


def _faces(inside: Labels, box: Box, shape: tuple[int, ...]) -> list[Labels]:
    """The outermost planes of a box where it does not end at the image's border."""
    faces: list[Labels] = [np.zeros(1, np.uint32)]
    for axis, span in enumerate(box):
        if span.start > 0:
            faces.append(np.asarray(inside.take([0], axis)))
        if span.stop < shape[axis]:
            faces.append(np.asarray(inside.take([-1], axis)))
    return faces


def _rasterise(line: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A connected line without diagonal gaps, so that it parts what it crosses."""
    cut = np.zeros(shape, bool)
    for start, stop in itertools.pairwise(line):
        n = int(np.ceil(np.abs(stop - start).sum() * 2)) + 2
        points = np.round(np.linspace(start, stop, n)).astype(int)
        steps = np.vstack([points, np.column_stack([points[1:, 0], points[:-1, 1]])])
        valid = ((steps >= 0) & (steps < shape)).all(1)
        cut[tuple(steps[valid].T)] = True
    return cut


def _cut(new: Labels, flat: Labels, id: int, cut: NDArray[np.bool_], new_id: int) -> int:
    """Part one object of a plane along `cut`; returns how many ids were given away."""
    from skimage.segmentation import expand_labels

    mine = flat == id
    # the numbers of pieces in front of and behind the line; the line itself goes to the nearest piece
    pieces = cc3d.connected_components(mine & ~cut, connectivity=4)
    whole = cc3d.connected_components(mine, connectivity=8)
    if pieces.max() <= whole.max():
        return 0
    filled = np.where(mine, expand_labels(pieces, distance=4), 0)
    sizes = np.bincount(filled.ravel())
    sizes[0] = 0
    order = [p for p in np.argsort(sizes)[::-1] if sizes[p] > 0]
    for offset, piece in enumerate(order[1:]):
        new[filled == piece] = new_id + offset
    return len(order) - 1
