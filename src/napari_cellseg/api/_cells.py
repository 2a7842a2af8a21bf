"""Cells as objects out of a project's classes: a table, and masks of cells, nuclei and envelopes by one number."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CellsegError
from ..events import ObjectsMeasured, Skipped, Stopped
from ..images import LABEL_FORMATS, write_labels
from ..measurement import CellRules, Cells, check_table_path, with_classes, write_table
from ..project import Project, object_classes
from ._cell_objects import Together, cell_roles, cells_of_image
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
    """Which classes are what, how cells are made, and what is written."""

    nucleus: str = "nucleus"
    envelope: str = "envelope"
    rules: CellRules = field(default_factory=CellRules)
    together: Mapping[str, Together] | None = None
    csv: str | Path | None = None
    out: str | Path | None = None
    format: str = "tif"


def cells_of_project(project: Project, ids: Sequence[str], how: CellMaking, stop: Stop) -> Work[CellsFound]:
    """Make cells of images, in a project of classes."""
    import pandas as pd

    roles = cell_roles(project, how.nucleus, how.envelope)
    wanted = [project.image(id).id for id in ids] or [r.id for r in project.images()]
    unknown = set(how.together or {}) - set(wanted)
    if unknown:
        raise CellsegError(f"There is no image {sorted(unknown)[0]} among those that are looked at.", "Check its name.")
    if how.csv:
        check_table_path(how.csv)
    if how.format not in LABEL_FORMATS:
        raise CellsegError(f"Labels are not written as {how.format!r}.", f"Use one of {', '.join(LABEL_FORMATS)}.")
    tables, known, left_out, files = dict[str, pd.DataFrame](), dict[str, ObjectsSaid](), [], list[Path]()
    for id in wanted:
        if stop():
            yield Stopped("cancelled")
            break
        start = time.perf_counter()
        try:
            found = cells_of_image(project, id, roles, how.rules, (how.together or {}).get(id, ()))
            if object_classes(project):
                known[id] = cells_said(project, id, found, stop)
            files += _masks(project, id, found, how)
        except CellsegError as error:
            if len(wanted) == 1:
                raise
            left_out.append(Skipped(id, error.message, error.hint))
            yield left_out[-1]
            continue
        tables[id] = found.table
        yield ObjectsMeasured(id, len(found.table), time.perf_counter() - start)
    if known and not stop():
        told = told_classes(project, list(known), known, stop=stop)
        tables = {id: with_classes(t, told.columns[id]) for id, t in tables.items()}
    for id, each in tables.items():
        each.insert(0, "image", id)
    table = pd.concat(tables.values(), ignore_index=True) if tables else pd.DataFrame()
    if how.csv and not stop():
        files.append(write_table(table, Path(how.csv)))
    return CellsFound(table, tuple(left_out), tuple(files), stop())


def _masks(project: Project, id: str, found: Cells, how: CellMaking) -> list[Path]:
    if how.out is None:
        return []
    folder, spacing = Path(how.out), project.image(id).spacing_um
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"cells": found.cells, "nuclei": found.nuclei, "envelopes": found.envelopes}
    return [
        write_labels(folder / f"{id}_{name}.{how.format}", labels, spacing)
        for name, labels in parts.items()
        if name != "envelopes" or labels.any()
    ]
