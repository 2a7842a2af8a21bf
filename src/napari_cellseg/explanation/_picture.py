"""A map over its picture."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from .._types import Float, Labels

Rgb = NDArray[np.uint8]


def overlay(picture: Rgb, relevance: Float, labels: Labels | None = None) -> Rgb:
    """A map (Y, X) in colours over a grey picture (Y, X, 3): the stronger, the less of the picture shows.

    Positive values go through dark red to yellow, negative ones to blue; outlines of labels are white. The 99.5th
    percentile of the magnitudes is fully coloured, since single pixels would leave the rest in the dark.
    """
    top = float(np.percentile(np.abs(relevance), 99.5)) or float(np.abs(relevance).max()) or 1.0
    strength = np.clip(relevance / top, -1, 1)
    warm, cold = colormaps["inferno"](np.abs(strength)), colormaps["GnBu"](np.abs(strength))
    colours = 255 * np.where(strength[..., None] >= 0, warm, cold)[..., :3]
    share = 0.85 * np.abs(strength[..., None]) ** 0.6
    out = np.asarray(np.rint((1 - share) * picture + share * colours), np.uint8)
    if labels is not None and labels.any():
        from skimage.segmentation import find_boundaries

        out[find_boundaries(labels, mode="inner")] = 255
    return out
