"""The one value that stands for a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._guard import reading
from ._limits import check_loading

AXES = "TCZYX"
"""Axis letters in their canonical order: time, channel, depth, height, width."""
SMALLEST = 8
"""Pixels along Y and X that an image must have."""


@dataclass(frozen=True)
class Image:
    """A source picture: lazy data with named axes.

    Attributes
    ----------
    data
        Dask array whose axes are `axes`; uint8, uint16, int32, float... Where the file is damaged, computing it raises
        CellsegError.
    axes
        A subset of ``TCZYX`` in that order; always ends in ``YX``.
    spacing_um
        Voxel size in um, one number per letter of `spatial_axes`; None where the file does not say.
    channels
        One name per channel, where the file names them.
    source
        The file or folder it was read from: of an image inside an OME-Zarr plate or collection, its own folder.
    series
        Which image of a file that holds several, as `read` takes it; "" where there is one.
    title
        What the file calls that image.
    rgb
        Whether the channels are the red, green and blue of a colour picture, not three signals.
    interval_s
        Seconds from one time point to the next; None where the file does not say.
    coarser
        The same with fewer pixels, where the file holds a pyramid: finer ones first, with the axes of `data`. They are
        for looking only: everything else reads `data`.
    """

    data: da.Array
    axes: str
    spacing_um: tuple[float, ...] | None = None
    channels: tuple[str, ...] = ()
    source: Path | None = None
    series: str = ""
    title: str = ""
    rgb: bool = False
    interval_s: float | None = None
    coarser: tuple[da.Array, ...] = ()

    @property
    def spatial_axes(self) -> str:
        """``"ZYX"`` or ``"YX"``."""
        return "".join(letter for letter in self.axes if letter in "ZYX")

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Lengths along `spatial_axes`, in voxels."""
        return tuple(self.length(letter) for letter in self.spatial_axes)

    @property
    def n_channels(self) -> int:
        """Number of channels, 1 where there is no channel axis."""
        return self.length("C")

    @property
    def n_frames(self) -> int:
        """Number of time points, 1 where there is no time axis."""
        return self.length("T")

    def length(self, letter: str) -> int:
        """Length along one axis, 1 where the axis is absent."""
        return int(self.data.shape[self.axes.index(letter)]) if letter in self.axes else 1

    def frame(self, index: int) -> Image:
        """One time point, without the time axis."""
        if "T" not in self.axes:
            return self
        coarser = tuple(level[index] for level in self.coarser)
        return replace(self, data=self.data[index], axes=self.axes[1:], coarser=coarser)

    def channels_first(self) -> da.Array:
        """The first time point as (C, Z, Y, X) or (C, Y, X), in the source's dtype."""
        single = self.frame(0)
        return single.data if "C" in single.axes else single.data[None]

    def pyramid(self) -> tuple[da.Array, ...]:
        """`channels_first` of every level, the finest first."""
        single = self.frame(0)
        return tuple(x if "C" in single.axes else x[None] for x in (single.data, *single.coarser))

    def load(self) -> NDArray[Any]:
        """The first time point in memory: (C, Z, Y, X) or (C, Y, X), in the source's dtype.

        Raises
        ------
        CellsegError
            When it does not fit into memory, the file breaks off or its compressed data cannot be read.
        """
        pixels, name = self.channels_first(), self.source.name if self.source else "This image"
        check_loading(name, pixels.shape, pixels.dtype.itemsize)
        with reading(f"The pixels of {name}"):
            return np.asarray(pixels)


class _Pixels:
    """An array on disk that is read in parts; whatever the decoder raises says which file is damaged."""

    def __init__(
        self, name: str, shape: Sequence[int], dtype: np.dtype[Any], read: Callable[[Any], NDArray[Any]]
    ) -> None:
        self.name, self.shape, self.dtype, self.ndim = name, tuple(shape), dtype, len(shape)
        self._read = read

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with reading(f"The pixels of {self.name}"):
            return np.asarray(self._read(key))


def lazy(
    name: str,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...] | str,
    read: Callable[[Any], NDArray[Any]],
) -> da.Array:
    """A dask array over a function from slices to pixels.

    Parameters
    ----------
    read
        Called with a tuple of slices for each part, from several threads.
    """
    pixels = _Pixels(name, shape, dtype, read)
    # name=False: dask would else read (or pickle) everything to make a name from its content
    meta = np.empty((0,) * len(shape), dtype)
    made: da.Array = da.from_array(pixels, chunks=chunks, asarray=False, meta=meta, name=False)
    return made


def canonical(data: da.Array, axes: str) -> tuple[da.Array, str]:
    """Reorder to ``TCZYX`` order and drop axes of length 1 other than Y and X.

    Raises
    ------
    CellsegError
        When the letters do not fit the array or Y and X are missing.
    """
    axes = axes.upper()
    check_axes(axes, data.shape)
    order = [axes.index(letter) for letter in AXES if letter in axes]
    data = data.transpose(order)
    axes = "".join(axes[i] for i in order)
    keep = [i for i, letter in enumerate(axes) if letter in "YX" or data.shape[i] > 1]
    squeezed = data[tuple(slice(None) if i in keep else 0 for i in range(data.ndim))]
    return squeezed, "".join(axes[i] for i in keep)


def check_axes(axes: str, shape: Sequence[int]) -> None:
    """Refuse letters that do not fit an array.

    Raises
    ------
    CellsegError
        When their number differs, one comes twice or is unknown, or Y and X are missing.
    """
    if len(axes) != len(shape):
        raise CellsegError(
            f"Axes {axes!r} name {len(axes)} dimensions, but the array has {len(shape)}: {tuple(shape)}.",
            f"Give one letter of {AXES} per dimension, for example --axes {AXES[-len(shape) :]}.",
        )
    if len(set(axes)) != len(axes) or not set(axes) <= set(AXES) or not {"Y", "X"} <= set(axes):
        raise CellsegError(
            f"Axes {axes!r} cannot be used.",
            f"Use each of the letters {AXES} at most once; Y and X are always needed.",
        )


def guessed_axes(name: str, shape: Sequence[int]) -> str:
    """Axes of an array that says nothing about them.

    Three or four last are channels, one or two after YX fewer than eight could be anything.

    Raises
    ------
    CellsegError
        When it may be read in several ways; the hint names the option.
    """
    n, last = len(shape), shape[-1] if shape else 0
    narrow = n > 2 and last < SMALLEST <= min(shape[-3:-1])
    by_channels = {3: "YXC", 4: "ZYXC", 5: "TZYXC"}
    if narrow and last in (3, 4) and n in by_channels:
        return by_channels[n]
    usual = {2: "YX", 3: "ZYX", 4: "ZCYX", 5: "TZCYX"}
    if n not in usual or narrow or (n == 3 and last < SMALLEST):
        example = by_channels.get(n, AXES[-n:]) if narrow or n < 3 else AXES[-n:]
        raise CellsegError(
            f"The axes of {name} are ambiguous: its shape is {tuple(shape)}.",
            f"Say which is which with one letter of {AXES} per dimension, for example --axes {example}.",
        )
    return usual[n]
