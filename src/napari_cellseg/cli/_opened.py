"""A project for the time of one subcommand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..project import Project


@contextmanager
def opened(path: str | Path) -> Iterator[Project]:
    """Open a project, close it at the end, and tell on stderr what was found about it."""
    with Project.open(path) as project:
        try:
            yield project
        finally:
            for text in project.notices:
                print(f"napari-cellseg: {text}", file=sys.stderr)
