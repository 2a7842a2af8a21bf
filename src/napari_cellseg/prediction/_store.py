"""Where probabilities are blended and kept: 16-bit sums in memory or in zarr, the same whatever the order."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr

from .._types import Box3 as Box
from .._types import Float
from .._types import Shape3 as Shape
from ..errors import CellsegError
from ..probabilities import UNIT, scaled
from ._tiles import Tile

Channels = Mapping[int | None, tuple[int, ...]]
"""For every pass, by its axis: which channels of the whole those of its tiles are."""
IN_MEMORY = 600_000_000
"""Results up to this many bytes stay in memory."""


class Readable(Protocol):
    """Finished probabilities, read in parts."""

    @property
    def shape(self) -> Shape:
        """(Z, Y, X)."""
        ...

    def read(self, box: Box) -> Float:
        """Probabilities (K, z, y, x) float32 in [0, 1]."""
        ...


class Blend:
    """Weighted sums of overlapping tiles. Integers add up to the same in any order, and weights add up to one.

    Attributes
    ----------
    data
        (K, Z, Y, X) uint16, numpy or zarr.
    channels
        Where passes along several axes say different channels; None: there is one pass of all.
    """

    def __init__(self, data: Any, channels: Channels | None = None) -> None:
        self.data = data
        self.shape: Shape = tuple(data.shape[1:])
        every = tuple(range(data.shape[0]))
        self._channels = channels or {None: every, 0: every}
        passes = [sum(k in c for c in channels.values()) if channels else 1 for k in every]
        self._share = (UNIT / np.array(passes, np.float32))[:, None, None, None]

    def add(self, tile: Tile, values: Float) -> None:
        """Add a tile's probabilities (K, z, y, x)."""
        channels, at = list(self._channels[tile.axis]), (slice(None), *tile.box)
        weighted = np.rint(values * (tile.weight() * self._share[channels])).astype(np.uint16)
        if len(channels) < self.data.shape[0]:
            some, weighted = weighted, np.zeros((self.data.shape[0], *weighted.shape[1:]), np.uint16)
            weighted[channels] = some
        if isinstance(self.data, np.ndarray):
            self.data[at] += weighted
        else:
            self.data[at] = self.data[at] + weighted

    def read(self, box: Box) -> Float:
        """Probabilities (K, z, y, x) float32 of a finished part."""
        return scaled(np.asarray(self.data[(slice(None), *box)]))

    def read_partial(self, box: Box, done: Sequence[Tile]) -> Float:
        """Probabilities of a box where only some of the tiles have been added; a half where nothing is said yet."""
        weight = np.zeros((self.data.shape[0], *(s.stop - s.start for s in box)), np.float32)
        for tile in done:
            shared = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(tile.box, box, strict=True)]
            if all(a < b for a, b in shared):
                z, y, x = (slice(a, b) for a, b in shared)
                at = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip((z, y, x), box, strict=True))
                weight[list(self._channels[tile.axis]), at[0], at[1], at[2]] += tile.weight((z, y, x))
        mean = self.read(box) * (UNIT / self._share) / np.maximum(weight, 1e-3)
        mean[1:][weight[1:] == 0] = 0.5  # of flows none; without a foreground of its own it makes no object
        return np.asarray(np.clip(mean, 0, 1), np.float32)


def allocate(shape: tuple[int, ...], dtype: str, folder: Path | None, name: str, planar: bool) -> Any:
    """A numpy array of zeros, or a zarr array in a folder.

    Raises
    ------
    CellsegError
        When the folder cannot be written.
    """
    if folder is None:
        return np.zeros(shape, dtype)
    return make_zarr(folder / name, shape, dtype, planar)


def make_zarr(path: Path, shape: tuple[int, ...], dtype: str, planar: bool) -> Any:
    """An empty, quickly compressed zarr array (..., Z, Y, X) in place of whatever is at `path`."""
    from zarr.codecs import BloscCodec

    chunks = chunk_shape(shape[-3:], planar)
    try:
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        codec = BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle")
        whole = (*shape[:-3], *chunks)
        return zarr.create_array(str(path), shape=shape, chunks=whole, dtype=dtype, compressors=[codec], fill_value=0)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error


def chunk_shape(shape: tuple[int, ...], planar: bool) -> Shape:
    """One plane of 512 x 512, or 16 x 256 x 256."""
    z, y, x = (min(n, c) for n, c in zip(shape, (1, 512, 512) if planar else (16, 256, 256), strict=True))
    return z, y, x


def fits(channels: int, shape: Shape) -> bool:
    """Whether probabilities and labels of an image stay in memory."""
    return math.prod(shape) * (2 * channels + 8) <= IN_MEMORY
