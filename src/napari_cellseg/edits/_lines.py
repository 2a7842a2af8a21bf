"""What a person draws: lines and polygons in one plane, as voxels."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

Points = NDArray[np.int64]


def rasterise(line: NDArray[np.floating], shape: tuple[int, ...]) -> tuple[tuple[int, ...], Points]:
    """A connected line without diagonal gaps, so that it parts what it crosses.

    Parameters
    ----------
    line
        (N, ndim) corner points in voxel coordinates; all in the plane of the first.

    Returns
    -------
    tuple
        The plane, () or (z,), and the (M, 2) pixels of the line inside it, in drawing order.

    Raises
    ------
    CellsegError
        When the line lies outside the image.
    """
    line = np.atleast_2d(np.asarray(line, float))
    plane = tuple(int(round(v)) for v in line[0, :-2])
    if any(not 0 <= p < n for p, n in zip(plane, shape, strict=False)):
        raise CellsegError("The line lies outside the image.", "Draw inside the image.")
    parts = [np.round(line[:1, -2:]).astype(np.int64)]
    for start, stop in itertools.pairwise(line[:, -2:]):
        n = int(np.ceil(np.abs(stop - start).sum() * 2)) + 2
        points = np.round(np.linspace(start, stop, n)).astype(np.int64)
        corners = np.column_stack([points[1:, 0], points[:-1, 1]])
        parts.append(np.stack([points[:-1], corners], axis=1).reshape(-1, 2))
        parts.append(points[-1:])
    steps = np.concatenate(parts)
    steps = steps[((steps >= 0) & (steps < shape[-2:])).all(1)]
    if not len(steps):
        raise CellsegError("The line lies outside the image.", "Draw inside the image.")
    return plane, steps


def box_around(points: Points, rim: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The smallest box of a plane round pixels, with a rim, inside the plane."""
    low, high = points.min(0) - rim, points.max(0) + rim + 1
    (y0, x0), (y1, x1) = low.tolist(), high.tolist()
    return slice(max(0, y0), min(shape[-2], y1)), slice(max(0, x0), min(shape[-1], x1))
