"""The subcommand for what images a project has."""

from __future__ import annotations

from argparse import Namespace
from typing import cast

from ..api import OpenProject
from ..errors import CellsegError
from ..project import Split
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
        if not (options.remove or options.restore or options.rename or options.split):
            _list(project)
    return DONE


def _check(project: OpenProject, options: Namespace) -> None:
    """All that a command names is there before anything is changed."""
    for id in (*options.remove, *options.split[1:]):
        project.project.image(id)
    if options.split and len(options.split) < 2:
        raise CellsegError("No image is named.", "Write: --split val ID...")


def _list(project: OpenProject) -> None:
    status = project.status
    for record in project.images:
        size = " x ".join(map(str, record.shape))
        print(f"{record.id}: {size}, {record.split}, {status[record.id].word}")
    for one in project.removed:
        print(f"removed: {one.key} ({one.text})")
