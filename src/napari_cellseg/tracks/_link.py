"""Which objects of one time point are those of the next: one to one, and divisions.

Pairs that overlap come first - as objects lie, or moved as they have moved before, or as all of them drift - and pairs
that are only near second. What competes is assigned so that the sum of what pairs are worth is largest (the linear
assignment of Jaqaman et al. 2008, doi:10.1038/nmeth.1237, with overlap in the place of distance).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..settings import Settings
from ._frame import Floats, Frame, Ints, shared


class Linking(Settings):
    """How objects are followed through time."""

    method: Literal["overlap", "laptrack"] = Field(
        "overlap", description="Overlap and nearness, built in; or laptrack's distances (extra `tracking`)."
    )
    overlap: float = Field(0.1, gt=0, le=1, description="Objects that share at least this (IoU) may be one.")
    reach: float = Field(
        1.0, ge=0, le=10, description="Objects without overlap may be one within so many diameters; 0: never."
    )
    gaps: int = Field(1, ge=0, le=20, description="An object may be missed in so many time points and go on.")
    divisions: bool = Field(True, description="An object may become two.")
    alike: float = Field(0.5, ge=0, le=1, description="The smaller daughter is at least this share of the larger.")


class Pairs(NamedTuple):
    """Candidates: which objects of two frames, and what each pair is worth (above 1: they overlap)."""

    left: Ints
    right: Ints
    worth: Floats


@dataclass(frozen=True, eq=False)
class Moving:
    """Objects of an earlier frame and how far each is expected to move, in voxels (n, ndim)."""

    frame: Frame
    shift: Floats


def drift(left: Frame, right: Frame) -> Floats:
    """How far all objects have moved together, in voxels (ndim,): the median over pairs that overlap best."""
    zero = np.zeros((len(left), len(left.shape)))
    a, b, counts = shared(left, right, zero)
    if len(a) < 3:
        return np.zeros(len(left.shape))
    iou = counts / (left.sizes[a] + right.sizes[b] - counts)
    chosen = assigned(Pairs(a, b, iou))
    return np.asarray(np.median(right.middles[b[chosen]] - left.middles[a[chosen]], axis=0))


def candidates(moving: Moving, right: Frame, spacing: Floats, how: Linking) -> Pairs:
    """Pairs of objects that may be one."""
    left = moving.frame
    size = len(right)
    worth: dict[int, float] = {}
    together = np.broadcast_to(drift(left, right), moving.shift.shape)
    for shift in (moving.shift, together, np.zeros_like(moving.shift)):
        a, b, counts = shared(left, right, shift)
        iou = counts / (left.sizes[a] + right.sizes[b] - counts)
        for key, value in zip((a * size + b).tolist(), iou.tolist(), strict=True):
            if value >= how.overlap:
                worth[key] = max(worth.get(key, 0.0), 1 + value)
    for key, value in zip(*_near(moving, right, spacing, how), strict=True):
        worth.setdefault(key, value)
    keys = np.array(sorted(worth), np.int64)
    return Pairs(keys // max(size, 1), keys % max(size, 1), np.array([worth[k] for k in keys.tolist()]))


def _near(moving: Moving, right: Frame, spacing: Floats, how: Linking) -> tuple[list[int], list[float]]:
    """Pairs whose middles are near each other, as keys, and how near, between 0 and 1; those alike in size first."""
    from scipy.spatial import KDTree

    left = moving.frame
    if not how.reach or not len(left) or not len(right):
        return [], []
    expected, reach = (left.middles + moving.shift) * spacing, how.reach * left.diameters(spacing)
    found = KDTree(right.middles * spacing).query_ball_point(expected, reach)
    a = np.repeat(np.arange(len(left)), [len(f) for f in found])
    b = np.concatenate([np.asarray(f, np.int64) for f in found]) if len(a) else np.zeros(0, np.int64)
    distance = np.linalg.norm(expected[a] - right.middles[b] * spacing, axis=1)
    sizes = np.stack([left.sizes[a], right.sizes[b]])
    alike = sizes.min(axis=0) / sizes.max(axis=0) if len(a) else np.zeros(0)
    worth = np.clip(1 - distance / reach[a], 1e-3, 1) * alike
    fit = alike >= ALIKE
    return (a * len(right) + b)[fit].tolist(), worth[fit].tolist()


ALIKE = 0.3
"""Objects that do not overlap are not one where the smaller is less than this share of the larger."""
SHRINKS = 0.95
"""A daughter is smaller than this share of its mother."""
TOGETHER = (0.5, 1.8)
"""What both daughters are together, in sizes of their mother."""
ASIDE = 0.6
"""So many diameters of the mother the middle between daughters lies from hers at most."""


def divisions(
    moving: Moving, right: Frame, taken: dict[int, int], free: Ints, spacing: Floats, how: Linking
) -> list[tuple[int, int]]:
    """Objects of `right` (`free`: nobody's yet) that are second daughters of objects of `left`: (mother, daughter).

    Parameters
    ----------
    taken
        The first daughter by its mother: what has been linked one to one.
    """
    left = moving.frame
    if not how.divisions or not taken or not len(free):
        return []
    mothers = np.array(list(taken), np.int64)
    first = np.array([taken[m] for m in mothers.tolist()], np.int64)
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(len(mothers)), free, indexing="ij"))
    mother, one = mothers[a], first[a]
    sizes = np.stack([right.sizes[one], right.sizes[b]]).astype(float)
    own = left.sizes[mother].astype(float)
    middle = (right.middles[one] + right.middles[b]) / 2
    expected = left.middles[mother] + moving.shift[mother]
    away = np.minimum(
        np.linalg.norm((middle - expected) * spacing, axis=1),
        np.linalg.norm((middle - left.middles[mother]) * spacing, axis=1),
    ) / left.diameters(spacing)[mother]  # fmt: skip
    apart = np.linalg.norm((right.middles[one] - right.middles[b]) * spacing, axis=1) / left.diameters(spacing)[mother]
    together = sizes.sum(axis=0) / own
    fit = (sizes.min(axis=0) >= how.alike * sizes.max(axis=0)) & (sizes.max(axis=0) <= SHRINKS * own)
    fit &= (together >= TOGETHER[0]) & (together <= TOGETHER[1]) & (away <= ASIDE) & (apart <= 2 * max(how.reach, 0.5))
    pairs = Pairs(mother[fit], b[fit], 2 - away[fit] / ASIDE)
    return [(int(pairs.left[n]), int(pairs.right[n])) for n in assigned(pairs)]


def assigned(pairs: Pairs) -> Ints:
    """Which of the pairs belong together, each object in one at most, so that the sum of their worth is largest."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs.left):
        return np.zeros(0, np.int64)
    (rows, a), (columns, b) = (np.unique(side, return_inverse=True) for side in (pairs.left, pairs.right))
    n = len(rows) + len(columns)
    graph = coo_array((np.ones(a.size, np.int8), (a, b + len(rows))), shape=(n, n))
    group = connected_components(graph, directed=False)[1][a]
    chosen = []
    for members in np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1]):
        if len(members) == 1:
            chosen.append(members)
            continue
        (own, i), (other, j) = (np.unique(side[members], return_inverse=True) for side in (a, b))
        worth, place = np.zeros((len(own), len(other))), np.full((len(own), len(other)), -1)
        worth[i, j], place[i, j] = pairs.worth[members], members
        found = place[linear_sum_assignment(worth, maximize=True)]
        chosen.append(found[found >= 0])
    return np.sort(np.concatenate(chosen))


def without(pairs: Pairs, left: NDArray[np.bool_], right: NDArray[np.bool_], cut: set[tuple[int, int]]) -> Pairs:
    """Pairs of objects that are still free (`left`, `right`) and that nobody has cut."""
    keep = left[pairs.left] & right[pairs.right]
    if cut:
        keep &= np.array([(a, b) not in cut for a, b in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)])
    return Pairs(pairs.left[keep], pairs.right[keep], pairs.worth[keep])
