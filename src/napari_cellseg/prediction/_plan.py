"""Before anything is computed: which tiles, how many at once, how long, how much memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .._types import Shape3 as Shape
from ..config import Predict
from ..errors import CellsegError
from ..zoom import Zoom
from ._predictor import Predictor
from ._store import fits
from ._tiles import Tile, tiles

_SECONDS_PER_TILE = 1.0
"""Cancel and the order of tiles follow the person within this time."""
_SLAB = 16
"""Planes along Y or X that are read at once."""
_CANDIDATES = (256, 320, 384, 448, 512, 576, 640, 768, 896, 1024, 1280, 1536, 2048)


@dataclass(frozen=True)
class Plan:
    """Tiles of an image and what they cost.

    Attributes
    ----------
    axes
        One entry per pass: the axis along which planes are stacked, None for a pass in 3D.
    side
        Sides of a tile (Z, Y, X) of the first pass.
    seconds, bytes
        Estimates for the whole image.
    channels
        For every pass, by its axis: which channels of the whole those of its tiles are.
    """

    axes: tuple[int | None, ...]
    tiles: tuple[Tile, ...]
    side: tuple[int, int, int]
    overlap: int
    batch: int
    seconds: float
    bytes: int
    planar: bool
    in_memory: bool
    channels: dict[int | None, tuple[int, ...]]

    @property
    def n_channels(self) -> int:
        """Of the whole, which passes along several axes may say together."""
        return 1 + max(max(c) for c in self.channels.values())


def make_plan(
    models: list[Predictor],
    shape: Shape,
    options: Predict,
    stretch: float = 1.0,
    zooms: Sequence[Zoom] | None = None,
) -> Plan:
    """Choose what the options leave open.

    The largest tiles are the cheapest, since overlaps are computed twice; the time that a person waits for Cancel
    and the memory set the limit. `stretch` says how many times a voxel is as deep as wide, `zooms` how each model sees
    the image. Sides and overlaps are of the image.

    Raises
    ------
    CellsegError
        When the mode does not fit the network or the image.
    """
    axes = _axes(models, shape, options.mode)
    first, zooms = models[0], zooms or [Zoom()] * len(models)
    seen = list(zip(models, zooms, strict=True))
    overlap = options.overlap or max(_overlap(m, z) for m, z in seen)
    passes = 4 if options.flips else 1
    speed = sum(m.speed * z.factor**2 for m, z in seen) * passes
    per_voxel = max(m.bytes_per_voxel * z.factor**2 for m, z in seen)
    steps = _common_steps(seen)
    side = options.tile or _best_side(shape, overlap, first, steps, speed, per_voxel, options.memory * 1e9)
    cut: list[Tile] = []
    for axis in axes:
        room = options.memory * 1e9 / per_voxel / (shape[0] * stretch) if axis in (1, 2) else math.inf
        fitting = side if side <= room else max(96, int(room) // 32 * 32)  # planes that hold Z are never cut along Z
        cut += tiles(shape, _sides(shape, fitting, axis), overlap, _steps(steps, axis), axis)
    largest = max(_at_once(t, stretch) for t in cut)
    batch = options.batch or _batch(first, int(largest), per_voxel, options.memory * 1e9)
    voxels = sum(_at_once(t, stretch) * _thickness(t) for t in cut)
    whose = {axis: _channels(first, axis if len(axes) > 1 else None) for axis in axes}
    channels = 1 + max(max(c) for c in whose.values())
    kept = math.prod(shape) * (2 * channels + 8) if fits(channels, shape) else 300_000_000
    return Plan(
        axes, tuple(cut), _sides(shape, side, axes[0]), overlap, batch, speed * voxels,
        int(per_voxel * largest * batch) + kept, axes == (0,), fits(channels, shape), whose,
    )  # fmt: skip


def _channels(model: Predictor, axis: int | None) -> tuple[int, ...]:
    """Channels of the whole that a pass says; one alone says its own."""
    return model.config.target.in_volume(axis, model.card.out_channels)


def _at_once(tile: Tile, stretch: float) -> float:
    """Voxels of one pass: a plane, stretched where it holds Z, or a volume."""
    plane = math.prod(s.stop - s.start for s in tile.spans) / _thickness(tile)
    return plane * (stretch if tile.axis in (1, 2) else 1.0)


def _thickness(tile: Tile) -> int:
    return 1 if tile.axis is None else tile.spans[tile.axis].stop - tile.spans[tile.axis].start


def _axes(models: list[Predictor], shape: Shape, mode: str) -> tuple[int | None, ...]:
    dimensions = {m.dimensions for m in models}
    if len(dimensions) > 1:
        raise CellsegError("2D and 3D models cannot predict together.", "Choose models of one kind.")
    native = dimensions == {3}
    if native and mode in ("slices", "three axes"):
        raise CellsegError(
            f"Model {models[0].id} is a 3D network; it cannot predict {mode}.", "Set the mode to auto or volume."
        )
    if mode == "volume" and not native:
        raise CellsegError(
            f"Model {models[0].id} is a 2D network; it cannot predict a volume at once.",
            "Set the mode to slices or three axes, or train a 3D network (model.kind=unet3d).",
        )
    if native:
        return (None,)
    return (0, 1, 2) if mode == "three axes" and shape[0] > 1 else (0,)


def _best_side(
    shape: Shape, overlap: int, model: Predictor, steps: Shape, speed: float, per_voxel: float, budget: float
) -> int:
    """The side with the least work among those that fit; nearly equal ones go to the smaller."""
    depth = 1 if model.dimensions == 2 else min(shape[0], 32)
    best, least = _CANDIDATES[0], math.inf
    for side in _CANDIDATES if model.dimensions == 2 else (64, 96, 128, 160, 192, 256):
        voxels = side * side * depth
        first = side in (_CANDIDATES[0], 64)
        if not first and (voxels * per_voxel > budget or voxels * speed > _SECONDS_PER_TILE):
            break
        axis = 0 if model.dimensions == 2 else None
        plane = (depth, *shape[1:])
        cut = tiles(plane, (depth, side, side), overlap, steps, axis)
        work = sum(math.prod(s.stop - s.start for s in t.spans) for t in cut)
        if work < least * 0.98:
            best, least = side, work
    return best


def _sides(shape: Shape, side: int, axis: int | None) -> tuple[int, int, int]:
    if axis is None:
        return (min(shape[0], 32), side, side)
    if axis == 0:
        return (1, side, side)
    return (max(shape[0], 1), _SLAB, side) if axis == 1 else (max(shape[0], 1), side, _SLAB)


def _overlap(model: Predictor, zoom: Zoom) -> int:
    """So much that what lies outside a tile hardly matters at its border; at most 96 pixels of the network."""
    pixels = min(96, max(32, -(-2 * model.reach // 32) * 32))
    return zoom.stride(pixels)


def _common_steps(seen: Sequence[tuple[Predictor, Zoom]]) -> Shape:
    """Tiles begin at multiples of this: on the first network's grid; others that zoom differently see it blurred."""
    model, zoom = seen[0]
    z, y, x = model.stride
    return z, zoom.stride(y), zoom.stride(x)


def _steps(steps: Shape, axis: int | None) -> Shape:
    return steps if axis is None else (steps[-1],) * 3


def _batch(model: Predictor, voxels: int, per_voxel: float, budget: float) -> int:
    """One at a time on processors; on GPUs as many as the budget holds, since small work leaves them idle."""
    if model.device.kind == "cpu":
        return 1
    return max(1, min(16, int(budget / (voxels * per_voxel))))
