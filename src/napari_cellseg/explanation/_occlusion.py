"""Occlusion (Zeiler & Fergus 2014)."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from scipy import ndimage as ndi

from .._types import Box
from ._subject import Looking, Seen, Subject

_VOXELS = 1 << 20
"""Of copies that go through the network together."""


def occlude(subject: Subject, window: int, stride: int, depth: int) -> Looking:
    """At every pixel the mean drop of the score over the windows that cover it.

    A window is filled with the mean of the square three windows wide around each of its pixels, so that what is there
    is gone and no edge is put in its place.
    """
    pixels = subject.pixels
    shape = tuple(pixels.shape[2:])
    sides = (window,) * len(shape) if len(shape) == 2 else (min(depth, shape[0]), window, window)
    steps = (stride,) * len(shape) if len(shape) == 2 else (max(1, sides[0] // 2), stride, stride)
    fill = _local_mean(pixels, sides)
    boxes = [tuple(b) for b in product(*(_spans(*a) for a in zip(shape, sides, steps, strict=True)))]
    drops, covers = np.zeros(shape), np.zeros(shape)
    at_once = max(1, _VOXELS // int(np.prod(shape)))
    with torch.no_grad():
        before = float(subject.score(subject.network(pixels)))
        for start in range(0, len(boxes), at_once):
            yield start, len(boxes)
            some = boxes[start : start + at_once]
            scores = subject.score(subject.network(_occluded(pixels, fill, some))).cpu().numpy()
            for box, score in zip(some, scores, strict=True):
                drops[box] += before - float(score)
                covers[box] += 1
    return Seen(np.asarray(drops / covers, np.float32))


def _local_mean(pixels: torch.Tensor, sides: tuple[int, ...]) -> torch.Tensor:
    """Of every channel; in double precision, so that a uniform image is its own mean."""
    wide = [3 * s for s in sides]
    means = [ndi.uniform_filter(np.asarray(c, np.float64), wide, mode="nearest") for c in pixels[0].cpu().numpy()]
    return torch.from_numpy(np.stack(means)[None].astype(np.float32)).to(pixels.device)


def _occluded(pixels: torch.Tensor, fill: torch.Tensor, boxes: list[Box]) -> torch.Tensor:
    copies = pixels.repeat(len(boxes), *(1,) * (pixels.ndim - 1))
    for copy, box in zip(copies, boxes, strict=True):
        copy[(slice(None), *box)] = fill[0][(slice(None), *box)]
    return copies


def _spans(n: int, side: int, step: int) -> list[slice]:
    """Windows along an axis; the last one ends with it."""
    starts = [*range(0, max(n - side, 0), step), max(n - side, 0)]
    return [slice(a, min(n, a + side)) for a in starts]
