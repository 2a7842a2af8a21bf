"""How an image is cut: tiles that begin on the network's grid, weights that add up to one, nearest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from .._types import Box3 as Box
from .._types import Float
from .._types import Shape3 as Shape


@dataclass(frozen=True)
class Span:
    """A tile along one axis; it shares `before` voxels with the tile before it and `after` with the next."""

    start: int
    stop: int
    before: int = 0
    after: int = 0

    def weight(self) -> Float:
        """(length,) raised cosines on the shared ends; those of neighbouring tiles add up to one."""
        out = np.ones(self.stop - self.start, np.float32)
        if self.before:
            out[: self.before] = _rise(self.before)
        if self.after:
            out[-self.after :] = 1 - _rise(self.after)
        return out


@dataclass(frozen=True)
class Tile:
    """A box and its spans; `axis` is the one that is not part of the network's plane (None for volumes)."""

    spans: tuple[Span, Span, Span]
    axis: int | None

    @property
    def box(self) -> Box:
        """(z, y, x)."""
        z, y, x = (slice(s.start, s.stop) for s in self.spans)
        return z, y, x

    @property
    def centre(self) -> tuple[float, ...]:
        """In voxels."""
        return tuple((s.start + s.stop - 1) / 2 for s in self.spans)

    def weight(self, box: Box | None = None) -> Float:
        """(z, y, x) weights, inside a box that lies in the tile if one is given."""
        z, y, x = (s.weight() for s in self.spans)
        if box is not None:
            z, y, x = (
                w[b.start - s.start : b.stop - s.start] for w, b, s in zip((z, y, x), box, self.spans, strict=True)
            )
        return np.asarray(z[:, None, None] * y[None, :, None] * x[None, None, :])


def spans(length: int, side: int, overlap: int, stride: int) -> list[Span]:
    """Cover an axis with equal tiles that begin at multiples of `stride` and share at least `overlap` voxels."""
    if length <= max(side, 3 * stride):
        return [Span(0, length)]
    side = max(side // stride, 3) * stride
    overlap = min(overlap, side // 3)
    count = -(-(length - overlap) // (side - overlap))
    best = _cut(length, side, overlap, stride, count)
    for more in (1, 2):  # rounding to the grid may have eaten the overlap
        if all(p.before >= overlap for p in best[1:]):
            break
        other = _cut(length, side, overlap, stride, count + more)
        if min(p.before for p in other[1:]) > min(p.before for p in best[1:]):
            best = other
    return best


def _cut(length: int, side: int, overlap: int, stride: int, count: int) -> list[Span]:
    size = min(side, math.ceil((length + (count - 1) * overlap) / count / stride) * stride)
    last = -(-max(0, length - size) // stride) * stride
    starts = [round(i * last / (count - 1) / stride) * stride for i in range(count)]
    # no voxel in more than two tiles: a tile ends at the latest where the next but one begins
    stops = [min(s + size, after) for s, after in zip(starts[:-1], [*starts[2:], length], strict=True)] + [length]
    shared = [a - b for a, b in zip(stops[:-1], starts[1:], strict=True)]
    ends = zip([0, *shared], [*shared, 0], strict=True)
    return [Span(a, b, *pair) for a, b, pair in zip(starts, stops, ends, strict=True)]


def tiles(
    shape: Shape, side: tuple[int, int, int], overlap: int, stride: tuple[int, int, int], axis: int | None
) -> list[Tile]:
    """All tiles of an image for networks that look along one axis; `side` is the thickness of a slab there."""
    along = []
    for k, (n, length, step) in enumerate(zip(shape, side, stride, strict=True)):
        if k == axis:
            along.append([Span(a, min(n, a + length)) for a in range(0, n, length)])
        else:
            along.append(spans(n, length, overlap, step))
    return [Tile((z, y, x), axis) for z, y, x in product(*along)]


class Queue:
    """Tiles in the order in which they are wanted; the order may change at any time.

    Parameters
    ----------
    scale
        How far apart neighbouring voxels count along (Z, Y, X).
    """

    def __init__(self, tiles: Sequence[Tile], scale: tuple[float, float, float]) -> None:
        self.tiles = tuple(tiles)
        boxes = np.array([[(s.start, s.stop) for s in t.spans] for t in self.tiles])
        self._low, self._high = boxes[..., 0], boxes[..., 1]
        self._waits, self._done = np.ones(len(self.tiles), bool), np.zeros(len(self.tiles), bool)
        sizes = self._high - self._low
        self._kind = np.array([hash((t.axis, *size)) for t, size in zip(self.tiles, sizes.tolist(), strict=True)])
        self._scale = np.array(scale)

    def take(self, count: int, centre: tuple[float, ...]) -> list[int]:
        """Indices of the next tiles: the nearest to where the person looks, and others of its shape."""
        place = np.array(centre)
        outside = np.maximum(np.maximum(self._low - place, place - (self._high - 1)), 0) * self._scale
        middle = np.abs((self._low + self._high - 1) / 2 - place) * self._scale
        away = outside.max(1) + middle.sum(1) * 1e-3
        away[~self._waits] = np.inf
        first = int(away.argmin())
        away[self._kind != self._kind[first]] = np.inf
        order = np.argsort(away, kind="stable")[:count] if count > 1 else np.array([first])
        chosen = [int(i) for i in order if np.isfinite(away[i])]
        self._waits[chosen] = False
        return chosen

    def finish(self, index: int) -> None:
        """A tile is done."""
        self._done[index] = True

    @property
    def n_done(self) -> int:
        """How many tiles are done."""
        return int(self._done.sum())

    @property
    def empty(self) -> bool:
        """Whether no tile waits."""
        return not self._waits.any()

    def done_in(self, box: Box) -> list[Tile]:
        """Finished tiles that overlap a box."""
        low, high = np.array([s.start for s in box]), np.array([s.stop for s in box])
        touching = (self._low < high).all(1) & (self._high > low).all(1) & self._done
        return [self.tiles[i] for i in np.flatnonzero(touching)]


def _rise(width: int) -> Float:
    return np.asarray(np.sin((np.arange(width) + 0.5) / width * np.pi / 2) ** 2, np.float32)
