"""What the readers of all formats share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._guard import reading
from ._image import Image, canonical

UM = {
    "m": 1e6, "meter": 1e6, "mm": 1e3, "millimeter": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0,
    "microns": 1.0, "micrometer": 1.0, "nm": 1e-3, "nanometer": 1e-3, "inch": 25400.0, "cm": 1e4,
    "centimeter": 1e4, "angstrom": 1e-4,
}  # fmt: skip
"""Micrometres in other units of length."""


SECONDS = {
    "ms": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "minute": 60.0,
    "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
"""Seconds in other units of time."""


Pixels = TypeVar("Pixels", NDArray[Any], da.Array)
Level = TypeVar("Level")


@dataclass(frozen=True)
class Wanted:
    """What a person, or a project, says of a picture: see `read`."""

    axes: str | None = None
    series: str | None = None
    as_before: bool = False
    turned: bool = True


def upright(pixels: Pixels, turn: int, y: int = 0, x: int = 1) -> Pixels:
    """A picture as it was held: the orientation 1 to 8 of EXIF and TIFF; others are no orientation.

    Parameters
    ----------
    y, x
        The axes of rows and columns; all other axes stay.
    """
    if turn in (5, 6, 7, 8):
        pixels = pixels.swapaxes(y, x)
    if turn in (2, 3, 6, 7):
        pixels = _flipped(pixels, x)
    if turn in (3, 4, 7, 8):
        pixels = _flipped(pixels, y)
    return pixels


def _flipped(pixels: Pixels, axis: int) -> Pixels:
    flipped: Pixels = pixels[(slice(None),) * axis + (slice(None, None, -1),)]
    return flipped


def finish(
    path: Path | None,
    data: da.Array,
    axes: str,
    spacing: dict[str, float] | None = None,
    channels: tuple[str, ...] = (),
    *,
    rgb: bool = False,
    series: str = "",
    title: str = "",
    interval_s: float | None = None,
    coarser: Sequence[da.Array] = (),
) -> Image:
    """An image with its axes in order; the voxel size of those that are left, names where there is one per channel."""
    whole = axes
    data, axes = canonical(_numbers(data), whole)
    letters = [letter for letter in axes if letter in "ZYX"]
    known = spacing and all(letter in spacing and 0 < spacing[letter] < math.inf for letter in letters)
    size = tuple(float(spacing[letter]) for letter in letters) if spacing and known else None
    image = Image(data, axes, size, (), path, series, title)
    n = image.n_channels
    names = channels if len(channels) == n else ()
    interval = interval_s if interval_s and 0 < interval_s < math.inf and "T" in axes else None
    levels = _levels(data, axes, coarser, whole)
    return Image(data, axes, size, names, path, series, title, rgb and n == 3, interval, levels)


def readable(path: Path, levels: Sequence[Callable[[], Level]]) -> list[Level]:
    """The coarser levels of a pyramid up to one that cannot be read: nobody needs them but the eye."""
    found: list[Level] = []
    for level in levels:
        try:
            with reading(path.name):
                found.append(level())
        except CellsegError:
            break
    return found


def _numbers(data: da.Array) -> da.Array:
    """Filters, percentiles and screens want numbers."""
    return data.astype(np.uint8) if data.dtype == bool else data


def _levels(data: da.Array, axes: str, coarser: Sequence[da.Array], whole: str) -> tuple[da.Array, ...]:
    """The levels of a pyramid that can stand for an image: as many frames and channels, and always fewer pixels.

    Parameters
    ----------
    whole
        Axes of the levels as they are in the file.
    """
    found = [data]
    for level in coarser:
        if level.ndim != len(whole):
            break
        pixels, letters = canonical(_numbers(level), whole)
        if letters != axes or pixels.dtype != data.dtype:
            break
        sides = zip(letters, pixels.shape, found[-1].shape, strict=True)
        if pixels.size >= found[-1].size or any(n > m or (n < m and x in "TC") for x, n, m in sides):
            break
        found.append(pixels)
    return tuple(found[1:])
