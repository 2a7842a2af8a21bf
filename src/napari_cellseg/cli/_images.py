"""The subcommand for what images a project has."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import cast

from ..api import OpenProject
from ..errors import CellsegError
from ..project import Split, images_named
from ._opened import DONE, opened


def images(options: Namespace) -> int:
    """List, remove, restore, rename images, or move them to another split."""
    with opened(options.project) as project:
        _check(project, options)
        for id in options.remove:
            gone = project.remove(id)
            print(f"Removed {id} ({gone.text}). Bring it back with: --restore {gone.key}")
        for key in options.restore:
            print(f"Restored {project.restore_removed(key)}.")
        if options.rename:
            project.rename(*options.rename)
            print(f"{options.rename[0]} is called {options.rename[1]} now.")
        for id in options.split[1:]:
            note = project.move(id, cast("Split", options.split[0]))
            print(f"{id}: {options.split[0]}" + (f". {note}" if note else ""))
        if options.time_series:
            _join(project, *options.time_series, interval=options.interval)
        if not (options.remove or options.restore or options.rename or options.split or options.time_series):
            _list(project)
    return DONE


def _check(project: OpenProject, options: Namespace) -> None:
    """All that a command names is there before anything is changed."""
    for id in (*options.remove, *options.split[1:]):
        images_named(project.project, id)
    if options.interval and not options.time_series:
        raise CellsegError("It is not said which time series this interval is of.", "Write: --time-series NAME.")
    if options.split and len(options.split) < 2:
        raise CellsegError("No image is named.", "Write: --split val ID...")


def _join(project: OpenProject, name: str, *ids: str, interval: str) -> None:
    """Make images a time series, or say how long it is between its frames."""
    if ids:
        series = project.join(name, ids, interval)
        print(f"{name} is a time series of {len(series.ids)} frames.")
    else:
        project.set_interval(name, interval)
        print(f"{name}: {interval or 'nobody knows how long'} from frame to frame.")


def _list(project: OpenProject) -> None:
    status = project.status
    frames = {id for series in project.time_series for id in series.ids}
    for series in project.time_series:
        words = Counter(status[id].word for id in series.ids)
        record = project.project.image(series.ids[0])
        size = f"{len(series.ids)} x " + " x ".join(map(str, record.shape))
        every = f", every {series.interval_s:g} s" if series.interval_s else ""
        print(f"{series.name}: time series, {size}, {record.split}{every}, " + ", ".join(map(_some, words.items())))
    for record in project.images:
        if record.id in frames:
            continue
        size = " x ".join(map(str, record.shape))
        print(f"{record.id}: {size}, {record.split}, {status[record.id].word}")
    for one in project.removed:
        print(f"removed: {one.key} ({one.text})")


def _some(counted: tuple[str, int]) -> str:
    return f"{counted[1]} {counted[0]}"
