"""Preprocessing: an ordered list of steps, the same pixels in preview, training and prediction.

Data: (C, Z, Y, X) of any intensity dtype go in, float32 comes out, whole or in parts. A step that needs to know
the whole image (percentiles, local histograms) is fitted to the whole image, never to the part that is asked for.
"""

from __future__ import annotations

from ._base import Place, StepBase, Whole
from ._local import Background, Clahe, Gaussian, LowPass, Median, TopHat, TVDenoise
from ._point import (
    ChannelMix,
    ChannelPick,
    Cutoff,
    EightBit,
    Gamma,
    Grey,
    Invert,
    MinMaxNormalize,
    PercentileNormalize,
    Window,
    ZScoreNormalize,
)
from ._presets import PRESETS, Preset, recipe
from ._recipe import STEPS, Processed, Recipe, Step

__all__ = [
    "PRESETS",
    "STEPS",
    "Background",
    "ChannelMix",
    "ChannelPick",
    "Clahe",
    "Cutoff",
    "EightBit",
    "Gamma",
    "Gaussian",
    "Grey",
    "Invert",
    "LowPass",
    "Median",
    "MinMaxNormalize",
    "PercentileNormalize",
    "Place",
    "Preset",
    "Processed",
    "Recipe",
    "Step",
    "StepBase",
    "TVDenoise",
    "TopHat",
    "Whole",
    "Window",
    "ZScoreNormalize",
    "recipe",
]
