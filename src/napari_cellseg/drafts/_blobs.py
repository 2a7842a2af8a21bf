"""Round objects of a range of sizes: maxima of the Laplacian or of a difference of Gaussians, parted by watershed."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import ndimage as ndi

from .._types import Float, Labels, Spacing
from ..extensions import DraftMethod
from ..targets import part
from ._looks import brightness, sample, textured
from ._parting import anisotropy

RATIO = 1.6
"""Of the two Gaussians whose difference is nearest to the Laplacian (Marr & Hildreth 1980)."""


class Blobs(DraftMethod):
    """Round objects of about one size, also dim ones on an uneven background: LoG or DoG at several scales."""

    title: ClassVar[str] = "Blobs + watershed"
    kind: Literal["blobs"] = "blobs"
    filter: Literal["log", "dog"] = Field(
        "log", description="Laplacian of Gaussians, or differences of them (faster, rougher)."
    )
    polarity: Literal["auto", "bright", "dark"] = Field(
        "auto", description="Objects are brighter or darker than what is around; auto: what has texture decides."
    )
    smallest: float = Field(10.0, gt=0, le=1000, description="Diameter of the smallest objects (pixels).")
    largest: float = Field(30.0, gt=0, le=1000, description="Diameter of the largest objects (pixels).")
    scales: int = Field(4, ge=1, le=30, description="How many sizes are tried from the smallest to the largest.")
    least: float = Field(
        0.5, ge=0, le=10, description="Objects answer more than this share of Otsu's threshold of all answers."
    )
    prominence: float = Field(
        0.15,
        gt=0,
        le=10,
        description="How far an answer must rise for a separate object, as a share of that threshold.",
    )

    def __call__(self, pixels: Float, spacing: Spacing = None) -> Labels:
        """(C, Z, Y, X) or (C, Y, X) float32 -> labels (Z, Y, X) or (Y, X); the channels are averaged.

        Parameters
        ----------
        spacing
            um per voxel, (Z, Y, X) or (Y, X); diameters are in pixels of the plane. Without it, voxels count as cubes.
        """
        from skimage.filters import threshold_otsu

        grey = np.asarray(pixels.mean(0), np.float32)
        if np.ptp(grey) == 0:
            return np.zeros(grey.shape, np.uint32)
        if self.polarity == "dark" or (self.polarity == "auto" and _dark(grey)):
            grey = -grey
        grey = grey - np.float32(np.median(grey))  # the cut Gaussians of a constant are not quite nothing
        low, high = sorted((self.smallest, self.largest))
        answers = [self._answer(grey, d, spacing) for d in np.geomspace(low, high, self.scales)]
        answer = np.max(answers, axis=0)
        rising = answer[answer > 0]
        if rising.size == 0 or np.ptp(rising) == 0:
            return np.zeros(grey.shape, np.uint32)
        level = float(threshold_otsu(rising))
        return part(answer, answer > self.least * level, self.prominence * level, self.min_size)

    def _answer(self, grey: Float, diameter: float, spacing: Spacing) -> Float:
        """How much a place is like the middle of a bright ball of this diameter; the same for balls of every size.

        A ball of radius r in n dimensions answers most to the Laplacian at sigma r / sqrt(n), times sigma squared
        (Lindeberg 1998).
        """
        wide = diameter / 2 / np.sqrt(grey.ndim)
        sigmas = [wide / a for a in anisotropy(spacing, grey.ndim)]
        if self.filter == "dog":
            narrow, broad = (ndi.gaussian_filter(grey, [s * k for s in sigmas]) for k in (1.0, RATIO))
            return np.asarray((narrow - broad) / np.float32(RATIO - 1), np.float32)
        found = np.zeros(grey.shape, np.float32)
        for axis, sigma in enumerate(sigmas):
            order = [2 if a == axis else 0 for a in range(grey.ndim)]
            found -= np.float32(sigma**2) * ndi.gaussian_filter(grey, sigmas, order=order)
        return found


def _dark(grey: Float) -> bool:
    planes = sample(grey)
    return brightness(planes, textured(planes)) < 0.5
