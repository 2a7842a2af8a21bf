"""The subcommand review-cycle."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from ..errors import CellsegError
from ..report import CycleTold, cycle_rows, sentence, write_csv
from ._opened import DONE, opened, write_json


def review_cycle(options: Namespace) -> int:
    """Open or close a cycle; say what each was."""
    if (options.reviewer or options.note) and not options.open:
        raise CellsegError("--reviewer and --note are of a cycle that begins.", "Give --open, too.")
    with opened(options.project) as project:
        if options.close:
            project.close_review_cycle()
        if options.open:
            project.open_review_cycle(options.reviewer, options.note)
        found = project.review_cycles
    if not found:
        raise CellsegError("No review cycle was opened yet.", "Open one: --open --reviewer NAME.")
    for told in found:
        print(f"Cycle {told.cycle.n}, {told.cycle.reviewer}, {_when(told)}: {sentence(told)}")
    write_json(options.json, {"review_cycles": cycle_rows(found)})
    if options.csv:
        write_csv({"images": cycle_rows(found)}, Path(options.csv))
    return DONE


def _when(told: CycleTold) -> str:
    opened, closed = (
        "" if at is None else time.strftime("%Y-%m-%d", time.localtime(at))
        for at in (told.cycle.opened, told.cycle.closed)
    )
    return opened if closed in ("", opened) else f"{opened} to {closed}"
