"""The subcommand describe."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event, ObjectsMeasured
from ..measurement import describe_cells
from ._opened import opened, status, tell_left_out
from ._progress import Printer


def describe(options: Namespace) -> int:
    """Describe a project, or pictures with their masks."""
    first = Path(options.paths[0])
    loose = not (first / "project.toml").is_file()
    if loose and options.image:
        raise CellsegError(f"{first} is not a project.", "--image chooses images of a project.")
    if not loose and (len(options.paths) > 1 or options.labels):
        raise CellsegError("A project knows its labels, and one is described at a time.", "Name it alone.")
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            if options.events or not isinstance(event, ObjectsMeasured):  # the table has a line for all
                printer.show(event)

        asked: dict[str, Any] = {
            "group_by": options.group_by, "csv": options.csv, "json": options.json, "markdown": options.markdown,
            "on_event": show, "stop": printer.stopped,
        }  # fmt: skip
        if loose:
            done = api.describe(options.paths, options.labels, **asked)
        else:
            with opened(first) as project:
                done = project.describe(options.image, **asked)
    if not options.events:
        _tell(done)
    return status(done.left_out, stopped=done.stopped)


def _kind(row: dict[str, Any]) -> str:
    """A size of images in words."""
    channels = f", {row['channels']:.0f} channels" if row["channels"] > 1 else ""
    return f"{row['size']} {row['dtype']}{channels}"


def _tell(done: api.Description) -> None:
    for group in done.summary["group"].unique():
        kinds = done.sizes[done.sizes["group"] == group].to_dict("records")
        sizes = ", ".join(f"{_kind(k)} ({k['images']})" for k in kinds)
        print(f"[{group}] {sum(k['images'] for k in kinds)} images: {sizes}")
        rows = [describe_cells(row) for row in done.summary[done.summary["group"] == group].to_dict("records")]
        rows.insert(0, ("", "mean ± SD", "median", "min to max", "of"))
        wide = [max(len(row[k]) for row in rows) for k in range(5)]
        for row in rows:
            print("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip())
    for path in done.files:
        print(path)
