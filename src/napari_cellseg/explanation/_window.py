"""The part of an image that is explained, as the network sees it.

Data flow: whose prediction -> a box of the image -> recipe -> zoom -> pixels whose sides need no padding; and the map
all the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Box, Box3, Float, Labels, Mask
from ..boxes import around
from ..config import Config
from ..errors import CellsegError
from ..images import Image
from ..preprocess import Processed
from ..zoom import Zoom
from ._subject import What

if TYPE_CHECKING:
    import torch

_MARGIN = 64
"""Pixels that the network sees on every side of an object or box, at least."""
_LEAST = 96
"""Some encoders need so many pixels along Y and X."""
_PLANES = 16
"""Of a volume that a 3D network sees at once."""


@dataclass(frozen=True)
class Window:
    """A part of an image, and how a network sees it.

    Attributes
    ----------
    box
        One slice for each spatial axis of the image; of 2D networks a single plane.
    """

    box: Box
    zoom: Zoom
    dimensions: int

    @property
    def volume(self) -> Box3:
        """With a Z axis."""
        z, y, x = self.box if len(self.box) == 3 else (slice(0, 1), *self.box)
        return z, y, x

    @property
    def sides(self) -> tuple[int, int]:
        """Along Y and X, in pixels of the image."""
        y, x = (s.stop - s.start for s in self.box[-2:])
        return y, x

    def pixels(self, image: Image, config: Config) -> Float:
        """(C, [Z], Y, X) float32 as the network sees it, not yet padded."""
        data = image.channels_first()
        seen = Processed(config.recipe, data if data.ndim == 4 else data[:, None]).read(self.volume)
        return seen if self.dimensions == 3 else np.asarray(self.zoom.into(seen[:, 0]))

    def chosen(self, what: What, labels: Labels | None) -> Mask:
        """([Z], Y, X) bool on the grid of `pixels`: the object, point or box."""
        mask = np.zeros(tuple(s.stop - s.start for s in self.box), bool)
        if what.object is not None:
            assert labels is not None
            mask = np.asarray(labels[self.box] == what.object)
        elif what.point:
            mask[tuple(p - s.start for p, s in zip(what.point, self.box, strict=True))] = True
        else:
            mask[tuple(_inside(span, s) for span, s in zip(what.box, self.box, strict=True))] = True
        if self.dimensions == 3:
            return mask[None] if mask.ndim == 2 else mask
        plane = mask[0] if mask.ndim == 3 else mask
        return plane if self.zoom == Zoom() else self._zoomed(plane)

    def back(self, values: Float) -> Float:
        """([Z], Y, X) on the grid of `pixels`, perhaps padded -> the window's own shape."""
        if self.dimensions == 3:
            return values.reshape(values.shape[-len(self.box) :]) if len(self.box) == 3 else values[0]
        return np.asarray(
            self.zoom.back(values[None], self.sides)[0].reshape(tuple(s.stop - s.start for s in self.box))
        )

    def _zoomed(self, plane: Mask) -> Mask:
        """Where at least half is covered; else, of what is too small for that, where most of it is."""
        share = self.zoom.into(plane.astype(np.float32))
        rows, columns = self.zoom.sides(self.sides)
        share[rows:], share[:, columns:] = 0, 0
        return np.asarray(share >= min(0.5, float(share.max())))


