"""Images that go, and come back: taken out of a project with everything that was made of them, and kept beside it.

Data flow: rows of the image in ``project.db`` -> ``removed/KEY/project.db``, its folder -> ``removed/KEY/image``, all
or nothing; restoring goes the other way. Pictures are never touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CellsegError
from ._db import Database
from ._folder import Project
from ._names import free_name
from ._reading import check_unread
from ._records import ImageRecord
from ._recovery import NAME
from ._rows import copy_rows, delete_rows, shift_for
from ._status import image_status


@dataclass(frozen=True)
class Removed:
    """An image that was removed, or would be.

    Attributes
    ----------
    key
        By which it is restored; "" while it is in the project.
    edits
        How many edits a person made of it.
    known
        Share of its voxels that is corrected or approved.
    hints
        How many strokes of hints it has.
    """

    key: str
    id: str
    edits: int
    known: float
    hints: int

    @property
    def text(self) -> str:
        """``12 edits by hand, 3.1 % of it corrected or approved``."""
        if not (self.edits or self.hints):
            return "nothing made by hand"
        parts = [f"{self.edits} edit{'s' * (self.edits != 1)} by hand"] if self.edits else []
        parts += [f"{100 * self.known:.1f} % of it corrected or approved"] if self.known else []
        parts += [f"{self.hints} stroke{'s' * (self.hints != 1)} of hints"] if self.hints else []
        return ", ".join(parts)


def what_goes(project: Project, id: str) -> Removed:
    """What removing an image would take along."""
    record = project.image(id)
    status = image_status(project, id)
    return replace(_counted(project.db, record, ""), known=status.corrected + status.approved)


def removed_images(project: Project) -> list[Removed]:
    """Images that can be restored, the one that was removed last first; what cannot be read is left out."""
    folders = sorted(_home(project).glob(f"*/{NAME}"), key=lambda p: -p.stat().st_mtime)
    found = []
    for path in folders:
        with suppress(CellsegError, OSError, ValueError), closing(Database(path)) as kept:
            (record,) = kept.images()
            known = float(kept.setting("known-share") or 0)
            found.append(replace(_counted(kept, record, path.parent.name), known=known))
    return found


def remove_image(project: Project, id: str) -> Removed:
    """Take an image out of the project; everything that was made of it goes to ``removed/`` and can be restored.

    Raises
    ------
    CellsegError
        When there is no such image, a training or prediction reads the images, or it cannot be written; the project is
        as before then.
    """
    check_unread(project.path)
    record, goes = project.image(id), what_goes(project, id)
    project.release(id)
    home = _home(project)
    key = free_name(id, [p.name for p in home.glob("*")])
    part, mine = home / f".part-{key}", project.path / "images" / id
    with _as_mistake(part, mine), project.db.transaction() as connection:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with closing(Database(part / NAME, create=True)) as kept:
            with kept.transaction() as target:
                Database.enter_images(target, [record])
                copy_rows(project.db, target, id, id)
                target.execute("INSERT INTO settings VALUES ('known-share', ?)", (repr(goes.known),))
            kept.make_single()
        if mine.exists():
            os.replace(mine, part / "image")
        os.replace(part, home / key)
        delete_rows(connection, id)
    for name in ("predictions", "judged"):
        shutil.rmtree(project.path / "cache" / name / id, ignore_errors=True)
    return replace(goes, key=key)


def restore_image(project: Project, key: str) -> str:
    """Put a removed image back, with all of its edits; returns its id, another one where that is taken meanwhile.

    Raises
    ------
    CellsegError
        When nothing of that name was removed, or it cannot be written.
    """
    there = {one.key: one for one in removed_images(project)}
    if key not in there:
        names = ", ".join(there) or "none"
        raise CellsegError(f"No image {key!r} was removed from {project.name}.", f"Removed images: {names}.")
    home = _home(project) / key
    with closing(Database(home / NAME)) as kept, project.db.transaction() as connection:
        (record,) = kept.images()
        id = free_name(record.id, [r.id for r in project.images()])
        shift = shift_for(kept, connection)
        Database.enter_images(connection, [replace(record, id=id)])
        copy_rows(kept, connection, record.id, id, shift)
    mine = project.path / "images" / id
    with suppress(OSError):  # a snapshot is only quicker: the log tells all
        if shift == 0 and id == record.id and not mine.exists():
            os.replace(home / "image", mine)
        shutil.rmtree(home)
    return id


def _counted(db: Database, record: ImageRecord, key: str) -> Removed:
    edits = sum(row.by_hand and row.undoes is None for row in db.history(record.id))
    return Removed(key, record.id, edits, 0.0, len(db.hints(record.id, record.shape)))


def _home(project: Project) -> Path:
    return project.path / "removed"


@contextmanager
def _as_mistake(part: Path, mine: Path) -> Iterator[None]:
    """What a disk refuses in words; half of a removal is put back."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            if (part / "image").exists() and not mine.exists():
                os.replace(part / "image", mine)
            shutil.rmtree(part, ignore_errors=True)
        raise CellsegError(f"The image was not removed: {error}.", "Check the free space and the rights.") from error
