"""Thresholds fitted to corrections: where objects end, and where two that touch are parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .._types import Float
from ..matching import mostly_known, overlaps
from ..targets import Distance, decode_into, typical_radius

GRID = {"threshold": (0.3, 0.4, 0.5, 0.6, 0.7), "prominence": (0.05, 0.1, 0.2, 0.3, 0.45)}
"""What is tried."""
LEAST = 5
"""Fewer corrected objects are not enough: who corrects picks what was wrong."""
GAIN = 0.03
"""Other thresholds must agree better by so much: two numbers chosen among few are easily lucky."""
CONTEXT = 48
"""Pixels around what is known that are decoded with it."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """A plane that a person spoke about: probabilities (2, Y, X), labels (Y, X), what is known of them (Y, X).

    `ease` is the share of the threshold at which objects begin (see `Predict.ease`).
    """

    probabilities: Float
    labels: NDArray[np.uint32]
    known: NDArray[np.bool_]
    ease: float = 1.0

    def cut(self) -> Evidence:
        """What is known and a little around it."""
        spans = [np.flatnonzero(self.known.any(axis)) for axis in (1, 0)]
        box = tuple(slice(max(0, int(s[0]) - CONTEXT), int(s[-1]) + 1 + CONTEXT) for s in spans)
        return Evidence(self.probabilities[(slice(None), *box)], self.labels[box], self.known[box], self.ease)

    @property
    def objects(self) -> int:
        """How many objects are known."""
        return int(np.count_nonzero(np.unique(self.labels[self.known])))

    @cached_property
    def radius(self) -> float:
        """Typical radius of what was found, which does not depend on the thresholds."""
        return typical_radius(Distance(), self._read, (1, *self.labels.shape))

    def decoded(self, target: Distance) -> NDArray[np.uint32]:
        """Labels (Y, X) by other thresholds."""
        out = np.zeros((1, *self.labels.shape), np.uint32)
        decode_into(target, self._read, (1, *self.labels.shape), out, radius=self.radius, ease=self.ease)
        return np.asarray(out[0], np.uint32)

    def _read(self, box: tuple[slice, slice, slice]) -> Float:
        return self.probabilities[(slice(None), None, *box[1:])]


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
            best, after = _better(best, after, [best.model_copy(update={name: v}) for v in GRID[name]], parts)
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
    return [start.model_copy(update={name: v}) for v in (*below[-1:], *above[:1])]
