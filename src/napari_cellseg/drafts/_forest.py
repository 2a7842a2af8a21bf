"""A random forest on features of pixels: what is object, and how deep in its object every pixel lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .._types import Float, Labels, Mask, Spacing
from ..errors import CellsegError
from ..project import BACKGROUND
from ..settings import Settings
from ..targets import Distance, part
from ._looks import ALIKE, PLAUSIBLE, look
from ._parting import depth, smoothed, typical_radius
from ._trees import Forest

MOST_PLANES = 64
"""Planes to learn from; of more, some are drawn."""
FEW = 3
"""With fewer whole objects, nothing is learnt about how deep pixels lie."""
_HINT = "Correct a few cells, or paint hints on cells and on background, then draft again."


class Example(NamedTuple):
    """An image to learn from: pixels (C, Z, Y, X) or (C, Y, X), labels and where they are known, um per voxel, hints.

    Hints (see `project.Hints`) say what single voxels are; where labels are known, those count.
    """

    pixels: Float
    labels: Labels
    known: Mask
    spacing: Spacing = None
    hints: NDArray[np.uint8] | None = None


class PixelClassifier(Settings):
    """A random forest on intensity, edges and texture at several scales, as in ilastik and Labkit.

    A second one regresses the distance to the border, relative to its maximum in the same object (`targets.Distance`),
    by which touching objects are parted; it learns from objects whose surroundings are known, and without any, the
    depth in the mask parts them.
    """

    title: ClassVar[str] = "Pixel classifier (random forest)"
    kind: Literal["forest"] = "forest"
    trees: int = Field(50, ge=1, le=1000, description="Number of trees.")
    depth: int = Field(10, ge=1, le=50, description="Greatest depth of a tree.")
    samples: int = Field(60_000, ge=100, le=10_000_000, description="Known pixels to learn from.")
    smooth: float = Field(
        0.2, ge=0, le=2, description="Smoothing of the distance before parting, as a share of the typical radius."
    )
    prominence: float = Field(0.05, gt=0, lt=1, description="How far the distance must rise for a separate object.")
    min_size: int = Field(30, ge=0, le=1_000_000, description="Smaller objects are removed (voxels).")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of every random choice.")

    def fit(self, examples: Sequence[Example], *, instances: bool = True) -> FittedClassifier:
        """Learn from what is known in some images; a few hints on cells and on background are enough.

        Parameters
        ----------
        examples
            Asked for one after another, so that a sequence may load them when they are.
        instances
            False where labels are classes, which are then learnt instead of objects.

        Raises
        ------
        CellsegError
            When nothing is known, or only background, or only objects.
        """
        rng = np.random.default_rng(self.seed)
        drawn = [s for e in _some(examples, rng) for s in _samples(e, self.samples, len(examples), instances, rng)]
        classes = np.concatenate([s.classes for s in drawn]) if drawn else np.zeros(0, np.uint32)
        _check(classes, instances)
        kinds = np.unique(classes)
        probability = Forest(self.trees, self.depth, self.seed)
        probability.fit(np.concatenate([s.features for s in drawn]), classes[:, None] == kinds)
        distance = None
        if instances and sum(s.whole for s in drawn) >= FEW:
            distance = Forest(self.trees, self.depth, self.seed)
            values = np.concatenate([s.distances for s in drawn])[:, None]
            distance.fit(np.concatenate([s.deep_features for s in drawn]), values)
        return FittedClassifier(self, kinds, probability, distance, shape=_shape(drawn), instances=instances)


class FittedClassifier:
    """Random forests that have learnt; call it with pixels to get labels.

    Attributes
    ----------
    instances
        Whether it gives objects; else classes.
    shape
        How smooth the outlines of the whole objects are that it learnt from (see `Looks`).
    classes
        What the columns of `probability` stand for: background and object, or classes.
    distance
        Of the relative distance to the border; None where it could not be learnt.
    """

    def __init__(
        self,
        settings: PixelClassifier,
        classes: Labels,
        probability: Forest,
        distance: Forest | None,
        *,
        shape: float,
        instances: bool = True,
    ) -> None:
        self.settings, self.instances, self.shape = settings, instances, shape
        self.classes, self.probability, self.distance = classes, probability, distance

    def __call__(self, pixels: Float, spacing: Spacing = None) -> Labels:
        """(C, Z, Y, X) or (C, Y, X) float32 -> labels (Z, Y, X) or (Y, X); features are those of the slices."""
        planes = pixels.reshape(pixels.shape[0], -1, *pixels.shape[-2:])
        classes, height = np.zeros(planes.shape[1:], np.uint32), np.zeros(planes.shape[1:], np.float32)
        for z in range(planes.shape[1]):
            features = _features(planes[:, z])
            flat = features.reshape(-1, features.shape[-1])
            classes[z] = self.classes[self.probability.predict(flat).argmax(1)].reshape(features.shape[:2])
            if self.distance is not None and classes[z].any():
                height[z] = self.distance.predict(flat).reshape(features.shape[:2])
        classes, height = classes.reshape(pixels.shape[1:]), height.reshape(pixels.shape[1:])
        return self._parted(classes > 0, height, spacing) if self.instances else classes

    def _parted(self, mask: Mask, height: Float, spacing: Spacing) -> Labels:
        if not mask.any():
            return np.zeros(mask.shape, np.uint32)
        inside, own = depth(mask, spacing), self.settings
        radius = typical_radius(mask, inside)
        if self.distance is None:
            height = np.minimum(inside / radius, 1)
        return part(smoothed(height, own.smooth * radius, spacing), mask, own.prominence, own.min_size)


class _Samples(NamedTuple):
    """What is drawn from one plane, how many whole objects are in it, and how smooth their outlines are."""

    features: Float
    classes: Labels
    deep_features: Float
    distances: Float
    whole: int
    shape: float


def _features(pixels: Float) -> Float:
    """(C, Y, X) -> (Y, X, F): intensity, gradient and eigenvalues of the structure, at five scales."""
    from skimage.feature import multiscale_basic_features

    found = multiscale_basic_features(np.ascontiguousarray(pixels), sigma_min=0.7, sigma_max=16, channel_axis=0)
    return np.asarray(found, np.float32)


def _some(examples: Sequence[Example], rng: np.random.Generator) -> Iterator[Example]:
    order = np.sort(rng.permutation(len(examples))[:MOST_PLANES])
    return (examples[int(i)] for i in order)


def _samples(example: Example, samples: int, n: int, instances: bool, rng: np.random.Generator) -> Iterator[_Samples]:
    """Known pixels of an image, those of objects twice: beside the classes, as many more for the distances."""
    shape = example.pixels.shape
    planes = example.pixels.reshape(shape[0], -1, *shape[-2:])
    given = np.zeros(example.labels.shape, np.uint8) if example.hints is None else example.hints
    arrays = example.labels, example.known, np.where(example.known, np.uint8(0), given)
    labels, known, hints = (a.reshape(-1, *shape[-2:]) for a in arrays)
    some = np.flatnonzero((known | (hints > 0)).any((1, 2)))
    most = max(1, MOST_PLANES // n)
    some = some if some.size <= most else np.sort(rng.choice(some, most, replace=False))
    if not some.size:
        return
    share = max(1, samples // (min(n, MOST_PLANES) * some.size))
    relative, whole = (
        (a.reshape(labels.shape) for a in _distances(example))
        if instances
        else (np.zeros(labels.shape, np.float32), np.zeros(labels.shape, bool))
    )
    for z in some:
        features = _features(planes[:, z])
        flat = features.reshape(-1, features.shape[-1])
        own = np.minimum(labels[z], 1) if instances else labels[z]
        here = np.where(hints[z] > 0, hints[z].astype(np.uint32) - BACKGROUND, own)
        places = np.r_[_draw(known[z], share, rng), _draw(hints[z] > 0, share, rng)]
        deep = np.r_[_draw(whole[z], share // 2, rng), _draw(known[z] & (labels[z] == 0), share // 4, rng)]
        classes = here.ravel()[places]
        looks = look(np.where(whole[z], labels[z], 0)[None])
        yield _Samples(
            flat[places], classes.astype(np.uint32), flat[deep], relative[z].ravel()[deep], looks.objects, looks.shape
        )


def _shape(drawn: Sequence[_Samples]) -> float:
    """That of an average whole object; without enough of them, what objects look like at least."""
    whole = sum(s.whole for s in drawn)
    return sum(s.whole * s.shape for s in drawn) / whole if whole >= FEW else PLAUSIBLE / ALIKE


def _draw(mask: Mask, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    places = np.flatnonzero(mask)
    return places if places.size <= most else rng.choice(places, most, replace=False)


def _distances(example: Example) -> tuple[Float, Mask]:
    """Relative distance to the border, and where it is known: in objects whose surroundings are.

    In a volume of which a person has seen some slices only, an object counts in the slices in which it is whole.
    """
    labels, known = example.labels, example.known
    relative, whole = Distance().encode(labels, spacing=example.spacing)[1], _whole(labels, known)
    if labels.ndim == 3:
        flat = np.stack([Distance().encode(plane)[1] for plane in labels])
        relative = np.where(whole, relative, flat)
        whole |= np.stack([_whole(*pair) for pair in zip(labels, known, strict=True)])
    return relative, whole


def _whole(labels: Labels, known: Mask) -> Mask:
    """Known voxels of objects at least half of whose surroundings are known."""
    ids = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    n = int(ids.max(initial=0)) + 1
    around, seen = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for axis in range(labels.ndim):
        first, second = (np.delete(np.arange(labels.shape[axis]), end) for end in (-1, 0))
        for a, b in ((first, second), (second, first)):
            mine, theirs = ids.take(a, axis), ids.take(b, axis)
            edge = mine != theirs
            around += np.bincount(mine[edge], minlength=n)
            seen += np.bincount(mine[edge & known.take(b, axis)], minlength=n)
    return np.asarray(known & (labels > 0) & ((seen * 2 >= around) & (around > 0))[ids])


def _check(classes: Labels, instances: bool) -> None:
    if not classes.size:
        raise CellsegError("Nothing is known that a random forest could learn from.", _HINT)
    if np.unique(classes).size < 2:
        what = "objects are" if classes[0] and instances else "one class is" if classes[0] else "background is"
        raise CellsegError(f"Only {what} known, so that nothing can be told apart.", _HINT)
