"""Annotation rules of a project: Markdown that people write, with any editor, and pictures beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import CellsegError
from ..files import whole
from ._names import free_name


def read_guidelines(path: Path) -> str:
    """The text of a file, "" where there is none.

    Raises
    ------
    CellsegError
        When the file is there and cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CellsegError(f"The guidelines cannot be read: {error}.", "Check the folder of the project.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # an editor of Windows


def copy_reference(picture: Path, folder: Path) -> str:
    """Copy a picture into a folder, whole or not at all; returns the Markdown that shows it from beside the folder.

    Raises
    ------
    CellsegError
        When it cannot be copied.
    """
    try:
        folder.mkdir(exist_ok=True)
        name = free_name(picture.stem, {p.stem for p in folder.iterdir()}) + picture.suffix.lower()
        with whole(folder / name) as part:
            shutil.copyfile(picture, part)
    except OSError as error:
        raise CellsegError(f"{picture.name} could not be copied: {error}.", "Free some space.") from error
    return f"![{picture.stem}]({folder.name}/{name})"