def window_for(image: Image, what: What, labels: Labels | None, seen: tuple[Config, Zoom, int]) -> Window:
    """The part round what is asked about, or near the middle; `seen` has the model's settings, the zoom and the tile.

    Raises
    ------
    CellsegError
        When the object, point or box is not in the image.
    """
    config, zoom, tile = seen
    shape, model = image.spatial_shape, config.model
    wanted = _wanted(what, shape, labels)
    flat = len(shape) == 2
    steps = (1, *(zoom.stride(s) for s in model.stride[-2:])) if model.dimensions == 2 else model.stride
    side = max(tile * zoom.pixels // 32, 1)
    box: list[slice] = []
    for axis, (n, span, step) in enumerate(zip(shape, wanted, steps[-len(shape) :], strict=True)):
        planes = not flat and axis == 0
        if planes and model.dimensions == 2:
            z = _plane(what, span, labels)
            box.append(slice(z, z + 1))
            continue
        least = _PLANES if planes else side
        margin = 0 if planes else 2 * _MARGIN * zoom.pixels // 32
        long = least if not what.object and not what.box else max(least, span.stop - span.start + margin)
        box.append(_centred(n, (span.start + span.stop) // 2, long, step))
    return Window(tuple(box), zoom, model.dimensions)


def ready(pixels: Float, strides: tuple[int, ...], device: Any) -> torch.Tensor:
    """(C, [Z], Y, X) -> (1, C, [Z], Y, X) on a device, padded at the far ends so that the network pads no more."""
    import torch

    from ..nets.base import padded

    tensor = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(device)
    least = [-(-_LEAST // s) * s if n < _LEAST else s for n, s in zip(tensor.shape[-2:], strides[-2:], strict=True)]
    return padded(tensor, (*strides[:-2], *least)) if len(strides) == 2 else padded(tensor, strides)


def _wanted(what: What, shape: tuple[int, ...], labels: Labels | None) -> Box:
    """The box of what is asked about, in voxels; of everything, all, or the labelled voxel nearest to the middle."""
    text = " x ".join(map(str, shape))
    if what.object is not None:
        where = None if labels is None else np.nonzero(labels == what.object)
        if where is None or not where[0].size or what.object < 1:
            raise CellsegError(f"There is no object {what.object}.", "Give an id of the labels of this image.")
        return around([tuple(slice(int(w.min()), int(w.max()) + 1) for w in where)])
    if what.point:
        if len(what.point) != len(shape) or any(not 0 <= p < n for p, n in zip(what.point, shape, strict=True)):
            raise CellsegError(f"The point does not lie in the image ({text}).", "Give (Z,) Y, X in voxels from 0.")
        return tuple(slice(p, p + 1) for p in what.point)
    if what.box:
        fits = len(what.box) == len(shape)
        if not fits or any(not 0 <= a < b <= n for (a, b), n in zip(what.box, shape, strict=True)):
            raise CellsegError(f"The box does not fit the image ({text}).", "Give start:stop per axis, in voxels.")
        return tuple(slice(a, b) for a, b in what.box)
    return tuple(slice(p, p + 1) for p in _labelled(shape, labels)) or tuple(slice(0, n) for n in shape)


def _labelled(shape: tuple[int, ...], labels: Labels | None) -> tuple[int, ...]:
    """A labelled voxel near the middle, so that a part of a large image is not an empty one; () where there is none."""
    if labels is None:
        return ()
    steps = [max(1, n // 512) for n in shape]  # every few voxels are enough
    places = np.argwhere(labels[tuple(slice(None, None, s) for s in steps)]) * steps
    if not len(places):
        return ()
    nearest = places[((places - np.array(shape) / 2) ** 2).sum(1).argmin()]
    return tuple(int(p) for p in nearest)


def _plane(what: What, span: slice, labels: Labels | None) -> int:
    """The slice that a 2D network looks at: where an object is largest, else the middle."""
    if what.object is None or labels is None:
        return int(span.start + span.stop) // 2
    sizes = (labels[span] == what.object).sum((1, 2))
    return int(span.start) + int(np.argmax(sizes))


def _centred(n: int, centre: int, side: int, step: int) -> slice:
    """`side` voxels around a place, beginning on the network's grid; all where they are no more."""
    if n <= side:
        return slice(0, n)
    start = min(max(centre - side // 2, 0), n - side) // step * step
    return slice(start, min(n, start + side + step))


def _inside(span: tuple[int, int], part: slice) -> slice:
    return slice(max(span[0], part.start) - part.start, max(min(span[1], part.stop) - part.start, 0))
