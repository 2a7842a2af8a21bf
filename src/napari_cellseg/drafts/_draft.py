"""A draft of one image, and whether it is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._types import Float, Labels, Spacing
from ..extensions import DraftMethod
from ..matching import ids_in
from ._forest import FittedClassifier
from ._looks import NOTHING, looks_of

Method = DraftMethod | FittedClassifier


@dataclass(frozen=True, eq=False)
class Drafted:
    """What a classical method found.

    Attributes
    ----------
    labels
        (Z, Y, X) or (Y, X) uint32: objects 1..n, or classes in a semantic project.
    n_objects
        How many objects (in a semantic project, classes) there are.
    doubt
        Why it does not look right, "" where it does; `ADVICE` says what to do instead.
    """

    labels: Labels
    n_objects: int
    doubt: str


def draft(method: Method, pixels: Float, spacing: Spacing = None, *, instances: bool = True) -> Drafted:
    """Draft one image, and look at the result.

    Parameters
    ----------
    pixels
        (C, Z, Y, X) or (C, Y, X) float32, after the recipe.
    spacing
        um per voxel, (Z, Y, X) or (Y, X); None where it is not known.
    instances
        False for a semantic project, where everything that Otsu's threshold finds is of the first class.
    """
    labels = method(pixels, spacing)
    doubt = _doubt(method, labels)
    if method.instances and not instances:
        labels = np.minimum(labels, 1)
    return Drafted(labels, ids_in(labels).size, doubt)


def _doubt(method: Method, labels: Labels) -> str:
    if not method.instances:  # classes may look like anything
        return "" if labels.any() else NOTHING
    looks = looks_of(labels)
    return looks.doubt_beside(method.shape) if isinstance(method, FittedClassifier) else looks.doubt
