"""How far a converted network says what the network in torch says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .._types import Float
from ..matching import ids_in, matched, overlaps
from ..prediction import differing
from ..targets import Target, decode

SAME = 0.9
"""Objects are the same from this IoU on."""


@dataclass(frozen=True)
class Agreement:
    """What was compared, and how far it agrees.

    Attributes
    ----------
    pieces, pixels
        How many pieces of images, and how many voxels in all.
    differs
        Share of voxels with another class, or on another side of a foreground probability of 0.5.
    largest
        The largest difference of any probability.
    objects, same
        Objects that torch finds, and how many of them the converted network finds too (IoU of 0.9 and more); 0 for
        classes.
    tried_on
        The pictures, in words.
    spared
        Of 8 bit: the part of the network that stayed in float32.
    """

    pieces: int
    pixels: int
    differs: float
    largest: float
    objects: int
    same: int
    tried_on: str
    spared: str = ""

    @property
    def lost(self) -> float:
        """Share of the objects that are not the same."""
        return 1 - self.same / self.objects if self.objects else 0.0

    def __str__(self) -> str:
        """For a person."""
        objects = f", {self.same} of {self.objects} objects the same" if self.objects else ""
        return (
            f"labels agree on {1 - self.differs:.3%} of {self.pixels:,} voxels of {self.tried_on}{objects}; "
            f"probabilities differ by {self.largest:.2g} at most"
            + (f" ({self.spared} in float32)" if self.spared else "")
        )

    def values(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def agreement(
    torch: Callable[[Float], Float],
    converted: Callable[[Float], Float],
    pieces: Sequence[Float],
    target: Target,
    tried_on: str,
) -> Agreement:
    """Compare two networks on pieces (1, C, [Z], Y, X)."""
    differs, pixels, largest, objects, same = 0.0, 0, 0.0, 0, 0
    for piece in pieces:
        exact, found = torch(piece), converted(piece)
        n = int(np.prod(piece.shape[2:]))
        differs, pixels = differs + n * differing(found, exact, target.exclusive, target.by_patch), pixels + n
        largest = max(largest, float(np.abs(found - exact).max())) if found.shape == exact.shape else 1.0
        if target.instances and found.shape == exact.shape:
            truth, labels = (decode(target, p[0]) for p in (exact, found))
            objects += ids_in(truth).size
            same += len(matched(overlaps(truth, labels), SAME)[0]) if truth.any() and labels.any() else 0
    return Agreement(len(pieces), pixels, differs / max(pixels, 1), largest, objects, same, tried_on)
