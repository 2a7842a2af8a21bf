"""Split objects: along a drawn line, or between clicked seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from .._types import Box, Mask
from ..boxes import around, relative
from ..errors import CellsegError, NothingThere
from ..project import Edit
from ._context import EditContext, Piece
from ._lines import rasterise

Pixels = Callable[[Box], NDArray[Any]]


def split(context: EditContext, line: NDArray[np.floating]) -> Edit:
    """Cut every object that a drawn line parts: in the line's plane, or through the volume where tools act on it.

    Parameters
    ----------
    line
        (N, ndim) corner points of the line in voxel coordinates, N >= 2; all in one plane of a volume.

    Raises
    ------
    CellsegError
        When the line parts no object, or one that it parts is approved and locked.
    """
    plane, points = rasterise(line, context.labels.shape)
    ids = [int(i) for i in np.unique(context.labels[plane][tuple(points.T)]) if i]
    if context.z is not None and plane:
        context = context.at(plane[0])
    found: list[tuple[Piece, NDArray[Any]]] = []
    next_id = context.first_id
    for id in ids:
        piece = (
            context.piece(id) if context.instances else context.pick((*plane, *_first_on(context, plane, points, id)))
        )
        numbers = _cut(piece, points)
        if numbers is not None:
            context.refuse_approved(piece)
            found.append((piece, np.where(numbers > 1, numbers + (next_id - 2), piece.id)))
            next_id += int(numbers.max()) - 1
    if not found:
        raise NothingThere("The line does not part an object.", "Draw it across the object, from outside to outside.")
    return _together(context, "split", found)


def split_seeds(context: EditContext, seeds: Sequence[tuple[int, ...]], pixels: Pixels | None = None) -> Edit:
    """Part one object between clicked seeds by watershed: on the distance to its outline, or on an image.

    Parameters
    ----------
    seeds
        Two or more voxels of one object; the first keeps its id.
    pixels
        Gives the intensities of a box; bright means inside. Where not given, the distance to the outline counts.

    Raises
    ------
    CellsegError
        When there are fewer than two seeds, they lie in different objects, or the object is approved and locked.
    """
    from skimage.segmentation import watershed

    seeds = list(dict.fromkeys(tuple(int(v) for v in seed) for seed in seeds))
    if len(seeds) < 2:
        raise CellsegError("Splitting needs two seeds.", "Click twice or more inside one object, once in each part.")
    piece = context.pick(seeds[0])
    context.refuse_approved(piece)
    markers = np.zeros(piece.mask.shape, np.int32)
    for number, seed in enumerate(seeds, start=1):
        at = tuple(p - s.start for p, s in zip(seed, piece.box, strict=True))
        if context.labels[seed] != piece.id or not all(
            s.start <= p < s.stop for p, s in zip(seed, piece.box, strict=True)
        ):
            raise CellsegError("The seeds lie in different objects.", f"Click inside object {piece.id} again.")
        markers[at] = number
    height = _inside_ness(piece.mask, context) if pixels is None else _blurred(pixels(piece.box))
    numbers = np.asarray(watershed(-height, markers, mask=piece.mask))
    new = np.where(numbers > 1, numbers + (context.first_id - 2), piece.id)
    return _together(context, "split by seeds", [(piece, new)])


# --- inside ---------------------------------------------------------------------------------------


def _together(context: EditContext, tool: str, found: list[tuple[Piece, NDArray[Any]]]) -> Edit:
    box = around(piece.box for piece, _ in found)
    new = np.array(context.labels[box])
    touched = np.zeros(new.shape, bool)
    for piece, ids in found:
        inner = relative(piece.box, box)
        new[inner] = np.where(piece.mask, ids, new[inner])
        touched[inner] |= piece.mask
    return context.edit(tool, box, new, touched)


def _cut(piece: Piece, points: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Pieces of an object along a line, 1 being the largest, 0 outside; None where the line does not part it."""
    from skimage.segmentation import expand_labels

    mask = piece.mask
    local = points - [s.start for s in piece.box[-2:]]
    local = local[((local >= 0) & (local < mask.shape[-2:])).all(1)]
    cut = np.zeros(mask.shape, bool)
    cut[..., local[:, 0], local[:, 1]] = True
    flat, line = (mask[0], cut[0]) if mask.ndim == 3 and mask.shape[0] == 1 else (mask, cut)
    pieces = cc3d.connected_components(flat & ~line, connectivity=4 if flat.ndim == 2 else 6)
    # corners alone do not hold together: what only they joined before is not parted by the line
    whole = cc3d.connected_components(flat, connectivity=4 if flat.ndim == 2 else 6)
    if pieces.max() <= whole.max():
        return None
    # the line itself goes to the nearest piece
    filled = np.where(flat, expand_labels(pieces, distance=4), 0)
    sizes = np.bincount(filled.ravel())
    sizes[0] = 0
    rank = np.zeros(len(sizes), np.int64)
    order = [p for p in np.argsort(-sizes, kind="stable") if sizes[p] > 0]
    rank[order] = np.arange(1, len(order) + 1)
    numbers = np.asarray(rank[filled]).reshape(mask.shape)
    return np.where(mask & (numbers == 0), 1, numbers)


def _first_on(context: EditContext, plane: tuple[int, ...], points: NDArray[np.int64], id: int) -> tuple[int, int]:
    hit = points[np.flatnonzero(context.labels[plane][tuple(points.T)] == id)[0]]
    return int(hit[0]), int(hit[1])


def _inside_ness(mask: Mask, context: EditContext) -> NDArray[np.float32]:
    import edt

    flat = mask[0] if mask.ndim == 3 and mask.shape[0] == 1 else mask
    distance = edt.edt(np.ascontiguousarray(flat), anisotropy=context.sampling[-flat.ndim :], black_border=False)
    return np.asarray(distance, np.float32).reshape(mask.shape)


def _blurred(pixels: NDArray[Any]) -> NDArray[np.float32]:
    from ..kernels import blur

    return blur.gaussian(pixels, (0.0, 1.0, 1.0)[-pixels.ndim :])
