"""A threshold, Otsu's or another, with bright or dark objects, or those that only have texture."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from .._types import Float, Labels, Mask, Spacing
from ..extensions import DraftMethod
from ._looks import brightness, each, look, sample, textured
from ._parting import parted, smoothed

Polarity = Literal["bright", "dark", "texture"]
Threshold = Literal["otsu", "li", "triangle", "local"]
_SURE = 4
"""How much counts on which side of the background the structures are, beside how the objects look."""


class OtsuWatershed(DraftMethod):
    """A threshold of the whole image or volume (Otsu's), touching objects parted by watershed of the distance."""

    title: ClassVar[str] = "Otsu + watershed"
    kind: Literal["otsu"] = "otsu"
    polarity: Literal["auto", "bright", "dark", "texture"] = Field(
        "auto",
        description="Objects are brighter or darker than the background, or differ by their texture alone (phase "
        "contrast, bright field). auto takes what looks most like objects.",
    )
    threshold: Threshold = Field(
        "otsu",
        description="Otsu's; Li's, which keeps dimmer objects; triangle, for few small objects; local: brighter than "
        "around them, for an uneven background.",
    )
    window: float = Field(51.0, ge=3, le=2000, description="Width of what is around, for the local threshold (pixels).")
    contrast: float = Field(
        0.5, ge=0, le=10, description="So much brighter they must be: standard deviations of the local differences."
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
        mean = np.asarray(pixels.mean(0), np.float32)
        grey = smoothed(mean, self.sigma, spacing)
        if np.ptp(grey) == 0:
            return np.zeros(grey.shape, np.uint32)
        sides = {"bright": self._above(grey, spacing), "dark": self._above(-grey, spacing)}
        if self.threshold == "otsu":  # the two sides of one number, without a pixel that is on neither
            sides["dark"] = ~sides["bright"]
        polarity = self._chosen(mean, grey, sides) if self.polarity == "auto" else self.polarity
        if polarity == "texture":
            mask = textured(mean.reshape(-1, *mean.shape[-2:])).reshape(mean.shape)
        else:
            mask = sides[polarity]
        return self._part(mask, spacing)

    def _above(self, grey: Float, spacing: Spacing) -> Mask:
        """Where an image is brighter than the threshold."""
        from skimage import filters

        if self.threshold == "local":
            away = grey - smoothed(grey, self.window / 4, spacing)
            return np.asarray(away > self.contrast * away.std())
        return np.asarray(grey > float(getattr(filters, f"threshold_{self.threshold}")(grey)))

    def _part(self, mask: Mask, spacing: Spacing) -> Labels:
        return parted(mask, spacing, self.smooth, self.prominence, self.min_size)

    def _chosen(self, mean: Float, grey: Float, masked: dict[str, Mask]) -> Polarity:
        """What looks most like objects in a few planes, each parted for itself."""
        grey, texture = sample(grey), textured(sample(mean))
        masks: dict[Polarity, Mask] = {
            "bright": sample(masked["bright"]), "dark": sample(masked["dark"]), "texture": texture
        }  # fmt: skip
        up = brightness(grey, texture)
        sides = {"bright": up**_SURE, "dark": (1 - up) ** _SURE, "texture": 1 - max(up, 1 - up) ** _SURE}

        def worth(polarity: Polarity) -> float:
            labels = each(masks[polarity], lambda plane: self._part(plane, None))
            return sides[polarity] * look(labels).plausibility

        return max(masks, key=worth)
