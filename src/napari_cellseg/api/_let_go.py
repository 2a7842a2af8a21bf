"""Snapshots that find no room are told, and are no failure: what was done is in the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CellsegError, ProjectGone
from ..project import Project


@contextmanager
def told(project: Project) -> Iterator[None]:
    """Put what a snapshot says that cannot be written among the project's notices."""
    try:
        yield
    except ProjectGone:
        raise
    except CellsegError as error:
        project.notices.append(f"{error.message} {error.hint}")


def let_go(project: Project, id: str) -> None:
    """Write a snapshot of an image that is done and drop its working copy."""
    with told(project):
        project.release(id)
