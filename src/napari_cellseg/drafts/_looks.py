"""Whether labels look like objects, judged without any truth: on a few planes, in 2D, also of volumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from .._types import Float, Labels, Mask

T = TypeVar("T", bound=np.generic)
ADVICE = (
    "This draft does not look right: scribble a few cells and background instead, or press Predict with a base model."
)
NOTHING = "no objects were found"
PLAUSIBLE = 0.42
"""Below it, a draft is doubtful: of 109 images of dsb2018 and phase_contrast, so are 27 of the 36 whose draft is of no
use (AP@0.5 < 0.3), and 2 of the 73 whose draft is (AP@0.5 > 0.5)."""
ALIKE = 0.6
"""Objects that a forest finds are at least this compact and solid beside those that it learnt from."""
PLANES, PIXELS = 5, 1 << 22
"""What is looked at: this many planes, and of large ones the middle, so that there are not more pixels than this."""
_WINDOW, _HOLE = 2.0, 500


@dataclass(frozen=True)
class Looks:
    """How labels look; every number is in [0, 1].

    Attributes
    ----------
    objects
        How many objects were looked at.
    compact
        4 pi A / P^2, mean over the objects, weighted by the square roots of their areas.
    solid
        Share of its convex hull that an object fills, mean weighted by area.
    cover, border
        Share of the image, and of its border, that is object: of background it is much.
    """

    objects: int = 0
    compact: float = 0.0
    solid: float = 0.0
    cover: float = 0.0
    border: float = 0.0

    @property
    def shape(self) -> float:
        """How smooth their outlines are: 1 for disks."""
        return self.compact * self.solid

    @property
    def place(self) -> float:
        """1 where they leave most of the image, and all of its border, to the background."""
        return (1 - self.border) * (1 - 2 * max(0.0, self.cover - 0.5))

    @property
    def plausibility(self) -> float:
        """0: certainly not objects; 1: all of them round and apart."""
        return self.shape * self.place

    @property
    def doubt(self) -> str:
        """Why they do not look right, "" where they do, if nothing is known of such objects."""
        if not self.objects:
            return NOTHING
        if self.plausibility >= PLAUSIBLE:
            return ""
        return "the objects are ragged" if self.shape < self.place else "they cover most of the image or its border"

    def doubt_beside(self, shape: float) -> str:
        """Why they do not look like objects of this shape, "" where they do."""
        if not self.objects:
            return NOTHING
        return "" if self.shape >= ALIKE * shape else "the objects are more ragged than those it learnt from"


def looks_of(labels: Labels) -> Looks:
    """How labels (Z, Y, X) or (Y, X) look."""
    return look(sample(labels))


def look(labels: Labels) -> Looks:
    """How the labels of some planes (N, Y, X) look."""
    from skimage.measure import regionprops_table

    columns = ("area", "perimeter_crofton", "solidity")
    rows = [regionprops_table(plane.astype(np.int64), properties=columns) for plane in labels if plane.any()]
    if not rows:
        return Looks()
    area, perimeter, solidity = (np.concatenate([r[c] for r in rows]).astype(float) for c in columns)
    compact = np.minimum(4 * np.pi * area / np.maximum(perimeter, 1) ** 2, 1)
    mask = labels > 0
    edges = (mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1])
    return Looks(
        objects=area.size,
        compact=float(np.average(compact, weights=np.sqrt(area))),
        solid=float(np.average(solidity, weights=area)),
        cover=float(mask.mean()),
        border=float(np.concatenate([e.ravel() for e in edges]).mean()),
    )


def textured(planes: Float) -> Mask:
    """Where grey values (N, Y, X) vary: Otsu's threshold of the logarithm of their standard deviation.

    That is taken in a Gaussian window in the plane; small holes are filled, and what the window adds is taken away.
    """
    from skimage.filters import threshold_otsu

    from ..kernels import blur

    window = (0, _WINDOW, _WINDOW)
    planes = planes - planes.mean()  # squares of large numbers are not exact
    mean = blur.gaussian(planes, window)
    spread = np.sqrt(np.maximum(blur.gaussian(planes**2, window) - mean**2, 0))
    low, high = np.percentile(planes, (1, 99.8))
    if high <= low:
        return np.zeros(planes.shape, bool)
    spread = np.log(spread / (high - low) + 0.01)
    found = each(spread > threshold_otsu(spread), lambda plane: ~cc3d.dust(~plane, _HOLE, connectivity=4))
    cross = ndi.generate_binary_structure(2, 1)[None]
    return np.asarray(ndi.binary_erosion(found, cross, iterations=round(_WINDOW), border_value=1))


def brightness(grey: Float, texture: Mask) -> float:
    """Whether what has texture is brighter or darker than the rest: 1, 0, or between them where it is both.

    The share of the deviations from the median of the rest that goes up: 1.00 in fluorescence, up to 0.2 in stained
    tissue, and 0.1 to 0.8 in bright field and in phase contrast, where bright halos surround dark cells.
    """
    if not texture.any() or texture.all():
        return 0.5
    away = grey[texture] - np.median(grey[~texture])
    total = float(np.abs(away).sum())
    return float(away[away > 0].sum()) / total if total else 0.5


def sample(values: NDArray[T]) -> NDArray[T]:
    """A few planes of an image (Z, Y, X) or (Y, X), and of large ones the middle: (N, y, x)."""
    planes = values.reshape(-1, *values.shape[-2:])
    if len(planes) > PLANES:
        planes = planes[np.linspace(0, len(planes) - 1, PLANES + 2).round().astype(int)[1:-1]]
    side = int(np.sqrt(PIXELS / len(planes)))
    middle = [slice(max(0, (n - side) // 2), max(0, (n - side) // 2) + side) for n in planes.shape[1:]]
    return planes[:, middle[0], middle[1]]


def each(planes: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[T]]) -> NDArray[T]:
    """Do the same to every plane."""
    return np.stack([change(plane) for plane in planes])
