"""Which images to label: at equal steps of confluency, sharp, without debris, each with the reason.

As Aziz et al. 2026 chose 40 of 1,827 images (20 to 95 %, every 15 to 20 points). The paper does not say how sharpness
and debris were judged; that is ours: sharpness is the variance of the Laplacian, compared with images of like
confluency, since cells have edges and an empty field has none; debris is what stands out of the background and is no
object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

if TYPE_CHECKING:
    from pandas import DataFrame

BLURRED = 2.5
"""An image is blurred whose sharpness lies so many robust standard deviations below what its confluency lets expect."""
LEAST = np.log(1.5)
"""That deviation of the logarithm counts as at least this: images that are all alike are all sharp."""
STANDS_OUT = 8.0
"""Pixels of the background are debris so many robust standard deviations from its median."""
BESIDE = 5
"""Pixels so near to an object are no background (halos of phase contrast, outlines that are a little too small)."""
SPECK = 9
"""Connected pixels that make debris; fewer are noise."""
DIRTY, CLEAN = 3.0, 0.1
"""Too much debris is so many robust standard deviations above the median of the set, and more than so many %."""
FEW = 5
"""Of fewer images nobody can say what is usual."""


@dataclass(frozen=True)
class Candidate:
    """An image that may be chosen.

    Attributes
    ----------
    name
        Of the image.
    confluency
        Share that objects cover, in %.
    sharpness
        Variance of the Laplacian; of volumes, that of the sharpest plane.
    debris
        Share of the image (of this plane) that stands out of the background, in %.
    source
        Whose objects these are: ``labels``, ``model``, ``draft``.
    group
        Images of a group are alike; the choice spreads over groups.
    """

    name: str
    confluency: float
    sharpness: float
    debris: float
    source: str = "labels"
    group: str = ""


@dataclass(frozen=True)
class Choosing:
    """How images are chosen.

    Attributes
    ----------
    n
        How many.
    steps
        Equal steps of confluency; 0: `n`, so that every step gives one image.
    span
        Least and largest confluency (%); None: those of the images that can be used.
    debris
        More than this (%) is too much; None: what is unusual in the set.
    sharpness
        Less than this is blurred; None: what is unusual for its confluency.
    """

    n: int = 10
    steps: int = 0
    span: tuple[float, float] | None = None
    debris: float | None = None
    sharpness: float | None = None

    def check(self) -> None:
        """Raise where it cannot be done."""
        if self.n < 1 or self.steps < 0 or self.steps > self.n:
            raise CellsegError(
                f"{self.n} images cannot be chosen in {self.steps} steps.", "Take at least one image of every step."
            )
        if self.span is not None and not 0 <= self.span[0] < self.span[1] <= 100:
            raise CellsegError(f"{self.span[0]:g} to {self.span[1]:g} % is no range.", "For example 20:95.")


@dataclass(frozen=True)
class Decision:
    """What became of an image, and why."""

    candidate: Candidate
    taken: bool
    step: str
    reason: str


@dataclass
class _Step:
    """A step of confluency, with those that may be taken, the best first."""

    low: float
    high: float
    waiting: list[Candidate] = field(default_factory=list)
    wanted: int = 0
    taken: list[Candidate] = field(default_factory=list)

    @property
    def name(self) -> str:
        """In words."""
        digits = 0 if self.high - self.low >= 2 else 1
        return f"{self.low:.{digits}f} to {self.high:.{digits}f} %"


def looked_at(image: Any, labels: Any, rgb: bool = False) -> tuple[float, float, float]:
    """Confluency (%), sharpness and debris (%) of an image.

    Parameters
    ----------
    image
        (C, Z, Y, X) or (C, Y, X) of anything that can be sliced; its channels are averaged, colours made grey.
    labels
        Its objects, (Z, Y, X) or (Y, X).
    """
    from ._describe import GREY

    weights = GREY if rgb and image.shape[0] == len(GREY) else np.full(image.shape[0], 1 / image.shape[0])
    planes = range(image.shape[1]) if len(image.shape) == 4 else (None,)
    covered, best = 0.0, (-1.0, 0.0)
    for z in planes:
        place = (slice(None), slice(None)) if z is None else (z,)
        grey = sum(w * np.asarray(image[(c, *place)], np.float32) for c, w in enumerate(weights))
        inside = np.asarray(labels[place]) > 0
        covered += float(inside.mean())
        sharp = laplacian_variance(np.asarray(grey))
        if sharp > best[0]:
            best = sharp, debris_share(np.asarray(grey), inside)
    return 100 * covered / len(planes), *best


def laplacian_variance(grey: NDArray[Any]) -> float:
    """Variance of the Laplacian (3 x 3: 4 neighbours - 4 x the middle) of a plane; what is not finite counts as 0."""
    import cv2

    return float(cv2.Laplacian(np.nan_to_num(grey).astype(np.float64), cv2.CV_64F).var())


def debris_share(grey: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """How much of a plane (%) stands out of its background and is no object: see `STANDS_OUT`, `BESIDE`, `SPECK`."""
    import cv2

    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BESIDE + 1, 2 * BESIDE + 1))
    outside = (cv2.dilate(inside.astype(np.uint8), disk) == 0) & np.isfinite(grey)
    if outside.sum() < max(100, 0.01 * grey.size):
        return 0.0  # so little background tells nothing
    values = grey[outside]
    middle = np.median(values)
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 1e-9 + 0.01 * abs(float(middle)))
    odd = outside & (np.abs(np.nan_to_num(grey) - middle) > STANDS_OUT * spread)
    _, _, stats, _ = cv2.connectedComponentsWithStats(odd.astype(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    return float(100 * sizes[sizes >= SPECK].sum() / grey.size)


@dataclass(frozen=True)
class Choice:
    """What became of all images, in the order in which they were given, and the steps that no image could fill."""

    decisions: tuple[Decision, ...]
    empty: tuple[str, ...] = ()


def choose(candidates: Sequence[Candidate], how: Choosing) -> Choice:
    """Which images are taken, and why.

    Raises
    ------
    CellsegError
        When the choice cannot be made, or no image can be used.
    """
    how.check()
    reasons: dict[str, str] = {}
    reasons |= _blurred(candidates, how.sharpness)
    reasons |= {k: v for k, v in _dirty(candidates, how.debris).items() if k not in reasons}
    usable = [c for c in candidates if c.name not in reasons]
    if how.span is not None:
        low, high = how.span
        far = [c for c in usable if not low <= c.confluency <= high]
        reasons |= {c.name: f"{c.confluency:.1f} % is outside {low:g} to {high:g} %" for c in far}
        usable = [c for c in usable if c.name not in reasons]
    if not usable:
        raise CellsegError("No image can be taken: all are blurred, full of debris or out of range.", "Ask for less.")
    steps = _steps(usable, how)
    _take(steps, how.n, _excess(candidates))
    decided = {c.name: _decision(c, step, len(step.waiting)) for step in steps for c in step.waiting}
    decisions = [decided.get(c.name) or Decision(c, False, "", reasons[c.name]) for c in candidates]
    return Choice(tuple(decisions), tuple(s.name for s in steps if not s.waiting))


def choice_table(decisions: Sequence[Decision]) -> DataFrame:
    """A row per image: what was decided, why, and from which figures."""
    import pandas as pd

    rows = [
        (d.candidate.name, d.taken, d.reason, d.step, d.candidate.confluency, d.candidate.sharpness,
         d.candidate.debris, d.candidate.source, d.candidate.group)
        for d in decisions
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[name for name, _ in CHOICE_COLUMNS])


CHOICE_COLUMNS = (
    ("image", "Its name."),
    ("taken", "Whether it was taken."),
    ("reason", "Why, or why not."),
    ("step", "The step of confluency that it belongs to."),
    ("confluency", "Share of the image that objects cover, in %."),
    ("sharpness", "Variance of the Laplacian (of a volume: of its sharpest plane)."),
    ("debris", "Share of the image that stands out of the background and is no object, in %."),
    ("source", "Whose objects: labels, model or draft."),
    ("group", "The group that it belongs to."),
)
"""The columns of `choice_table`, with their meaning."""


# --- inside ---------------------------------------------------------------------------------------


def _decision(c: Candidate, step: _Step, of: int) -> Decision:
    if c not in step.taken:
        others = f"{len(step.taken)} others" if len(step.taken) > 1 else "another one"
        return Decision(c, False, step.name, f"not needed: {others} of {step.name} came first")
    place = ("the sharpest", "the second sharpest", "the third sharpest")
    n = step.waiting.index(c)
    how = place[n] if n < len(place) else f"number {n + 1} by sharpness"
    why = f"{how} of {of} that can be used there" if of > 1 else "the only one that can be used there"
    return Decision(c, True, step.name, f"taken for {step.name}: {why}")


def _excess(candidates: Sequence[Candidate]) -> dict[str, float]:
    """How much sharper (log) every image is than others of its confluency."""
    logs = np.log(np.maximum([c.sharpness for c in candidates], 1e-12))
    amount = np.array([c.confluency for c in candidates]).round(6)  # closer ones tell no slope that is a number
    if len(candidates) < FEW or np.ptp(amount) < 1:
        expected = np.full(len(logs), np.median(logs)) if len(logs) else logs
    else:
        from scipy.stats import theilslopes

        with np.errstate(invalid="ignore"):  # of the interval, which is not used, where many are alike
            slope, middle, *_ = theilslopes(logs, amount)
        expected = middle + slope * amount
    return {c.name: float(e) for c, e in zip(candidates, logs - expected, strict=True)}


def _blurred(candidates: Sequence[Candidate], limit: float | None) -> dict[str, str]:
    if limit is not None:
        return {
            c.name: f"blurred: variance of the Laplacian {c.sharpness:.4g}, asked for {limit:.4g}"
            for c in candidates if c.sharpness < limit
        }  # fmt: skip
    if len(candidates) < FEW:
        return {}
    excess = _excess(candidates)
    values = np.array(list(excess.values()))
    spread = max(1.4826 * float(np.median(np.abs(values - np.median(values)))), float(LEAST) / BLURRED)
    return {
        c.name: f"blurred: variance of the Laplacian {c.sharpness:.4g}, images of {c.confluency:.0f} % have about "
        f"{c.sharpness / np.exp(excess[c.name]):.4g}"
        for c in candidates if excess[c.name] < -BLURRED * spread
    }  # fmt: skip


def _dirty(candidates: Sequence[Candidate], limit: float | None) -> dict[str, str]:
    values = np.array([c.debris for c in candidates])
    if limit is None:
        if len(candidates) < FEW:
            return {}
        middle = float(np.median(values))
        limit = max(CLEAN, middle + DIRTY * 1.4826 * float(np.median(np.abs(values - middle))))
    return {
        c.name: f"debris: {c.debris:.2f} % of the image stands out of the background, at most {limit:.2f} % is taken"
        for c in candidates if c.debris > limit
    }  # fmt: skip


def _steps(usable: Sequence[Candidate], how: Choosing) -> list[_Step]:
    """Equal steps of confluency; every image that can be used waits in its own."""
    amounts = [c.confluency for c in usable]
    low, high = how.span or (min(amounts), max(amounts))
    k = (how.steps or how.n) if high > low else 1
    edges = np.linspace(low, high, k + 1)
    steps = [_Step(float(a), float(b)) for a, b in pairwise(edges)]
    for c in usable:
        steps[int(np.clip(np.searchsorted(edges, c.confluency, "right") - 1, 0, k - 1))].waiting.append(c)
    return steps


def _take(steps: list[_Step], n: int, excess: dict[str, float]) -> None:
    """Take from all steps in turn, the sharpest first, of groups in turn; what a step lacks the others give."""
    for step in steps:
        step.waiting.sort(key=lambda c: -excess[c.name])
    while sum(len(s.taken) for s in steps) < n:
        open_steps = [s for s in steps if len(s.taken) < len(s.waiting)]
        if not open_steps:
            return
        least = min(len(s.taken) for s in open_steps)
        for step in [s for s in open_steps if len(s.taken) == least]:
            if sum(len(s.taken) for s in steps) < n:
                step.taken.append(_next(step))


def _next(step: _Step) -> Candidate:
    """The sharpest one of the group from which least was taken."""
    groups = [c.group for c in step.taken]
    left = [c for c in step.waiting if c not in step.taken]
    return min(left, key=lambda c: (groups.count(c.group), step.waiting.index(c)))
