"""Intensities of every object and of the background, channel by channel, in as few passes as memory allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._blocks import Block, own
from ._facts import Facts

PERCENTS = 5.0, 50.0, 95.0
VALUES_BYTES = 1 << 28
"""Pixels of so many objects are gathered at a time as fit in here."""
SAMPLED = 1 << 22
"""The background of larger images is known from every n-th pixel along every axis."""


@dataclass(frozen=True, eq=False)
class Channel:
    """What is known of one channel.

    Attributes
    ----------
    name
        Of the channel, or its number from 1.
    figures
        Mean, standard deviation, smallest, largest and the percentiles of every object, (N, 4 + P).
    background
        Median of pixels that belong to no object; NaN where there is none.
    """

    name: str
    figures: NDArray[np.float64]
    background: float


@dataclass(frozen=True, eq=False)
class Intensities:
    """Of all channels; `valid` is the number of pixels that are finite in all of them."""

    channels: tuple[Channel, ...]
    valid: int


def intensities(facts: Facts, image: Any, names: tuple[str, ...], values_bytes: int = VALUES_BYTES) -> Intensities:
    """Measure an image under the objects; pixels that are not finite do not count.

    Parameters
    ----------
    image
        (C, Z, Y, X) or (C, Y, X) of any array that can be sliced.
    names
        Of the channels.
    """
    kind = _kind(np.dtype(image.dtype))
    reader = _Reader(facts, image, kind)
    figures = np.full((len(names), len(facts), 4 + len(PERCENTS)), np.nan)
    for first, end in _batches(facts.counts, values_bytes // (kind.itemsize * max(1, len(names)))):
        reader.read(first, end, figures)
    found = zip(names, figures, reader.background(), strict=True)
    return Intensities(tuple(Channel(name, f, b) for name, f, b in found), reader.valid)


class _Reader:
    """Reads image and labels block by block, once per batch of objects; the first time it sees the background, too."""

    def __init__(self, facts: Facts, image: Any, kind: np.dtype[Any]) -> None:
        self._facts, self._image, self._kind = facts, image, kind
        self._samples: list[list[NDArray[Any]]] = [[] for _ in range(image.shape[0])]
        self._every = int(np.ceil((np.prod(facts.shape, dtype=np.float64) / SAMPLED) ** (1 / facts.ndim)))
        self.valid = 0
        self._first = True

    def read(self, first: int, end: int, figures: NDArray[np.float64]) -> None:
        """Measure objects `first` to `end`."""
        from ..kernels.values import gather, statistics

        counts = self._facts.counts[first:end]
        starts = (
            np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(counts) else np.zeros(0, np.int64)
        )
        values = [np.empty(int(counts.sum()), self._kind) for _ in self._samples]
        cursors = [starts.copy() for _ in self._samples]
        numbers = self._facts.numbers - np.int32(first)
        numbers[(numbers >= end - first) | (self._facts.numbers < 0)] = -1
        for block in self._facts.blocks():
            labels, wrong = own(block), np.zeros((), np.bool_)
            for c, cursor in enumerate(cursors):
                pixels = self._pixels(c, block)
                gather(labels, pixels, numbers, cursor, values[c])
                if self._first:
                    self._samples[c].append(self._sample(labels, pixels, block.span[0]))
                    wrong = wrong | ~np.isfinite(pixels) if self._kind.kind == "f" else wrong
            self.valid += (labels.size - int(np.count_nonzero(wrong))) * self._first
        for c, cursor in enumerate(cursors):
            figures[c, first:end] = statistics(values[c], starts, cursor, PERCENTS)
        self._first = False

    def background(self) -> list[float]:
        """The median of what is background, for every channel."""
        joined = [np.concatenate(parts) if parts else np.zeros(0) for parts in self._samples]
        finite = [values[np.isfinite(values)] for values in joined]
        return [float(np.median(values)) if values.size else float("nan") for values in finite]

    def _pixels(self, channel: int, block: Block) -> NDArray[Any]:
        a, b = block.span
        part = np.ascontiguousarray(self._image[channel, a:b], self._kind)
        return part if part.ndim == 3 else part[None]

    def _sample(self, labels: NDArray[np.uint32], pixels: NDArray[Any], start: int) -> NDArray[Any]:
        """Background pixels whose places in the image are multiples of a step along every axis."""
        step, deep = self._every, self._facts.ndim == 3
        begin = slice(-start % step, None, step)
        where = (begin, slice(None, None, step)) if deep else (slice(None), begin)
        some = (*where, slice(None, None, step))
        return np.asarray(pixels[some][labels[some] == 0])


def _kind(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type among those of `kernels.values` that holds all values."""
    from ..kernels.values import KINDS

    given = np.dtype(np.uint8) if dtype == np.bool_ else dtype
    return next((np.dtype(k) for k in KINDS if np.can_cast(given, k, "safe")), np.dtype(np.float64))


def _batches(counts: NDArray[np.int64], room: int) -> list[tuple[int, int]]:
    """Ranges of objects, each with at most `room` pixels, or one object that has more; at least one range."""
    out, first, total = [], 0, 0
    for i, count in enumerate(counts.tolist()):
        if total and total + count > room:
            out.append((first, i))
            first, total = i, 0
        total += count
    return [*out, (first, len(counts))]
