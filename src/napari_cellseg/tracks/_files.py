"""Tracks of a project's time series in files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .._types import Labels
from ..errors import CellsegError
from ..project import Project, TimeSeries
from ._export import track_rows, write_ctc, write_tracks_csv
from ._tracks import Tracks

FORMATS = ("csv", "ctc", "ctc-truth")
"""A table of all objects; the folder of the Cell Tracking Challenge, as a result or as truth."""


def write_tracks(project: Project, found: Sequence[tuple[TimeSeries, Tracks]], folder: Path, format: str) -> list[Path]:
    """Write tracks into a folder: one table (csv), or a folder for each series (ctc, ctc-truth); what was written.

    Raises
    ------
    CellsegError
        When something of that name is there already (but a table, which is replaced), or it cannot be written.
    """
    if format == "csv":
        rows: list[tuple[object, ...]] = []
        for series, tracks in found:
            step = series.interval_s
            times = [None if step is None else (p - series.points[0]) * step for p in series.points]
            rows += track_rows(tracks, series.name, series.ids, times, project.image(series.ids[0]).spacing_um)
        return [write_tracks_csv(folder / "tracks.csv", rows)]
    for series, _ in found:
        if (folder / series.name).exists():
            raise CellsegError(f"{folder / series.name} is there already.", "Name another folder.")
    out = []
    for series, tracks in found:
        load = partial(_labels, project, series)
        write_ctc(folder / series.name, tracks, load, truth=format == "ctc-truth")
        out.append(folder / series.name)
    return out


def _labels(project: Project, series: TimeSeries, at: int) -> Labels:
    return project.load_labels(series.ids[at])[0]
