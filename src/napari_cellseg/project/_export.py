"""Labels out of a project: one file for each image, or for each time series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import images as pictures
from ._cycles import labels_of_cycle
from ._folder import Project
from ._joining import images_named, named_series
from ._records import ImageRecord
from ._time_series import series_with, time_series_in

SERIES_FORMATS = pictures.FOR_NUMBERS
"""These hold a time series in one file."""


class Frames:
    """Labels of the frames of a time series as an array-like (T, Z, Y, X) or (T, Y, X) uint32, read one by one."""

    def __init__(
        self, project: Project, ids: Sequence[str], *, known_only: bool = False, cycle: int | None = None
    ) -> None:
        self._project, self._ids, self._known_only, self._cycle = project, tuple(ids), known_only, cycle
        self.shape = (len(self._ids), *project.image(self._ids[0]).shape)
        self._last: tuple[int, NDArray[np.uint32]] | None = None

    def __getitem__(self, key: Any) -> NDArray[np.uint32]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            return np.stack([self._frame(t)[tuple(rest)] for t in range(*first.indices(self.shape[0]))])
        return np.asarray(self._frame(int(first))[tuple(rest)])

    def _frame(self, t: int) -> NDArray[np.uint32]:
        if self._last is None or self._last[0] != t:
            labels, state = _labels(self._project, self._ids[t], self._cycle)
            self._last = t, np.where(state > 0, labels, np.uint32(0)) if self._known_only else labels
        return self._last[1]


def export_units(project: Project, ids: Sequence[str], format: str = "tif") -> dict[str, tuple[str, ...]]:
    """What is written as one file each: images, and time series of which all frames are wanted, by name.

    Formats that hold no time series have a file for every frame.
    """
    wanted, units = list(dict.fromkeys(ids)), dict[str, tuple[str, ...]]()
    whole = [s for s in time_series_in(project.images()).values() if set(s.ids) <= set(wanted)]
    of = {id: s for s in whole for id in s.ids} if format in SERIES_FORMATS else {}
    for id in wanted:
        series = of.get(id)
        units[series.name if series is not None else id] = series.ids if series is not None else (id,)
    return units


def export_labels(
    project: Project,
    id: str,
    folder: str | Path,
    format: str = "tif",
    *,
    known_only: bool = False,
    cycle: int | None = None,
    kinds: Mapping[int, str] | None = None,
) -> Path:
    """Write labels, as they stand on disk, to ``folder/<id>_labels.<format>`` (`images.label_file`); returns that path.

    Parameters
    ----------
    id
        An image, or a time series, which becomes one file with a T axis.
    format
        One of `images.LABEL_FORMATS`; of a time series, of `SERIES_FORMATS`.
    known_only
        Only corrected and approved voxels.
    cycle
        As labels were when this review cycle was closed.
    kinds
        The class of objects by label, for formats that hold classes of objects.

    Raises
    ------
    CellsegError
        When there is no such image, the format does not suit it, or the file cannot be written.
    """
    ids = images_named(project, id)
    record, path = project.image(ids[0]), Path(folder) / pictures.label_file(f"{id}_labels", format)
    if len(ids) > 1:
        frames = Frames(project, ids, known_only=known_only, cycle=cycle)
        return pictures.write_label_series(
            path, frames, record.spacing_um, named_series(project, id).interval_s, project.meanings,
            project.source(record),
        )  # fmt: skip
    labels, state = _labels(project, id, cycle)
    chosen: NDArray[Any] = np.where(state > 0, labels, 0) if known_only else labels
    return write_labels_of(project, record, chosen, path, kinds)


def units_inside(project: Project, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What is written inside of one picture each, by name: an image, or all frames of a file with a time axis."""
    units, every = dict[str, tuple[str, ...]](), project.images()
    for record in map(project.image, ids):
        frames = [r for r in every if _file(r) == _file(record)]
        own = tuple(r.id for r in sorted(frames, key=lambda r: r.frame))
        series = series_with(every, record.id) if len(own) > 1 else None
        units[series.name if series is not None else own[0]] = own
    return units


def _file(record: ImageRecord) -> tuple[str, str | None, str | None]:
    """What a record is a frame of."""
    return record.source, record.series, record.given_axes


def export_inside(
    project: Project,
    ids: Sequence[str],
    name: str,
    *,
    known_only: bool = False,
    cycle: int | None = None,
    kinds: Mapping[int, str] | None = None,
    replace: bool = False,
) -> Path:
    """Write labels into ``labels/NAME`` of the OME-Zarr that they are of; see `images.write_labels_inside`.

    Parameters
    ----------
    ids
        One image, or all frames of its file.

    Raises
    ------
    CellsegError
        When the picture is no OME-Zarr, has more frames than these, or labels of this name that are not to be replaced.
    """
    record = project.image(ids[0])
    frames = Frames(project, ids, known_only=known_only, cycle=cycle)
    labels = frames if len(ids) > 1 else frames[0]
    return pictures.write_labels_inside(project.source(record), name, labels, project.meanings, kinds, replace=replace)


def _labels(project: Project, id: str, cycle: int | None) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Labels and state as they stand, or as they were when a review cycle was closed."""
    return project.load_labels(id) if cycle is None else labels_of_cycle(project, id, cycle)


def write_labels_of(
    project: Project,
    record: ImageRecord,
    labels: NDArray[Any],
    path: str | Path,
    kinds: Mapping[int, str] | None = None,
) -> Path:
    """Write labels of one image with what is known of it: voxel size, classes, its picture; returns the path.

    Raises
    ------
    CellsegError
        When the format does not suit it, or the file cannot be written.
    """
    return pictures.write_labels(path, labels, record.spacing_um, project.meanings, project.source(record), kinds)
