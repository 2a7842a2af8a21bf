"""The subcommand measure."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event
from ..measurement import cover_words, growth_words
from ._arguments import away
from ._opened import opened, status, tell_left_out
from ._progress import Printer


def measure(options: Namespace) -> int:
    """Measure the objects of a project's images, or of loose label files."""
    first = Path(options.paths[0])
    loose = not (first / "project.toml").is_file()
    _check(options, loose)
    how = {"columns": options.columns, "group_by": options.group_by, "csv": options.csv, "summary": options.summary}
    how["boxes"] = options.boxes
    plating = api.Plating(
        tuple(options.plate), tuple(options.growth), options.well_by, options.time_by, options.plate_value,
        options.plate_wells, options.interval, options.growth_span,
    )  # fmt: skip
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            printer.show(event)

        asked: dict[str, Any] = {**how, "plating": plating, "on_event": show, "stop": printer.stopped, **away(options)}
        if loose:
            done = api.measure_files(options.paths, options.intensity, spacing_um=options.spacing, **asked)
        else:
            with opened(first) as project:
                done = project.measure(options.image, **asked)
    if not options.events:
        _tell(done)
    return status(done.left_out, stopped=done.stopped)


def _check(options: Namespace, loose: bool) -> None:
    first = options.paths[0]
    if loose and options.image:
        raise CellsegError(f"{first} is not a project.", "--image chooses images of a project.")
    if not loose and len(options.paths) > 1:
        raise CellsegError("One project is measured at a time.", "Name one, or files of labels.")
    if not loose and (options.intensity or options.spacing):
        raise CellsegError(
            "A project knows its pictures and their pixel size.", "--intensity and --spacing are for loose label files."
        )


def _covered(row: dict[str, Any]) -> str:
    error = cover_words(row)
    return f"{row['confluency']:.1f} % covered{f' ({error})' if error else ''}"


def _tell(done: api.Measurements) -> None:
    """A line per image and group, and what was written."""
    for row in done.summary.to_dict("records"):
        unit, power = str(row["unit"]), {2: "^2", 3: "^3"}[int(row["dimensions"])]
        per = {"um2": "mm^2", "um3": "mm^3", "px2": "megapixel", "px3": "gigavoxel"}[f"{unit}{row['dimensions']}"]
        name = row["name"] if row["level"] == "image" else f"[{row['name']}]"
        print(
            f"{name}: {row['objects']} objects, {row['density']:.4g} per {per}, {_covered(row)}, "
            f"median {row['size_median']:.4g} {unit}{power}"
        )
    for row in done.growth.to_dict("records") if done.growth is not None else ():
        note = f" ({row['note']})" if row["note"] else ""
        print(f"{row['of']}, {growth_words(row)}{note}")
    for path in done.files:
        print(path)
