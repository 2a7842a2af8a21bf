"""A prompt as maps of the window that the network sees."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .._types import Float, Mask

SIDE = 128
"""Pixels of the window, at the size that the base network knows: about four objects."""
SPREAD = 3.0
"""Standard deviation of a click, in pixels of the window."""
MAPS = 4
"""Clicks on the object, clicks beside it, box, shape so far."""
Click = tuple[float, float]


def prompt_maps(
    inside: Iterable[Click] = (),
    outside: Iterable[Click] = (),
    box: tuple[Click, Click] | None = None,
    shape: Mask | None = None,
) -> Float:
    """(MAPS, SIDE, SIDE) float32 in [0, 1].

    Parameters
    ----------
    inside, outside
        (row, column) in pixels of the window.
    box
        (start, stop) of rows and columns.
    shape
        (SIDE, SIDE): what was found so far, or in the slice beside.
    """
    maps = np.zeros((MAPS, SIDE, SIDE), np.float32)
    maps[0], maps[1] = _clicked(inside), _clicked(outside)
    if box is not None:
        rows, columns = (
            slice(max(0, round(a)), max(max(0, round(a)) + 1, round(b))) for a, b in box
        )  # at least one pixel
        maps[2, rows, columns] = 1
    if shape is not None:
        maps[3] = shape
    return maps


def _clicked(places: Iterable[Click]) -> NDArray[np.float32]:
    at = np.arange(SIDE, dtype=np.float32)
    out = np.zeros((SIDE, SIDE), np.float32)
    for row, column in places:
        y, x = (np.exp(-((at - v) ** 2) / (2 * SPREAD**2)) for v in (row, column))
        out = np.maximum(out, np.outer(y, x))
    return out
