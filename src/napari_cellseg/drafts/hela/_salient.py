"""The most salient cells of slices that hold many, followed through a volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._types import Float, Mask
from . import _masks as m
from ._numbers import HelaNumbers
from ._slice import background, seen


class Place(NamedTuple):
    """The middle of a cell (slice, row, column) and its distance to the background (pixels)."""

    z: int
    y: int
    x: int
    height: float


def salient(grey: Float, n: HelaNumbers, most: int) -> list[Place]:
    """Cells of a picture (Z, Y, X), 0..255, the most salient first.

    In one slice: the places that are farthest from the background, each blanking what is near it. In a volume: those
    of every twentieth slice, linked where they are near one another; a cell stands in many slices.

    Parameters
    ----------
    most
        How many at most, in each slice that is looked at and in all.
    """
    if len(grey) == 1:
        return [Place(0, *place) for place in _of_slice(grey[0], n, most)]
    step = max(1, round(n.every))
    looked = range((len(grey) - 1) % step // 2, len(grey), step)
    chains: list[list[Place]] = []
    for z in looked:
        ends = [c for c in chains if c[-1].z == z - step]
        for y, x, height in _of_slice(grey[z], n, most):
            near = [c for c in ends if np.hypot(c[-1].y - y, c[-1].x - x) <= n.link]
            here = Place(z, y, x, height)
            if near:
                chain = min(near, key=lambda c: float(np.hypot(c[-1].y - y, c[-1].x - x)))
                ends = [c for c in ends if c is not chain]
                chain.append(here)
            else:
                chains.append([here])
    least = min(n.chain, looked[-1] - looked[0])
    long = [c for c in chains if c[-1].z - c[0].z >= least]
    middles = [_middle(c) for c in long]
    return sorted(middles, key=lambda p: -p.height)[:most]


def _middle(chain: list[Place]) -> Place:
    """The slice in the middle of a chain, and the mean place."""
    y, x, height = (float(np.mean([p[k] for p in chain])) for k in (1, 2, 3))
    return Place(chain[len(chain) // 2].z, round(y), round(x), height)


def _of_slice(grey: Float, n: HelaNumbers, most: int) -> list[tuple[int, int, float]]:
    step = n.shrink
    small = n.model_copy(update={name: value / step for name, value in _lengths(n).items()})
    small = small.model_copy(update={"background_area": n.background_area / step**2})
    look = seen(grey, n)[::step, ::step]
    outside: Mask = background(np.ascontiguousarray(look), small)
    if not outside.any():
        return []
    away = m.distance(outside) * step
    least = n.salient * float(away.max())
    found: list[tuple[int, int, float]] = []
    while len(found) < most:
        y, x = (int(v) for v in np.unravel_index(int(away.argmax()), away.shape))
        height = float(away[y, x])
        if height <= least or height <= 0:
            break
        found.append((y * step, x * step, height))
        side = int(np.ceil(n.blank * height / step))
        away[max(0, y - side) : y + side + 1, max(0, x - side) : x + side + 1] = 0
    return found


def _lengths(n: HelaNumbers) -> dict[str, float]:
    """What `background` measures in pixels."""
    return {k: v for k, v in n.model_dump().items() if k.startswith("background_") and k not in _NO_LENGTHS}


_NO_LENGTHS = {"background_area", "background_least", "background_most", "background_darker"}
