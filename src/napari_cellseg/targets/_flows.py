"""The target of Cellpose: foreground, and at every voxel the direction of the middle of its object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._types import Box3 as Box
from .._types import Float, Labels, Spacing
from ..matching import numbered
from ._base import Finding, Reading
from ._common import anisotropy
from ._gather import gathered
from ._tally import Tally
from ._watershed import DecodingStopped, Lookup

if TYPE_CHECKING:
    from torch import nn


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

    def find(self, image: Reading, out: Any) -> Lookup:
        """Follow the flows, gather ends, hold every object against its own flows."""
        number = gathered(lambda box: self._moving(image, box), image, out, self.steps, min(10, self.min_size // 3))
        tally = Tally(int(number.max(initial=0)), image.shape)
        for box in image.parts:
            numbers = number[np.asarray(out[box])]
            out[box] = numbers
            tally.add(box, numbers)
        wrong = np.zeros(len(tally.sizes), bool)
        for box in image.parts if self.error else ():
            if image.stop():
                raise DecodingStopped
            self._judge(image, out, box, tally, wrong)
        return tally.lookup(self.min_size, wrong)

    # --- inside ---------------------------------------------------------------------------------

    def _said(self, image: Reading, box: Box) -> tuple[Float, Float]:
        """Foreground (z, y, x) and flows (3, z, y, x) in pixels of the plane, 0 across planes that are apart."""
        values = image.read(box)
        flows = np.zeros((3, *values.shape[1:]), np.float32)
        axes = 2 if image.planar or len(values) == 3 else 3
        flows[3 - axes :] = 2 * values[-axes:] - 1
        return values[0], flows

    def _moving(self, image: Reading, box: Box) -> tuple[Float, NDArray[np.bool_]]:
        """Flows in voxels per step, at most one along each axis, and what moves."""
        foreground, flows = self._said(image, box)
        mask = foreground > self.threshold
        sides = np.array(image.sides, np.float32)
        return flows * mask * (min(1.0, float(sides.min())) / sides)[:, None, None, None], mask

    def _judge(self, image: Reading, out: Any, box: Box, tally: Tally, wrong: NDArray[np.bool_]) -> None:
        """Mark objects that begin in a part and whose flows are not those of their outline."""
        from ..kernels.heat import flows

        corner = [s.start for s in box], [s.stop for s in box]
        here = (tally.low >= corner[0]).all(1) & (tally.low < corner[1]).all(1) & (tally.sizes >= max(self.min_size, 1))
        ids = np.flatnonzero(here)
        if not ids.size:
            return
        low, high = tally.low[ids].min(0).tolist(), tally.high[ids].max(0).tolist()
        window: Box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        number = np.zeros(len(tally.sizes), np.uint32)
        number[ids] = np.arange(1, len(ids) + 1)
        labels = number[np.asarray(out[window])]
        flat = image.planar or image.shape[0] == 1
        differs = ((flows(labels, image.sides, flat) - self._said(image, window)[1]) ** 2).sum(0)
        inside = labels > 0
        mean = np.bincount(labels[inside], differs[inside], len(ids) + 1)[1:] / tally.sizes[ids]
        wrong[ids] = mean > self.error
