"""Recipes that people have published, with their source."""

from __future__ import annotations

from dataclasses import dataclass

from ._local import Clahe, Gaussian, Median, TopHat, TVDenoise
from ._point import Cutoff, Gamma, PercentileNormalize
from ._recipe import Recipe


@dataclass(frozen=True)
class Preset:
    """A recipe, what it is for and where it comes from."""

    name: str
    recipe: Recipe
    source: str


PRESETS: tuple[Preset, ...] = (
    Preset("Any image", Recipe(), "The default: percentiles 1 and 99.8 become 0 and 1."),
    Preset(
        "HEK cells, phase contrast",
        Recipe(steps=(Clahe(clip_limit=2.0, tiles=8), TVDenoise(weight=0.1))),
        "Aziz et al. 2026: CLAHE (2.0, 8 x 8), then total variation (0.1).",
    ),
    Preset(
        "Nuclei in spheroids",
        Recipe(steps=(Cutoff(threshold=7), Gamma(), Clahe(), Median(), TopHat())),
        "Tiling 2024: cut-off 7 (8 bit), gamma, CLAHE, median, top-hat.",
    ),
    Preset(
        "Stained nuclei",
        Recipe(steps=(Gaussian(sigma=1.5), PercentileNormalize())),
        "Gautam & Gautam 2025: Gaussian (1.5); then normalised.",
    ),
    Preset(
        "Electron microscopy",
        Recipe(steps=(Gaussian(sigma=1.0), PercentileNormalize())),
        "Karabag et al. 2023: a low-pass filter; then normalised.",
    ),
)
