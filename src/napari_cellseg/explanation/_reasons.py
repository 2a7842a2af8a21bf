"""What there is to say of a place where something was found or missed, as numbers and in words. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .._types import Float

FAINT = 0.5
"""Less contrast than this (SD of what is seen) is hard to see for anybody."""
LOST = 0.5
"""A recipe that leaves less than this share of a contrast has taken it away."""


@dataclass(frozen=True)
class Likeness:
    """An object that the model learnt from, and how like it the place is: cosine of encoder features, -1 to 1."""

    image: str
    object: int
    centre: tuple[int, ...]
    similarity: float


@dataclass(frozen=True, eq=False)
class Reasons:
    """What a model says and sees at a place.

    Attributes
    ----------
    point
        (Z, Y, X) or (Y, X), voxels.
    probability
        Of foreground, at the place.
    highest
        The highest within half an object's diameter, where the label is the same.
    threshold
        From which probability an object begins.
    label
        Of the labels at the place, 0 for none.
    min_size
        Smaller objects are removed (pixels as the network sees them).
    profile
        (N,) float32 in [0, 1]: the probability along X through the place, where the network looked.
    here
        Index of the place in it.
    step
        Voxels from one value of the profile to the next.
    brightness
        Share of what the network sees round it that is darker than the place.
    contrast
        Mean of the place (a disc as large as a typical object) less that of the ring round it, in SD of what is seen.
    contrast_before
        The same of the picture itself, before the recipe.
    nearest
        Objects that the model learnt from which are most like the place, the most alike first.
    usual
        How like its nearest other one such an object is: the median; None with fewer than three.
    """

    image: str
    model: str
    point: tuple[int, ...]
    probability: float
    highest: float
    threshold: float
    label: int
    min_size: int
    profile: Float
    here: int
    step: float
    brightness: float
    contrast: float
    contrast_before: float
    nearest: tuple[Likeness, ...] = ()
    usual: float | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        """As plain values."""
        plain = asdict(self)
        plain["profile"] = [round(float(v), 4) for v in self.profile]
        return plain

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people: what the network says, what it sees, what it knows."""
        return (self._said(), self._seen(), *self._known())

    def _said(self) -> str:
        """What the network says there, and what became of it."""
        here, begin = f"{self.probability:.2f}", f"{self.threshold:.2f}"
        if self.label:
            sure = "" if self.probability >= self.threshold else ", so this label does not come from it as it is now"
            return f"The network gives {here} here, and objects begin at {begin}{sure}."
        if self.probability >= self.threshold:
            return (
                f"The network gives {here} here, and objects begin at {begin}: it sees something, but no label is "
                f"there. It is smaller than the smallest object ({self.min_size} pixels), was deleted, or is not "
                "predicted yet."
            )
        near = f" ({self.highest:.2f} at most near it)" if self.highest > self.probability + 0.005 else ""
        almost = 0.6 * self.threshold <= self.highest < self.threshold
        lower = " A lower threshold would find it." if almost else ""
        return (
            f"The network gives {here} here{near}, and objects begin at {begin}: it takes this for background.{lower}"
        )

    def _seen(self) -> str:
        """What the network sees there."""
        side = "brighter" if self.contrast >= 0 else "darker"
        seen = (
            f"In what it sees the place is {side} than its surroundings by {abs(self.contrast):.1f} SD, and brighter "
            f"than {self.brightness:.0%} of what is near"
        )
        before = abs(self.contrast_before)
        if abs(self.contrast) < LOST * before and before >= FAINT:
            return f"{seen}. In the picture itself it is {before:.1f} SD: preprocessing took contrast away."
        return f"{seen}: that is faint." if abs(self.contrast) < FAINT else f"{seen}."

    def _known(self) -> tuple[str, ...]:
        """What it has learnt from that is like it."""
        if not self.nearest:
            return ("Nothing is corrected or approved yet that it could be compared with.",)
        best = self.nearest[0]
        like = f"Most like it of what you corrected is object {best.object} of {best.image} ({best.similarity:.2f})"
        if self.usual is None:
            return (f"{like}.",)
        if best.similarity < self.usual - 0.2:
            return (
                f"{like}, less than corrected objects are like each other ({self.usual:.2f}): it has seen nothing of "
                "the kind. Correct it and a few like it, then fine-tune.",
            )
        return (f"{like}; corrected objects are like each other by {self.usual:.2f}.",)


def contrast_of(plane: Float, centre: tuple[int, int], radius: float) -> float:
    """Mean of a disc less that of the ring to twice its radius, in SD of the plane (Y, X); 0 where all is alike."""
    y, x = np.ogrid[: plane.shape[0], : plane.shape[1]]
    far = np.hypot(y - centre[0], x - centre[1])
    disc, ring = far <= radius, (far > radius) & (far <= 2 * radius)
    spread = float(plane.std())
    if spread == 0 or not disc.any() or not ring.any():
        return 0.0
    return float((plane[disc].mean() - plane[ring].mean()) / spread)
