"""What a project folder is before anything in it is used: settings, database, the window that has it, the author."""

from __future__ import annotations

import getpass
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any, Literal

import tomli_w
from filelock import FileLock, Timeout

from ..config import default_config
from ..errors import CellsegError, ProjectDamaged
from ._recovery import NAME as DATABASE

SCHEMA = 1
SUFFIX = ".cellseg"
Task = Literal["instance", "semantic"]


def make_folder(path: Path, task: Task, classes: tuple[str, ...]) -> tuple[Path, dict[str, Any]]:
    """A new project folder without a database, whole or not at all: its path, with the ending, and its settings.

    Raises
    ------
    CellsegError
        When the folder exists or cannot be made, or the task is unknown.
    """
    path = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
    if task not in ("instance", "semantic"):
        raise CellsegError(f"There is no task {task!r}.", "Use instance or semantic.")
    if path.exists():
        raise CellsegError(f"{path} exists already.", "Open it, or choose another name.")
    names = classes or (("object",) if task == "instance" else ("foreground",))
    if task == "instance" and len(names) > 1:
        raise CellsegError("An instance project has one class.", "Use --task semantic for several classes.")
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise CellsegError(f"Classes need names that differ: {', '.join(names)}.", "Give each class a name of its own.")
    settings = {
        "schema": SCHEMA,
        "name": path.stem,
        "task": task,
        "classes": list(names),
        "config": default_config(task).model_dump(mode="json"),
    }
    part = path.with_name(path.name + ".part")
    try:
        for folder in ("images", "models", "cache"):
            (part / folder).mkdir(parents=True)
        (part / "project.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise CellsegError(f"{path} cannot be made: {error}.", "Choose a folder you may write to.") from error
    return path, settings


def read_settings(path: Path) -> dict[str, Any]:
    """What ``project.toml`` holds.

    Raises
    ------
    CellsegError
        When the folder is no project, or one of a newer version.
    """
    try:
        settings = tomllib.loads((path / "project.toml").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CellsegError(
            f"{path} is not a cellseg project.", "Give a folder that ends in .cellseg, or make one with: new."
        ) from error
    except (OSError, ValueError) as error:
        raise CellsegError(f"{path}/project.toml cannot be read: {error}.", "Restore it from a backup.") from error
    sound = {"schema": int, "name": str, "task": str, "classes": list}
    if any(not isinstance(settings.get(key), kind) for key, kind in sound.items()) or (
        settings["task"] not in ("instance", "semantic") or not all(isinstance(c, str) for c in settings["classes"])
    ):
        raise CellsegError(
            f"{path}/project.toml does not hold schema, name, task and classes of a project.",
            "Restore it from a backup.",
        )
    if settings["schema"] > SCHEMA:
        raise CellsegError(
            f"{path.name} was made by a newer napari-cellseg (schema {settings['schema']}, this one knows {SCHEMA}).",
            "Update napari-cellseg: pip install -U napari-cellseg. The project was not touched.",
        )
    return settings


def had_database(path: Path) -> bool:
    """Whether a database should be there: in a folder that was just made there is none.

    Raises
    ------
    CellsegError
        When it is gone.
    """
    if (path / DATABASE).exists():
        return True
    used = [p for name in ("images", "models", "runs") for p in (path / name).glob("*")] + [*path.glob(f"{DATABASE}*")]
    if used:
        raise ProjectDamaged(
            f"The database of {path.name} is missing; {used[0].relative_to(path).as_posix()} is there.",
            "If project.db was moved, put it back. If it is lost, or a recovery was interrupted, run: napari-cellseg "
            f"recover {path.name}",
            str(path),
        )
    return False


def window_lock(path: Path) -> FileLock | Literal[False] | None:
    """The lock of the one window that edits; False where another has it, None where the file system has no locks."""
    lock = FileLock(path / "window.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return False
    except (OSError, NotImplementedError):
        return None
    return lock


def author() -> str:
    """Who makes edits: ``CELLSEG_AUTHOR``, or the name of the account."""
    if named := os.environ.get("CELLSEG_AUTHOR", "").strip():
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
