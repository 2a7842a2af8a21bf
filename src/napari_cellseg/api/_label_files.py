"""Labels that are measured without a project: arrays, and files of masks with the pictures that they were made on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import images
from .._types import Spacing
from ..errors import CellsegError
from ..measurement import Measured, array_channels, channels_of
from ..project import names_for

Source = str | Path
LARGE = 1 << 28
"""Label pictures of more pixels are read in blocks, not as a whole."""


def file_readers(
    labels: Source | Sequence[Source], images: Source | Sequence[Source], spacing_um: Spacing
) -> dict[str, Callable[[], dict[str, Measured]]]:
    """By a name for each file of labels, what reads it and its picture, time point by time point.

    Parameters
    ----------
    images
        The pictures that the masks were made on, in the same order; none: no intensities.

    Raises
    ------
    CellsegError
        When there is not a picture for each.
    """
    paths = _paths(labels)
    pictures: list[Path | None] = [*_paths(images)]
    if pictures and len(pictures) != len(paths):
        raise CellsegError(
            f"There are {len(paths)} files of labels and {len(pictures)} pictures.",
            "Give one for each, in the same order.",
        )
    names = [name for (name,) in names_for(paths, [1] * len(paths))]
    return {
        name: partial(_read, name, path, picture, spacing_um)
        for name, path, picture in zip(names, paths, pictures or [None] * len(paths), strict=True)
    }


def measured_array(labels: Any, image: Any, spacing_um: Spacing = None) -> Measured:
    """What is measured of an array or a file of labels with its image; see `measure`."""
    if isinstance(labels, str | Path):
        (found,) = _only(labels, _file_parts(Path(labels), image, spacing_um))
        return found
    pixels, names, told = _channels(image, tuple(np.shape(labels)))
    spacing = tuple(float(s) for s in spacing_um) if spacing_um is not None else told
    return Measured(labels, spacing, pixels, names)


# --- inside ---------------------------------------------------------------------------------------


def _read(name: str, path: Path, picture: Path | None, spacing_um: Spacing) -> dict[str, Measured]:
    """Every time point of a file by a name."""
    parts = _file_parts(path, picture, spacing_um)
    return {f"{name}_t{t:04d}" if len(parts) > 1 else name: part for t, part in enumerate(parts)}


def _file_parts(path: Path, image: Any, spacing_um: Spacing) -> list[Measured]:
    """Every time point of a file of labels, with the picture of it, where there is one."""
    picture = None if image is None else image if isinstance(image, images.Image) else _picture(image, spacing_um)
    labels, spacing, frames = _labels_of(path, picture, spacing_um)
    if picture is None:
        return [Measured(part, spacing) for part in labels]
    if picture.n_frames != frames:
        raise CellsegError(
            f"{path.name} has {frames} time points, its picture {picture.n_frames}.", "Give the picture it was made on."
        )
    spacing = spacing or picture.spacing_um
    return [Measured(part, spacing, *channels_of(picture.frame(t))) for t, part in enumerate(labels)]


def _paths(paths: Source | Sequence[Source]) -> list[Path]:
    """Files as paths, also where there is only one."""
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(p) for p in paths]


def _labels_of(path: Path, picture: images.Image | None, spacing_um: Spacing) -> tuple[list[Any], Spacing, int]:
    """Labels of every time point, the voxel size that the file tells, and how many time points there are."""
    told = None
    with suppress(CellsegError):  # masks can be read in more ways than pictures
        told = images.read(path, None, spacing_um) if images.is_picture(path) else None
    if told is not None and told.n_channels == 1 and told.data.size > LARGE and told.data.dtype.kind in "ui":
        return [told.frame(t).channels_first()[0] for t in range(told.n_frames)], told.spacing_um, told.n_frames
    frames = told.n_frames if told is not None else picture.n_frames if picture is not None else 1
    shape = picture.spatial_shape if picture is not None else None
    name = picture.source.name if picture is not None and picture.source else ""
    values = images.read_masks(path, images.MasksFor(shape, frames, name)).labels
    spacing = told.spacing_um if told is not None else spacing_um
    return (list(values) if frames > 1 else [values]), spacing, frames


def _picture(image: Any, spacing_um: Spacing) -> images.Image:
    if isinstance(image, str | Path):
        return images.read(image, None, spacing_um)
    raise CellsegError("A file of labels needs its picture as a file.", "Give both as files, or both as arrays.")


def _channels(image: Any, shape: tuple[int, ...]) -> tuple[Any, tuple[str, ...], Spacing]:
    """Pixels (C, ...), names of channels and voxel size of whatever was given beside an array of labels."""
    if image is None:
        return None, (), None
    if isinstance(image, str | Path):
        image = images.read(image)
    if isinstance(image, images.Image):
        return (*channels_of(image), image.spacing_um)
    return (*array_channels(image, shape), None)


def _only(path: Source, found: list[Measured]) -> list[Measured]:
    if len(found) != 1:
        raise CellsegError(f"{path} has {len(found)} time points.", "measure_files measures them one by one.")
    return found
