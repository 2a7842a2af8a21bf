"""The subcommands of objects through time."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from .. import api
from ..errors import CellsegError
from ..files import write_text
from ..project import named_series
from ._opened import DONE, opened, status
from ._progress import Printer


def track(options: Namespace) -> int:
    """Follow the objects of time series through time."""
    pairs = [(_pair(words), linked) for kind, linked in ((options.link, True), (options.cut, False)) for words in kind]
    with Printer(options.events) as printer, opened(options.project) as project:
        for (earlier, later), linked in pairs:
            (project.link if linked else project.cut)(earlier, later)
        done = project.track(
            options.series, settings=options.values, out=options.out, format=options.export, on_event=printer.show,
            stop=printer.stopped,
        )  # fmt: skip
    found = {name: _counts(tracks) for name, tracks in done.tracks.items()}
    if options.json and not done.stopped:
        write_text(Path(options.json), json.dumps(found, indent=2) + "\n")
    if not options.events:
        for name, counts in found.items():
            print(
                f"{name}: {counts['tracks']} tracks of {counts['objects']} objects in {counts['frames']} frames, "
                f"{counts['divisions']} divisions, {counts['through']} from the first to the last frame"
            )
        for path in done.files:
            print(path)
    return status((), stopped=done.stopped)


def carry_on(options: Namespace) -> int:
    """Copy objects into the next frame."""
    with opened(options.project) as project:
        image, objects = options.image, list(options.object)
        series = named_series(project.project, image)
        for _ in range(options.frames):
            done = project.carry_on(image, objects)
            image, objects = series.ids[series.at(image) + 1], list(done.values())
            print(f"{len(done)} objects carried on to {image}.")
            if image == series.ids[-1]:
                break
    return DONE


def _counts(tracks: api.Tracks) -> dict[str, int]:
    """Of a series."""
    spans = tracks.spans
    return {
        "tracks": len(spans),
        "objects": len(tracks.frames),
        "frames": tracks.n_frames,
        "divisions": sum(len(children) > 1 for children in tracks.divisions.values()),
        "through": sum(s.first == 0 and s.last == tracks.n_frames - 1 for s in spans),
    }


def _pair(words: list[str]) -> tuple[tuple[str, int], tuple[str, int]]:
    """IMAGE LABEL IMAGE LABEL."""
    a, n, b, m = words
    if not (n.isdecimal() and m.isdecimal()):
        raise CellsegError(f"{' '.join(words)} does not name two objects.", "Write: IMAGE LABEL IMAGE LABEL.")
    return (a, int(n)), (b, int(m))
