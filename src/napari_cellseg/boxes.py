"""Boxes: one slice per axis."""

from __future__ import annotations

from collections.abc import Iterable

from ._types import Box


def relative(inner: Box, outer: Box) -> Box:
    """A box as seen from the corner of one that holds it."""
    return tuple(slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all; () round none."""
    return tuple(slice(min(s.start for s in spans), max(s.stop for s in spans)) for spans in zip(*boxes, strict=True))


def size(box: Box) -> tuple[int, ...]:
    """Voxels along every axis."""
    return tuple(s.stop - s.start for s in box)


def grown(box: Box, by: tuple[int, ...], shape: tuple[int, ...]) -> Box:
    """A box with a rim of `by` voxels per axis, inside an array of a shape."""
    return tuple(slice(max(0, s.start - r), min(n, s.stop + r)) for s, r, n in zip(box, by, shape, strict=True))
