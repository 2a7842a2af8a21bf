"""Which voxels end in one place when all follow their flows, part by part, with the result of the whole.

After Stringer et al. 2021: ends are counted per voxel; a voxel with the most ends within two voxels is the place of an
object, and takes what ends round it where more than two do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box3 as Box
from .._types import Float
from ..boxes import grown, relative
from ..parts import Answer, Parts
from ._base import Reading

Ints = NDArray[np.int64]
Moving = Callable[[Box], tuple[Float, NDArray[np.bool_]]]
ROUNDS = 5
"""So many voxels round a place belong to it."""


def gathered(
    moving: Moving, image: Reading, out: Any, limits: tuple[int, int], way: Parts
) -> tuple[list[NDArray[np.uint32]], int]:
    """Write a number for each end into `out`; return the objects of the numbers of each part, and how many there are.

    Parameters
    ----------
    moving
        Flows (3, z, y, x) in voxels per step of a box, and which voxels move.
    limits
        Steps that voxels go at most; objects have more ends in their place than the second.
    """
    steps, least = limits
    found = list(way.each(_Ends(moving, image, out, steps), image.parts, "flows"))
    places, lengths = [f["where"] for f in found], [len(f["where"]) for f in found]
    where, same = np.unique(np.concatenate(places), return_inverse=True)
    total = np.bincount(same, np.concatenate([f["count"] for f in found]), len(where)).astype(np.int64)
    voxels = np.stack(np.unravel_index(where, image.shape), 1)
    number = _objects(voxels, total, image.planar, least)[same].astype(np.uint32)
    parts = np.split(number, np.cumsum(lengths)[:-1])
    return [np.r_[np.uint32(0), part] for part in parts], int(number.max(initial=0))


@dataclass(frozen=True, eq=False)
class _Ends:
    """Where the voxels of a part end, numbered for itself in `out`."""

    moving: Moving
    image: Reading
    out: Any
    steps: int

    def __call__(self, box: Box) -> Answer:
        from ..kernels.follow import ends

        shape, steps = self.image.shape, self.steps
        flat = self.image.planar or shape[0] == 1
        wide = grown(box, (0 if flat else steps, steps, steps), shape)
        flows, mask = self.moving((wide[0], wide[1], wide[2]))
        inner = relative(box, wide)
        paths = ends(flows, mask, np.array([(s.start, s.stop) for s in inner]), steps)
        at = np.ravel_multi_index(tuple((paths[:, 3:] + [s.start for s in wide]).T), shape)
        where, number, count = np.unique(at, return_inverse=True, return_counts=True)
        part = np.zeros(tuple(s.stop - s.start for s in box), np.uint32)
        part[mask[inner]] = number + 1
        self.out[box] = part
        return {"where": where, "count": count}


def _objects(voxels: Ints, counts: Ints, planar: bool, least: int) -> Ints:
    """The object (1..n, 0 for none) of every voxel (m, 3) in raster order in which so many end."""
    from scipy.spatial import cKDTree

    out = np.zeros(len(counts), np.int64)
    several = np.flatnonzero(counts > min(least, 2))
    if not several.size:
        return out
    at = voxels[several] * np.array([10 if planar else 1, 1, 1])
    pairs = cKDTree(at).query_pairs(2.5, p=np.inf, output_type="ndarray")
    rank = np.empty(several.size, np.int64)
    rank[np.lexsort((-several, counts[several]))] = np.arange(1, several.size + 1)  # of equal ones the first is higher
    best = rank.copy()
    for one, other in (pairs.T, pairs.T[::-1]):
        np.maximum.at(best, one, rank[other])
    taken = np.where((best == rank) & (counts[several] > least), rank, 0)
    pairs = pairs[(np.abs(at[pairs[:, 0]] - at[pairs[:, 1]]) <= 1).all(1)]
    for _ in range(ROUNDS):
        free, now = taken == 0, taken.copy()
        for one, other in (pairs.T, pairs.T[::-1]):
            reached = free[one]
            np.maximum.at(now, one[reached], taken[other[reached]])
        taken = now
    out[several] = np.unique(np.r_[0, taken], return_inverse=True)[1][1:]
    return out
