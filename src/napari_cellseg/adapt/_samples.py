"""Samples to fit a head to: single known pixels with their features, the network's logits and what they should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .._types import Float, Span
from ..nets.features import Maps, at_pixels
from ..project import BACKGROUND

MOST = 2500
"""Pixels a head is fitted to."""
CELL = 32
"""Background and hints are left out by squares of this side when a head is judged."""
ANCHORS = 1000
"""Pixels without user edits, of a field and in all."""
HINTED = 1 << 40
"""Groups from here on are squares of hints on cells, below its negative of hints on background."""


@dataclass(frozen=True, eq=False)
class Samples:
    """M pixels: features (M, F), logits (M, K), target (M, K) in [0, 1], groups (M,), places (M, 2) in the image.

    A group is an object (above 0), a square of background (below 0), a square of hints on cells (from `HINTED` on) or
    on background (below its negative), or 0: an anchor, a pixel without user edits and whose target is
    what the network says itself. Where the target is not a number nobody knows it: a hint does not tell how far the
    border of its cell is.
    """

    features: Float
    logits: Float
    target: Float
    groups: NDArray[np.int64]
    places: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Samples:
        """Some of them."""
        return Samples(
            self.features[chosen], self.logits[chosen], self.target[chosen], self.groups[chosen], self.places[chosen]
        )

    @property
    def anchors(self) -> NDArray[np.bool_]:
        """(M,): which of them only hold the network to what it says."""
        return np.asarray(self.groups == 0)

    @property
    def objects(self) -> int:
        """How many objects they are of."""
        return len(np.unique(self.groups[(self.groups > 0) & (self.groups < HINTED)]))

    @property
    def hints(self) -> NDArray[np.bool_]:
        """(M,): which of them are hints."""
        return np.asarray((self.groups >= HINTED) | (self.groups <= -HINTED))

    @property
    def lacking(self) -> str:
        """Which side nothing is known of: "cells", "background" or neither ("")."""
        return "cells" if not (self.groups > 0).any() else "" if (self.groups < 0).any() else "background"

    def inside(self, z: int, boxes: Iterable[Span]) -> NDArray[np.bool_]:
        """Which of them, all of slice `z`, lie in one of these boxes."""
        out = np.zeros(len(self.places), bool)
        for box in boxes:
            if len(box) == 2 or box[0][0] <= z < box[0][1]:
                within = [(a <= at) & (at < b) for at, (a, b) in zip(self.places.T, box[-2:], strict=True)]
                out |= within[0] & within[1]
        return out

    @classmethod
    def joined(cls, parts: Iterable[Samples], most: int = MOST) -> Samples | None:
        """All of several parts, thinned to `most` pixels that are known, half of them objects where there are as many.

        Of anchors there are at most `ANCHORS`.
        """
        parts = list(parts)
        if not parts:
            return None
        names = ("features", "logits", "target", "groups", "places")
        every = cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))
        rng = np.random.default_rng(0)
        inside, outside, anchors = (
            np.flatnonzero(side) for side in (every.groups > 0, every.groups < 0, every.anchors)
        )
        n_inside = min(len(inside), max(most // 2, most - len(outside)))
        n_outside = min(len(outside), most - n_inside)
        sizes = ((inside, n_inside), (outside, n_outside), (anchors, ANCHORS))
        return every.of(np.sort(np.concatenate([rng.permutation(side)[:n] for side, n in sizes])))


def read_samples(
    logits: torch.Tensor,
    maps: Maps,
    target: Float,
    labels: NDArray[np.uint32],
    known: NDArray[np.bool_],
    origin: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    most: int = MOST,
    hints: NDArray[np.uint8] | None = None,
) -> Samples | None:
    """Known pixels of a field, at most `most`, as many with hints, and anchors; None where there are no user edits.

    The maps may reach beyond the field, which is what `target`, `labels` and `known` cover.

    Parameters
    ----------
    logits, maps
        What `Features` gave: (1, K, Y, X), and (1, F, y, x) each.
    target
        (K, Y, X).
    labels, known
        (Y, X).
    origin
        Where the field begins in the maps, and in the image: row and column.
    hints
        (Y, X), see `project.Hints`; what is known counts more.
    """
    said = np.where(known, 0, hints) if hints is not None else np.zeros(known.shape, np.uint8)
    if not known.any() and not said.any():
        return None
    parts = _some(known, most), _some(said > 0, most), _some(~known & (said == 0), ANCHORS)
    rows, columns = np.concatenate(parts, axis=1)
    is_anchor = np.arange(rows.size) >= rows.size - parts[-1].shape[1]
    (top, left), (row, column) = origin
    places = torch.from_numpy(np.stack([rows + top, columns + left], 1)).to(logits.device)
    found = at_pixels(maps, places, (int(logits.shape[-2]), int(logits.shape[-1]))).cpu().numpy()
    own = logits[0].float().cpu()[:, rows + top, columns + left].T.contiguous().numpy()
    square = -1 - ((rows + row) // CELL * 100_000 + (columns + column) // CELL)
    hint, ids = said[rows, columns], labels[rows, columns].astype(np.int64)
    ids[hint > 0] = 0
    inside = np.stack([rows + row, columns + column], 1)
    wanted = np.ascontiguousarray(target[:, rows, columns].T)
    wanted[hint > 0] = 0
    wanted[hint > BACKGROUND] = (1, *[np.nan] * (wanted.shape[1] - 1))
    groups = np.where(ids > 0, ids, square)
    groups[hint > 0] += np.where(hint[hint > 0] > BACKGROUND, HINTED - 2 * square[hint > 0], -HINTED)
    groups[is_anchor] = 0
    wanted[is_anchor] = 1 / (1 + np.exp(-own[is_anchor]))
    return Samples(found, own, wanted, groups, inside)


def _some(mask: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """(2, M): row and column of the pixels of a mask, of too many a random choice."""
    places = np.flatnonzero(mask)
    if len(places) > most:
        places = places[np.sort(np.random.default_rng(0).choice(len(places), most, replace=False))]
    return np.stack(np.divmod(places, mask.shape[1]))
