"""Names that become folders and files of a project: of images, models, runs and members of ensembles."""

from __future__ import annotations

from pathlib import Path

from ..errors import CellsegError

LONGEST = 200
"""Bytes of a name; file systems take 255, and endings are added to it."""


def checked_name(name: object, what: str) -> str:
    """The name itself, where it names something inside its folder.

    Raises
    ------
    CellsegError
        When it is not text, or as a path would lead elsewhere: it is empty, a separator, a drive or a control character
        is in it, or it is made of dots.
    """
    wrong = (
        not isinstance(name, str)
        or not name.strip(". ")
        or any(c in "/\\:" or ord(c) < 32 or c == "\x7f" for c in name)
        or len(name.encode("utf-8", "surrogatepass")) > LONGEST
    )
    if wrong:
        raise CellsegError(
            f"The project names {what} {str(name)[:80]!r}, which cannot be the name of a folder in it.",
            "The project was damaged or made to do harm; nothing was changed. Take it from a backup.",
        )
    return str(name)


def inside(home: Path, name: object, what: str) -> Path:
    """The folder ``home/name``.

    Raises
    ------
    CellsegError
        When the name, or a link of that name, leads out of `home`.
    """
    path = home / checked_name(name, what)
    if path.is_symlink() and not path.resolve().is_relative_to(home.resolve()):
        raise CellsegError(
            f"{what[0].upper()}{what[1:]} {name!r} is a link to {path.resolve()}, which is outside the project.",
            "Put the folder itself there. Nothing was changed.",
        )
    return path
