"""A field as it is shown beside another: grey, with outlines of objects. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTLINE = (255, 210, 63)


@dataclass(frozen=True, eq=False)
class Crop:
    """What a model finds in the field: (Y, X, 3) uint8, and how many objects."""

    model: str
    picture: NDArray[np.uint8]
    objects: int


@dataclass(frozen=True, eq=False)
class Pair:
    """The same field before and after; `held_out`: nothing was learnt from what is known there."""

    before: Crop
    after: Crop
    held_out: bool


def grey(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(Y, X) in 8 bits, stretched so that dim cells are seen."""
    low, high = np.percentile(np.nan_to_num(plane), (0.5, 99.8))
    scaled = (np.nan_to_num(plane) - low) / max(float(high - low), 1e-6)
    return np.asarray(scaled.clip(0, 1) * 255, np.uint8)


def outlined(plane: NDArray[np.uint8], labels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """(Y, X, 3): a plane with the outlines of objects, which lie inside them."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels, axis=axis) != 0
        low, high = [slice(None)] * 2, [slice(None)] * 2
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        edge[tuple(low)] |= differs
        edge[tuple(high)] |= differs
    picture = np.repeat(plane[..., None], 3, axis=-1)
    picture[edge & (labels > 0)] = OUTLINE
    return picture
