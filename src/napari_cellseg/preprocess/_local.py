"""Steps that look at the neighbourhood of a pixel: filters, local contrast, background."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field
from scipy import ndimage as ndi

from .._types import Float
from ._base import Needs, Pixels, Place, StepBase, Whole, per_channel, per_plane, percentiles, to_8_bit, unit


class Clahe(StepBase):
    """Contrast-limited adaptive histogram equalisation of every plane, with OpenCV's meaning of both numbers.

    Histograms have 256 bins, so that the clip limit means the same for every image: uint8 has them, everything else
    gets them between the 1st and the 99.8th percentile of each channel of the whole image.
    """

    title: ClassVar[str] = "Local contrast (CLAHE)"
    kind: Literal["clahe"] = "clahe"
    needs: ClassVar[Needs] = "image and plane"
    clip_limit: float = Field(
        2.0, ge=0.1, le=40, description="Higher values amplify contrast more (OpenCV's clip limit)."
    )
    tiles: int = Field(8, ge=1, le=64, description="The plane is divided into this many tiles along Y and along X.")

    def fit(self, whole: Whole) -> Any:
        """The range (low, high) of every channel that the bins cover; None for uint8."""
        if whole.read((slice(0, 1),) * 3).dtype == np.uint8:
            return None
        ranges = [(percentiles(values, (1.0, 99.8)), values) for values in per_channel(whole)]
        # nearly empty pictures: fall back on the full range
        return [ends if ends[1] > ends[0] else (float(v.min()), float(v.max())) for ends, v in ranges]

    def fit_plane(self, whole: Whole, known: Any) -> Any:
        """The ranges, the size of a tile, and look-up tables (C, tiles, tiles, 256)."""
        from ..kernels import clahe

        _, height, width = whole.shape
        plane = _to_bins(whole.read((slice(0, 1), slice(0, height), slice(0, width)))[:, 0], known)
        size = clahe.tile_size((height, width), self.tiles)
        below, right = size[0] * self.tiles - height, size[1] * self.tiles - width
        tables = []
        for channel in plane:
            wide = cv2.copyMakeBorder(channel, 0, below, 0, right, cv2.BORDER_REFLECT_101)
            blocks = wide.reshape(self.tiles, size[0], self.tiles, size[1]).swapaxes(1, 2)
            tables.append([[clahe.table(block, self.clip_limit) for block in row] for row in blocks])
        return known, size, np.asarray(tables)

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """uint8: as OpenCV does it to uint8."""
        from ..kernels import clahe

        out = np.empty(pixels.shape, np.uint8)
        for z, (limits, size, tables) in enumerate(known):
            for c, plane in enumerate(_to_bins(pixels[:, z], limits)):
                out[c, z] = clahe.equalise(np.ascontiguousarray(plane), tables[c], size, place.origin[1:])
        return out


class TVDenoise(StepBase):
    """Total-variation denoising of every plane (Chambolle 2004), which keeps edges sharp."""

    title: ClassVar[str] = "Denoise (total variation)"
    kind: Literal["tv"] = "tv"
    weight: float = Field(0.1, gt=0, le=2, description="Higher values smooth more; for intensities between 0 and 1.")
    iterations: int = Field(
        20, ge=1, le=200, description="Iterations; a fixed number gives the same pixels in every part of an image."
    )

    @property
    def reach(self) -> int:
        """Information travels one pixel an iteration."""
        return self.iterations

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """float32; integers are scaled to [0, 1] first."""
        from ..kernels import tv

        return per_plane(lambda plane: tv.denoise(plane, self.weight, self.iterations), unit(pixels))


class Gaussian(StepBase):
    """Gaussian smoothing of every plane: takes noise, and detail smaller than sigma (a low-pass)."""

    title: ClassVar[str] = "Smooth (Gaussian)"
    kind: Literal["gaussian"] = "gaussian"
    sigma: float = Field(1.5, ge=0.1, le=20, description="Standard deviation (pixels).")

    @property
    def reach(self) -> int:
        """Four standard deviations."""
        return math.ceil(4 * self.sigma)

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """float32; integers are scaled to [0, 1] first."""
        from ..kernels import blur

        return per_plane(lambda plane: blur.gaussian(plane, self.sigma, "repeat"), unit(pixels))


class LowPass(StepBase):
    """Smooth every plane with weights 1, 2, 1 along both axes, so 3 x 3 pixels: the least of all low-passes."""

    title: ClassVar[str] = "Smooth (1-2-1)"
    kind: Literal["lowpass"] = "lowpass"

    @property
    def reach(self) -> int:
        """The neighbours."""
        return 1

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """float32; integers are scaled to [0, 1] first."""
        weights = np.array([0.25, 0.5, 0.25], np.float32)
        return per_plane(
            lambda plane: cv2.sepFilter2D(plane, -1, weights, weights, borderType=cv2.BORDER_REPLICATE), unit(pixels)
        )


class Median(StepBase):
    """Median of a square window in every plane: takes single bright and dark pixels, keeps edges."""

    title: ClassVar[str] = "Denoise (median)"
    kind: Literal["median"] = "median"
    radius: int = Field(1, ge=1, le=15, description="The window is 2 radius + 1 pixels wide.")

    @property
    def reach(self) -> int:
        """The window's half."""
        return self.radius

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """The same dtype and shape."""
        side = 2 * self.radius + 1
        if pixels.dtype == np.uint8 or side <= 5:
            return per_plane(lambda plane: cv2.medianBlur(plane, side), pixels)
        return per_plane(lambda plane: ndi.median_filter(plane, side, mode="nearest"), pixels)


