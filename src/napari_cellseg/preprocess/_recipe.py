"""An ordered list of steps, and an image seen through it."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._types import Box3 as Box
from .._types import Float
from ..settings import Settings, members
from ._base import Pixels, Place, StepBase, Whole, unit
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

Step = Annotated[
    PercentileNormalize | MinMaxNormalize | ZScoreNormalize | EightBit | Window | Cutoff | Gamma | Invert | Clahe
    | TVDenoise | Gaussian | LowPass | Median | TopHat | Background | ChannelPick | ChannelMix | Grey,
    Field(discriminator="kind"),
]  # fmt: skip
STEPS: tuple[type[StepBase], ...] = members(Step)
_KEPT_BYTES = 1 << 27


class Recipe(Settings):
    """An ordered list of preprocessing steps."""

    steps: tuple[Step, ...] = Field((PercentileNormalize(),), description="Applied in this order.")

    def __call__(self, pixels: Pixels) -> Float:
        """Whole image (C, Z, Y, X) or (C, Y, X) of any dtype -> float32; NaN and infinities count as 0."""
        volume = pixels[:, None] if pixels.ndim == 3 else pixels
        out = Processed(self, volume).all()
        return out[:, 0] if pixels.ndim == 3 else out

    def channels(self, n: int) -> int:
        """How many channels the network sees of an image with `n`."""
        for step in self.active:
            n = step.channels(n)
        return n

    @property
    def active(self) -> tuple[StepBase, ...]:
        """The steps that are switched on."""
        return tuple(step for step in self.steps if step.on)


class Processed:
    """An image seen through a recipe: any part of it has the values it has in the whole.

    Data flow: a box is asked for -> every step asks the one before for its box and `reach` around it -> pixels
    flow back through the steps, each knowing what it must of the whole image (fitted once, kept).

    Parameters
    ----------
    source
        Array-like (C, Z, Y, X): numpy, dask or zarr; read in parts.
    """

    def __init__(self, recipe: Recipe, source: Any) -> None:
        self._steps, self._source = recipe.active, source
        self.shape: tuple[int, int, int] = tuple(int(n) for n in source.shape[1:])  # type: ignore[assignment]
        self.n_channels = recipe.channels(int(source.shape[0]))
        self._known: dict[tuple[int, int], Any] = {}
        self._last: dict[int, tuple[Any, Pixels]] = {}

    def read(self, box: Box) -> Float:
        """(C, z, y, x) float32; integers that come out of the last step are divided by their greatest value."""
        out = np.ascontiguousarray(unit(self._stage(len(self._steps), box)))
        if any(a.nbytes > _KEPT_BYTES for _, a in self._last.values()):
            self._last.clear()
        return out

    def all(self) -> Float:
        """The whole image."""
        return self.read((slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2])))

    def adopt(self, other: Processed) -> None:
        """Take over what another view of the same source knows about the steps that both begin with."""
        same = 0
        for mine, its in zip(self._steps, other._steps, strict=False):
            if mine != its:
                break
            same += 1
        self._known |= {key: value for key, value in other._known.items() if key[0] <= same}
        self._last |= {key: value for key, value in other._last.items() if key <= same}

    def known(self) -> dict[tuple[int, int], Any]:
        """What steps know of the whole image, which takes a look at all of it; planes are left out."""
        for n, step in enumerate(self._steps, start=1):
            if step.needs.startswith("image"):
                self._fitted(n, -1)
        return {key: value for key, value in self._known.items() if key[1] < 0}

    def know(self, known: dict[tuple[int, int], Any]) -> None:
        """Take over what another process has found out about the same image with the same recipe."""
        self._known |= known

    # --- inside ---------------------------------------------------------------------------------

    def _stage(self, n: int, box: Box) -> Pixels:
        """The box after the first `n` steps."""
        key = tuple((s.start, s.stop) for s in box)
        if n in self._last and self._last[n][0] == key:
            return self._last[n][1]
        out = self._compute(n, box) if n else _plain(np.asarray(self._source[(slice(None), *box)]))
        self._last[n] = (key, out)
        return out

    def _compute(self, n: int, box: Box) -> Pixels:
        step = self._steps[n - 1]
        wide = _widened(box, step.reach, step.grid, self.shape)
        known: Any = None
        if step.needs == "image":
            known = self._fitted(n, -1)
        pixels = self._stage(n - 1, wide)
        place = Place((wide[0].start, wide[1].start, wide[2].start), self.shape)
        if step.needs.endswith("plane"):  # one after another: what is known of a plane may be large
            planes = range(wide[0].stop - wide[0].start)
            done = [step.apply(pixels[:, k : k + 1], place, [self._fitted(n, wide[0].start + k)]) for k in planes]
            out = np.concatenate(done, axis=1)
        else:
            out = step.apply(pixels, place, known)
        inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
        return out[(slice(None), *inner)]

    def _fitted(self, n: int, plane: int) -> Any:
        """What a step knows of the whole image (plane -1) or of one plane."""
        if (n, plane) not in self._known:
            step, first, depth = self._steps[n - 1], max(plane, 0), 1 if plane >= 0 else self.shape[0]

            def read(box: Box) -> Pixels:
                return self._stage(n - 1, (slice(box[0].start + first, box[0].stop + first), *box[1:]))

            whole = Whole((depth, *self.shape[1:]), read)
            if plane < 0:
                self._known[n, plane] = step.fit(whole)
                return self._known[n, plane]
            of_image = self._fitted(n, -1) if step.needs.startswith("image") else None
            planes = [key for key in self._known if key[0] == n and key[1] >= 0]
            if planes and sum(_bytes(self._known[key]) for key in planes) > _KEPT_BYTES:
                del self._known[planes[0]]
            self._known[n, plane] = step.fit_plane(whole, of_image)
        return self._known[n, plane]


def _bytes(known: Any) -> int:
    """Size of the arrays in what a step knows."""
    return sum(part.nbytes for part in known if isinstance(part, np.ndarray)) if isinstance(known, tuple) else 0


def _plain(pixels: NDArray[Any]) -> Pixels:
    """uint8 and uint16 as they are, everything else as finite float32."""
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        pixels = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(pixels, np.float32)


def _widened(box: Box, reach: int, grid: int, shape: tuple[int, int, int]) -> Box:
    """The box and what a step must see around it, beginning and ending on its grid or at the border."""
    out = [box[0]]
    for span, n in zip(box[1:], shape[1:], strict=True):
        start = max(0, span.start - reach) // grid * grid
        out.append(slice(start, min(n, -(-(span.stop + reach) // grid) * grid)))
    return out[0], out[1], out[2]
