"""Thresholds fitted to corrections: where objects end, and where two that touch are parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .._types import Box3, Float, Shape3
from ..matching import mostly_known, overlaps
from ..targets import Distance, decode_into, typical_radius

GRID = {"threshold": (0.3, 0.4, 0.5, 0.6, 0.7), "prominence": (0.05, 0.1, 0.2, 0.3, 0.45)}
"""What is tried."""
LEAST = 5
"""Fewer corrected objects are not enough: who corrects picks what was wrong."""
GAIN = 0.03
"""Other thresholds must agree better by so much: two numbers chosen among few are easily lucky."""
CONTEXT = 48
"""Pixels around what is known that are looked at with it."""
REMEMBERED = 6
"""Of so many thresholds a plane remembers what they make of it."""


class Plane:
    """Probabilities (2, Y, X) of a plane, and the objects that thresholds make of them: decoded once, remembered.

    Attributes
    ----------
    ease
        The share of the threshold at which objects begin (see `Predict.ease`).
    """

    def __init__(self, probabilities: Float, ease: float = 1.0) -> None:
        self.probabilities, self.ease = probabilities, ease
        self._found: dict[Distance, NDArray[np.uint32]] = {}

    @cached_property
    def radius(self) -> float:
        """Typical radius of what was found, which does not depend on the thresholds."""
        return typical_radius(Distance(), self._read, self._shape)

    def labels(self, target: Distance) -> NDArray[np.uint32]:
        """Labels (Y, X) by a target's thresholds; not to be written into."""
        if target not in self._found:
            while len(self._found) >= REMEMBERED:
                del self._found[next(iter(self._found))]
            out = np.zeros(self._shape, np.uint32)
            decode_into(target, self._read, self._shape, out, radius=self.radius, ease=self.ease)
            self._found[target] = out[0]
        return self._found[target]

    @property
    def _shape(self) -> Shape3:
        height, width = self.probabilities.shape[-2:]
        return 1, height, width

    def _read(self, box: Box3) -> Float:
        return self.probabilities[(slice(None), None, *box[1:])]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a person said of a part of a plane.

    Attributes
    ----------
    plane
        What the network makes of the whole plane.
    inside
        The part, (Y, X).
    labels, known
        Of the part, (Y, X): uint32, and what of them is known.
    """

    plane: Plane
    inside: tuple[slice, slice]
    labels: NDArray[np.uint32]
    known: NDArray[np.bool_]

    def cut(self) -> Evidence:
        """What is known and a little around it."""
        spans = [np.flatnonzero(self.known.any(axis)) for axis in (1, 0)]
        y, x = (slice(max(0, int(s[0]) - CONTEXT), int(s[-1]) + 1 + CONTEXT) for s in spans)
        top, left = (s.start for s in self.inside)
        height, width = (n.indices(side)[1] for n, side in zip((y, x), self.labels.shape, strict=True))
        inside = slice(top + y.start, top + height), slice(left + x.start, left + width)
        return Evidence(self.plane, inside, self.labels[y, x], self.known[y, x])

    @cached_property
    def objects(self) -> int:
        """How many objects are known."""
        return int(np.count_nonzero(np.unique(self.labels[self.known])))

    def decoded(self, target: Distance) -> NDArray[np.uint32]:
        """Labels (Y, X) of the part by other thresholds."""
        return self.plane.labels(target)[self.inside]


@dataclass(frozen=True)
class Fitted:
    """Thresholds, the number of objects they were fitted to, and the agreement with these before and after."""

    target: Distance
    objects: int
    before: float
    after: float


def fit_decoding(target: Distance, evidence: Sequence[Evidence], start: Distance | None = None) -> Fitted | None:
    """Threshold and prominence that agree best with the corrections.

    Parameters
    ----------
    target
        The model's own; where no others are clearly better, it stays.
    start
        What was fitted before: only its neighbours in one of the two are tried, so that the next correction can move on
        from there. None tries all, one of the two after the other.

    Returns
    -------
    Fitted or None
        None where too few objects are known.
    """
    parts = [e.cut() for e in evidence if e.known.any()]
    objects = sum(e.objects for e in parts)
    if objects < LEAST:
        return None
    before = agreement(target, parts)
    best, after = target, before
    if start is None:
        for name in ("prominence", "threshold", "prominence"):
            best, after = _better(best, after, [_said(best, name, v) for v in GRID[name]], parts)
    else:
        name = tuple(GRID)[objects % len(GRID)]  # one after each correction: every try costs a decoding
        best, after = _better(best, after, [start, *_neighbours(start, name)], parts)
    return Fitted(best, objects, before, after) if after >= before + GAIN else Fitted(target, objects, before, before)


def agreement(target: Distance, parts: Sequence[Evidence]) -> float:
    """How well decoded objects agree with known ones: the sum of their best IoUs over all objects of either side.

    Objects count where most of them is known; a decoded object that is nobody's best partner counts against it.
    """
    total, number = 0.0, 0
    for part in parts:
        decoded = part.decoded(target)
        found = overlaps(part.labels, decoded)
        left = mostly_known(part.labels, part.known, found.left_ids)
        right = mostly_known(decoded, part.known, found.right_ids)
        iou, partner = found.of_left
        right[np.unique(partner[left & (partner >= 0)])] = False
        total += float(iou[left].sum())
        number += int(left.sum() + right.sum())
    return total / number if number else 0.0


def _better(
    best: Distance, after: float, others: Sequence[Distance], parts: Sequence[Evidence]
) -> tuple[Distance, float]:
    for other in others:
        if other != best and (found := agreement(other, parts)) > after:
            best, after = other, found
    return best, after


def _neighbours(start: Distance, name: str) -> list[Distance]:
    """One step up or down."""
    now = getattr(start, name)
    below, above = [v for v in GRID[name] if v < now], [v for v in GRID[name] if v > now]
    return [_said(start, name, v) for v in (*below[-1:], *above[:1])]


def _said(target: Distance, name: str, value: float) -> Distance:
    """With another threshold; a prominence that is tried is taken as it is."""
    return target.model_copy(update={name: value} | ({"finer": 0.0} if name == "prominence" else {}))
