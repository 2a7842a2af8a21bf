"""The target of Cellpose: foreground, and at every voxel the direction of the middle of its object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._types import Box3 as Box
from .._types import Float, Labels, Spacing
from ..matching import numbered
from ..parts import Answer, Parts
from ._base import Finding, Reading
from ._common import anisotropy
from ._gather import gathered
from ._tally import Counted, Tally
from ._watershed import Lookup, Renumber

if TYPE_CHECKING:
    from torch import nn

Ints = NDArray[np.int64]


class Flows(Finding):
    """Foreground and flows to the middle of every object, which voxels follow (Cellpose, Stringer et al. 2021).

    A channel per axis, Z first, holds (1 + flow) / 2; flows are of length 1 in pixels of the plane, 0 outside. Voxels
    that end in one place are an object, unless their flows are not those of its own outline.
    """

    title: ClassVar[str] = "Flows to the middle (Cellpose)"
    exclusive: ClassVar[bool] = False
    by_patch: ClassVar[bool] = True
    kind: Literal["flows"] = "flows"
    threshold: float = Field(0.5, gt=0, lt=1, description="Foreground probability above which a voxel is object.")
    error: float = Field(
        0.4, ge=0, le=4,
        description="Objects whose flows differ more from those of their outline (mean square) are removed; 0: none.",
    )  # fmt: skip
    steps: int = Field(200, ge=10, le=2000, description="Steps (of a pixel at most) that voxels follow the flows.")
    weight: float = Field(5.0, ge=0, le=100, description="Weight of the flows' squared error beside the loss.")

    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """Foreground, and one per axis."""
        return 1 + dimensions

    def probabilities(self, n_classes: int, dimensions: int = 2) -> int:
        """The foreground."""
        return 1

    def loss(self, given: nn.Module) -> nn.Module:
        """With the squared error of the flows, everywhere."""
        from ..nets.regression import FlowError, WithRegression

        return WithRegression(given, FlowError(), self.weight)

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Foreground and flows, see `kernels.heat`; pieces of an object without its middle have none."""
        from ..kernels.heat import flows

        flat = labels.ndim == 2
        volume = np.asarray(numbered(labels)[0], np.uint32).reshape((1,) * flat + labels.shape)
        y, x = anisotropy(spacing, labels.ndim)[-2:]
        z = 1.0 if flat else anisotropy(spacing, 3)[0]
        found = flows(volume, (z, y, x), flat)[1 if flat else 0 :].reshape((labels.ndim, *labels.shape))
        return np.concatenate([(labels > 0)[None], (1 + found) / 2]).astype(np.float32)

    def mirrored(self, values: Float, axes: tuple[int, ...]) -> Float:
        """Along a mirrored axis flows go the other way."""
        values = values.copy()
        for axis in axes:
            values[:, axis] = 1 - values[:, axis]  # the last channel is that of the last axis, and so on
        return values

    def in_volume(self, axis: int | None, channels: int) -> tuple[int, ...]:
        """Rows and columns of a plane along Z, Y or X are two of the axes of the volume."""
        return (0, 1, 2, 3)[:channels] if axis is None else (0, *(1 + a for a in range(3) if a != axis))

    def find(self, image: Reading, out: Any, way: Parts) -> Lookup:
        """Follow the flows, gather ends, hold every object against its own flows."""
        ends, sheet = way.sheet(out), way.sheet(out)
        moving = _Moving(self, image)
        tables, n = gathered(moving, image, ends, (self.steps, min(10, self.min_size // 3)), way)
        tally, spans = Tally(n, image.shape), []
        items = [(box, 0, table) for box, table in zip(image.parts, tables, strict=True)]
        for found in way.each(Counted(ends, sheet), items, "objects"):
            tally.add(found)
            spans.append((int(found["ids"][0]), int(found["ids"][-1])) if len(found["ids"]) else (1, 0))
        wrong = np.zeros(n + 1, bool)
        asked = [a for box in image.parts if (a := self._asked(box, tally)) is not None] if self.error else []
        for (_, ids, _), found in zip(asked, way.each(_Judged(moving, sheet), asked, "flow errors"), strict=True):
            wrong[ids] = found["error"] > self.error
        labels, n = tally.labels(self.min_size, wrong)
        last = [(box, low, labels[low : high + 1]) for box, (low, high) in zip(image.parts, spans, strict=True)]
        return Lookup(sheet, last, n)

    # --- inside ---------------------------------------------------------------------------------

    def _asked(self, box: Box, tally: Tally) -> tuple[Box, Ints, Ints] | None:
        """Objects that begin in a part: a window that holds them, their numbers and sizes; None without any."""
        corner = [s.start for s in box], [s.stop for s in box]
        here = (tally.low >= corner[0]).all(1) & (tally.low < corner[1]).all(1) & (tally.sizes >= max(self.min_size, 1))
        ids = np.flatnonzero(here)
        if not ids.size:
            return None
        low, high = tally.low[ids].min(0).tolist(), tally.high[ids].max(0).tolist()
        window = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        return window, ids, tally.sizes[ids]


@dataclass(frozen=True, eq=False)
class _Moving:
    """What flows there are in an image."""

    target: Flows
    image: Reading

    def __call__(self, box: Box) -> tuple[Float, NDArray[np.bool_]]:
        """Flows in voxels per step, at most one along each axis, and what moves."""
        foreground, flows = self.said(box)
        mask = foreground > self.target.threshold
        sides = np.array(self.image.sides, np.float32)
        return flows * mask * (min(1.0, float(sides.min())) / sides)[:, None, None, None], mask

    def said(self, box: Box) -> tuple[Float, Float]:
        """Foreground (z, y, x) and flows (3, z, y, x) in pixels of the plane, 0 across planes that are apart."""
        values = self.image.read(box)
        flows = np.zeros((3, *values.shape[1:]), np.float32)
        axes = 2 if self.image.planar or len(values) == 3 else 3
        flows[3 - axes :] = 2 * values[-axes:] - 1
        return values[0], flows


@dataclass(frozen=True, eq=False)
class _Judged:
    """How far the flows of objects are from those of their outlines (mean square)."""

    moving: _Moving
    sheet: Any

    def __call__(self, item: tuple[Box, Ints, Ints]) -> Answer:
        from ..kernels.heat import flows

        window, ids, sizes = item
        number = np.zeros(int(ids[-1] - ids[0]) + 1, np.uint32)
        number[ids - ids[0]] = np.arange(1, len(ids) + 1)
        labels = Renumber(self.sheet, None).numbers((window, int(ids[0]), number))
        image = self.moving.image
        flat = image.planar or image.shape[0] == 1
        differs = ((flows(labels, image.sides, flat) - self.moving.said(window)[1]) ** 2).sum(0)
        inside = labels > 0
        return {"error": np.bincount(labels[inside], differs[inside], len(ids) + 1)[1:] / sizes}
