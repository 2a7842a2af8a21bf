"""How an image is cut: tiles that begin on the network's grid, weights that add up to one, nearest first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]
Float = NDArray[np.float32]


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
    if length <= side:
        return [Span(0, length)]
    side = max(side // stride * stride, stride)
    overlap = min(overlap, side // 3)
    count = -(-(length - overlap) // (side - overlap))
    while True:
        size = min(side, math.ceil((length + (count - 1) * overlap) / count / stride) * stride)
        last = max(0, length - size) // stride * stride
        starts = [round(i * last / (count - 1) / stride) * stride for i in range(count)]
        # no voxel in more than two tiles: a tile ends at the latest where the next but one begins
        stops = [min(s + size, after) for s, after in zip(starts[:-1], [*starts[2:], length], strict=True)] + [length]
        shared = [a - b for a, b in zip(stops[:-1], starts[1:], strict=True)]
        if min(shared) >= min(overlap, size - stride) and stops[-1] - starts[-1] <= side + stride:
            return [
                Span(a, b, *pair)
                for a, b, pair in zip(starts, stops, zip([0, *shared], [*shared, 0], strict=True), strict=True)
            ]
        count += 1


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


def nearest(remaining: list[Tile], centre: tuple[float, ...], scale: tuple[float, float, float]) -> int:
    """Index of the tile to compute next: the nearest to where the person looks; `scale` says how far a voxel is."""
    centres = np.array([t.centre for t in remaining])
    inside = np.array(
        [[max(s.start - c, c - (s.stop - 1), 0) for s, c in zip(t.spans, centre, strict=True)] for t in remaining]
    )
    away = (np.abs(centres - centre) * scale).sum(1) * 1e-3 + (inside * scale).max(1)
    return int(away.argmin())


def _rise(width: int) -> Float:
    return np.asarray(np.sin((np.arange(width) + 0.5) / width * np.pi / 2) ** 2, np.float32)
