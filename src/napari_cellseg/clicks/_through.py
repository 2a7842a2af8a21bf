"""An object through the slices of a volume."""

from __future__ import annotations

from collections.abc import Callable

from ._find import Finder, Shape

LIKE = 0.3
"""A shape that overlaps less with the one in the slice before (intersection over union) is another object's."""
LEAST = 0.1
"""A piece with less than this share of the first shape's pixels is no slice of the object any more."""


def through(finder: Finder, first: Shape, z: int, depth: int, stop: Callable[[], bool]) -> dict[int, Shape]:
    """Shapes of an object by slice, followed from the slice in which it was asked for upwards and downwards."""
    found = {z: first}
    area = int(first.mask.sum())
    for step in (1, -1):
        at, shape = z + step, first
        while 0 <= at < depth and not stop():
            following = finder.follow(shape, at)
            if following is None or following.mask.sum() < LEAST * area or following.overlap(shape) < LIKE:
                break
            found[at] = shape = following
            at += step
    return found
