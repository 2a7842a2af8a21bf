"""The draft: classes of a slice, a crop or a volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from ..._types import Float, Labels, Spacing
from . import _masks as m
from ._numbers import HelaNumbers
from ._salient import Place, salient
from ._slice import classes
from ._volume import parts

CUBES = 2.0
"""Voxels at most so many times as deep as wide are looked at along three axes."""


class Hela(HelaNumbers):
    """Envelope, nucleus, cell and background in electron microscopy, without learning (Karabag et al. 2023)."""

    title: ClassVar[str] = "Nuclear envelopes in electron microscopy"
    instances: ClassVar[bool] = False
    as_stored: ClassVar[bool] = True
    gives: ClassVar[tuple[str, ...]] = ("envelope", "nucleus", "cell", "background")
    kind: Literal["hela"] = "hela"
    cells: int = Field(1, ge=0, le=25, description="1: the cell in the middle of the picture; more, or 0 for up to 25: "
        "the most salient cells, wherever they are.")  # fmt: skip
    others: bool = Field(
        True, description="Cytoplasm of cells that were not looked for is cell, too; else it is empty."
    )
    axes: Literal["auto", "slices", "three"] = Field(
        "auto", description="Look for nuclei slice by slice, or along three axes and join what is found; auto: along "
        "three where voxels are nearly cubes.",
    )  # fmt: skip

    def __call__(self, pixels: Float, spacing: Spacing = None) -> Labels:
        """(C, Z, Y, X) or (C, Y, X) float32 -> 1 envelope, 2 nucleus, 3 cell, 4 background; channels are averaged.

        Parameters
        ----------
        spacing
            um per voxel, (Z, Y, X) or (Y, X): numbers are scaled by it. Without it, pixels are taken for 10 nm and
            slices for 50 nm.
        """
        return self.stoppable(pixels, spacing, lambda: False)

    def stoppable(self, pixels: Float, spacing: Spacing, stop: Callable[[], bool]) -> Labels:
        """The same; `stop` is asked before every slice."""
        grey = _grey(pixels)
        volume = grey if grey.ndim == 3 else grey[None]
        n = self.scaled(spacing)
        stretch = spacing[0] / spacing[-1] if spacing and len(spacing) == 3 else 5.0
        places: list[Place | None] = [None]
        if self.cells != 1:
            places = list(salient(volume, n, self.cells or 25))
        core, outside, whole = (np.zeros(volume.shape, bool) for _ in range(3))
        said = np.zeros(volume.shape, bool)  # beyond what was cut out round the cells nothing is
        for place in places:
            box = _round(place, volume.shape, n)
            three = self.axes == "three" or (self.axes == "auto" and stretch <= CUBES)
            found = parts(
                volume[box], n, three_axes=three, stretch=stretch, middle=place and place.z,
                whole_cell=not self.others, stop=stop,
            )  # fmt: skip
            core[box] |= found.nucleus
            outside[box] |= found.background
            whole[box] |= found.cell
            said[box] = True
        labels = np.stack([self._cleaned(classes(c, o, n)) for c, o in zip(core, outside, strict=True)])
        if not self.others:
            said &= whole | (labels != 3)
        labels[~said] = 0
        return labels if grey.ndim == 3 else labels[0]

    def _cleaned(self, plane: Labels) -> Labels:
        """Small regions of a class become those around them: cell."""
        for value in (1, 2, 4):
            there = m.pieces(plane == value)
            small = m.areas(there) < self.min_size
            small[0] = False
            plane[small[there]] = 3
        return plane


def _round(place: Place | None, shape: tuple[int, ...], n: HelaNumbers) -> tuple[slice, slice, slice]:
    """The box round a cell."""
    if place is None:
        return tuple(slice(0, side) for side in shape)  # type: ignore[return-value]
    half = round(n.crop / 2)
    y, x = (slice(max(0, c - half), min(side, c + half)) for c, side in zip((place.y, place.x), shape[1:], strict=True))
    return slice(0, shape[0]), y, x


def _grey(pixels: Float) -> Float:
    """Grey values 0..255: those of 8 bits as they are, what a recipe has scaled to 0..1, else by percentiles."""
    grey = np.asarray(pixels.mean(0), np.float32)
    low, high = (float(v) for v in (grey.min(initial=0), grey.max(initial=0)))
    if low >= -0.5 and high <= 1.5:
        return grey * np.float32(255)
    if low >= 0 and high <= 255:
        return grey
    low, high = (float(v) for v in np.percentile(grey, (0.1, 99.9)))
    return np.asarray(np.clip((grey - low) * (255 / max(high - low, 1e-6)), 0, 255), np.float32)
