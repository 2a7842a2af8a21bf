"""Targets: how labels become what a network learns, and how its output becomes labels again.

`encode` turns labels (Z, Y, X) or (Y, X) into (C, ...) float32 in [0, 1]; `decode` turns probabilities of the
same shape back. For instance targets `decode(encode(labels))` gives the labels back up to renumbering for
objects that are connected and larger than `min_size`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage as ndi

from .settings import Settings

Labels = NDArray[np.uint32]
Float = NDArray[np.float32]
Spacing = tuple[float, ...] | None


def _anisotropy(spacing: Spacing, ndim: int) -> tuple[float, ...]:
    """Voxel size relative to X, so that lengths are in pixels of the plane."""
    return tuple(s / spacing[-1] for s in spacing[-ndim:]) if spacing else (1.0,) * ndim


def drop_small(labels: NDArray[Any], min_size: int) -> Labels:
    """Remove objects below `min_size` voxels and number the rest 1..n in raster order."""
    sizes = np.bincount(labels.ravel())
    keep = sizes >= max(min_size, 1)
    keep[0] = False
    lookup = np.zeros(sizes.size, np.uint32)
    order = first_seen(labels)
    order = order[keep[order]]
    lookup[order] = np.arange(1, order.size + 1, dtype=np.uint32)
    return np.asarray(lookup[labels], np.uint32)


def first_seen(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Ids in the order in which a raster scan meets them, without 0."""
    flat = labels.ravel()
    position = np.full(int(flat.max(initial=0)) + 1, flat.size, np.int64)
    inside = np.flatnonzero(flat)
    position[flat[inside][::-1]] = inside[::-1]
    position[0] = flat.size
    ids = np.flatnonzero(position < flat.size)
    return ids[np.argsort(position[ids], kind="stable")]


def flood(height: Float, seeds: NDArray[Any], mask: NDArray[np.bool_], min_size: int) -> Labels:
    """Seeded watershed of `height` inside `mask`; pieces of the mask without a seed become objects too."""
    from skimage.segmentation import watershed

    labels = watershed(height, np.asarray(seeds, np.int32), mask=mask)
    rest = cc3d.connected_components(mask & (labels == 0), connectivity=4 if mask.ndim == 2 else 6)
    labels = np.where(rest > 0, rest.astype(np.int64) + int(labels.max(initial=0)), labels)
    return drop_small(labels, min_size)


class _Target(Settings):
    min_size: int = Field(30, ge=0, le=1_000_000, description="Smaller predicted objects are removed (voxels).")


class Semantic(_Target):
    """One probability per class; nothing is said about single objects."""

    title: ClassVar[str] = "Classes (semantic)"
    exclusive: ClassVar[bool] = True
    kind: Literal["semantic"] = "semantic"

    def channels(self, n_classes: int) -> int:
        """Background and one channel per class."""
        return n_classes + 1

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Class ids -> one-hot (n_classes + 1, ...). In a one-class project every id counts as the class."""
        ids = np.minimum(labels, 1) if n_classes == 1 else labels
        return np.stack([ids == c for c in range(n_classes + 1)]).astype(np.float32)

    def decode(self, probabilities: Float, spacing: Spacing = None) -> Labels:
        """The most probable class of each voxel; pieces below `min_size` become background."""
        ids: Labels = probabilities.argmax(0).astype(np.uint32)
        if self.min_size > 1:
            pieces = cc3d.connected_components(ids)
            ids[np.bincount(pieces.ravel())[pieces] < self.min_size] = 0
        return ids


class Boundary(_Target):
    """Background, edge and interior of every object; touching objects are parted by their edges."""

    title: ClassVar[str] = "Interior and edge"
    exclusive: ClassVar[bool] = True
    kind: Literal["boundary"] = "boundary"
    width: float = Field(2.0, ge=1, le=20, description="Thickness of the edge inside each object (pixels).")

    def channels(self, n_classes: int) -> int:
        """Background, edge, interior."""
        return 3

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """The edge is the outer `width` pixels of an object, never more than half its depth."""
        depth = _depth(labels, spacing)
        deepest = _per_object_max(labels, depth)
        edge = (labels > 0) & (depth <= np.minimum(self.width, deepest * 0.5))
        return np.stack([labels == 0, edge, (labels > 0) & ~edge]).astype(np.float32)

    def decode(self, probabilities: Float, spacing: Spacing = None) -> Labels:
        """Pieces of the interior are seeds; they flood the foreground along the interior's probability."""
        foreground = probabilities[0] < 0.5
        interior = foreground & (probabilities[2] > probabilities[1])
        seeds = cc3d.connected_components(interior, connectivity=4 if interior.ndim == 2 else 6)
        return flood(-probabilities[2], seeds, foreground, self.min_size)


