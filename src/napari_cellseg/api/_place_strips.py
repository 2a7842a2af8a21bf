"""Strips of places where a model denies what it learnt: the picture, the labels, what the model sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Labels, Span
from ..boxes import grown
from ..evaluation import grey
from ..project import Project, TrainingPlace
from ..report import plot_strips

LEAST = 24
"""Pixels on every side of a place, at least; else as much as it is wide."""
_LABELS, _MODEL = (53, 183, 121), (255, 212, 0)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a model sees round a place: the slice (None in 2D), the box (Y, X) with room, and labels of it."""

    plane: int | None
    box: Box
    found: Labels


def seen_at(found: Labels, place: Span) -> Seen:
    """Cut what a strip shows out of what a model predicts; of volumes the middle slice of the place."""
    *depth, top, left = place
    plane = (depth[0][0] + depth[0][1]) // 2 if depth else None
    side = max(b - a for a, b in (top, left))
    flat = grown((slice(*top), slice(*left)), (max(LEAST, side),) * 2, found.shape[-2:])
    return Seen(plane, flat, _cut(found, plane, flat).copy())


def write_place_strips(
    project: Project, places: Sequence[TrainingPlace], seen: Mapping[tuple[str, Span], Seen], folder: Path
) -> list[Path]:
    """One PNG for every place, ``01_IMAGE.png`` first.

    Raises
    ------
    CellsegError
        When a picture cannot be read, or a file not be written.
    """
    written = []
    for n, place in enumerate(places, 1):
        view = seen[place.image, place.box]
        pixels = project.read_image(place.image).channels_first().mean(0)
        picture = grey(np.asarray(_cut(np.asarray(pixels), view.plane, view.box)))
        truth = _cut(project.load_labels(place.image)[0], view.plane, view.box)
        where = "" if view.plane is None else f", slice {view.plane + 1}"
        row = [
            (f"{place.image}{where}", picture),
            ("labels", _outlined(picture, truth, _LABELS)),
            (f"model: {place.sees}, IoU {place.iou:.2f}", _outlined(picture, view.found, _MODEL)),
        ]
        legend = {"labels": "#35b779", "model": "#ffd400"}
        written.append(plot_strips([row], folder / f"{n:02d}_{place.image}.png", legend))
    return written


def _cut(values: NDArray[Any], plane: int | None, box: Box) -> NDArray[Any]:
    return np.asarray(values[(... if plane is None else plane, *box)])


def _outlined(picture: NDArray[np.uint8], labels: Labels, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    from skimage.segmentation import find_boundaries

    shown = picture.copy()
    shown[find_boundaries(labels, mode="inner")] = colour
    return shown
