"""The subcommands about the log: history, compact and recover."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

from .. import api
from ..errors import CellsegError
from ..project import write_history
from ._opened import DONE, opened


def history(options: Namespace) -> int:
    """List the log, write it, or restore an earlier state."""
    with opened(options.project) as project:
        if options.restore is not None:
            if not options.image:
                raise CellsegError("--restore needs to know which image.", "Say it: --image ID.")
            voxels = project.restore(options.image, options.restore)
            print(f"Restored {options.image} as it was after edit {options.restore}: {voxels:,} voxels.")
            return DONE
        rows = project.history(options.image)
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
        if options.dry_run:
            size = project.log_size(options.keep)
            log = f"{size.edits} edits in {size.bytes / 1e6:.1f} MB"
            print(f"{project.project.name} has {log}; {size.old} would be folded.")
            return DONE
        done = project.compact(options.keep)
        sizes = f"{done.before / 1e6:.1f} MB before, {done.after / 1e6:.1f} MB now"
        print(f"Folded {done.edits} edits of {project.project.name}: {sizes}.")
    return DONE


def recover(options: Namespace) -> int:
    """Rebuild the database."""
    with api.recover(options.project) as project:
        print(f"Recovered {len(project.images)} images and {len(project.models)} models of {project.project.name}.")
        print("\n".join(project.notices))
    return DONE
