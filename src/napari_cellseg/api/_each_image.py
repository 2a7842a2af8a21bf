"""One image after another: what verbs that look at many of them have in common.

Data flow: a reader for each image, called in turn -> what it gives of the image, or of each of its time points -> all
of it, with those that could not be used and why. What is made of it is the verb's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..errors import CellsegError
from ..events import ObjectsMeasured, Skipped, Stopped
from ._work import Stop, Work

T = TypeVar("T")
Readers = Mapping[str, Callable[[], Mapping[str, T]]]
"""By image, what reads it: by name what there is of it, one for every time point."""


@dataclass(frozen=True, eq=False)
class Found(Generic[T]):
    """What came of all images.

    Attributes
    ----------
    by_image
        What each reader gave, by the image's name; without those that were left out.
    left_out
        Images that could not be used, with message and hint.
    stopped
        Whether it ended early at somebody's wish.
    """

    by_image: dict[str, dict[str, T]] = field(default_factory=dict)
    left_out: tuple[Skipped, ...] = ()
    stopped: bool = False

    @property
    def parts(self) -> dict[str, T]:
        """By name of the image or time point."""
        return {name: part for parts in self.by_image.values() for name, part in parts.items()}


def each_image(readers: Readers[T], count: Callable[[T], int], stop: Stop) -> Work[Found[T]]:
    """Read one image after another; one that cannot be used is left out, and the rest goes on.

    Parameters
    ----------
    count
        How many objects there are in what a reader gave: events tell it.

    Raises
    ------
    CellsegError
        When the only image, or none of several, can be used.
    """
    found, left_out = dict[str, dict[str, T]](), list[Skipped]()
    for name, read in readers.items():
        if stop():
            break
        start = time.perf_counter()
        try:
            parts = dict(read())
        except CellsegError as error:
            if stop():  # it ended because of that
                break
            if len(readers) == 1:
                raise
            left_out.append(Skipped(name, error.message, error.hint))
            yield left_out[-1]
            continue
        found[name] = parts
        yield ObjectsMeasured(name, sum(map(count, parts.values())), time.perf_counter() - start)
    if stop():
        yield Stopped("cancelled")
        return Found(found, tuple(left_out), stopped=True)
    if left_out and not found:
        raise CellsegError(f"No image could be used: {left_out[0].message}", left_out[0].hint)
    return Found(found, tuple(left_out))
