"""Measurements: of an array, of files of labels, of the images of a project; tables in memory and in files.

Data flow: labels, state and intensities of one image after another -> `measurement.measure_objects` -> one table with
all of them and one summary -> files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from .._types import Spacing
from ..errors import CellsegError
from ..events import Notice, ObjectsMeasured, Skipped, Stopped
from ..measurement import (
    NO_PIXELS,
    Measured,
    Objects,
    array_channels,
    box_figure,
    channels_of,
    check_picture_path,
    check_table_path,
    chosen,
    groups_of,
    image_of_project,
    measure_objects,
    tables,
    write_figure,
    write_table,
)
from ..project import Project, names_for
from ._object_classes import classes_measured, has_classes
from ._plates import Plating, plates
from ._results import Measurements
from ._work import OnEvent, Stop, Work, never, verb

if TYPE_CHECKING:
    from pandas import DataFrame

Source = str | Path
TellClasses = Callable[
    [Mapping[str, Objects], Sequence[str], str, Stop], "tuple[DataFrame, DataFrame, dict[str, Objects]]"
]
LARGE = 1 << 28
"""Label pictures of more pixels are read in blocks, not as a whole."""


@dataclass(frozen=True)
class Measuring:
    """How images are measured: see `OpenProject.measure` and `measure_files`."""

    columns: tuple[str, ...] = ()
    group_by: str = ""
    csv: Source | None = None
    summary: Source | None = None
    boxes: Source | None = None
    plating: Plating = field(default_factory=Plating)

    @property
    def intensities(self) -> bool:
        """Whether any column needs them."""
        return any(column.group == "intensity" for column in chosen(self.columns))

    def check(self, names: Sequence[str]) -> None:
        """Raise where a column, an expression or a path cannot be used."""
        chosen(self.columns)
        groups_of(names, self.group_by)
        self.plating.check(names, self.group_by)
        for path in (self.csv, self.summary):
            if path:
                check_table_path(path)
        if self.boxes:
            check_picture_path(self.boxes)


def measure(
    labels: Any, image: Any = None, *, spacing_um: Spacing = None, columns: str | Sequence[str] = (), stop: Stop = never
) -> DataFrame:
    """Measure every object of a label image.

    Parameters
    ----------
    labels : array, str or Path
        Ids of objects, (Z, Y, X) or (Y, X), 0 is background: numpy, memmap, zarr, dask, or a file of masks of any tool.
    image : array, str or Path
        Intensities of the same shape, with a leading or last axis for channels where there are several; or a picture.
    spacing_um : tuple of float
        Size of a pixel (Y, X) or voxel (Z, Y, X); what the files tell where not given. Where nobody knows, lengths are
        in pixels.
    columns : str or list of str
        Names of columns or of groups (``"size"``, ``"shape"``, ``"place"``, ``"neighbours"``, ``"intensity"``); all of
        them where none is named.
    stop : callable
        Asked before every block whether to end.

    Returns
    -------
    pandas.DataFrame
        One row per object, rising labels.

    Raises
    ------
    CellsegError
        When labels, image or columns cannot be used, they do not fit each other, or it was stopped.
    """
    wanted = _several(columns)
    chosen(wanted)
    return measure_objects(measured_array(labels, image, spacing_um), wanted, stop=stop).table


@verb
def measure_files(
    labels: Source | Sequence[Source],
    images: Source | Sequence[Source] = (),
    *,
    spacing_um: Spacing = None,
    columns: str | Sequence[str] = (),
    group_by: str = "",
    csv: Source | None = None,
    summary: Source | None = None,
    boxes: Source | None = None,
    plating: Plating | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Measurements]:
    """Measure the objects of files of labels; a file that cannot be used is left out.

    Parameters
    ----------
    labels : str or Path, or a list of them
        Files of masks of any tool; time points are measured one by one.
    images : str or Path, or a list of them
        The pictures that they were made on, in the same order; none: no intensities.
    spacing_um, columns
        As for `measure`.
    group_by, csv, summary, boxes, plating, on_event, stop
        As for `OpenProject.measure`.

    Returns
    -------
    Measurements

    Raises
    ------
    CellsegError
        When something given does not fit; of a single file, also when it cannot be read.
    """
    paths, pictures = loose_paths(labels), loose_paths(images)
    if pictures and len(pictures) != len(paths):
        raise CellsegError(
            f"There are {len(paths)} files of labels and {len(pictures)} pictures.",
            "Give one for each, in the same order.",
        )
    how = Measuring(_several(columns), group_by, csv, summary, boxes, plating or Plating())
    work: dict[str, Callable[[], list[Measured]]] = {}
    for k, (path, (name,)) in enumerate(zip(paths, names_for(paths, [1] * len(paths)), strict=True)):
        work[name] = partial(file_parts, path, pictures[k] if pictures else None, spacing_um)
    return (yield from _measured(work, how, stop))


def measure_project(project: Project, ids: Sequence[str], how: Measuring, stop: Stop) -> Work[Measurements]:
    """Measure images of a project; what cannot be measured is left out, and the rest goes on."""
    work: dict[str, Callable[[], list[Measured]]] = {}
    how = replace(how, plating=how.plating.of_project(project))
    classes = partial(classes_measured, project) if has_classes(project) else None
    for id in [project.image(id).id for id in ids] or [r.id for r in project.images()]:
        pixels = None
        if how.intensities or classes is not None:
            try:
                pixels = project.read_image(id)
            except CellsegError as error:
                yield Notice(f"Intensities of {id} are not measured. {error.message} {error.hint}")
        work[id] = partial(_of_project, project, id, pixels)
    return (yield from _measured(work, how, stop, classes))


def measured_array(labels: Any, image: Any, spacing_um: Spacing = None) -> Measured:
    """What is measured of an array or a file of labels with its image; see `measure`."""
    if isinstance(labels, str | Path):
        (found,) = _only(labels, file_parts(Path(labels), image, spacing_um))
        return found
    pixels, names, told = _channels(image, tuple(np.shape(labels)))
    spacing = tuple(float(s) for s in spacing_um) if spacing_um is not None else told
    return Measured(labels, spacing, pixels, names)


def named_parts(name: str, parts: Sequence[Measured]) -> dict[str, Measured]:
    """A name for every time point."""
    return {f"{name}_t{t:04d}" if len(parts) > 1 else name: part for t, part in enumerate(parts)}


def file_parts(path: Path, image: Any, spacing_um: Spacing) -> list[Measured]:
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


def loose_paths(paths: Source | Sequence[Source]) -> list[Path]:
    """Files as paths, also where there is only one."""
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(p) for p in paths]


# --- inside ---------------------------------------------------------------------------------------


def _measured(
    work: Mapping[str, Callable[[], list[Measured]]], how: Measuring, stop: Stop, classes: TellClasses | None = None
) -> Work[Measurements]:
    """Measure what is read piece by piece; names, columns and files are checked before.

    `classes` tells the classes of objects, where they have any: from all columns, also those that nobody asked for.
    """
    how.check(list(work))
    columns = () if classes is not None else how.columns
    found: dict[str, Objects] = {}
    left_out: list[Skipped] = []
    for name, read in work.items():
        start = time.perf_counter()
        try:
            if not stop():
                parts = {n: measure_objects(part, columns, stop=stop) for n, part in named_parts(name, read()).items()}
        except CellsegError as error:
            if not stop():
                if len(work) == 1:
                    raise
                left_out.append(Skipped(name, error.message, error.hint))
                yield left_out[-1]
                continue
        if stop():
            yield Stopped("cancelled")
            break
        found |= parts
        yield ObjectsMeasured(name, sum(len(o.table) for o in parts.values()), time.perf_counter() - start)
    if classes is not None and not stop():
        table, summary, found = classes(found, how.columns, how.group_by, stop)
    else:
        table, summary = tables(found, how.group_by)
    if stop():
        return Measurements(table, summary, tuple(left_out), (), True)
    more = plates(found, how.plating, how.group_by)
    files = [write_table(t, p) for t, p in ((table, how.csv), (summary, how.summary)) if p]
    files += [write() for write in more.writers]
    if how.boxes:
        files.append(write_figure(box_figure(table, groups_of(list(found), how.group_by), how.columns), how.boxes))
    return Measurements(table, summary, tuple(left_out), tuple(files), False, more.plate, more.growth)


def _of_project(project: Project, id: str, picture: images.Image | None) -> list[Measured]:
    record = project.image(id)
    labels, state = project.load_labels(id)
    pixels = channels_of(picture) if picture is not None else NO_PIXELS
    return [image_of_project(labels, state, record.spacing_um, pixels, instances=project.task == "instance")]


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


def _several(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
