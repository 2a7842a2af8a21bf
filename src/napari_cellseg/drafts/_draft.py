"""A draft of one image, and whether it is worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Labels, Spacing
from ..errors import CellsegError
from ..extensions import DraftMethod
from ..matching import ids_in
from ..preprocess import Recipe
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


def draft(
    method: Method,
    pixels: NDArray[Any],
    spacing: Spacing = None,
    *,
    recipe: Recipe | None = None,
    instances: bool = True,
    classes: Sequence[str] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Drafted:
    """Draft one image, and look at the result.

    Parameters
    ----------
    pixels
        (C, Z, Y, X) or (C, Y, X); float32 and after the recipe, where none is given.
    spacing
        um per voxel, (Z, Y, X) or (Y, X); None where it is not known.
    recipe
        For pixels as they are stored; methods that know better leave it out.
    instances
        False for a semantic project, where everything that Otsu's threshold finds is of the first class.
    classes
        Names of the project's classes: what a method of named classes finds gets the numbers of those.
    stop
        Asked now and then by methods that take long.

    Raises
    ------
    CellsegError
        When the method gives classes that the project does not have.
    DraftStopped
        When `stop` answers True.
    """
    numbers = _numbers(method, instances, classes)
    bare = recipe is None or (isinstance(method, DraftMethod) and method.as_stored)
    pixels = np.asarray(pixels, np.float32) if bare or recipe is None else recipe(pixels)
    labels = method.stoppable(pixels, spacing, stop) if isinstance(method, DraftMethod) else method(pixels, spacing)
    labels = labels if numbers is None else numbers[labels]
    doubt = _doubt(method, labels)
    if method.instances and not instances:
        labels = np.minimum(labels, 1)
    return Drafted(labels, ids_in(labels).size, doubt)


def check_task(method: object, *, instances: bool, classes: Sequence[str]) -> None:
    """Whether a project can take what a method gives.

    Raises
    ------
    CellsegError
        When it gives classes and the project has objects, or other classes.
    """
    _numbers(method, instances, classes)


def _numbers(method: object, instances: bool, classes: Sequence[str]) -> NDArray[np.uint32] | None:
    """The project's class of each class of a method; one called background is nothing where the project has none.

    None where a method has no classes of its own.
    """
    names = method.gives if isinstance(method, DraftMethod) else ()
    if not names:
        return None
    wanted = ",".join(names)
    hint = f"Make a project for them: new NAME --task semantic --classes {wanted}"
    if instances:
        raise CellsegError(f"{type(method).__name__} gives classes, and this project is one of objects.", hint)
    known = {name.strip().lower(): n for n, name in enumerate(classes, 1)}
    missing = [name for name in names if name not in known and name != "background"]
    if missing:
        raise CellsegError(f"The project has no class {' or '.join(missing)}.", hint)
    return np.array([0, *(known.get(name, 0) for name in names)], np.uint32)


def _doubt(method: Method, labels: Labels) -> str:
    if not method.instances:  # classes may look like anything
        return "" if labels.any() else NOTHING
    looks = looks_of(labels)
    return looks.doubt_beside(method.shape) if isinstance(method, FittedClassifier) else looks.doubt
