"""The subcommand cells."""

from __future__ import annotations

from argparse import Namespace

from ..errors import CellsegError
from ..events import Event
from ..measurement import CellRules
from ._opened import opened, status, tell_left_out
from ._progress import Printer


def cells(options: Namespace) -> int:
    """Make cells out of classes."""
    with Printer(options.events) as printer, opened(options.project) as project:

        def show(event: Event) -> None:
            tell_left_out(event)
            printer.show(event)

        done = project.cells(
            options.image, nucleus=options.nucleus, envelope=options.envelope,
            rules=CellRules(options.least, options.gap, options.cap),
            together=_together(options.same_nucleus), csv=options.csv, out=options.out, format=options.format,
            on_event=show, stop=printer.stopped,
        )  # fmt: skip
    if not (options.events or done.stopped):
        bare = int(done.table["no_nucleus"].sum()) if len(done.table) else 0
        many = "1 cell" if len(done.table) == 1 else f"{len(done.table)} cells"
        print(f"{many}, {bare} of them without a nucleus." if bare else f"{many}.")
        for path in done.files:
            print(path)
    return status(done.left_out, stopped=done.stopped)


def _together(texts: list[list[str]]) -> dict[str, list[list[tuple[int, ...]]]]:
    """``ID Z,Y,X Z,Y,X ...`` -> places by image, a list for each cell."""
    found: dict[str, list[list[tuple[int, ...]]]] = {}
    for id, *places in texts:
        try:
            points = [tuple(int(n) for n in place.split(",")) for place in places]
        except ValueError:
            points = []
        if len(points) < 2:
            raise CellsegError(
                f"--same-nucleus {' '.join([id, *places])} names no two places.",
                "Give an image and places: ID Z,Y,X Z,Y,X",
            )
        found.setdefault(id, []).append(points)
    return found
