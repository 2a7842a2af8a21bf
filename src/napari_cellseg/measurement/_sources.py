"""What is measured, from whatever holds it: pictures, arrays with channels, labels that are classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from .._types import Spacing
from ..errors import CellsegError
from ._cover import cover_of
from ._objects import Measured, Objects, components
from ._summary import summarise

if TYPE_CHECKING:
    from pandas import DataFrame

Pixels = tuple[Any, tuple[str, ...]]
"""Intensities (C, Z, Y, X) or (C, Y, X), or None, and the names of channels."""
NO_PIXELS: Pixels = (None, ())
RGB = "red", "green", "blue"


def channels_of(picture: images.Image) -> Pixels:
    """Pixels of a picture, and a name for each of its channels: its own, or numbers from 1."""
    n = picture.n_channels
    names = RGB if picture.rgb and n == len(RGB) else picture.channels
    unlike = len(names) == n and len(set(names)) == n and all(names)
    return picture.channels_first(), names if unlike else tuple(str(k + 1) for k in range(n))


def array_channels(image: Any, shape: tuple[int, ...]) -> Pixels:
    """Pixels of an array: of the shape of the labels, or with an axis of channels before or after it.

    Raises
    ------
    CellsegError
        When it does not fit.
    """
    given = tuple(np.shape(image))
    if given[1:] == shape:
        return image, ()
    if given == shape:
        return _OneChannel(image), ()
    if given[:-1] == shape:
        return np.moveaxis(np.asarray(image), -1, 0), ()
    words = [" x ".join(map(str, s)) for s in (given, shape)]
    raise CellsegError(
        f"The image ({words[0]}) does not fit the labels ({words[1]}).", "Give the image they were made on."
    )


def image_of_project(
    labels: Any, state: Any, spacing_um: Spacing, pixels: Pixels, *, instances: bool, ratios: Sequence[float] = ()
) -> Measured:
    """An image of a project; where its labels are classes, their connected regions are the objects.

    `ratios` are true / predicted areas of what was held out from the model that predicted it (`Cover`).
    """
    classes, cover = None, cover_of(labels, state, ratios)
    if not instances:
        labels, classes = components(labels)
    return Measured(labels, spacing_um, *pixels, state, classes, cover)


def tables(found: Mapping[str, Objects], group_by: str = "") -> tuple[DataFrame, DataFrame]:
    """The objects of all images in one table, `image` first, and their summary."""
    import pandas as pd

    parts = []
    for name, objects in found.items():
        part = objects.table.copy()
        part.insert(0, "image", np.full(len(part), name, object))
        parts.append(part)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"image": [], "label": []})
    return table, summarise(found, group_by if found else "")


class _OneChannel:
    """An array without an axis of channels, as if it had one; it is read only where it is asked for."""

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels
        self.shape, self.dtype = (1, *pixels.shape), pixels.dtype

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return self._pixels[key[1:]]
