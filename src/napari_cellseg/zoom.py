"""Objects at the size that a network knows: pictures are enlarged or reduced for it, its answer is brought back.

Factors are 32 / k with whole k: a tile that begins at a multiple of k begins on the network's grid, so tiles of any cut
see the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

GRID = 32
LEAST, MOST = 0.25, 1.5
"""Factors; what is magnified more gains nothing and costs time with its square."""


@dataclass(frozen=True)
class Zoom:
    """A factor: so many pixels of the picture become `GRID` pixels for the network."""

    pixels: int = GRID

    @classmethod
    def between(cls, size: float, wanted: float) -> Zoom:
        """From objects of one diameter to objects of another (pixels); none where one of them is 0."""
        if size <= 0 or wanted <= 0:
            return cls()
        return cls(round(GRID / min(max(wanted / size, LEAST), MOST)))

    @property
    def factor(self) -> float:
        """Sides are multiplied by this."""
        return GRID / self.pixels

    def stride(self, stride: int) -> int:
        """Pixels of the picture that are whole steps of the network's grid."""
        return stride if self.pixels == GRID else -(-stride // GRID) * self.pixels

    def into(self, planes: NDArray[Any], *, nearest: bool = False) -> NDArray[Any]:
        """(..., Y, X) -> (..., y, x), the far ends mirrored up to whole grid steps; float32 or, `nearest`, as given."""
        if self.pixels == GRID:
            return planes
        whole = [-(-n // self.pixels) * self.pixels for n in planes.shape[-2:]]
        missing = [(0, w - n) for w, n in zip(whole, planes.shape[-2:], strict=True)]
        mirror = all(m < n for (_, m), n in zip(missing, planes.shape[-2:], strict=True))
        padded = np.pad(planes, [(0, 0)] * (planes.ndim - 2) + missing, mode="reflect" if mirror else "edge")
        rows, columns = (w // self.pixels * GRID for w in whole)
        if nearest:
            y, x = (_nearest(n, self.pixels) for n in (rows, columns))
            return np.ascontiguousarray(padded[..., y, :][..., x])
        return _resized(padded, rows, columns)

    def back(self, planes: NDArray[np.float32], sides: tuple[int, int]) -> NDArray[np.float32]:
        """(..., y, x) as `into` made it -> (..., Y, X) float32 of the picture's sides."""
        if self.pixels == GRID:
            return planes
        rows, columns = (n // GRID * self.pixels for n in planes.shape[-2:])
        return np.ascontiguousarray(_resized(planes, rows, columns)[..., : sides[0], : sides[1]])

    def sides(self, sides: tuple[int, int]) -> tuple[int, int]:
        """How much of what `into` makes is the picture, not its mirror image."""
        y, x = (max(1, round(n * self.factor)) for n in sides)
        return y, x


def _nearest(n: int, pixels: int) -> NDArray[np.int64]:
    """Indices of the pixels in whose middles the new ones lie."""
    return np.asarray(((np.arange(n) + 0.5) * pixels / GRID).astype(np.int64))


def _resized(planes: NDArray[Any], rows: int, columns: int) -> NDArray[np.float32]:
    flat = planes.reshape(-1, *planes.shape[-2:])
    how = cv2.INTER_AREA if rows < flat.shape[1] else cv2.INTER_LINEAR
    out = [cv2.resize(np.ascontiguousarray(p, np.float32), (columns, rows), interpolation=how) for p in flat]
    return np.asarray(np.stack(out).reshape(*planes.shape[:-2], rows, columns), np.float32)
