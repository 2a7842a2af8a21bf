"""The one value that stands for a picture."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

AXES = "TCZYX"
"""Axis letters in their canonical order: time, channel, depth, height, width."""


@dataclass(frozen=True)
class Image:
    """A source picture: lazy data with named axes.

    Attributes
    ----------
    data
        Dask array whose axes are `axes`; uint8, uint16, int32, float...
    axes
        A subset of ``TCZYX`` in that order; always ends in ``YX``.
    spacing_um
        Voxel size in um, one number per letter of `spatial_axes`; None where the file does not say.
    channels
        One name per channel, where the file names them.
    source
        The file or folder it was read from.
    """

    data: da.Array
    axes: str
    spacing_um: tuple[float, ...] | None = None
    channels: tuple[str, ...] = ()
    source: Path | None = None

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
        return replace(self, data=self.data[index], axes=self.axes[1:])

    def channels_first(self) -> da.Array:
        """The first time point as (C, Z, Y, X) or (C, Y, X), in the source's dtype."""
        single = self.frame(0)
        return single.data if "C" in single.axes else single.data[None]

    def load(self) -> NDArray[Any]:
        """The first time point in memory: (C, Z, Y, X) or (C, Y, X), in the source's dtype.

        Raises
        ------
        CellsegError
            When the file breaks off or its compressed data cannot be read.
        """
        try:
            return np.asarray(self.channels_first())
        except READ_ERRORS as error:
            raise CellsegError(
                f"The pixels of {self.source or 'this image'} cannot be read: {error}.",
                "The file may be truncated. Copy it again from where it was acquired.",
            ) from error


READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zlib.error,
)
"""What file readers raise for damaged files (imagecodecs' errors are RuntimeErrors)."""


def canonical(data: da.Array, axes: str) -> tuple[da.Array, str]:
    """Reorder to ``TCZYX`` order and drop axes of length 1 other than Y and X.

    Raises
    ------
    CellsegError
        When the letters do not fit the array or Y and X are missing.
    """
    axes = axes.upper()
    if len(axes) != data.ndim:
        raise CellsegError(
            f"Axes {axes!r} name {len(axes)} dimensions, but the array has {data.ndim}: {data.shape}.",
            f"Give one letter of {AXES} per dimension, for example --axes {AXES[-data.ndim :]}.",
        )
    if len(set(axes)) != len(axes) or not set(axes) <= set(AXES) or not {"Y", "X"} <= set(axes):
        raise CellsegError(
            f"Axes {axes!r} cannot be used.",
            f"Use each of the letters {AXES} at most once; Y and X are always needed.",
        )
    order = [axes.index(letter) for letter in AXES if letter in axes]
    data = data.transpose(order)
    axes = "".join(axes[i] for i in order)
    keep = [i for i, letter in enumerate(axes) if letter in "YX" or data.shape[i] > 1]
    squeezed = data[tuple(slice(None) if i in keep else 0 for i in range(data.ndim))]
    return squeezed, "".join(axes[i] for i in keep)
