"""Sizes of pixels in micrometres, from what napari's layers say of units. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..._types import Spacing

_MICROMETRES = {"micrometer": 1.0, "um": 1.0, "µm": 1.0, "nanometer": 1e-3, "nm": 1e-3, "millimeter": 1e3, "mm": 1e3}


def spacing_um(scale: Iterable[Any], units: Iterable[Any], ndim: int) -> Spacing:
    """Size of a pixel along the last `ndim` axes of a layer (um); None where its units are no lengths."""
    sizes = tuple(float(s) for s in scale)[-ndim:]
    names = [str(u) for u in units][-ndim:]
    known = len(names) == ndim and all(u in _MICROMETRES for u in names)
    return tuple(s * _MICROMETRES[u] for s, u in zip(sizes, names, strict=True)) if known else None
