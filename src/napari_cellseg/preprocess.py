"""Preprocessing: an ordered list of steps, the same pixels in preview, training and prediction.

Data: (C, Z, Y, X) or (C, Y, X) of any intensity dtype go in, float32 of the same shape comes out. Every step
is applied to whole images, never to tiles, so that its statistics do not depend on the tiling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .settings import Settings

Pixels = NDArray[Any]
Float = NDArray[np.float32]


def per_plane(function: Callable[[Pixels], Pixels], pixels: Pixels) -> Float:
    """Apply a 2D function to every (Y, X) plane; the result is float32 of the same shape."""
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    out = np.empty(planes.shape, np.float32)
    for index, plane in enumerate(planes):
        out[index] = function(plane)
    return out.reshape(pixels.shape)


class PercentileNormalize(Settings):
    """Map two percentiles of each channel's whole image to 0 and 1."""

    title: ClassVar[str] = "Normalise (percentiles)"
    kind: Literal["percentile"] = "percentile"
    low: float = Field(1.0, ge=0, le=49, description="This percentile becomes 0.")
    high: float = Field(99.8, ge=51, le=100, description="This percentile becomes 1.")
    clip: float = Field(2.0, ge=1, le=100, description="Values are cut off below 0 and above this.")

    def __call__(self, pixels: Pixels) -> Float:
        """(C, ..., Y, X) any dtype -> float32 in [0, clip]."""
        out = np.empty(pixels.shape, np.float32)
        for index, channel in enumerate(pixels):
            low, high = np.percentile(channel, (self.low, self.high))
            if high <= low:  # nearly empty pictures: fall back on the full range
                low, high = float(channel.min()), float(channel.max())
            scale = 1.0 / (high - low) if high > low else 0.0
            out[index] = np.clip((channel.astype(np.float32) - low) * scale, 0, self.clip)
        return out


class Clahe(Settings):
    """Contrast-limited adaptive histogram equalisation per plane, with OpenCV's meaning of both numbers."""

    title: ClassVar[str] = "Local contrast (CLAHE)"
    kind: Literal["clahe"] = "clahe"
    clip_limit: float = Field(
        2.0, ge=0.1, le=40, description="Higher values amplify contrast more (OpenCV's clip limit)."
    )
    tiles: int = Field(8, ge=1, le=64, description="The plane is divided into this many tiles along Y and along X.")

    def __call__(self, pixels: Pixels) -> Float:
        """uint8 and uint16 as OpenCV does it; other dtypes are stretched to 16 bit. Result in [0, 1]."""
        equalise = cv2.createCLAHE(clipLimit=self.clip_limit, tileGridSize=(self.tiles, self.tiles))
        if pixels.dtype not in (np.uint8, np.uint16):
            low, high = float(pixels.min()), float(pixels.max())
            scale = 65535.0 / (high - low) if high > low else 0.0
            pixels = np.round((pixels.astype(np.float32) - low) * scale).clip(0, 65535).astype(np.uint16)
        top = float(np.iinfo(pixels.dtype).max)
        return per_plane(lambda plane: equalise.apply(np.ascontiguousarray(plane)) / np.float32(top), pixels)


class TVDenoise(Settings):
    """Total-variation denoising per plane (Chambolle 2004), which keeps edges sharp."""

    title: ClassVar[str] = "Denoise (total variation)"
    kind: Literal["tv"] = "tv"
    weight: float = Field(0.1, gt=0, le=2, description="Higher values smooth more; meant for intensities in [0, 1].")
    iterations: int = Field(100, ge=1, le=1000, description="At most this many iterations.")

    def __call__(self, pixels: Pixels) -> Float:
        """(C, ..., Y, X); integer input is scaled to [0, 1] by its dtype's range."""
        from skimage.restoration import denoise_tv_chambolle

        if pixels.dtype.kind in "ui":
            pixels = pixels / np.float32(np.iinfo(pixels.dtype).max)
        return per_plane(
            lambda plane: denoise_tv_chambolle(plane.astype(np.float32), self.weight, max_num_iter=self.iterations),
            pixels,
        )


STEPS: tuple[type[Settings], ...] = (PercentileNormalize, Clahe, TVDenoise)
Step = Annotated[PercentileNormalize | Clahe | TVDenoise, Field(discriminator="kind")]


class Recipe(Settings):
    """An ordered list of preprocessing steps."""

    steps: tuple[Step, ...] = Field((PercentileNormalize(),), description="Applied in this order.")

    def __call__(self, pixels: Pixels) -> Float:
        """Whole image (C, Z, Y, X) or (C, Y, X) -> float32, NaN and infinities replaced by 0."""
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            pixels = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
        for step in self.steps:
            pixels = step(pixels)
        return np.ascontiguousarray(pixels, dtype=np.float32)
