"""Otsu's threshold, with bright or dark objects, or those that only have texture."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from .._types import Float, Labels, Mask, Spacing
from ..extensions import DraftMethod
from ._looks import brightness, each, look, sample, textured
from ._parting import parted, smoothed

Polarity = Literal["bright", "dark", "texture"]
_SURE = 4
"""How much counts on which side of the background the structures are, beside how the objects look."""


class OtsuWatershed(DraftMethod):
    """Otsu's threshold of the whole image or volume, touching objects parted by watershed of the distance."""

    title: ClassVar[str] = "Otsu + watershed"
    kind: Literal["otsu"] = "otsu"
    polarity: Literal["auto", "bright", "dark", "texture"] = Field(
        "auto",
        description="Objects are brighter or darker than the background, or differ by their texture alone (phase "
        "contrast, bright field). auto takes what looks most like objects.",
    )
    sigma: float = Field(1.0, ge=0, le=20, description="Gaussian smoothing before the threshold (pixels).")
    smooth: float = Field(
        0.1, ge=0, le=2, description="Smoothing of the depth before parting, as a share of the typical radius."
    )
    prominence: float = Field(
        0.75, gt=0, le=100, description="How far the depth must rise for a separate object (pixels)."
    )

    def __call__(self, pixels: Float, spacing: Spacing = None) -> Labels:
        """(C, Z, Y, X) or (C, Y, X) float32 -> labels (Z, Y, X) or (Y, X); the channels are averaged.

        Parameters
        ----------
        spacing
            um per voxel, (Z, Y, X) or (Y, X); without it, voxels count as cubes.
        """
        from skimage.filters import threshold_otsu

        mean = np.asarray(pixels.mean(0), np.float32)
        grey = smoothed(mean, self.sigma, spacing)
        if np.ptp(grey) == 0:
            return np.zeros(grey.shape, np.uint32)
        threshold = float(threshold_otsu(grey))
        polarity = self._chosen(mean, grey, threshold) if self.polarity == "auto" else self.polarity
        return self._part(_masked(polarity, mean, grey, threshold), spacing)

    def _part(self, mask: Mask, spacing: Spacing) -> Labels:
        return parted(mask, spacing, self.smooth, self.prominence, self.min_size)

    def _chosen(self, mean: Float, grey: Float, threshold: float) -> Polarity:
        """What looks most like objects in a few planes, each parted for itself."""
        grey, texture = sample(grey), textured(sample(mean))
        masks: dict[Polarity, Mask] = {"bright": grey > threshold, "dark": grey <= threshold, "texture": texture}
        up = brightness(grey, texture)
        sides = {"bright": up**_SURE, "dark": (1 - up) ** _SURE, "texture": 1 - max(up, 1 - up) ** _SURE}

        def worth(polarity: Polarity) -> float:
            labels = each(masks[polarity], lambda plane: self._part(plane, None))
            return sides[polarity] * look(labels).plausibility

        return max(masks, key=worth)


def _masked(polarity: Polarity, mean: Float, grey: Float, threshold: float) -> Mask:
    if polarity == "texture":
        return textured(mean.reshape(-1, *mean.shape[-2:])).reshape(mean.shape)
    return np.asarray(grey > threshold if polarity == "bright" else grey <= threshold)
