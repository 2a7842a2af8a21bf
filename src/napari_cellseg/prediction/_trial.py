"""Whether a converted network says the same as the one it was made from."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from .._types import Float

CODED = 0.05
"""Directions and lengths may differ by so much of their range."""
TRIALS: dict[int, tuple[tuple[int, ...], ...]] = {2: ((256, 256), (100, 170)), 3: ((16, 96, 96), (3, 60, 70))}
"""Two sizes, since a converted network may have kept one."""


def differing(one: Float, other: Float, exclusive: bool, coded: bool = False) -> float:
    """Share of voxels with another class or another side of 0.5; all where there are no numbers.

    Where other channels are `coded` directions or lengths, also of voxels of which one differs by more than `CODED`.
    """
    if one.shape != other.shape or not np.isfinite(one).all():
        return 1.0
    labels = [p.argmax(1) if exclusive else p[:, 0] > 0.5 for p in (one, other)]
    differs = labels[0] != labels[1]
    if coded:
        differs = differs | (np.abs(one[:, 1:] - other[:, 1:]) > CODED).any(1)
    return float(differs.mean())


def trial(channels: int, shape: tuple[int, ...]) -> Float:
    """(1, C, [Z], Y, X) float32 in [0, 1]: blobs of some pixels, with noise."""
    rng = np.random.default_rng(0)
    sigma = (1.0, 6.0, 6.0)[-len(shape) :]
    blobs = np.stack([ndi.gaussian_filter(rng.standard_normal(shape), sigma) for _ in range(channels)])
    bright = 1 / (1 + np.exp(2 - 4 * blobs / blobs.std()))
    pixels = 0.05 + 0.8 * bright + 0.04 * rng.standard_normal(bright.shape)
    return np.asarray(np.clip(pixels, 0, 1)[None], np.float32)
