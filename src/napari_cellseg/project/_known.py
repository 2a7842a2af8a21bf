"""What a person's corrections vouch for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..boxes import grown, relative

PREDICTED, CORRECTED, APPROVED = 0, 1, 2
"""The three states of a voxel."""
RIM = 2
"""Background so near (pixels) to an object that nobody looked at says nothing."""
PIECE = 1500
"""To look at a piece by itself takes as long as so many pixels more."""


def known_mask(
    labels: NDArray[np.uint32], state: NDArray[np.uint8], margin: int, *, instances: bool = True
) -> NDArray[np.bool_]:
    """Voxels that training may learn from and judging may count.

    In every (Y, X) plane: voxels a person touched (state > 0), the objects they belong to, and the background
    up to `margin` pixels around them. Painting alone says nothing about what is *not* the object; the margin
    says it. A neighbour that was only predicted stays unknown, and so does the background nearer to it; within `RIM`
    pixels of it even background that was approved, since its outline may be too tight.

    Parameters
    ----------
    labels, state
        (Z, Y, X) or (Y, X) uint32 and uint8.
    margin
        Width of the vouched-for background, in pixels of the plane.
    instances
        Whether ids are objects. In a semantic project they are classes, and touching one voxel vouches for that
        voxel, not for all of its class.
    """
    planes = labels.reshape(-1, *labels.shape[-2:])
    states = state.reshape(planes.shape)
    out = np.zeros(planes.shape, bool)
    for index in np.flatnonzero(states.any((1, 2))):
        out[index] = _known_plane(planes[index], states[index] > 0, margin, instances)
    return out.reshape(labels.shape)


def _known_plane(
    labels: NDArray[np.uint32], touched: NDArray[np.bool_], margin: int, instances: bool
) -> NDArray[np.bool_]:
    vouched = touched
    if instances:
        ids = np.unique(labels[touched])
        vouched = touched | np.isin(labels, ids[ids > 0])
    if margin == 0 or vouched.all():
        return vouched
    if not instances:  # no neighbour matters: a disk moved along the border does what distances do, much faster
        y, x = np.ogrid[-margin : margin + 1, -margin : margin + 1]
        disk = (y**2 + x**2 <= margin**2).astype(np.uint8)
        near = cv2.dilate(vouched.astype(np.uint8), disk, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        return np.asarray(vouched | (near & (labels == 0)))
    out, reach = np.zeros(labels.shape, bool), max(margin, RIM)
    for box in _pieces(vouched, 2 * reach):
        inner, outer = grown(box, (reach, reach), labels.shape), grown(box, (2 * reach, 2 * reach), labels.shape)
        out[inner] |= _vouched_around(labels[outer], vouched[outer], margin)[relative(inner, outer)]
    return out


def _pieces(mask: NDArray[np.bool_], rim: int) -> list[Box]:
    """Boxes of the pieces of a mask (Y, X); of all of it where these, with a rim, would take longer."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    x, y, width, height = stats[1:, :4].T.astype(np.int64)
    if ((width + 2 * rim) * (height + 2 * rim) + PIECE).sum() > mask.size:
        return [tuple(slice(0, n) for n in mask.shape)]
    return [
        (slice(a, a + h), slice(b, b + w))
        for a, b, h, w in zip(*(v.tolist() for v in (y, x, height, width)), strict=True)
    ]


def _vouched_around(labels: NDArray[np.uint32], vouched: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """What is vouched for, and the background near it that is not nearer to somebody else."""
    squared = _squared_distance(vouched)
    near = (squared <= margin**2) & (labels == 0)
    others = (labels > 0) & ~vouched
    if not others.any():
        return np.asarray(vouched | near)
    # the outline of a neighbour nobody looked at may be too tight: its surroundings stay unknown
    away = _squared_distance(others)
    near &= squared < away
    return np.asarray((vouched | near) & ((labels > 0) | (away > RIM**2)))


def _squared_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Of every pixel to the nearest one of a mask (Y, X), exact whole numbers."""
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.rint(np.square(away, out=away), out=away))