class Distance(_Target):
    """Foreground and the distance to the border, 1 at the deepest point of every object."""

    title: ClassVar[str] = "Distance to the border"
    exclusive: ClassVar[bool] = False
    kind: Literal["distance"] = "distance"
    threshold: float = Field(0.5, gt=0, lt=1, description="Foreground probability above which a voxel is object.")
    prominence: float = Field(0.1, gt=0, lt=1, description="How far the distance must rise for a separate object.")
    smooth: float = Field(
        0.2, ge=0, le=2, description="Smoothing of the distance before seeding, as a share of the typical radius."
    )

    def channels(self, n_classes: int) -> int:
        """Foreground and distance."""
        return 2

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Euclidean distance to the border divided by its maximum in the same object (anisotropy respected)."""
        depth = _depth(labels, spacing)
        deepest = _per_object_max(labels, depth)
        return np.stack([(labels > 0).astype(np.float32), depth / np.maximum(deepest, 1e-6)]).astype(np.float32)

    def decode(self, probabilities: Float, spacing: Spacing = None) -> Labels:
        """Seeds are the maxima of the smoothed distance that rise `prominence` above the saddle (h-maxima).

        The smoothing follows the size of the objects in the image (the median over its pieces of the deepest
        point), so that large objects are not cut to pieces and small ones do not melt together.
        """
        foreground = probabilities[0] > self.threshold
        if not foreground.any():
            return np.zeros(foreground.shape, np.uint32)
        radius = _typical_radius(foreground, spacing)
        sigma = [self.smooth * radius / a for a in _anisotropy(spacing, foreground.ndim)]
        distance = ndi.gaussian_filter(probabilities[1], sigma) if self.smooth else probabilities[1]
        seeds = h_maxima(np.where(foreground, distance, 0).astype(np.float32), self.prominence)
        return flood(-distance, seeds, foreground, self.min_size)


TARGETS: tuple[type[Settings], ...] = (Distance, Boundary, Semantic)
Target = Annotated[Distance | Boundary | Semantic, Field(discriminator="kind")]


def h_maxima(values: Float, height: float) -> NDArray[Any]:
    """Connected regional maxima that rise `height` above their surroundings (Vincent 1993)."""
    from skimage.morphology import reconstruction

    flooded = reconstruction(values - height, values, method="dilation")
    # a region whose top is not cut by the whole height drowned in a higher neighbour
    return np.asarray(cc3d.connected_components((values - flooded) >= height * 0.999))


def _typical_radius(mask: NDArray[np.bool_], spacing: Spacing) -> float:
    """The median over the pieces of a mask of their greatest depth, in pixels of the plane."""
    pieces = np.asarray(cc3d.connected_components(mask), np.uint32)
    top = np.zeros(int(pieces.max(initial=0)) + 1, np.float32)
    np.maximum.at(top, pieces[mask], _depth(mask.astype(np.uint32), spacing)[mask])
    return float(np.median(top[1:])) if top.size > 1 else 1.0


def _depth(labels: Labels, spacing: Spacing) -> Float:
    """Distance of every object voxel to the outside of its own object, in pixels of the plane."""
    ids = np.ascontiguousarray(labels, np.uint32)
    depth = np.asarray(edt.edt(ids, anisotropy=_anisotropy(spacing, labels.ndim), black_border=False), np.float32)
    return np.minimum(depth, np.float32(max(labels.shape)))  # infinite where an object fills the whole image


def _per_object_max(labels: Labels, values: Float) -> Float:
    """At every voxel, the maximum of `values` over the voxel's object."""
    top = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    inside = labels > 0
    np.maximum.at(top, labels[inside], values[inside])
    top[0] = 1
    return np.asarray(top[labels], np.float32)
