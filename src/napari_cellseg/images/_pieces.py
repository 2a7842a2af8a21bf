"""Array-likes that are written part by part, so that labels larger than memory can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sizes = tuple[tuple[float, ...] | None, float | None]
"""Voxel size in um by spatial axis, and seconds from one time point to the next."""
_BLOCK = (16, 1024, 1024)


def blocks(data: Any, sides: tuple[int, ...] | None = None) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
    """Parts of an array-like that fit into memory, each with its place; `sides`: their lengths by axis."""
    sides = sides or (1,) * (len(data.shape) - 3) + _BLOCK[-min(3, len(data.shape)) :]
    for start in product(*(range(0, n, s) for n, s in zip(data.shape, sides, strict=True))):
        box = tuple(slice(a, min(n, a + s)) for a, s, n in zip(start, sides, data.shape, strict=True))
        yield box, np.asarray(data[box])


def planes(data: Any, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The planes (Y, X) of an array-like in their order, as `dtype`."""
    for index in np.ndindex(*data.shape[:-2]):
        yield np.asarray(data[index]).astype(dtype)


class Sampled:
    """An array-like seen at fewer places: the upper left of those that come together, so that ids stay ids.

    Parameters
    ----------
    array
        Array-like, whose slices are read when they are asked for.
    shape
        As many axes, none of them longer.
    """

    def __init__(self, array: Any, shape: tuple[int, ...]) -> None:
        self._array, self.shape = array, shape

    def __getitem__(self, box: tuple[slice, ...]) -> NDArray[Any]:
        sides = zip(box, self._array.shape, self.shape, strict=True)
        places = [_places(*s.indices(coarse)[:2], fine, coarse) for s, fine, coarse in sides]
        part = np.asarray(self._array[tuple(slice(int(p[0]), int(p[-1]) + 1) for p in places)])
        return np.asarray(part[np.ix_(*(p - p[0] for p in places))])


def halved(array: Any) -> Sampled:
    """An array-like seen at every second pixel of Y and X."""
    return Sampled(array, (*array.shape[:-2], *(-(-n // 2) for n in array.shape[-2:])))


def _places(start: int, stop: int, fine: int, coarse: int) -> NDArray[np.int64]:
    """Where a finer axis is looked at for a part of a coarser one: at every n-th place where that fits."""
    steps, step = np.arange(start, stop, dtype=np.int64), max(1, round(fine / coarse))
    return np.minimum(steps * step if abs(coarse * step - fine) < step else steps * fine // coarse, fine - 1)


class WithAxes:
    """An array-like with axes of length 1 more, as a file wants them.

    Parameters
    ----------
    array
        Array-like.
    shape
        With those axes.
    own
        Which axes of `shape` are the array's own.
    """

    def __init__(self, array: Any, shape: tuple[int, ...], own: Sequence[int]) -> None:
        self._array, self.shape, self._own = array, shape, tuple(own)

    def __getitem__(self, box: tuple[slice, ...]) -> NDArray[Any]:
        part = np.asarray(self._array[tuple(box[n] for n in self._own)])
        return part.reshape(tuple(len(range(*s.indices(n))) for s, n in zip(box, self.shape, strict=True)))
