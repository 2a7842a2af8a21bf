"""A project for the time of one subcommand, and what subcommands say alike."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..api import OpenProject
from ..api import open as open_project
from ..events import Event, Skipped
from ..files import write_text

DONE, MISTAKE, CANCELLED = 0, 2, 130


@contextmanager
def opened(path: str | Path) -> Iterator[OpenProject]:
    """Open a project, close it at the end, and tell on stderr what was found about it."""
    project = open_project(path)
    try:
        yield project
    finally:
        try:
            project.close()
        finally:
            for text in project.notices:
                print(f"napari-cellseg: {text}", file=sys.stderr)


def tell_left_out(event: Event) -> None:
    """Say on stderr which image was left out and why, where an event says so."""
    if isinstance(event, Skipped):
        print(f"napari-cellseg: {event.image} was left out: {event.message}", file=sys.stderr)
        if event.hint:
            print(f"  {event.hint}", file=sys.stderr)


def status(left_out: Sequence[Skipped], *, stopped: bool = False) -> int:
    """The exit status: cancelled, or a mistake where any image was left out."""
    return CANCELLED if stopped else MISTAKE if left_out else DONE


def configured(options: Namespace) -> dict[str, Any]:
    """What --config, --preset, --recipe and --set say, for the verbs that train."""
    named = {"preset": options.preset or "", "recipe": options.recipe or ""}
    return {"config": options.config or None, "settings": options.values, **named}


def write_json(path: str | None, values: dict[str, Any]) -> None:
    """Write plain values, where a path was given."""
    if path:
        write_text(path, json.dumps(values, indent=2))
