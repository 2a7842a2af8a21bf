"""The subcommand `predict`: images of a project, or files and folders with a model that exists."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event, Exported, Planned
from ._arguments import away
from ._opened import opened, status, tell_left_out
from ._progress import Printer

DRY = ".cellseg-dry-run"
"""Where nothing is written."""
LOOK_S = 5.0
"""Seconds between two looks into a folder that is watched."""


def predict(options: Namespace) -> int:
    """Label images of a project, or loose ones with a model."""
    first = Path(options.paths[0])
    loose = not (first / "project.toml").is_file()
    _check(options, first, loose)
    planned: list[Planned] = []
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            if isinstance(event, Planned):
                planned.append(event)
            if not isinstance(event, Exported):  # what is in --out needs no line of its own
                printer.show(event)

        done = (_files if loose else _project)(options, show, printer.stopped)
    if options.dry_run and not options.events:
        print(_in_all(planned, options.jobs or 1))
    return status(done.left_out, stopped=printer.stopped() and not options.watch)


# --- inside ---------------------------------------------------------------------------------------


def _check(options: Namespace, first: Path, loose: bool) -> None:
    if loose and not options.model:
        raise CellsegError(f"{first} is not a project.", "Without a project give --model MODEL_DIR and --out DIR.")
    if loose and not options.out and not options.dry_run:
        raise CellsegError(f"{first} is not a project.", "Without a project give --model MODEL_DIR and --out DIR.")
    if not loose and (options.dry_run or options.watch or options.summary):
        raise CellsegError(
            "--dry-run, --watch and --summary are for folders of pictures.", "In a project, napari says what it takes."
        )
    if options.watch and not (len(options.paths) == 1 and first.is_dir()):
        raise CellsegError("--watch needs one folder.", "Give the folder into which pictures come.")


def _files(options: Namespace, show: Callable[[Event], None], stop: Callable[[], bool]) -> api.Predictions:
    def go(resume: bool) -> api.Predictions:
        return api.predict_files(
            options.paths, options.model, out=options.out or DRY, series=options.series, resume=resume,
            object_size=options.object_size or 0.0, summary=options.summary or api.is_batch(options.paths),
            dry_run=options.dry_run, on_event=show, stop=stop, **_what(options),
        )  # fmt: skip

    if not options.watch:
        return go(options.resume)
    return api.watch(Path(options.paths[0]), lambda: go(True), stop=stop, pause=lambda: time.sleep(LOOK_S))


def _project(options: Namespace, show: Callable[[Event], None], stop: Callable[[], bool]) -> api.Predictions:
    with opened(options.paths[0]) as project:
        return project.predict(
            options.image, options.model, out=options.out, object_size=options.object_size, resume=options.resume,
            on_event=show, stop=stop, **_what(options),
        )  # fmt: skip


def _what(options: Namespace) -> dict[str, Any]:
    return {
        "settings": options.values, "region": options.region, "format": options.format,
        "probabilities": options.probabilities, **away(options),
    }  # fmt: skip


def _in_all(planned: list[Planned], jobs: int) -> str:
    seconds = sum(p.seconds for p in planned)
    most = max((p.bytes for p in planned), default=0) * jobs / 1e9
    tiles, processes = sum(p.tiles for p in planned), "1 process" if jobs == 1 else f"{jobs} processes"
    return (
        f"In all {len(planned)} pictures, {tiles} tiles: about {seconds / jobs:.0f} s with {processes}, {most:.1f} GB "
        "of memory at a time. Nothing was written."
    )
