"""Images that go, and come back: taken out of a project with everything that was made of them, and kept beside it.

Data flow: rows of the image in ``project.db`` -> ``removed/KEY/project.db``, its folder -> ``removed/KEY/image``, all
or nothing; restoring goes the other way. All frames of a time series go and come together, their folders in
``removed/KEY/images``. Pictures are never touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ..errors import CellsegError
from ._db import Database
from ._folder import Project
from ._joining import check_whole, images_named
from ._names import free_name
from ._reading import check_unread
from ._records import ImageRecord
from ._recovery import NAME
from ._rows import copy_rows, delete_rows, shift_for
from ._said import count_said
from ._status import image_status
from ._time_series import time_series_in


@dataclass(frozen=True)
class Removed:
    """An image, or a time series, that was removed or would be.

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
    frames
        How many images it is: of a time series all of its frames.
    said
        Of how many objects a person said the class or state.
    """

    key: str
    id: str
    edits: int
    known: float
    hints: int
    frames: int = 1
    said: int = 0

    @property
    def text(self) -> str:
        """``12 edits by hand, 3.1 % of it corrected or approved``."""
        many = [f"{self.frames} frames"] if self.frames > 1 else []
        if not (self.edits or self.hints or self.said):
            return ", ".join([*many, "nothing made by hand"])
        parts = [*many]
        parts += [f"{self.edits} edit{'s' * (self.edits != 1)} by hand"] if self.edits else []
        parts += [f"{100 * self.known:.1f} % of it corrected or approved"] if self.known else []
        parts += [f"{self.hints} stroke{'s' * (self.hints != 1)} of hints"] if self.hints else []
        parts += [f"{self.said} object{'s' * (self.said != 1)} classed by hand"] if self.said else []
        return ", ".join(parts)


def what_goes(project: Project, id: str) -> Removed:
    """What removing an image, or a time series, would take along."""
    records = [project.image(one) for one in images_named(project, id)]
    each = [image_status(project, r.id) for r in records]
    known = sum(s.corrected + s.approved for s in each) / len(each)
    return replace(_counted(project.db, records, ""), id=id, known=known)


def removed_images(project: Project) -> list[Removed]:
    """Images that can be restored, the one that was removed last first; what cannot be read is left out."""
    folders = sorted(_home(project).glob(f"*/{NAME}"), key=lambda p: -p.stat().st_mtime)
    found = []
    for path in folders:
        with suppress(CellsegError, OSError, ValueError), closing(Database(path)) as kept:
            known = float(kept.setting("known-share") or 0)
            found.append(replace(_counted(kept, kept.images(), path.parent.name), known=known))
    return found


def remove_image(project: Project, id: str) -> Removed:
    """Take an image, or a time series, out of the project; what was made of it goes to ``removed/``, to be restored.

    Raises
    ------
    CellsegError
        When there is no such image, it is a frame of a time series, a training or prediction reads the images, or it
        cannot be written; the project is as before then.
    """
    check_unread(project.path)
    ids, goes = check_whole(project, id), what_goes(project, id)
    records = [project.image(one) for one in ids]
    for one in ids:
        project.release(one)
    home = _home(project)
    key = free_name(id, [p.name for p in home.glob("*")])
    part = home / f".part-{key}"
    moved = [(project.path / "images" / one, _kept_folder(part, one, len(ids))) for one in ids]
    with _as_mistake(part, moved), project.db.transaction() as connection:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with closing(Database(part / NAME, create=True)) as kept:
            with kept.transaction() as target:
                Database.enter_images(target, records)
                for one in ids:
                    copy_rows(project.db, target, one, one)
                target.execute("INSERT INTO settings VALUES ('known-share', ?)", (repr(goes.known),))
            kept.make_single()
        for mine, there in moved:
            if mine.exists():
                there.parent.mkdir(exist_ok=True)
                os.replace(mine, there)
        os.replace(part, home / key)
        for one in ids:
            delete_rows(connection, one)
    for name, one in product(("predictions", "judged"), ids):
        shutil.rmtree(project.path / "cache" / name / one, ignore_errors=True)
    return replace(goes, key=key)


def restore_image(project: Project, key: str) -> str:
    """Put a removed image, or time series, back with all edits; its name, another one where that is taken meanwhile.

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
        before = sorted(kept.images(), key=lambda r: (r.time_point, r.frame))
        records, name = _free(before, project)
        shift = shift_for(kept, connection)
        Database.enter_images(connection, records)
        for old, new in zip(before, records, strict=True):
            copy_rows(kept, connection, old.id, new.id, shift)
    with suppress(OSError):  # a snapshot is only quicker: the log tells all
        for old, new in zip(before, records, strict=True):
            mine, kept_in = project.path / "images" / new.id, _kept_folder(home, old.id, len(before))
            if shift == 0 and new.id == old.id and not mine.exists() and kept_in.exists():
                os.replace(kept_in, mine)
        shutil.rmtree(home)
    return name


def _free(records: list[ImageRecord], project: Project) -> tuple[list[ImageRecord], str]:
    """Records of removed images with ids, and of a series a name, that nobody has meanwhile; and the name of all."""
    there = project.images()
    taken = {r.id for r in there} | set(time_series_in(there))
    series = next(iter(time_series_in(records)), "")
    name = free_name(series, list(taken)) if series else ""
    points = time_series_in(records)[series].points if series else (0,)
    out = []
    for record, point in zip(records, points, strict=True):
        id = free_name(record.id, list(taken))
        taken.add(id)
        out.append(replace(record, id=id, time_series=name, time_point=point) if series else replace(record, id=id))
    return out, name or out[0].id


def _kept_folder(home: Path, id: str, among: int) -> Path:
    """Where snapshots of a removed image lie."""
    return home / "image" if among == 1 else home / "images" / id


def _counted(db: Database, records: Sequence[ImageRecord], key: str) -> Removed:
    edits = sum(row.by_hand and row.undoes is None for r in records for row in db.history(r.id))
    name = next(iter(time_series_in(records)), records[0].id) if len(records) > 1 else records[0].id
    hints, said = sum(len(db.hints(r.id, r.shape)) for r in records), count_said(db)
    return Removed(key, name, edits, 0.0, hints, len(records), sum(said.get(r.id, 0) for r in records))


def _home(project: Project) -> Path:
    return project.path / "removed"


@contextmanager
def _as_mistake(part: Path, moved: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """What a disk refuses in words; half of a removal is put back."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            for mine, there in moved:
                if there.exists() and not mine.exists():
                    os.replace(there, mine)
            shutil.rmtree(part, ignore_errors=True)
        raise CellsegError(f"The image was not removed: {error}.", "Check the free space and the rights.") from error
