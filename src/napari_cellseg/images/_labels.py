"""Masks in: label pictures, folders with one mask per object, binary masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cc3d
import fastremap
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._image import Image
from ._limits import check_archive
from ._masks import is_foreign, read_foreign
from ._read import read


def read_labels(
    path: str | Path,
    axes: str | None = None,
    *,
    split_components: bool = False,
    shape: tuple[int, ...] | None = None,
    classes: Sequence[str] = (),
) -> NDArray[np.uint32]:
    """Read masks as labels: (T, Z, Y, X), (Z, Y, X), (T, Y, X) or (Y, X) uint32, 0 is background.

    Parameters
    ----------
    path
        A label picture, a folder with one mask picture per object (see `merge_masks`), an ImageJ ROI zip, a COCO or
        GeoJSON file, or a Cellpose ``_seg.npy`` (read without running code).
    axes
        As for `read`.
    split_components
        Give every connected piece of a binary mask an id of its own.
    shape
        Spatial shape of the image, which formats with outlines only need.
    classes
        Names of the classes, where labels are classes (see `read_foreign`).

    Raises
    ------
    CellsegError
        When values are negative, fractional or too large, or the picture has colours.
    """
    path = Path(path)
    if path.is_dir() and not any((path / name).exists() for name in (".zattrs", "zarr.json", ".zarray")):
        return merge_masks(path)
    if path.suffix.lower() == ".zip":
        check_archive(path)
    if is_foreign(path):
        return read_foreign(path, shape, classes)
    image = read(path, axes)
    values = _grey(image, path)
    if values.dtype.kind == "f" and (not np.isfinite(values).all() or (values != np.round(values)).any()):
        raise CellsegError(
            f"{path.name} holds fractions, so it cannot be a label image.",
            "Export the masks as integers; probabilities are not labels.",
        )
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint32).max):
        raise CellsegError(
            f"{path.name} holds values from {values.min()} to {values.max()}, not object numbers.",
            "Labels are whole numbers from 0 (background) to 4294967295.",
        )
    labels = values.astype(np.uint32)
    if split_components:
        return np.stack([components(frame) for frame in labels]) if "T" in image.axes else components(labels)
    if labels.size and labels.max() > np.iinfo(np.uint32).max - labels.size:
        labels = np.asarray(fastremap.renumber(labels, preserve_zero=True)[0], np.uint32)  # leave room for new ids
    return labels


def components(mask: NDArray[np.generic]) -> NDArray[np.uint32]:
    """Number the connected pieces of a mask (full neighbourhood), frame-wise if the caller passes frames."""
    return np.asarray(cc3d.connected_components(np.asarray(mask) > 0), dtype=np.uint32)


def merge_masks(folder: Path) -> NDArray[np.uint32]:
    """Merge a folder of one-mask-per-object pictures into (Y, X) uint32 labels.

    This is the layout of the 2018 Data Science Bowl. Masks are taken in the order of their names and numbered
    1..n; where two overlap, the later one wins.

    Raises
    ------
    CellsegError
        When the folder holds no pictures or their shapes differ.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".tif", ".tiff", ".bmp"))
    if not files:
        raise CellsegError(
            f"The folder {folder.name} holds no mask pictures.", "Give a folder with one PNG or TIFF per object."
        )
    labels: NDArray[np.uint32] | None = None
    for number, file in enumerate(files, start=1):
        mask = _grey(read(file), file) > 0
        if labels is None:
            labels = np.zeros(mask.shape, np.uint32)
        if mask.shape != labels.shape:
            raise CellsegError(
                f"The mask {file.name} is {mask.shape}, the ones before it {labels.shape}.",
                "All masks of one folder must have the size of the image.",
            )
        labels[mask] = number
    return labels if labels is not None else np.zeros((0, 0), np.uint32)


def _grey(image: Image, path: Path) -> NDArray[Any]:
    """The only channel; several channels are fine where they are all the same."""
    frames = [image.frame(t).load() for t in range(image.n_frames)]
    for channels in frames:
        if any((channels[0] != other).any() for other in channels[1:3]):
            raise CellsegError(
                f"{path.name} is a colour picture, not a label image.",
                "Export masks with one number per object, not with one colour per object.",
            )
    return np.stack([f[0] for f in frames]) if "T" in image.axes else frames[0][0]
