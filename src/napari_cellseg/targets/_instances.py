"""Targets of single objects: interior and edge, or distance to the border."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage as ndi

from .._types import Float, Labels, Spacing
from ._base import TargetBase
from ._common import anisotropy, depth, per_object_max
from ._watershed import Finer


@dataclass(frozen=True)
class Hill:
    """A part of an image as a landscape: objects are hills inside the mask."""

    height: Float
    mask: NDArray[np.bool_]


class InstanceTarget(TargetBase):
    """A target whose objects are hills."""

    @property
    def rise(self) -> float:
        """How far a hill must rise above the saddle to be an object of its own."""
        raise NotImplementedError

    @property
    def finer_rise(self) -> Finer | None:
        """A lower one that may be taken instead."""
        return None

    def sigmas(self, radius: float, spacing: Spacing, ndim: int) -> tuple[float, ...]:
        """Smoothing of the last channel along each axis, where objects have this typical radius (voxels)."""
        return (0.0,) * ndim

    @abstractmethod
    def hill(self, probabilities: Float, smooth: Float) -> Hill:
        """Height and mask of a part; `smooth` is its last channel, smoothed by `sigmas`."""


class Boundary(InstanceTarget):
    """Background, edge and interior of every object; touching objects are parted by their edges.

    Edges inside are the outer pixels of an object, and decoding gives them back to it. Edges by dilation are what
    every object, dilated in its slice, covers beyond itself (Tiling 2024): background around it and the rim of a
    neighbour that touches it. The interior alone is then the object, so where two touch, decoding leaves a gap of
    twice the width; what touches across slices only is not parted.
    """

    title: ClassVar[str] = "Interior and edge"
    exclusive: ClassVar[bool] = True
    kind: Literal["boundary"] = "boundary"
    edge: Literal["inside", "dilation"] = Field("inside", description="How the edge of an object is made.")
    width: float = Field(2.0, ge=1, le=20, description="Thickness of the edge (pixels).")
    threshold: float = Field(0.5, gt=0, lt=1, description="Foreground probability above which a voxel is object.")

    @property
    def rise(self) -> float:
        """Pieces of the interior stand at 2, everything else below 1: each piece is an object."""
        return 0.999

    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """Background, edge, interior."""
        return 3

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Edges inside are never more than half an object's depth; edges by dilation are made slice by slice."""
        if self.edge == "dilation":
            edge = _dilated_edges(labels, round(self.width))
            return np.stack([(labels == 0) & ~edge, edge, (labels > 0) & ~edge]).astype(np.float32)
        inside = depth(labels, spacing)
        deepest = per_object_max(labels, inside)
        edge = (labels > 0) & (inside <= np.minimum(self.width, deepest * 0.5))
        return np.stack([labels == 0, edge, (labels > 0) & ~edge]).astype(np.float32)

    def hill(self, probabilities: Float, smooth: Float) -> Hill:
        """Pieces of the interior are plateaus; the edge around them slopes with the interior's probability."""
        if self.edge == "dilation":
            interior = probabilities[2] > self.threshold
            return Hill(np.where(interior, np.float32(2), np.float32(0)), interior)
        mask = probabilities[0] < 1 - self.threshold
        interior = mask & (probabilities[2] > probabilities[1])
        return Hill(np.where(interior, np.float32(2), np.minimum(probabilities[2], np.float32(1))), mask)


class Distance(InstanceTarget):
    """Foreground and the distance to the border, 1 at the deepest point of every object."""

    title: ClassVar[str] = "Distance to the border"
    exclusive: ClassVar[bool] = False
    kind: Literal["distance"] = "distance"
    threshold: float = Field(0.5, gt=0, lt=1, description="Foreground probability above which a voxel is object.")
    prominence: float = Field(0.1, gt=0, lt=1, description="How far the distance must rise for a separate object.")
    smooth: float = Field(
        0.2, ge=0, le=2, description="Smoothing of the distance before seeding, as a share of the typical radius."
    )
    finer: float = Field(
        0.0, ge=0, le=1,
        description="A quarter of the prominence is taken where it makes at most this share of objects more; 0: never.",
    )  # fmt: skip

    @property
    def rise(self) -> float:
        """The prominence."""
        return self.prominence

    @property
    def finer_rise(self) -> Finer | None:
        """Few objects more are touching ones that were parted; many are noise, in which single objects fall apart."""
        return Finer(self.prominence / 4, self.finer) if self.finer else None

    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """Foreground and distance."""
        return 2

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Euclidean distance to the border divided by its maximum in the same object (anisotropy respected)."""
        inside = depth(labels, spacing)
        deepest = per_object_max(labels, inside)
        return np.stack([(labels > 0).astype(np.float32), inside / np.maximum(deepest, 1e-6)]).astype(np.float32)

    def sigmas(self, radius: float, spacing: Spacing, ndim: int) -> tuple[float, ...]:
        """A share of the typical radius, so that large objects are not cut and small ones do not melt together."""
        return tuple(self.smooth * radius / a for a in anisotropy(spacing, ndim))

    def hill(self, probabilities: Float, smooth: Float) -> Hill:
        """The smoothed distance inside the foreground."""
        return Hill(smooth, probabilities[0] > self.threshold)


def _dilated_edges(labels: Labels, width: int) -> NDArray[np.bool_]:
    """Where some object, dilated by a disk in its slice, covers what is not its own."""
    y, x = np.ogrid[-width : width + 1, -width : width + 1]
    disk = (y**2 + x**2 <= width**2).reshape((1,) * (labels.ndim - 2) + (2 * width + 1,) * 2)
    ids = np.asarray(labels, np.uint32)
    highest = ndi.maximum_filter(ids, footprint=disk)
    lowest = ndi.minimum_filter(np.where(ids > 0, ids, np.iinfo(np.uint32).max), footprint=disk)
    return np.asarray((highest > 0) & ((highest != ids) | (lowest != ids)))
