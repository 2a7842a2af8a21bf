"""Recipes that people have published, with their source."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CellsegError
from ._local import Clahe, Gaussian, LowPass, Median, TopHat, TVDenoise
from ._point import Cutoff, EightBit, Gamma, PercentileNormalize
from ._recipe import Recipe


@dataclass(frozen=True)
class Preset:
    """A recipe, what it is for and where it comes from.

    Attributes
    ----------
    key
        As typed.
    name
        As shown.
    """

    key: str
    name: str
    recipe: Recipe
    source: str


PRESETS: tuple[Preset, ...] = (
    Preset("any", "Any image", Recipe(), "The default: percentiles 1 and 99.8 become 0 and 1."),
    Preset(
        "aziz-2026",
        "HEK cells, phase contrast",
        Recipe(steps=(Clahe(clip_limit=2.0, tiles=8), TVDenoise(weight=0.1))),
        "Aziz et al. 2026: CLAHE (2.0, 8 x 8), then total variation (0.1).",
    ),
    Preset(
        "tiling-2024",
        "Nuclei in spheroids",
        Recipe(steps=(EightBit(), Cutoff(threshold=7), Gamma(), Clahe(), Median(), TopHat())),
        "Tiling 2024: 16 to 8 bit, cut-off 7, gamma, CLAHE, median, top-hat subtracted; parameters not stated.",
    ),
    Preset(
        "gautam-2025",
        "Stained nuclei",
        Recipe(steps=(Gaussian(sigma=1.5), PercentileNormalize())),
        "Gautam & Gautam 2025: Gaussian (1.5); then normalised.",
    ),
    Preset(
        "karabag-2023",
        "Electron microscopy",
        Recipe(steps=(LowPass(), PercentileNormalize())),
        "Karabag et al. 2023: a low-pass filter of 3 x 3 (1-2-1); then normalised.",
    ),
)


def recipe(key: str) -> Recipe:
    """A published recipe by its key.

    Raises
    ------
    CellsegError
        When there is no such recipe.
    """
    for preset in PRESETS:
        if preset.key == key:
            return preset.recipe
    raise CellsegError(f"There is no recipe {key!r}.", f"Recipes: {', '.join(p.key for p in PRESETS)}.")
