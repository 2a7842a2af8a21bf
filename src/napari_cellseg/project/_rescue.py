"""An open project written as another one, also where its own folder was deleted or replaced meanwhile.

Data flow: the open connection still has every row -> a database of its own; models, pictures that lie inside and
guidelines are copied where they can still be read; labels need no snapshot, since the log tells all of them.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import tomli_w

from ..errors import CellsegError
from ._db import Database
from ._folder import Project
from ._opening import SUFFIX
from ._recovery import NAME

_KEPT = ("models", "runs", "removed", "sources", "guidelines", "guidelines.md")


def save_elsewhere(project: Project, path: str | Path) -> Path:
    """Write what is open as the project ``path`` (ending ``.cellseg``); returns its folder.

    Raises
    ------
    CellsegError
        When there is something already, or it cannot be written; nothing is left behind.
    """
    path = Path(path)
    path = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
    if path.exists():
        raise CellsegError(f"{path} exists already.", "Choose another name.")
    part = path.with_name(path.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        for folder in ("images", "models", "cache"):
            (part / folder).mkdir(parents=True)
        settings = project.settings() | {"name": path.stem}
        (part / "project.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
        for name in _KEPT:
            _copy(project.path / name, part / name)
        project.db.copy_to(part / NAME)
        _move_pictures(project, part / NAME, path)
        os.replace(part, path)
    except OSError as error:
        raise CellsegError(f"{path} could not be written: {error}.", "Choose another place.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        shutil.copyfile(source, target)


def _move_pictures(project: Project, database: Path, home: Path) -> None:
    """Name pictures so that they are found from the new place; those inside the project went with it."""
    moved = []
    for record in project.images():
        source = project.source(record)
        if source.is_relative_to(project.path.resolve()):
            source = home.resolve() / source.relative_to(project.path.resolve())
            moved.append(replace(record, source=source.relative_to(home.resolve().parent).as_posix()))
        else:
            moved.append(replace(record, source=str(source)))
    with closing(Database(database)) as db:
        db.put_images(moved)
        db.make_single()
