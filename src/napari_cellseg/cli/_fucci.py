"""The subcommand fucci."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event
from ._opened import opened, status, tell_left_out
from ._progress import Printer


def fucci(options: Namespace) -> int:
    """States of the cell cycle of a project's nuclei, or of loose label files with their pictures."""
    first = Path(options.paths[0])
    loose = not (first / "project.toml").is_file()
    _check(options, loose)
    names = (
        "red_threshold", "green_threshold", "group_by", "time_by", "csv", "summary", "figure", "json", "corrections",
    )  # fmt: skip
    how: dict[str, Any] = {name: getattr(options, name) for name in names}
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            printer.show(event)

        how |= {"on_event": show, "stop": printer.stopped}
        channels = {name: getattr(options, name) for name in ("red", "green", "nuclear")}
        if loose:
            named: dict[str, Any] = {name: value or "" for name, value in channels.items()}
            done = api.fucci_files(options.paths, options.intensity, spacing_um=options.spacing, **named, **how)
        else:
            with opened(first) as project:
                done = project.fucci(options.image, propose=options.propose, **channels, **how)
    if not (options.events or done.stopped):
        _tell(done)
    return status(done.left_out, stopped=done.stopped)


def _check(options: Namespace, loose: bool) -> None:
    first = options.paths[0]
    if loose and (options.image or options.propose):
        raise CellsegError(f"{first} is not a project.", "--image and --propose are for projects.")
    if loose and not options.intensity:
        raise CellsegError(
            f"{first} is not a project, and its pictures are missing.",
            "Give the pictures of loose labels with --intensity, in the same order.",
        )
    if not loose and len(options.paths) > 1:
        raise CellsegError("One project is looked at at a time.", "Name one, or files of labels.")
    if not loose and (options.intensity or options.spacing):
        raise CellsegError(
            "A project knows its pictures and their pixel size.", "--intensity and --spacing are for loose label files."
        )


def _tell(done: api.FucciResult) -> None:
    """The thresholds, a line per group and time point, and what was written."""
    words = {"mixture": "between two populations", "spread": "what stands out of one population", "hand": "as set"}
    for marker, threshold in done.thresholds.items():
        print(f"{marker} above {threshold.value:.5g} ({words[threshold.how]})")
    rows = done.summary
    for row in rows[rows["level"] != "image"].to_dict("records"):
        shares = ", ".join(
            f"{name} {row[f'share_{key}']:.1f} %"
            for name, key in (("G1", "g1"), ("G1 to S", "g1_to_s"), ("S/G2/M", "s_g2_m"), ("M to G1", "m_to_g1"))
        )
        said = f"; {row['by_hand']} by hand" if row["by_hand"] else ""
        print(f"[{row['name']}] {row['nuclei']} nuclei: {shares}{said}")
    for path in done.files:
        print(path)