class TopHat(StepBase):
    """White top-hat with a disk: what is bright and smaller than the disk is taken away, or kept alone."""

    title: ClassVar[str] = "Bright specks (white top-hat)"
    kind: Literal["tophat"] = "tophat"
    radius: int = Field(3, ge=1, le=50, description="Radius of the disk (pixels).")
    result: Literal["without specks", "specks only"] = Field(
        "without specks", description="Take away what is smaller than the disk, or keep only that."
    )

    @property
    def reach(self) -> int:
        """Erosion and dilation."""
        return 2 * self.radius

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """The same dtype and shape."""
        side = 2 * self.radius + 1
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        operation = cv2.MORPH_OPEN if self.result == "without specks" else cv2.MORPH_TOPHAT
        return per_plane(lambda plane: cv2.morphologyEx(plane, operation, disk), pixels)


class Background(StepBase):
    """Subtract a smooth background: a wide Gaussian, or the path of a ball rolled under the surface.

    The ball is Sternberg's (Biomedical Image Processing, IEEE Computer 16, 1983) as in ImageJ: it rolls under a
    shrunken image, and intensities count in steps of 1/255.
    """

    title: ClassVar[str] = "Subtract background"
    kind: Literal["background"] = "background"
    method: Literal["gaussian", "rolling ball"] = Field("gaussian", description="How the background is found.")
    radius: float = Field(
        50.0, ge=2, le=500, description="Standard deviation or radius; larger than the cells (pixels)."
    )

    @property
    def grid(self) -> int:
        """The background is found on an image shrunken by this factor."""
        if self.method == "gaussian":
            return 1 << max(0, int(math.log2(max(self.radius / 4, 1))))
        return next(factor for limit, factor in ((10, 1), (30, 2), (100, 4), (math.inf, 8)) if self.radius <= limit)

    @property
    def reach(self) -> int:
        """As far as the filter looks, and one shrunken pixel for the interpolation."""
        return math.ceil((4 if self.method == "gaussian" else 1) * self.radius) + 2 * self.grid

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """float32, never below 0; integers are scaled to [0, 1] first."""
        return per_plane(lambda plane: np.maximum(plane - self._background(plane), 0), unit(pixels))

    def _background(self, plane: Float) -> Float:
        from ..kernels import blur

        if self.method == "gaussian":
            sigma = self.radius / self.grid
            return _coarse(plane, self.grid, np.mean, lambda small: blur.gaussian(small, sigma, "repeat"))
        from skimage.restoration import rolling_ball

        radius = self.radius / self.grid
        return _coarse(plane, self.grid, np.min, lambda small: rolling_ball(small * 255, radius=radius) / 255)


def _coarse(plane: Float, factor: int, pool: Any, function: Callable[[Float], Any]) -> Float:
    """A slowly varying function of a plane, computed on blocks of factor x factor pixels."""
    if factor == 1:
        return np.asarray(function(plane), np.float32)
    height, width = plane.shape
    wide = cv2.copyMakeBorder(plane, 0, -height % factor, 0, -width % factor, cv2.BORDER_REPLICATE)
    blocks = wide.reshape(wide.shape[0] // factor, factor, wide.shape[1] // factor, factor)
    small = np.ascontiguousarray(pool(blocks, axis=(1, 3)), np.float32)
    found = np.asarray(function(small), np.float32)
    return np.asarray(cv2.resize(found, wide.shape[::-1], interpolation=cv2.INTER_LINEAR)[:height, :width])


def _to_bins(pixels: Pixels, limits: Sequence[tuple[float, float]] | None) -> Pixels:
    """(C, Y, X) as uint8: each channel stretched from its range; uint8 as it is."""
    if limits is None:
        return pixels
    return np.stack([to_8_bit(channel, *ends) for channel, ends in zip(pixels, limits, strict=True)])
