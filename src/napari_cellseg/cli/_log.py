"""The subcommands about the log: history, compact and recover."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from ..errors import CellsegError
from ..project import Project, write_history
from ..project import compact as fold
from ._opened import opened

DONE = 0


def history(options: Namespace) -> int:
    """List the log, write it, or restore an earlier state."""
    with opened(options.project) as project:
        ids = [project.image(options.image).id] if options.image else [r.id for r in project.images()]
        if options.restore is not None:
            if not options.image:
                raise CellsegError("--restore needs to know which image.", "Say it: --image ID.")
            if not project.claim():
                raise CellsegError("A napari window edits this project.", "Close it first, or restore there.")
            edit = project.store(ids[0]).restore(options.restore)
            print(f"Restored {ids[0]} as it was after edit {options.restore}: {edit.index.size:,} voxels.")
            return DONE
        rows = sorted((row for id in ids for row in project.db.history(id)), key=lambda row: row.n)
        if options.csv:
            print(write_history(Path(options.csv), rows))
            return DONE
        for row in rows:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.time))
            print(f"{row.n:6d}  {when}  {row.author:<12} {row.image:<20} {row.tool:<16} {row.voxels:>10,} voxels")
    return DONE


def compact(options: Namespace) -> int:
    """Fold old edits into one per image."""
    with opened(options.project) as project:
        done = fold(project, options.keep)
        sizes = f"{done.before / 1e6:.1f} MB before, {done.after / 1e6:.1f} MB now"
        print(f"Folded {done.edits} edits of {project.name}: {sizes}.")
    return DONE


def recover(options: Namespace) -> int:
    """Rebuild the database."""
    with Project.recover(options.project) as project:
        print(f"Recovered {len(project.images())} images and {len(project.models())} models of {project.name}.")
        print("\n".join(project.notices))
    return DONE
