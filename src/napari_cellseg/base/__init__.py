"""Models that ship with the package: where a new project begins.

Each is an ordinary model folder (weights as float16, configuration, card) made by ``make base``
(``benchmarks/base.py``); its card says what it has learnt from and how good it is on which images.
"""

from __future__ import annotations

from pathlib import Path

from ._size import diameters, estimate_size, median_diameter

__all__ = ["CLICKS", "DEFAULT", "FOLDER", "base_models", "diameters", "estimate_size", "median_diameter"]

FOLDER = Path(__file__).parent
CLICKS = FOLDER / "clicks.safetensors"
"""What finds an object from a click or a box, on features of the default model (`napari_cellseg.clicks`)."""
DEFAULT = "cells"
"""Nuclei and cells in two dimensions, in any contrast: the model a new project of objects begins with."""


def base_models() -> dict[str, Path]:
    """The folders of all base models by name, the default first."""
    found = {
        p.parent.name: p.parent for p in FOLDER.glob("*/card.json") if (p.parent / "weights.safetensors").is_file()
    }
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULT, item[0])))
