"""First labels without a trained network: classical methods, which also are the baselines a network must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage as ndi

from .settings import Settings
from .targets import part

Float = NDArray[np.float32]
Labels = NDArray[np.uint32]


class OtsuWatershed(Settings):
    """Otsu's threshold on the smoothed image, touching objects parted by watershed of the distance."""

    title: ClassVar[str] = "Otsu + watershed"
    kind: Literal["otsu"] = "otsu"
    sigma: float = Field(1.0, ge=0, le=20, description="Gaussian smoothing before the threshold (pixels).")
    prominence: float = Field(
        0.75, gt=0, le=100, description="How far the depth must rise for a separate object (pixels)."
    )
    min_size: int = Field(30, ge=0, le=1_000_000, description="Smaller objects are removed (voxels).")

    def __call__(self, pixels: Float) -> Labels:
        """(C, ..., Y, X) float32 -> labels (..., Y, X); the channels are averaged."""
        from skimage.filters import threshold_otsu

        grey = ndi.gaussian_filter(pixels.mean(0), self.sigma)
        if np.ptp(grey) == 0:
            return np.zeros(grey.shape, np.uint32)
        return _part(grey > threshold_otsu(grey), self.prominence, self.min_size)


class PixelClassifier(Settings):
    """A random forest on intensity, edges and texture at several scales, as in ilastik and Labkit."""

    title: ClassVar[str] = "Pixel classifier (random forest)"
    kind: Literal["forest"] = "forest"
    trees: int = Field(50, ge=1, le=1000, description="Number of trees.")
    depth: int = Field(10, ge=1, le=50, description="Greatest depth of a tree.")
    samples: int = Field(60_000, ge=100, le=10_000_000, description="Known pixels to learn from.")
    prominence: float = Field(
        0.75, gt=0, le=100, description="How far the depth must rise for a separate object (pixels)."
    )
    min_size: int = Field(30, ge=0, le=1_000_000, description="Smaller objects are removed (voxels).")
    seed: int = Field(0, ge=0, description="Seed of every random choice.")

    def fit(self, examples: Sequence[tuple[Float, Labels, NDArray[np.bool_]]]) -> FittedClassifier:
        """Learn foreground from (pixels (C, Y, X), labels (Y, X), known (Y, X)) of several planes."""
        from sklearn.ensemble import RandomForestClassifier

        rng = np.random.default_rng(self.seed)
        share = max(1, self.samples // max(1, len(examples)))
        features, classes = [], []
        for pixels, labels, known in examples:
            places = np.flatnonzero(known)
            places = places if places.size <= share else rng.choice(places, share, replace=False)
            features.append(_features(pixels).reshape(known.size, -1)[places])
            classes.append(labels.ravel()[places] > 0)
        forest = RandomForestClassifier(self.trees, max_depth=self.depth, n_jobs=-1, random_state=self.seed)
        forest.fit(np.concatenate(features), np.concatenate(classes))
        return FittedClassifier(self, forest)


class FittedClassifier:
    """A random forest that has learnt; call it with pixels (C, Y, X) to get labels (Y, X)."""

    def __init__(self, settings: PixelClassifier, forest: Any) -> None:
        self.settings, self._forest = settings, forest

    def __call__(self, pixels: Float) -> Labels:
        """(C, Y, X) float32 -> labels (Y, X)."""
        features = _features(pixels)
        shape = features.shape[:2]
        probability = self._forest.predict_proba(features.reshape(-1, features.shape[-1]))[:, -1].reshape(shape)
        return _part(probability > 0.5, self.settings.prominence, self.settings.min_size)


DRAFTS: tuple[type[Settings], ...] = (OtsuWatershed, PixelClassifier)
Draft = Annotated[OtsuWatershed | PixelClassifier, Field(discriminator="kind")]


def _features(pixels: Float) -> Float:
    from skimage.feature import multiscale_basic_features

    return np.asarray(multiscale_basic_features(pixels, sigma_min=0.7, sigma_max=8, channel_axis=0))


def _part(mask: NDArray[np.bool_], prominence: float, min_size: int) -> Labels:
    """Watershed of the smoothed distance to the border, seeded at its h-maxima."""
    depth = ndi.gaussian_filter(np.asarray(ndi.distance_transform_edt(mask), np.float32), 1)
    return part(depth, mask, prominence, min_size)
