"""Another name, or another split, for an image of a project."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import product
from typing import Literal

from ..errors import CellsegError
from ._folder import Project
from ._joining import check_whole
from ._names import safe_name
from ._reading import check_unread
from ._records import ImageRecord, ModelCard
from ._rows import rename_rows
from ._time_series import new_ids, time_series_in

Split = Literal["train", "val", "test"]
_RENAMED = "renamed:"


def rename_image(project: Project, id: str, name: str) -> None:
    """Give an image, or a time series with its frames, another name; labels, edits and all else go with it.

    Raises
    ------
    CellsegError
        When the name cannot be one or is taken, it is a frame of a time series, or a training or prediction reads the
        images.
    """
    check_unread(project.path)
    ids = check_whole(project, id)
    if name == id:
        return
    if not name or safe_name(name) != name:
        raise CellsegError(f"An image cannot be called {name!r}.", f"Use letters, digits, . _ -: {safe_name(name)}")
    every = project.images()
    series = time_series_in(every).get(id)
    changed = new_ids(series, name) if series is not None else {id: name}
    used = {r.id.casefold() for r in every if r.id not in changed}
    used |= {n.casefold() for n in time_series_in(every) if n != id}
    for new in (name, *changed.values()):
        if new.casefold() in used:
            raise CellsegError(f"There is an image {new} already.", "Choose another name.")
    records = {one: replace(project.image(one), id=changed.get(one, one)) for one in ids}
    if series is not None:
        points = dict(zip(series.ids, series.points, strict=True))
        records = {k: replace(r, time_series=name, time_point=points[k]) for k, r in records.items()}
    for one in ids:
        project.release(one)
    _rename(project, records)
    for one in changed.values():
        project.store(one).snapshot(force=True)  # a snapshot says whose it is
        project.release(one)


def _rename(project: Project, records: dict[str, ImageRecord]) -> None:
    """Enter records with new ids by their old ones, and move what lies in folders of these names: all, or nothing."""
    folder, done = project.path / "images", []
    pairs = [(old, r.id) for old, r in records.items() if old != r.id]
    try:
        with project.db.transaction() as connection:
            for old, record in records.items():
                rename_rows(connection, old, record.id, json.dumps(asdict(record)))
            for old, new in pairs:
                since = f"{new}@{project.db.last_edit()}"
                connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_RENAMED + old, since))
            for old, new in pairs:
                if (folder / old).exists():
                    os.replace(folder / old, folder / new)
                    done.append((old, new))
    except OSError as error:
        for old, new in done:
            with suppress(OSError):
                os.replace(folder / new, folder / old)
        raise CellsegError(f"{pairs[0][0]} cannot be renamed: {error}.", "Check the rights of the folder.") from error
    for kept, (old, new) in product(("predictions", "judged"), pairs):
        with suppress(OSError):
            os.replace(project.path / "cache" / kept / old, project.path / "cache" / kept / new)


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
    """Say what an image or a time series is for: ``train``, ``val`` (judges as a whole), ``test`` (measures only).

    Returns
    -------
    str
        What should be known of it, "" for nothing.

    Raises
    ------
    CellsegError
        When there is no such image or split, it is a frame of a time series, or a training or prediction reads the
        images.
    """
    if split not in ("train", "val", "test"):
        raise CellsegError(f"There is no split {split!r}.", "Use train, val or test.")
    check_unread(project.path)
    records = [project.image(one) for one in check_whole(project, id)]
    project.db.move_to_split([r.id for r in records], split)
    mine = {r.id for r in records if r.split == "train"}
    learnt = [card.id for card in project.models() if mine & set(learnt_from(project, card))]
    if split == "train" or not learnt:
        return ""
    return f"{', '.join(learnt)} learnt from {id} before it was moved to {split}: its scores there flatter."
