"""What every preprocessing step is: parameters, what it must know of the whole image, and how far it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._types import Box3 as Box
from .._types import Float
from ..settings import Settings

Pixels = NDArray[Any]
Needs = Literal["nothing", "image", "plane", "image and plane"]
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

    needs: ClassVar[Needs] = "nothing"
    """What it must know: `fit` looks at the whole image, `fit_plane` at each plane for itself."""
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
        """What the step must know of the whole image."""
        return None

    def fit_plane(self, whole: Whole, known: Any) -> Any:
        """What the step must know of one plane; `known` is what `fit` gave, None where the image is not needed."""
        return None

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """The step's result for a part; `known` is what `fit` gave, or a list of what `fit_plane` gave."""
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


def to_8_bit(pixels: Pixels, low: float, high: float) -> Pixels:
    """uint8: `low` becomes 0, `high` 255, what lies outside is cut off. Where they are equal, all above is 255."""
    scaled = (np.asarray(pixels, np.float32) - np.float32(low)) * np.float32(255 / max(high - low, 1e-6))
    return np.asarray(np.rint(np.clip(scaled, 0, 255)), np.uint8)


def percentiles(values: NDArray[Any], at: tuple[float, float]) -> tuple[float, float]:
    """As `numpy.percentile`, from the histogram for uint8 and uint16."""
    if values.dtype not in (np.uint8, np.uint16):
        low, high = np.percentile(values, at)
        return float(low), float(high)
    below = np.cumsum(np.bincount(values.ravel()))
    out = []
    for share in at:
        position = share / 100 * (values.size - 1)
        lower, upper = (int(np.searchsorted(below, p, side="right")) for p in (np.floor(position), np.ceil(position)))
        out.append(lower + (upper - lower) * (position - np.floor(position)))
    return float(out[0]), float(out[1])


def per_channel(whole: Whole) -> list[NDArray[Any]]:
    """All values of each channel, or of the samples, as flat arrays."""
    parts = list(whole.samples())
    if len(parts) == 1:
        return [c.ravel() for c in parts[0]]
    return [np.concatenate([p[c].ravel() for p in parts]) for c in range(len(parts[0]))]
