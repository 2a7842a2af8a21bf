"""The subcommand select."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event
from ._opened import opened, status, tell_left_out
from ._progress import Printer


def select(options: Namespace) -> int:
    """Choose images of a project, or pictures of a folder."""
    first = Path(options.paths[0])
    loose = not (first / "project.toml").is_file()
    if loose and options.image:
        raise CellsegError(f"{first} is not a project.", "--image chooses images of a project.")
    if not loose and (len(options.paths) > 1 or options.labels):
        raise CellsegError("A project knows its labels, and one is looked at at a time.", "Name it alone.")
    names = ("steps", "span", "sharpness", "debris", "by", "group_by", "csv", "list", "figure")
    asked: dict[str, Any] = {name: getattr(options, name) for name in names}
    if options.model:
        asked["model"] = options.model
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            printer.show(event)

        asked |= {"on_event": show, "stop": printer.stopped}
        if loose:
            done = api.select(options.paths, options.labels, options.n, **asked)
        else:
            with opened(first) as project:
                done = project.select(options.image, options.n, **asked)
    if not options.events:
        _tell(done)
    return status(done.left_out, stopped=done.stopped)


def _tell(done: api.Selection) -> None:
    """What was taken, by confluency, then what was left, each with its reason."""
    table = done.table.sort_values(["taken", "confluency"], ascending=[False, True])
    for row in table.to_dict("records"):
        print(f"{'+' if row['taken'] else '-'} {row['image']}: {row['confluency']:.1f} %; {row['reason']}")
    for path in done.files:
        print(path)
