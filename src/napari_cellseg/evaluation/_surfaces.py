"""How far two outlines are apart: of whole masks and object by object.

The surface of a mask is its voxels with a face neighbour outside it; beyond the image counts as outside, and axes of
one voxel do not count. Distances are between the centres of surface voxels, in um where the voxel size is known and
else in pixels. The definitions are MONAI's (``monai.metrics``, its edges and distances).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import edt
import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..kernels.nearest import nearest, percentile_of_groups

Floats = NDArray[np.float64]
Spacing = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Apart:
    """Distances from each surface to the other one.

    Attributes
    ----------
    of_truth, of_predicted
        Of every surface voxel to the nearest of the other side; infinite where the other side has no surface.
    """

    of_truth: Floats
    of_predicted: Floats

    @property
    def measurable(self) -> bool:
        """Whether both sides have a surface."""
        return bool(self.of_truth.size and self.of_predicted.size)

    @cached_property
    def hausdorff(self) -> float:
        """The largest of all distances."""
        return max(float(d.max()) for d in (self.of_truth, self.of_predicted))

    @cached_property
    def hd95(self) -> float:
        """The larger one of the 95th percentiles of both directions."""
        return max(float(np.percentile(d, 95)) for d in (self.of_truth, self.of_predicted))


def edges(labels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Surface voxels of every object at once: those with a face neighbour of another id, or beyond the image."""
    inner = np.ones(labels.shape, bool)
    for axis in (a for a in range(labels.ndim) if labels.shape[a] > 1):
        front, back = _but(axis, slice(1, None)), _but(axis, slice(None, -1))
        same = labels[front] == labels[back]
        inner[front] &= same
        inner[back] &= same
        inner[_but(axis, slice(0, 1))] = False
        inner[_but(axis, slice(-1, None))] = False
    if labels.size == 1:
        inner[:] = False
    return (labels > 0) & ~inner  # type: ignore[operator,no-any-return]


def borders(labels: Labels) -> NDArray[np.bool_]:
    """Where objects touch each other."""
    return edges(labels) & ~edges(labels > 0)


def apart(truth: NDArray[np.bool_], predicted: NDArray[np.bool_], spacing: Spacing) -> Apart:
    """Distances between the surfaces of two masks of one shape."""
    sides = edges(truth), edges(predicted)
    box = _box(sides[0] | sides[1])
    one, other = (np.ascontiguousarray(side[box]) for side in sides)
    return Apart(_to_nearest(one, other, spacing), _to_nearest(other, one, spacing))


def apart_by_object(
    sides: tuple[Labels, Labels], pairs: tuple[NDArray[np.int64], NDArray[np.int64]], spacing: Spacing
) -> dict[str, Floats]:
    """Hausdorff distance, its 95th percentile and the mean surface distance of pairs of objects.

    Parameters
    ----------
    sides
        Two label images of one shape.
    pairs
        The ids of every pair, (n,) each; an object may be in several.

    Returns
    -------
    dict
        ``hausdorff``, ``hd95``, ``mean_distance``: (n,).
    """
    (mine, starts), (theirs, other_starts) = (
        _points(labels, ids, spacing) for labels, ids in zip(sides, pairs, strict=True)
    )
    ways = (
        (nearest(mine, starts, theirs, other_starts), starts),
        (nearest(theirs, other_starts, mine, starts), other_starts),
    )
    if not len(pairs[0]):
        return {name: np.zeros(0) for name in ("hausdorff", "hd95", "mean_distance")}
    greatest = [np.maximum.reduceat(d, s[:-1]) for d, s in ways]
    sums = [np.add.reduceat(d, s[:-1]) for d, s in ways]
    high = [percentile_of_groups(d, s, 95.0) for d, s in ways]
    return {
        "hausdorff": np.maximum(*greatest),
        "hd95": np.maximum(*high),
        "mean_distance": (sums[0] + sums[1]) / (np.diff(starts) + np.diff(other_starts)),
    }


# --- inside ---------------------------------------------------------------------------------------


def _but(axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box round what is true; of nothing, the whole."""
    box = []
    for axis in range(mask.ndim):
        some = np.flatnonzero(mask.any(tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(int(some[0]), int(some[-1]) + 1) if some.size else slice(None))
    return tuple(box)


def _to_nearest(surface: NDArray[np.bool_], other: NDArray[np.bool_], spacing: Spacing) -> Floats:
    if not surface.any():
        return np.zeros(0)
    if not other.any():
        return np.full(int(surface.sum()), np.inf)
    return np.asarray(edt.edt(~other, anisotropy=spacing, black_border=False)[surface], np.float64)


def _points(labels: Labels, ids: NDArray[np.int64], spacing: Spacing) -> tuple[Floats, NDArray[np.int64]]:
    """Surface voxels of the given objects, one after the other, and where each begins."""
    places = np.argwhere(edges(labels))
    owner = labels[tuple(places.T)]
    order = np.argsort(owner, kind="stable")
    owner, places = owner[order], places[order]
    first, last = np.searchsorted(owner, ids, "left"), np.searchsorted(owner, ids, "right")
    starts = np.concatenate([[0], np.cumsum(last - first)]).astype(np.int64)
    chosen = np.arange(starts[-1]) + np.repeat(first - starts[:-1], last - first)
    return places[chosen] * np.asarray(spacing, np.float64), starts
