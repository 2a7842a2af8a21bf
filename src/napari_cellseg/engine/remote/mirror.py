"""What of a project a job needs, and which pieces of it a server does not have yet. Runs where the window is."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...project import Project
from .._jobs import DecodeJob, FitJob, Job, PlanJob, PredictJob, ShowTrainingJob, TrainJob
from .scratch import digests, picture_tree, pieces_of
from .words import DIGEST, MOST, PIECE, Offer, Put

SMALL = 1 << 18
"""Trees up to so many bytes are sent whole: asking what is lacking would take longer."""
Ask = Callable[[Offer], NDArray[np.int64]]
"""Sends an offer with digests and waits for what is lacking."""
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Known:
    """A file as the server has it."""

    stamp: Stamp
    size: int
    digests: NDArray[np.uint8]


class Mirror:
    """One project as one session of a server has it.

    Parameters
    ----------
    send, ask
        Puts a message on its way; see `Ask`.
    scratch
        A folder for the copy of the database.
    """

    def __init__(self, project: Path, send: Callable[[Any], None], ask: Ask, scratch: Path) -> None:
        self.project, self._send, self._ask, self._scratch = project, send, ask, scratch
        self.pictures: dict[str, Path] = {}
        self._known: dict[str, dict[str, Known]] = {}
        self._database: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """What the scratch copy is called: no other project of this person has the name."""
        place = f"{platform.node()}\n{self.project.resolve()}"
        stem = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.project.stem)[:40]
        return f"{stem or 'project'}-{hashlib.blake2b(place.encode(), digest_size=8).hexdigest()}"

    def bring_up_to_date(self, project: Project, job: Job) -> None:
        """Send what a job needs and is not there. The database comes last: snapshots may not be ahead of it."""
        for tree in trees(project, job):
            self._update_steady(tree)
        for source, path in self.pictures.items():
            if path.exists():
                self.update(picture_tree(source), path)
        stamp = tuple(_stamp(self.project / f"project.db{end}") for end in ("", "-wal"))
        if stamp != self._database:
            copy = self._scratch / "project.db"
            _copy_database(self.project / "project.db", copy)
            self.update("project.db", copy)
            self._database = stamp

    def update(self, tree: str, path: Path) -> None:
        """Let the server have a file or folder as it is now.

        Raises
        ------
        OSError
            When it goes while it is read.
        """
        before = self._known.get(tree)
        files = dict(_files(path))
        stamps = {name: _stamp(file) for name, file in files.items()}
        if before is not None and stamps == {name: known.stamp for name, known in before.items()}:
            return
        now = {name: self._file(files[name], stamps[name], (before or {}).get(name)) for name in files}
        ask = before is None and sum(known.size for known in now.values()) > SMALL
        sums = np.concatenate([np.zeros((0, DIGEST), np.uint8), *(k.digests for k in now.values())])
        sizes = np.array([known.size for known in now.values()], np.int64)
        offer = Offer(tree, tuple(now), sizes, sums if ask else sums[:0])
        self._known.pop(tree, None)  # whatever happens on the way
        if ask:
            lacking = self._ask(offer)
        else:
            self._send(offer)
            lacking = np.flatnonzero(_differing(now, before or {}))
        for put in _puts(tree, files, now, lacking):
            self._send(put)
        self._known[tree] = now

    def _update_steady(self, tree: str) -> None:
        """The same for what the window may be replacing just now."""
        for left in (2, 1, 0):
            try:
                self.update(tree, self.project / tree)
                return
            except FileNotFoundError:
                if not left:
                    raise

    def folders(self, tree: str) -> set[str]:
        """The folders of a tree that the server has."""
        return {name.partition("/")[0] for name in self._known.get(tree, {}) if "/" in name}

    def arrived(self, tree: str) -> None:
        """What lies here came from the server: it need not be sent there."""
        files = dict(_files(self.project / tree))
        self._known[tree] = {name: self._file(file, _stamp(file), None) for name, file in files.items()}

    def _file(self, path: Path, stamp: Stamp, before: Known | None) -> Known:
        if before is not None and before.stamp == stamp:
            return before
        size = path.stat().st_size
        return Known(stamp, size, digests(path, pieces_of(size)))


def trees(project: Project, job: Job) -> list[str]:
    """What a job reads of a project's folder, beside pictures (which it asks for) and the database."""
    models = {*getattr(job, "models", ()), *getattr(job, "also", ()), getattr(job, "model", "")}
    learns = not isinstance(job, PredictJob | PlanJob | DecodeJob | FitJob)
    if learns:
        models |= {project.current_model or ""}
    for model in [m for m in models if m]:
        models |= {project.model_card(model).parent or ""}
    there = [f"models/{m}" for m in sorted(models) if m and (project.models_folder / m / "card.json").is_file()]
    found = ["project.toml", "cache/heads", *there]
    if isinstance(job, DecodeJob | FitJob):
        found.append(f"cache/predictions/{job.image}/probabilities.zarr")
    if isinstance(job, FitJob):
        found.append(f"images/{job.image}")
    if learns:
        found += [f"images/{record.id}" for record in project.images()]
    if isinstance(job, TrainJob | ShowTrainingJob):
        found.append("runs")
    return found


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Files of a tree by name; "" of what is one file."""
    if path.is_file():
        yield "", path
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.endswith((".part", ".lock")):
                yield PurePosixPath(*file.relative_to(path).parts).as_posix(), file


def _stamp(path: Path) -> Stamp:
    """What changes when a file does."""
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return 0, 0, 0


def _differing(now: dict[str, Known], before: dict[str, Known]) -> NDArray[np.bool_]:
    """Of all pieces one after another: which are not as they were."""
    out = [np.zeros(0, np.bool_)]
    for name, known in now.items():
        old = before.get(name)
        new = np.ones(len(known.digests), np.bool_)
        if old is not None:
            shared = min(len(old.digests), len(new))
            new[:shared] = (old.digests[:shared] != known.digests[:shared]).any(1)
        out.append(new)
    return np.concatenate(out)


def _puts(tree: str, files: dict[str, Path], now: dict[str, Known], lacking: NDArray[np.int64]) -> Iterator[Put]:
    """What is lacking, in messages of a few megabytes."""
    before, many = 0, MOST // PIECE
    for name, known in now.items():
        n = len(known.digests)
        mine = lacking[(lacking >= before) & (lacking < before + n)] - before
        before += n
        for start in range(0, len(mine), many):
            some = mine[start : start + many]
            with files[name].open("rb") as file:
                data = b"".join(_read(file, piece) for piece in some.tolist())
            yield Put(tree, name, some, np.frombuffer(data, np.uint8))


def _read(file: Any, piece: int) -> bytes:
    file.seek(piece * PIECE)
    data: bytes = file.read(PIECE)
    return data


def _copy_database(path: Path, copy: Path) -> None:
    """All rows as they are now, page by page, so that few pieces differ from the last time."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=20)) as database,
        closing(sqlite3.connect(copy)) as target,
    ):
        database.backup(target)
