"""The projects that were open last, for the start page: kept in a file of the person's, which may fail and be missing.

Data flow: a project is opened -> the file, in the helper thread -> `Session.recent`. A drive that does not answer holds
up nothing: whether a project is still there is asked in the helper thread, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CellsegError
from ...files import write_text
from .items import Item

if TYPE_CHECKING:
    from .workspace import Workspace

MOST = 5


@dataclass(frozen=True)
class Recent:
    """A project that was open; `picture` is the thumbnail of its first image, "" where it has none."""

    path: str
    opened: float
    images: int
    picture: str = ""


def recent_file() -> Path:
    """Where it is kept: beside other settings of the person, or where ``CELLSEG_CONFIG`` says."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(os.environ.get("CELLSEG_CONFIG") or Path(home) / "napari-cellseg") / "recent.json"


def read_recent(file: Path) -> list[Recent]:
    """What the file holds, the newest first; nothing where it cannot be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        entries = [Recent(str(e["path"]), float(e["opened"]), int(e["images"]), str(e["picture"])) for e in found]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return sorted(entries, key=lambda e: -e.opened)[:MOST]


def write_recent(file: Path, entries: list[Recent]) -> None:
    """Replace the file; where that cannot be done, nothing happens."""
    with contextlib.suppress(CellsegError, OSError):
        write_text(file, json.dumps([asdict(e) for e in entries[:MOST]], indent=1))


class RecentProjects:
    """What was open before, and what is now."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self.file: Path | None = None
        """None: nothing is remembered (scripts, tests without a window)."""

    def show(self) -> None:
        """Read what was open before."""
        self._do(lambda entries: entries)

    def opened(self) -> None:
        """A project is open: it is the newest."""
        project, images = self._ws.project(), self._ws.session.images
        path = str(project.path.resolve())
        picture = str(project.path.resolve() / "images" / images[0].id / "thumbnail.png") if images else ""
        now = Recent(path, time.time(), len(images), picture)
        self._do(lambda entries: [now, *(e for e in entries if e.path != path)])

    def forget(self, path: str) -> None:
        """Take one off the list; the project itself is left alone."""
        self._do(lambda entries: [e for e in entries if e.path != path])

    def _do(self, change: Callable[[list[Recent]], list[Recent]]) -> None:
        file = self.file
        if file is None:
            return

        def work() -> tuple[Item, ...]:
            before = read_recent(file)
            after = change(before)
            if after != before:
                write_recent(file, after)
            return tuple(_item(e) for e in after[:MOST])

        self._ws.helper.later(work, lambda items: self._ws.session.update(recent=items), lambda _: None)


def _item(entry: Recent) -> Item:
    path = Path(entry.path)
    images = "1 image" if entry.images == 1 else f"{entry.images} images"
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(entry.opened))
    try:
        gone = "" if (path / "project.toml").is_file() else f"It is not at {path} any more."
    except OSError as error:
        gone = f"{path} does not answer: {error}."
    picture = entry.picture if not gone and Path(entry.picture).is_file() else ""
    return Item(entry.path, path.stem, f"{images}, {when}", picture, str(path), gone)
