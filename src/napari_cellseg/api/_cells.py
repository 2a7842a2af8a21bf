"""Cells as objects out of a project's classes: a table, and masks of cells, nuclei and envelopes by one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CellsegError
from ..events import Skipped
from ..images import LABEL_FORMATS, label_file, write_labels
from ..measurement import CellRules, Cells, check_table_path, with_classes, write_table
from ..project import Project, object_classes, put_cell_classes
from ._cell_objects import Together, cell_names, cell_roles, cells_of_image
from ._each_image import each_image
from ._object_classes import ObjectsSaid, cells_said, told_classes
from ._work import Stop, Work

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class CellsFound:
    """Cells of a project.

    Attributes
    ----------
    table
        A row for each cell of each image (see `measurement.Cells`), with a column ``image``.
    left_out
        Images that could not be used, with message and hint.
    files
        What was written.
    stopped
        Whether it ended early at somebody's wish; the table is not written then.
    """

    table: DataFrame
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class CellMaking:
    """Which classes are what ("": as the project keeps it), how cells are made, and what is written."""

    nucleus: str = ""
    envelope: str = ""
    rules: CellRules = field(default_factory=CellRules)
    together: Mapping[str, Together] | None = None
    csv: str | Path | None = None
    out: str | Path | None = None
    format: str = "tif"


def cells_of_project(project: Project, ids: Sequence[str], how: CellMaking, stop: Stop) -> Work[CellsFound]:
    """Make cells of images, in a project of classes; it keeps which classes are nuclei and envelopes."""
    import pandas as pd

    names = cell_names(project, how.nucleus, how.envelope)
    roles = cell_roles(project, names)
    wanted = [project.image(id).id for id in ids] or [r.id for r in project.images()]
    _check(how, wanted)
    put_cell_classes(project, names)
    classed = bool(object_classes(project))

    def said(id: str, found: Cells | None = None) -> ObjectsSaid:
        return cells_said(project, id, found or cells_of_image(project, id, roles, how.rules), stop)

    def make(id: str) -> dict[str, _Made]:
        found = cells_of_image(project, id, roles, how.rules, (how.together or {}).get(id, ()))
        known = said(id, found) if classed else None
        return {id: _Made(found.table, known, tuple(_masks(project, id, found, how)))}

    done = yield from each_image({id: partial(make, id) for id in wanted}, lambda made: len(made.table), stop)
    tables = {id: made.table for id, made in done.parts.items()}
    files = [path for made in done.parts.values() for path in made.files]
    if classed and tables and not done.stopped:
        known = {id: made.said for id, made in done.parts.items() if made.said is not None}
        told = told_classes(project, list(known), known, objects=said)
        tables = {id: with_classes(t, told.columns[id]) for id, t in tables.items()}
    for id, each in tables.items():
        each.insert(0, "image", id)
    table = pd.concat(tables.values(), ignore_index=True) if tables else pd.DataFrame()
    stopped = done.stopped or stop()
    if how.csv and not stopped:
        files.append(write_table(table, Path(how.csv)))
    return CellsFound(table, done.left_out, tuple(files), stopped)


class _Made(NamedTuple):
    """Of one image: the table of its cells, what was said of them, and masks that were written."""

    table: DataFrame
    said: ObjectsSaid | None
    files: tuple[Path, ...]


def _check(how: CellMaking, wanted: Sequence[str]) -> None:
    """Raise where something that was given cannot be used."""
    unknown = set(how.together or {}) - set(wanted)
    if unknown:
        raise CellsegError(f"There is no image {sorted(unknown)[0]} among those that are looked at.", "Check its name.")
    if how.csv:
        check_table_path(how.csv)
    if how.format not in LABEL_FORMATS:
        raise CellsegError(f"Labels are not written as {how.format!r}.", f"Use one of {', '.join(LABEL_FORMATS)}.")


def _masks(project: Project, id: str, found: Cells, how: CellMaking) -> list[Path]:
    if how.out is None:
        return []
    folder, spacing = Path(how.out), project.image(id).spacing_um
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"cells": found.cells, "nuclei": found.nuclei, "envelopes": found.envelopes}
    return [
        write_labels(folder / label_file(f"{id}_{name}", how.format), labels, spacing)
        for name, labels in parts.items()
        if name != "envelopes" or labels.any()
    ]
