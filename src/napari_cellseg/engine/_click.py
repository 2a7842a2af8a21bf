"""An object from a click or a box, as a job: nothing of the project is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._types import Span
from ..base import CLICKS, DEFAULT, base_models
from ..errors import CellsegError
from ..events import ObjectFound
from ..preprocess import Processed
from ..project import Project, known_size, read_model_config, zoom_of
from ._live import network_with_features

if TYPE_CHECKING:
    from ..clicks import ClickNetwork, Finder, Shape

Place = tuple[int, int]


@dataclass(frozen=True)
class ClickJob:
    """Find the object that somebody points at in an image.

    Attributes
    ----------
    inside, outside
        Pixels (row, column) that belong to it, in the order of the clicks, and pixels that do not.
    box
        (start, stop) of rows and columns round it; () where none was drawn.
    z
        The slice of a volume.
    through
        Whether it is followed into the slices above and below.
    """

    project: Path
    image: str
    inside: tuple[Place, ...] = ()
    outside: tuple[Place, ...] = ()
    box: Span = ()
    z: int = 0
    through: bool = False


def click(project: Project, job: ClickJob, stop: Callable[[], bool]) -> ObjectFound:
    """Do a `ClickJob`.

    Raises
    ------
    CellsegError
        When a place lies outside of the image, nothing was pointed at, or nothing was found.
    """
    from ..clicks import Prompt, through

    start = time.monotonic()
    record = project.image(job.image)
    volume, sides = len(record.shape) == 3, record.shape[-2:]
    _check(job, record.shape[0] if volume else 1, (sides[0], sides[1]))
    finder = _finder(project, job.image)
    box = (job.box[0], job.box[1]) if job.box else None
    found = finder.find(Prompt(job.inside, job.outside, box), job.z)
    if found is None:
        hint = "Drag a box round it, or draw it: Scribble (T), Polygon (U) or the brush."
        raise CellsegError("No object was found there.", hint)
    if not volume:
        return ObjectFound(job.image, found.box, found.mask, time.monotonic() - start)
    slices = through(finder, found, job.z, record.shape[0], stop) if job.through else {job.z: found}
    span, mask = _joined(slices)
    return ObjectFound(job.image, span, mask, time.monotonic() - start)


# --- inside ---------------------------------------------------------------------------------------


def _check(job: ClickJob, depth: int, sides: tuple[int, int]) -> None:
    if not job.inside and not job.box:
        raise CellsegError("Nothing was pointed at.", "Click an object, or drag a box round it.")
    for place in (*job.inside, *job.outside):
        if not all(0 <= v < n for v, n in zip(place, sides, strict=True)):
            raise CellsegError(
                f"The place {place} lies outside of the image.", f"It has {sides[0]} x {sides[1]} pixels."
            )
    if not 0 <= job.z < depth:
        raise CellsegError(f"There is no slice {job.z}.", f"The image has {depth}.")
    if job.box and any(a < 0 or b > n or b - a < 2 for (a, b), n in zip(job.box, sides, strict=True)):
        raise CellsegError("The box must lie in the image and be two pixels wide.", "Drag it round the object.")


def _joined(slices: dict[int, Shape]) -> tuple[Span, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Shapes of adjacent slices as one box and mask, (Z, Y, X)."""
    first, last = min(slices), max(slices)
    spans = [shape.box for shape in slices.values()]
    sides = tuple((min(s[k][0] for s in spans), max(s[k][1] for s in spans)) for k in (0, 1))
    mask = np.stack([slices[z].inside(sides) for z in range(first, last + 1)])
    return ((first, last + 1), *sides), mask


def _finder(project: Project, image: str) -> Finder:
    """What finds objects in an image; the last one is kept, with the features of the window that was seen last."""
    from ..clicks import Finder

    key = (project.path.resolve(), image, project.image(image).fingerprint, known_size(project, image))
    if key not in _LAST:
        model = base_models()[DEFAULT]
        config = read_model_config(model)
        pixels = project.read_image(image).channels_first()
        picture = Processed(config.recipe, pixels if pixels.ndim == 4 else pixels[:, None])
        base, device = network_with_features(model)
        zoom = zoom_of(project, image, config)
        _LAST.clear()
        _LAST[key] = Finder(picture, base, _network(str(device.torch)), device, config.object_size, zoom)
    return _LAST[key]


_LAST: dict[tuple[object, ...], Finder] = {}


@lru_cache(maxsize=1)
def _network(where: str) -> ClickNetwork:
    import torch

    from ..clicks import ClickNetwork
    from ..models import load_weights

    network = ClickNetwork()
    load_weights(CLICKS, network)
    return network.to(torch.device(where)).eval()
