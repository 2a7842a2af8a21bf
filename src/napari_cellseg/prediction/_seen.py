"""What a network gets to see of an image, piece by piece: to calibrate it, to try it."""

from __future__ import annotations

import numpy as np

from .._types import Float
from ..images import Image
from ._predictor import Predictor
from ._run import Request, Run
from ._runtime import padded

SIDES = {2: (256, 256), 3: (16, 96, 96)}
"""Of a piece ([Z], Y, X), at most."""


def seen(image: Image, model: Predictor, most: int, size: float = 0.0) -> list[Float]:
    """Up to `most` pieces (1, C, [Z], Y, X) float32 of an image, after recipe and zoom, spread evenly over it.

    Sides are multiples of what the network needs.

    Parameters
    ----------
    size
        Diameter of typical objects (pixels); 0: estimated, where the model wants to know it.

    Raises
    ------
    CellsegError
        When the image does not fit the model.
    """
    run = Run(image, [model], "", Request(size=size), lambda: None)
    sides, strides = SIDES[model.dimensions], model.stride[-model.dimensions :]
    places = [(tile, corner) for tile in run.plan.tiles for corner in _corners(tile.box, sides)]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    out = []
    for k in chosen:
        tile, corner = places[k]
        stack = run.zooms[0].into(run.stack(run.views[0], tile)[:1])
        starts = [round(c * (n - min(n, s))) for c, n, s in zip(corner, stack.shape[2:], sides, strict=True)]
        cut = tuple(slice(a, a + s) for a, s in zip(starts, sides, strict=True))
        out.append(padded(np.ascontiguousarray(stack[(slice(None), slice(None), *cut)]), strides))
    return out


def _corners(box: tuple[slice, slice, slice], sides: tuple[int, ...]) -> list[tuple[float, ...]]:
    """Places in a tile as shares of what is left of its sides: the corners of large tiles, or its middle."""
    large = all(s.stop - s.start >= 2 * n for s, n in zip(box[-2:], sides[-2:], strict=True))
    ends = (0.0, 1.0) if large else (0.5,)
    return [(*(0.5,) * (len(sides) - 2), y, x) for y in ends for x in ends]
