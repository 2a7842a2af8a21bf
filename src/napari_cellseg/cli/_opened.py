"""A project for the time of one subcommand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CellsegError, ProjectGone
from ..project import Project


@contextmanager
def opened(path: str | Path) -> Iterator[Project]:
    """Open a project, close it at the end, and tell on stderr what was found about it.

    Snapshots that cannot be written then (a full disk) are told and are no failure: what was done is in the log.
    """
    project = Project.open(path)
    try:
        yield project
    finally:
        try:
            project.close()
        except ProjectGone:
            raise
        except CellsegError as error:
            project.notices.append(f"{error.message} {error.hint}")
        finally:
            for text in project.notices:
                print(f"napari-cellseg: {text}", file=sys.stderr)


def let_go(project: Project, id: str) -> None:
    """Write a snapshot of an image that is done and drop its working copy; as at the end, a full disk is only told."""
    try:
        project.release(id)
    except ProjectGone:
        raise
    except CellsegError as error:
        project.notices.append(f"{error.message} {error.hint}")
