"""From probabilities, in memory or on disk, to labels.

Data flow: `Reader` gives probabilities of any box -> blocks -> landscape or class map -> `out`. What must be known
of the whole image before the first block (the typical radius of the objects) is measured on windows whose place
does not depend on the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box3 as Box
from .._types import Float, Labels, Spacing
from .._types import Shape3 as Shape
from ..boxes import grown, relative
from ..parts import Answer, Parts
from ._base import Finding, Read, Reading, TargetBase
from ._common import radii
from ._instances import InstanceTarget
from ._semantic import ClassTarget
from ._watershed import BLOCK, blocks, segment

_WINDOW = (32, 512, 512)


def decode(target: TargetBase, probabilities: Float, spacing: Spacing = None) -> Labels:
    """Probabilities (K, Z, Y, X) or (K, Y, X) of a whole image in memory -> labels (Z, Y, X) or (Y, X)."""
    flat = probabilities.ndim == 3
    volume = probabilities[:, None] if flat else probabilities
    shape: Shape = volume.shape[1:]
    out = np.zeros(shape, np.uint32)
    decode_into(target, lambda box: volume[(slice(None), *box)], shape, out, spacing=spacing, planar=flat)
    return out[0] if flat else out


def decode_into(
    target: TargetBase,
    read: Read,
    shape: Shape,
    out: Any,
    *,
    spacing: Spacing = None,
    planar: bool = False,
    chunk: Shape | None = None,
    voxels: int = BLOCK,
    radius: float | None = None,
    ease: float = 1.0,
    way: Parts | None = None,
) -> int:
    """Decode an image of any size into an array-like (Z, Y, X) uint32; returns the number of objects or classes.

    Parameters
    ----------
    planar
        Every plane for itself, objects numbered through all planes.
    chunk
        Shape of the chunks of `out`; blocks keep to them.
    voxels
        Size of the blocks; the result does not depend on it.
    radius
        Typical radius of the objects (pixels) where it is known, see `typical_radius`.
    ease
        Objects begin at this share of the threshold, see `TargetBase.eased`.
    way
        How blocks are worked through; raises `WorkStopped` where it is stopped.
    """
    way = way or Parts()
    if isinstance(target, ClassTarget):
        planes = chunk[0] if chunk else 1
        groups = [slice(z, min(shape[0], z + planes)) for z in range(0, shape[0], planes)]
        found = way.each(_Classes(target, read, shape, out, voxels), groups, "classes")
        return max((int(answer["top"]) for answer in found), default=0)
    target = target.eased(ease)
    many = max(target.channels(1, 2 if planar else 3) // 4, 1)
    parts = blocks(shape, planar, chunk, max(voxels // many, 1))
    if isinstance(target, Finding):
        lookup = target.find(Reading(read, shape, spacing, planar, parts), out, way)
        lookup.write(out, way)
        return lookup.n_objects
    if not isinstance(target, InstanceTarget):
        raise TypeError(f"{type(target).__name__} is a target neither of objects nor of classes.")
    radius = typical_radius(target, read, shape, spacing=spacing, planar=planar) if radius is None else radius
    hills = _Hills(target, read, shape, spacing, planar, radius)
    lookup = segment(
        hills.window, shape, out, prominence=target.rise, min_size=target.min_size, finer=target.finer_rise,
        planar=planar, parts=parts, way=way,
    )  # fmt: skip
    lookup.write(out, way)
    return lookup.n_objects


def typical_radius(
    target: TargetBase, read: Read, shape: Shape, *, spacing: Spacing = None, planar: bool = False
) -> float:
    """Median over pieces of the foreground of their greatest depth (pixels), at a threshold of a half.

    Measured on the whole image, or on up to 8 windows spread evenly over a large one. 0 where the target does
    not ask for it.
    """
    if "smooth" not in type(target).model_fields:
        return 0.0
    found = []
    for box in _windows(shape, planar):
        mask = read(box)[0] > 0.5
        for piece in mask if planar or shape[0] == 1 else [mask]:
            if piece.any():
                found.append(radii(piece, spacing))
    return float(np.median(np.concatenate(found))) if found else 1.0


class _Hills:
    """The landscape of an image, one window at a time."""

    def __init__(
        self, target: InstanceTarget, read: Read, shape: Shape, spacing: Spacing, planar: bool, radius: float
    ) -> None:
        self._target, self._read, self._shape = target, read, shape
        flat = planar or shape[0] == 1
        sigmas = target.sigmas(radius, spacing, 2 if flat else 3)
        self._sigmas = (0.0, *sigmas) if flat else sigmas

    def window(self, box: Box) -> tuple[Float, NDArray[np.bool_]]:
        """Height and mask of a box that may reach over the border."""
        from ..kernels import blur

        inside = tuple(slice(max(0, b.start), min(n, b.stop)) for b, n in zip(box, self._shape, strict=True))
        reach = [blur.radius(s) for s in self._sigmas]
        wide = grown(inside, tuple(reach), self._shape)
        probabilities = self._read((wide[0], wide[1], wide[2]))
        smooth = blur.gaussian(probabilities[-1], self._sigmas) if any(reach) else probabilities[-1]
        cut = relative(inside, wide)
        hill = self._target.hill(probabilities[(slice(None), *cut)], smooth[cut])
        size = tuple(b.stop - b.start for b in box)
        height, mask = np.zeros(size, np.float32), np.zeros(size, bool)
        at = relative(inside, box)
        height[at], mask[at] = hill.height, hill.mask
        return height, mask


@dataclass(frozen=True, eq=False)
class _Classes:
    """The class of each voxel of some planes, cleaned plane by plane; says the highest class."""

    target: ClassTarget
    read: Read
    shape: Shape
    out: Any
    voxels: int

    def __call__(self, planes: slice) -> Answer:
        found = np.zeros((planes.stop - planes.start, *self.shape[1:]), np.uint32)
        for z in range(planes.start, planes.stop):
            plane = np.zeros(self.shape[1:], np.uint8)
            for box in blocks((1, *self.shape[1:]), True, None, self.voxels):
                part = self.read((slice(z, z + 1), *box[1:]))
                plane[box[1:]] = self.target.pick(part[:, 0])
            found[z - planes.start] = self.target.clean(plane)
        self.out[planes] = found
        return {"top": np.array(found.max(initial=0))}


def _windows(shape: Shape, planar: bool) -> list[Box]:
    if np.prod(shape, dtype=np.int64) <= BLOCK:
        return [(slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))]
    spans = []
    for n, side in zip(shape, (1, *_WINDOW[1:]) if planar else _WINDOW, strict=True):
        starts = sorted(
            {0, n // 4, n // 2 - side // 2, max(0, n - side)} if n > 3 * side else {max(0, (n - side) // 2)}
        )
        spans.append([slice(a, min(n, a + side)) for a in starts[:4]])
    boxes = list(product(*spans))
    return boxes[:: max(1, len(boxes) // 8)]  # type: ignore[return-value]


def part(height: Float, mask: NDArray[np.bool_], rise: float, min_size: int) -> Labels:
    """Part a mask (Z, Y, X) or (Y, X) into hills that rise `rise` above the saddles between them."""
    volume, inside = (a[None] if a.ndim == 2 else a for a in (height, mask))
    shape: Shape = volume.shape

    def window(box: Box) -> tuple[Float, NDArray[np.bool_]]:
        here = tuple(slice(max(0, b.start), b.stop) for b in box)
        pad = [(max(0, -b.start), max(0, b.stop - n)) for b, n in zip(box, shape, strict=True)]
        return np.pad(volume[here].astype(np.float32), pad), np.pad(inside[here], pad)

    out = np.zeros(shape, np.uint32)
    parts = blocks(shape, False)
    segment(window, shape, out, prominence=rise, min_size=min_size, parts=parts).write(out, Parts())
    return out[0] if height.ndim == 2 else out
