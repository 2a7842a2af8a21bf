"""The target of StarDist: the probability of being the middle of an object, and how far its border is all round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from .._types import Box3 as Box
from .._types import Float, Labels, Spacing
from ..boxes import grown
from ..matching import numbered
from ..parts import Answer, Parts
from ._base import Finding, Reading
from ._common import anisotropy, depth, per_object_max
from ._tally import Tally, measured
from ._watershed import Lookup

if TYPE_CHECKING:
    from torch import nn

    from ..kernels.rays import Between, Stars


class Rays(Finding):
    """The depth inside every object and the length of rays to its border: star-shaped objects (StarDist).

    Schmidt et al. 2018 in planes, Weigert et al. 2020 in volumes, whose rays go along a golden spiral on the sphere
    (both by default). A length r is held as r / (r + scale). Objects are proposed where the probability is highest
    among its neighbours; of those that overlap, the more probable ones stay.
    """

    title: ClassVar[str] = "Rays to the border (StarDist)"
    exclusive: ClassVar[bool] = False
    by_patch: ClassVar[bool] = True
    coding: ClassVar[tuple[str, ...]] = ("rays", "scale")
    doubt: ClassVar[str] = "the probability of rays falls towards every border, doubtful or not (no uncertainty)"
    kind: Literal["rays"] = "rays"
    rays: int = Field(
        0, ge=0, le=256, multiple_of=4, description="How many rays; 0: 32 in planes and 96 in volumes, as published."
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability above which an object is proposed.")
    overlap: float = Field(
        0.4, gt=0, lt=1, description="Of two objects that share more than this of the smaller one, one stays."
    )
    scale: float = Field(10.0, ge=1, le=1000, description="A ray of this length is held as a half (pixels).")
    weight: float = Field(
        0.05, ge=0, le=100, description="Weight of the rays' error (pixels) beside the loss (published: 0.2)."
    )

    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """The probability, and one per ray."""
        return 1 + (self.rays or (32 if dimensions == 2 else 96))

    def probabilities(self, n_classes: int, dimensions: int = 2) -> int:
        """That of being an object's middle."""
        return 1

    def loss(self, given: nn.Module) -> nn.Module:
        """With the absolute error of the lengths, weighted by the probability."""
        from ..nets.regression import RayError, WithRegression

        return WithRegression(given, RayError(self.scale), self.weight)

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Depth relative to the deepest voxel of the object, and lengths in pixels of the plane."""
        from ..kernels.rays import between, distances

        inside = depth(labels, spacing)
        probability = inside / np.maximum(per_object_max(labels, inside), 1e-6)
        flat = labels.ndim == 2
        volume = np.asarray(numbered(labels)[0], np.uint32).reshape((1,) * flat + labels.shape)
        y, x = anisotropy(spacing, labels.ndim)[-2:]
        z = 1.0 if flat else anisotropy(spacing, 3)[0]
        n = self.channels(n_classes, labels.ndim) - 1
        lengths = distances(volume, between(n, flat), (z, y, x)).reshape((n, *labels.shape))
        return np.concatenate([probability[None], lengths / (lengths + self.scale)]).astype(np.float32)

    def obstacle(self, dimensions: int, *, flips: bool = False, axes: int = 1, doubt: bool = False) -> str:
        """Rays of planes lie in them; those of a spiral on the sphere have no mirror images."""
        if axes > 1:
            return "rays of planes lie in them and say nothing across (no mode three axes)"
        if flips and dimensions == 3:
            return "the mirror image of a ray in a volume is no ray (no flips)"
        return super().obstacle(dimensions, flips=flips, axes=axes, doubt=doubt)

    def mirrored(self, values: Float, axes: tuple[int, ...]) -> Float:
        """Of rays in the plane, each takes the place of its mirror image."""
        n = values.shape[1] - 1
        order = np.arange(n)
        for axis in axes:
            order = (-order if axis == -2 else n // 2 - order) % n
        return np.asarray(values[:, np.r_[0, 1 + order]])

    def resized(self, values: Float, factor: float) -> Float:
        """Lengths are those of the picture as it is."""
        if factor == 1:
            return values
        values = values.copy()
        lengths = values[:, 1:]
        values[:, 1:] = lengths / (lengths + np.float32(factor) * (1 - lengths))
        return values

    def find(self, image: Reading, out: Any, way: Parts) -> Lookup:
        """Propose objects, choose among those that overlap, draw them."""
        from ..kernels.rays import between, chosen

        rays = between(self.channels(1, 2 if image.planar else 3) - 1, image.planar)
        found = self._proposed(image, rays, way)
        found = found.of(chosen(found, rays, image.sides, self.overlap))
        tally, sheet = Tally(len(found.centres), image.shape), way.sheet(out)
        low, high = found.centres - found.reach, found.centres + found.reach + 1
        near = [
            np.flatnonzero((low < [s.stop for s in box]).all(1) & (high > [s.start for s in box]).all(1))
            for box in image.parts
        ]
        items = [(box, found.of(here)) for box, here in zip(image.parts, near, strict=True)]
        numbers = [np.r_[0, here + 1] for here in near]
        for of, seen in zip(numbers, way.each(_Painted(rays, image.sides, sheet), items, "objects"), strict=True):
            tally.add({**seen, "ids": of[seen["ids"]]})
        labels, n = tally.labels(self.min_size)
        return Lookup(sheet, [(box, 0, labels[of]) for box, of in zip(image.parts, numbers, strict=True)], n)

    # --- inside ---------------------------------------------------------------------------------

    def _proposed(self, image: Reading, rays: Between, way: Parts) -> Stars:
        """Objects where the probability is highest among its neighbours, the most probable first."""
        from ..kernels.rays import stars

        found = list(way.each(_Peaks(self, image), image.parts, "proposals"))
        where, lengths, sure = (np.concatenate([f[k] for f in found]) for k in ("centres", "lengths", "sure"))
        order = np.lexsort((*where.T[::-1], -sure))
        return stars(where[order], lengths[order], rays, image.sides)


@dataclass(frozen=True, eq=False)
class _Peaks:
    """Middles of objects in a part, the lengths of their rays, and how sure they are."""

    target: Rays
    image: Reading

    def __call__(self, box: Box) -> Answer:
        from ..kernels.rays import peaks

        wide = grown(box, (1, 1, 1), self.image.shape)
        values = self.image.read((wide[0], wide[1], wide[2]))
        rim = [(1 - (b.start - w.start), 1 - (w.stop - b.stop)) for b, w in zip(box, wide, strict=True)]
        padded = np.pad(values[0], rim, constant_values=-1)
        at = np.argwhere(peaks(padded, self.target.threshold, self.image.planar))
        z, y, x = (at + [b.start - w.start for b, w in zip(box, wide, strict=True)]).T
        coded = np.clip(values[1:, z, y, x].T, 0, 0.999)
        lengths = np.float32(self.target.scale) * coded / (1 - coded)
        return {"centres": at + [s.start for s in box], "lengths": lengths, "sure": values[0, z, y, x]}


@dataclass(frozen=True, eq=False)
class _Painted:
    """Objects drawn into a part, numbered in the order in which they are given, and what `measured` says of them."""

    rays: Between
    sides: tuple[float, float, float]
    sheet: Any

    def __call__(self, item: tuple[Box, Stars]) -> Answer:
        from ..kernels.rays import paint

        box, found = item
        z, y, x = (s.start for s in box)
        part = np.zeros(tuple(s.stop - s.start for s in box), np.uint32)
        paint(part, (z, y, x), found, self.rays, self.sides)
        self.sheet[box] = part
        return measured(box, part)
