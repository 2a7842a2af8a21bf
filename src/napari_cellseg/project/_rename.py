"""Another name, or another split, for an image of a project."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Literal

from ..errors import CellsegError
from ._folder import Project
from ._names import safe_name
from ._reading import check_unread
from ._records import ModelCard
from ._rows import rename_rows

Split = Literal["train", "val", "test"]
_RENAMED = "renamed:"


def rename_image(project: Project, id: str, name: str) -> None:
    """Give an image another id; labels, edits, hints, reviews and what is held out go with it.

    Raises
    ------
    CellsegError
        When the name cannot be one or is taken, or a training or prediction reads the images.
    """
    check_unread(project.path)
    record = project.image(id)
    if name == id:
        return
    if not name or safe_name(name) != name:
        raise CellsegError(f"An image cannot be called {name!r}.", f"Use letters, digits, . _ -: {safe_name(name)}")
    if any(r.id.casefold() == name.casefold() and r.id != id for r in project.images()):
        raise CellsegError(f"There is an image {name} already.", "Choose another name.")
    project.release(id)
    folder = project.path / "images"
    with project.db.transaction() as connection:
        rename_rows(connection, id, name, json.dumps(asdict(replace(record, id=name))))
        since = f"{name}@{project.db.last_edit()}"
        connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_RENAMED + id, since))
        try:
            if (folder / id).exists():
                os.replace(folder / id, folder / name)
        except OSError as error:
            raise CellsegError(f"{id} cannot be renamed: {error}.", "Check the rights of the folder.") from error
    for kept in ("predictions", "judged"):
        with suppress(OSError):
            os.replace(project.path / "cache" / kept / id, project.path / "cache" / kept / name)
    project.store(name).snapshot(force=True)  # a snapshot says whose it is
    project.release(name)


def learnt_from(project: Project, card: ModelCard) -> tuple[str, ...]:
    """The images that a model learnt from, as they are called now."""
    renamed = project.db.settings(_RENAMED)
    return tuple(_now(id, card.edits_until, renamed) for id in card.images)


def _now(id: str, n: int, renamed: dict[str, str]) -> str:
    """The name now of an image that was called `id` at edit `n`."""
    seen = {id}
    while id in renamed:
        name, _, since = renamed[id].rpartition("@")
        if n > int(since) or name in seen:  # that is another image, which got the name later
            break
        id = name
        seen.add(id)
    return id


def change_split(project: Project, id: str, split: Split) -> str:
    """Say what an image is for: ``train``, ``val`` (judges as a whole) or ``test`` (measures, is never learnt from).

    Returns
    -------
    str
        What should be known of it, "" for nothing.

    Raises
    ------
    CellsegError
        When there is no such image or split, or a training or prediction reads the images.
    """
    if split not in ("train", "val", "test"):
        raise CellsegError(f"There is no split {split!r}.", "Use train, val or test.")
    check_unread(project.path)
    record = project.image(id)
    project.db.move_to_split(id, split)
    learnt = [card.id for card in project.models() if id in learnt_from(project, card)]
    if split == "train" or record.split != "train" or not learnt:
        return ""
    return f"{', '.join(learnt)} learnt from {id} before it was moved to {split}: its scores there flatter."
