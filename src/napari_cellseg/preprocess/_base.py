"""What every preprocessing step is: parameters, what it must know of the whole image, and how far it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..settings import Settings

Pixels = NDArray[Any]
Float = NDArray[np.float32]
Box = tuple[slice, slice, slice]
"""Ranges along Z, Y and X."""
MAX_WHOLE = 64_000_000
"""Statistics are taken from whole images up to this many voxels, from samples of larger ones."""


@dataclass(frozen=True)
class Place:
    """Where given pixels lie: `origin` (z, y, x) of their first voxel, `shape` (Z, Y, X) of the whole image."""

    origin: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Whole:
    """What a step is fitted to: its input, readable in parts.

    Attributes
    ----------
    shape
        (Z, Y, X) of what there is: the image, or one plane.
    read
        Box -> (C, z, y, x).
    """

    shape: tuple[int, int, int]
    read: Callable[[Box], Pixels]

    def samples(self) -> Iterator[Pixels]:
        """The whole input, or 64 windows spread evenly over one that is too large; the same ones every time."""
        if np.prod(self.shape, dtype=np.int64) <= MAX_WHOLE:
            yield self.read((slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2])))
            return
        z, y, x = (self._starts(n, length) for n, length in zip(self.shape, (1, 1024, 1024), strict=True))
        for a in z:
            for b in y:
                for c in x:
                    yield self.read((slice(a, a + 1), slice(b, b + 1024), slice(c, c + 1024)))

    @staticmethod
    def _starts(n: int, length: int) -> list[int]:
        return sorted({int(s) for s in np.linspace(0, max(0, n - length), 4).round()})


class StepBase(Settings):
    """A preprocessing step: (C, Z, Y, X) in, (C, Z, Y, X) out; volumes are treated plane by plane.

    uint8 and uint16 count as they are, everything else as float32. A step sees the part that is asked for and
    `reach` pixels around it; what it must know of the rest comes from `fit`.
    """

    needs: ClassVar[Literal["nothing", "image", "plane"]] = "nothing"
    """What `fit` looks at: the whole image, or each plane for itself."""
    on: bool = Field(True, description="Switched off, the step stays in the list and does nothing.")

    @property
    def reach(self) -> int:
        """How many pixels around a pixel its result depends on."""
        return 0

    @property
    def grid(self) -> int:
        """Parts that are asked for begin at multiples of this."""
        return 1

    def channels(self, n: int) -> int:
        """How many channels come out where `n` go in."""
        return n

    def fit(self, whole: Whole) -> Any:
        """What the step must know of the whole image or plane."""
        return None

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """The step's result for a part; `known` is what `fit` gave (a list, one per plane, for ``plane``)."""
        raise NotImplementedError


def unit(pixels: Pixels) -> Float:
    """float32; uint8 and uint16 are divided by their greatest value."""
    if pixels.dtype.kind == "u":
        return np.asarray(pixels, np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return np.asarray(pixels, np.float32)


def per_plane(function: Callable[[Pixels], Pixels], pixels: Pixels) -> Pixels:
    """Apply a 2D function to every (Y, X) plane."""
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    results = [function(np.ascontiguousarray(plane)) for plane in planes]
    return np.stack(results).reshape(*pixels.shape[:-2], *results[0].shape)
