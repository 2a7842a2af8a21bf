"""What predictions leave in the project's cache, and how anyone reads it: probabilities, and large labels. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ._types import Float
from .errors import CellsegError

UNIT = 65_000
"""A probability of one; the rest of the 16 bits is room for rounding where tiles meet."""


def scaled(sums: NDArray[np.uint16]) -> Float:
    """Sums of blended tiles as probabilities."""
    return np.asarray(np.minimum(sums.astype(np.float32) / np.float32(UNIT), np.float32(1)))


def entropy(probabilities: Float, exclusive: bool) -> NDArray[np.uint8]:
    """Uncertainty (z, y, x) uint8: the entropy of the classes, or of foreground against background, 255 at most."""
    p = probabilities if exclusive else np.stack([probabilities[0], 1 - probabilities[0]])
    p = np.clip(p, 1e-6, 1)
    bits = -(p * np.log2(p)).sum(0) / np.log2(len(p))
    return np.asarray(np.rint(np.clip(bits, 0, 1) * 255), np.uint8)


class Kept:
    """Kept probabilities as an array-like (K, [Z], Y, X) float32 of the part that was predicted.

    Attributes
    ----------
    shape
        (K, [Z], Y, X).
    models, target
        Ids of the models that predicted together, and the kind of their target.
    ease
        At which share of the threshold objects begin.
    origin
        Where the part begins in the image, per spatial axis.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        attributes = dict(data.attrs)
        self._flat = "Z" not in str(attributes["axes"])
        self.models: tuple[str, ...] = tuple(attributes["models"])
        self.target: str = str(attributes["target"])
        self.ease = float(attributes.get("ease", 1.0))
        channels, *spatial = data.shape
        self.shape = (channels, *(spatial[1:] if self._flat else spatial))
        self.origin: tuple[int, ...] = tuple(attributes["origin"])[1 if self._flat else 0 :]

    def __getitem__(self, index: tuple[Any, ...]) -> Float:
        index = (*index, *(slice(None),) * (len(self.shape) - len(index)))
        channel, *spatial = index
        where = (channel, *((0, *spatial) if self._flat else spatial))
        return scaled(np.asarray(self._data[where]))

    def box(self, box: tuple[slice, ...], channel: int = 0) -> Float:
        """One channel in a box of the image; 0 where nothing was predicted."""
        out = np.zeros(tuple(s.stop - s.start for s in box), np.float32)
        inner = [
            (max(s.start, o), min(s.stop, o + n)) for s, o, n in zip(box, self.origin, self.shape[1:], strict=True)
        ]
        if all(a < b for a, b in inner):
            source = tuple(slice(a - o, b - o) for (a, b), o in zip(inner, self.origin, strict=True))
            place = tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(inner, box, strict=True))
            out[place] = self[(channel, *source)]
        return out

    def doubt(self, exclusive: bool) -> NDArray[np.uint8]:
        """Entropy of the whole part, uint8 (see `entropy`); slice by slice."""
        if len(self.shape) == 3:
            return entropy(self[(slice(None),)], exclusive)
        planes = [entropy(self[(slice(None), z)], exclusive) for z in range(self.shape[1])]
        return np.stack(planes)


def kept_path(project: Path, image: str) -> Path:
    """Where a prediction leaves the probabilities of an image."""
    return project / "cache" / "predictions" / image / "probabilities.zarr"


def open_kept(path: Path) -> Kept:
    """Kept probabilities, read in parts.

    Raises
    ------
    CellsegError
        When there are none.
    """
    try:
        return Kept(zarr.open_array(str(path), mode="r"))
    except (OSError, ValueError, KeyError, TypeError, zarr.errors.BaseZarrError) as error:
        raise CellsegError("No probabilities are kept for this image.", "Press Predict once more.") from error


class OnlyPlane:
    """The plane of an `array` (1, Y, X), read in parts."""

    def __init__(self, volume: Any) -> None:
        self.array = volume
        self.shape: tuple[int, ...] = tuple(volume.shape[1:])
        self.dtype = volume.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self.array[(0, *(index if isinstance(index, tuple) else (index,)))])

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return np.asarray(self.array[0], dtype)


def stored_at(labels: Any) -> str | None:
    """The folder of labels that are larger than memory; None of others."""
    array = labels.array if isinstance(labels, OnlyPlane) else labels
    root = getattr(getattr(array, "store", None), "root", None)
    return None if root is None else str(Path(root) / array.path)


def open_stored(path: str | Path) -> Any:
    """Labels that were left in a folder, for reading.

    Raises
    ------
    CellsegError
        When there are none.
    """
    try:
        return zarr.open_array(str(path), mode="r")
    except (OSError, ValueError, KeyError, TypeError, zarr.errors.BaseZarrError) as error:
        raise CellsegError(f"There are no labels in {path}.", "Press Predict once more.") from error
