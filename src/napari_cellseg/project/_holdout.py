"""What judges and is never learnt from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._folder import Project
from ._records import Holdout, ImageRecord

VAL_SHARE = 0.2
"""This share of the known images (or of the known length of a single image) is held out."""


def assign_holdouts(project: Project) -> dict[str, Holdout]:
    """Fix what judges and is never learnt from; what was fixed once stays.

    Images of the split *val* judge as a whole. Without any, a fifth of the images with known voxels does (the
    later ones that no model has learnt from); where there is only one such image, the last fifth of its known length
    along its longest axis.
    """
    records = [r for r in project.images() if r.split != "test"]
    for record in records:
        if record.split == "val" and project.load_labels(record.id)[1].any():
            project.db.put_holdout(_whole(record))
    holdouts = project.db.holdouts()
    if any(r.split == "val" and r.id in holdouts for r in records):
        return holdouts
    extents = {r.id: _extent(project, r) for r in records if r.split == "train"}
    known = [r for r in records if extents.get(r.id)]
    if len(known) == 1 and not holdouts:
        project.db.put_holdout(_field(project, known[0], extents[known[0].id]))
    wanted = max(int(VAL_SHARE * len(known)), 0 if project.db.holdouts() else 1)
    whole = [r for r in known if holdouts.get(r.id) == _whole(r)]
    learnt = {id for card in project.models() for id in card.images}
    free = [r for r in reversed(known) if r.id not in holdouts and r.id not in learnt]
    for record in free[: max(0, wanted - len(whole))]:
        if len(known) > 1:
            project.db.put_holdout(_whole(record))
    return project.db.holdouts()


def holdout_mask(record: ImageRecord, holdout: Holdout | None) -> NDArray[np.bool_]:
    """Where an image is held out, on its spatial grid."""
    mask = np.zeros(record.shape, bool)
    if holdout is not None:
        mask[tuple(slice(a, b) for a, b in holdout.box)] = True
    return mask


def _extent(project: Project, record: ImageRecord) -> tuple[tuple[int, int], ...]:
    """The box of all touched voxels of an image, () where there are none."""
    state = project.load_labels(record.id)[1]
    spans = []
    for axis in range(state.ndim):
        hits = np.flatnonzero(state.any(tuple(a for a in range(state.ndim) if a != axis)))
        if not hits.size:
            return ()
        spans.append((int(hits[0]), int(hits[-1]) + 1))
    return tuple(spans)


def _whole(record: ImageRecord) -> Holdout:
    return Holdout(record.id, tuple((0, n) for n in record.shape))


def _field(project: Project, record: ImageRecord, extent: tuple[tuple[int, int], ...]) -> Holdout:
    """The end of the image along the known part's longest axis, with about a fifth of its object voxels."""
    labels, state = project.load_labels(record.id)
    axis = int(np.argmax([b - a for a, b in extent]))
    others = tuple(a for a in range(labels.ndim) if a != axis)
    weight = ((labels > 0) & (state > 0)).sum(others).astype(float)
    if not weight.any():
        weight = (state > 0).sum(others).astype(float)
    cut = int(np.searchsorted(np.cumsum(weight) / weight.sum(), 1 - VAL_SHARE)) + 1
    start, stop = extent[axis]
    box = [(0, n) for n in record.shape]
    box[axis] = (min(max(cut, start + 1), stop - 1), record.shape[axis])
    return Holdout(record.id, tuple(box))
