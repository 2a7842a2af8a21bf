"""Measurements: of an array, of files of labels, of the images of a project; tables in memory and in files.

Data flow: labels, state and intensities of one image after another -> `measurement.measure_objects` -> one table with
all of them and one summary -> files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._types import Spacing
from ..errors import CellsegError
from ..events import Notice
from ..images import Image
from ..measurement import (
    NO_PIXELS,
    Measured,
    Objects,
    box_figure,
    channels_of,
    check_picture_path,
    check_table_path,
    chosen,
    groups_of,
    image_of_project,
    measure_objects,
    packed,
    tables,
    unpacked,
    write_figure,
    write_table,
)
from ..project import Project, image_cover_ratios
from ._each_image import Away, each_image
from ._label_files import file_readers, measured_array
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


@dataclass(frozen=True)
class Measuring:
    """How images are measured: see `OpenProject.measure` and `measure_files`."""

    columns: tuple[str, ...] = ()
    group_by: str = ""
    csv: Source | None = None
    summary: Source | None = None
    boxes: Source | None = None
    plating: Plating = field(default_factory=Plating)
    scheduler: str = ""
    scheduler_options: Mapping[str, Any] = field(default_factory=dict)

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
    scheduler: str = "",
    scheduler_options: Mapping[str, Any] | None = None,
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
    group_by, csv, summary, boxes, plating, scheduler, scheduler_options, on_event, stop
        As for `OpenProject.measure`. What goes between machines lies beside `csv` or `summary` meanwhile.

    Returns
    -------
    Measurements

    Raises
    ------
    CellsegError
        When something given does not fit; of a single file, also when it cannot be read.
    """
    how = Measuring(
        _several(columns), group_by, csv, summary, boxes, plating or Plating(), scheduler, scheduler_options or {}
    )
    readers = file_readers(labels, images, spacing_um)
    written = csv or summary
    if not scheduler or written:
        return (yield from _measured(readers, how, stop, folder=Path(written or "").parent / ".cellseg"))
    if scheduler.partition(":")[0] not in ("processes", "local", "jobs"):
        raise CellsegError("Other machines need a folder that they see, too.", "Write a table there: --csv FILE.")
    with tempfile.TemporaryDirectory(prefix="cellseg-") as folder:
        return (yield from _measured(readers, how, stop, folder=Path(folder)))


def measure_project(project: Project, ids: Sequence[str], how: Measuring, stop: Stop) -> Work[Measurements]:
    """Measure images of a project; what cannot be measured is left out, and the rest goes on."""
    work: dict[str, Callable[[], dict[str, Measured]]] = {}
    how = replace(how, plating=how.plating.of_project(project))
    classes = partial(classes_measured, project) if has_classes(project) else None
    for id in [project.image(id).id for id in ids] or [r.id for r in project.images()]:
        pixels = None
        if how.intensities or classes is not None:
            try:
                pixels = project.read_image(id)
            except CellsegError as error:
                yield Notice(f"Intensities of {id} are not measured. {error.message} {error.hint}")
        away = _OfProject(project.path, id, pixels is not None)
        work[id] = away if how.scheduler else partial(_of_project, project, id, pixels)
    return (yield from _measured(work, how, stop, classes, project.path / "cache" / "measured"))


# --- inside ---------------------------------------------------------------------------------------


def _measured(
    work: Mapping[str, Callable[[], Mapping[str, Measured]]],
    how: Measuring,
    stop: Stop,
    classes: TellClasses | None = None,
    folder: Path = Path(),
) -> Work[Measurements]:
    """Measure what is read piece by piece; names, columns and files are checked before.

    `classes` tells the classes of objects, where they have any: from all columns, also those that nobody asked for.
    `folder` is for other processes, where they do the work.
    """
    how.check(list(work))
    columns = () if classes is not None else how.columns
    away = Away(how.scheduler, how.scheduler_options, folder, packed, unpacked) if how.scheduler else None
    readers = {n: partial(_objects, read, columns, never if away else stop) for n, read in work.items()}
    done = yield from each_image(readers, lambda o: len(o.table), stop, away)
    found, left_out = done.parts, done.left_out
    if classes is not None and not stop():
        table, summary, found = classes(found, how.columns, how.group_by, stop)
    else:
        table, summary = tables(found, how.group_by)
    if stop():
        return Measurements(table, summary, left_out, (), True)
    more = plates(found, how.plating, how.group_by)
    files = [write_table(t, p) for t, p in ((table, how.csv), (summary, how.summary)) if p]
    files += [write() for write in more.writers]
    if how.boxes:
        files.append(write_figure(box_figure(table, groups_of(list(found), how.group_by), how.columns), how.boxes))
    return Measurements(table, summary, left_out, tuple(files), False, more.plate, more.growth)


def _objects(read: Callable[[], Mapping[str, Measured]], columns: Sequence[str], stop: Stop) -> dict[str, Objects]:
    return {name: measure_objects(part, columns, stop=stop) for name, part in read().items()}


@dataclass(frozen=True)
class _OfProject:
    """An image of a project, for another process."""

    path: Path
    id: str
    intensities: bool

    def __call__(self) -> dict[str, Measured]:
        with Project.open(self.path) as project:
            return _of_project(project, self.id, project.read_image(self.id) if self.intensities else None)


def _of_project(project: Project, id: str, picture: Image | None) -> dict[str, Measured]:
    record = project.image(id)
    labels, state = project.load_labels(id)
    pixels = channels_of(picture) if picture is not None else NO_PIXELS
    ratios = image_cover_ratios(project, id)
    whole = project.task == "instance"
    return {id: image_of_project(labels, state, record.spacing_um, pixels, instances=whole, ratios=ratios)}


def _several(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
