"""Objects by a pixel inside them: what is remembered of an object outlives its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

Point = tuple[int, ...]


class Spoken(Protocol):
    """What was said of the object at a point."""

    @property
    def point(self) -> Point:
        """A pixel inside it."""
        ...

    @property
    def word(self) -> str:
        """What it is."""
        ...


def inner_point(labels: Any, label: int) -> Point:
    """A pixel well inside an object: the one that is farthest from its boundary; () where there is no such object."""
    from scipy.ndimage import distance_transform_edt, find_objects

    mask = np.asarray(labels) == label
    box = next(iter(find_objects(mask.astype(np.uint8))), None)
    if box is None:
        return ()
    deep = distance_transform_edt(np.pad(mask[box], 1))[tuple(slice(1, -1) for _ in box)]
    place = np.unravel_index(int(deep.argmax()), deep.shape)
    return tuple(int(p) + s.start for p, s in zip(place, box, strict=True))


def inner_points(labels: Any, wanted: Sequence[int]) -> dict[int, Point]:
    """The same of several objects, with one pass over the labels; those that there are not are left out."""
    from ..kernels.extents import extents

    array = np.ascontiguousarray(labels, np.uint32)
    found = extents(array)
    rows = {int(id): n for n, id in enumerate(found.ids)}
    points: dict[int, Point] = {}
    for label in wanted:
        if (row := rows.get(int(label))) is not None:
            box = tuple(slice(int(a), int(b) + 1) for a, b in zip(found.low[row], found.high[row], strict=True))
            inside = inner_point(array[box], int(label))
            points[int(label)] = tuple(p + s.start for p, s in zip(inside, box, strict=True))
    return points


def labels_at(labels: Any, points: Sequence[Point]) -> NDArray[np.int64]:
    """The label at every point, (N,); 0 of background and outside."""
    shape = labels.shape
    found = [
        int(labels[p]) if len(p) == len(shape) and all(0 <= c < n for c, n in zip(p, shape, strict=True)) else 0
        for p in points
    ]
    return np.array(found, np.int64)


def words_by_label(labels: Any, said: Sequence[Spoken]) -> dict[int, str]:
    """What was said of every object, by its label of now; of two words in one object the later one counts."""
    at = labels_at(labels, [s.point for s in said])
    return {int(label): s.word for label, s in zip(at, said, strict=True) if label}


def points_to_say(
    labels: Any, words: Mapping[int, str], before: Sequence[Spoken], image: str
) -> tuple[dict[Point, str], list[Point]]:
    """Where to keep what is said of objects, and the points of what was said of them before.

    Parameters
    ----------
    words
        By label; "" takes back.
    before
        All that was said of these labels' image.
    image
        Its name, for the message.

    Raises
    ------
    CellsegError
        When there is no such object.
    """
    inside = inner_points(labels, [int(label) for label in words])
    for label in words:
        if int(label) not in inside:
            raise CellsegError(f"There is no object {label} in {image}.", "Look it up in the table of objects.")
    at = labels_at(labels, [s.point for s in before])
    instead = [s.point for s, label in zip(before, at, strict=True) if int(label) in words]
    return {inside[int(label)]: word for label, word in words.items()}, instead
