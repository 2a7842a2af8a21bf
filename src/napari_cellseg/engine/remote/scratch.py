"""A person's copy of a project on the server: files arrive in pieces, what was made there goes back.

``NAME/project.cellseg`` is what jobs see. The database arrives as ``NAME/arrived.db`` and is copied in before every
job, since a job writes into its own; pictures lie in ``NAME/pictures``; ``NAME/waiting.json`` says what was made and
not fetched yet.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...errors import CellsegError
from ...files import write_text
from .words import DIGEST, MOST, PIECE, Offer, Part, Put

ROOTS = frozenset(["project.toml", "project.db", "models", "images", "cache", "runs", "pictures", "guidelines.md"])
"""What the paths of a scratch copy may begin with."""
_USED = "used"
"""A file whose time says when somebody worked with a copy last."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def checked_name(name: str) -> str:
    """A name that can only be that of a folder.

    Raises
    ------
    CellsegError
        When it is none.
    """
    if not _NAME.fullmatch(name):
        raise CellsegError(f"{name[:60]!r} cannot be the name of a project here.", "Use the program's own windows.")
    return name


def checked_path(path: str) -> PurePosixPath:
    """A path inside a scratch copy, or inside what was fetched of it.

    Raises
    ------
    CellsegError
        When it leads out of it.
    """
    parts = path.split("/")
    odd = any(part in ("", ".", "..") or set(part) & set("\\:\0") for part in parts)
    if odd or len(path) > 1000:
        raise CellsegError(f"{path[:60]!r} leads out of the project.", "Use the program's own windows.")
    return PurePosixPath(*parts)


def pieces_of(size: int) -> int:
    """How many pieces a file has."""
    return -(-size // PIECE)


def digests(path: Path, pieces: int) -> NDArray[np.uint8]:
    """Checksums (N, `DIGEST`) of the pieces of a file; zeros where it has fewer."""
    out = np.zeros((pieces, DIGEST), np.uint8)
    if path.is_file():
        with path.open("rb") as file:
            for row in out:
                if not (data := file.read(PIECE)):
                    break
                row[:] = np.frombuffer(hashlib.blake2b(data, digest_size=DIGEST).digest(), np.uint8)
    return out


def picture_tree(source: str) -> str:
    """Where the picture that a record names lies in a scratch copy; it keeps its name, by which readers go."""
    name = re.split(r"[\\/]", source.rstrip("\\/"))[-1]
    plain = re.sub(r"[^\w. -]", "_", name)[-120:].lstrip(". ") or "picture"
    return f"pictures/{hashlib.blake2b(source.encode('utf-8', 'surrogateescape'), digest_size=8).hexdigest()}/{plain}"


def scratch_copies(home: Path) -> list[Scratch]:
    """All copies of a person's."""
    return [Scratch(used.parent, "") for used in sorted(home.glob(f"*/{_USED}"))]


class Scratch:
    """The scratch copy of one project of one person.

    Raises
    ------
    CellsegError
        Every method, when a path leads out of it or the disk takes no more.
    """

    def __init__(self, root: Path, home: str) -> None:
        self._root, self.home = root, home
        self.project = root / "project.cellseg"
        self._waiting, self._used = root / "waiting.json", root / _USED
        for folder in (self.project, root / "pictures"):
            folder.mkdir(parents=True, exist_ok=True)

    def use(self) -> None:
        """Somebody works with it now."""
        self._used.touch()

    def unused_for(self, seconds: float) -> bool:
        """Whether nobody has opened it for so long, and nothing that was made in it is to be fetched."""
        try:
            left = time.time() - self._used.stat().st_mtime
        except OSError:
            return False
        return left > seconds and not self.waiting and not self.unfinished

    def forget(self) -> None:
        """Delete it, as far as that can be done."""
        shutil.rmtree(self._root, ignore_errors=True)

    def place(self, path: str) -> Path:
        """Where a path of a message lies."""
        parts = checked_path(path).parts
        if parts[0] not in ROOTS:
            raise CellsegError(f"{path[:60]!r} is nothing that a project has.", "Use the program's own windows.")
        if parts == ("project.db",):
            return self._root / "arrived.db"
        return (self._root if parts[0] == "pictures" else self.project).joinpath(*parts)

    def offer(self, offer: Offer) -> NDArray[np.int64]:
        """Let a tree have exactly these files, of these sizes; which pieces of them are not what they should be."""
        root = self.place(offer.tree)
        files = [root.joinpath(*checked_path(name).parts) if name else root for name in offer.names]
        if len(files) != len(offer.sizes) or (offer.sizes < 0).any():
            raise CellsegError("An offer names other files than sizes.", "Both sides need the same version.")
        _forget(root, set(files))
        lacking, before = [np.zeros(0, np.int64)], 0
        for file, size in zip(files, offer.sizes.tolist(), strict=True):
            n = pieces_of(size)
            if len(offer.digests):
                differ = (digests(file, n) != offer.digests[before : before + n]).any(1)
                lacking.append(np.flatnonzero(differ) + before)
            before += n
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as out:
                out.truncate(size)
        return np.concatenate(lacking)

    def put(self, put: Put) -> None:
        """Write pieces into a file that was offered."""
        root = self.place(put.tree)
        file = root.joinpath(*checked_path(put.name).parts) if put.name else root
        size, at = file.stat().st_size, 0
        with file.open("r+b") as out:
            for piece in put.pieces.tolist():
                length = min(PIECE, size - piece * PIECE)
                if piece < 0 or length <= 0 or at + length > len(put.data):
                    raise CellsegError("A piece lies outside of its file.", "Both sides need the same version.")
                out.seek(piece * PIECE)
                out.write(put.data[at : at + length].tobytes())
                at += length

    def prepare(self) -> None:
        """Let the next job see the database that arrived, without what the job before wrote into its own."""
        database = self.project / "project.db"
        for name in ("-wal", "-shm", "-journal"):
            database.with_name(f"project.db{name}").unlink(missing_ok=True)
        arrived = self._root / "arrived.db"
        if arrived.is_file():
            shutil.copyfile(arrived, database)

    def parts(self, path: str) -> Iterator[Part]:
        """All files of a tree, in parts."""
        root = self.place(path)
        for file in [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file()):
            name = file.relative_to(root).as_posix() if file != root else ""
            with file.open("rb") as content:
                offset = 0
                while (data := content.read(MOST)) or not offset:
                    yield Part(name, offset, np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8))
                    offset += len(data) or 1

    # --- what was made and not fetched --------------------------------------------------------------

    @property
    def waiting(self) -> tuple[str, ...]:
        """Models and runs that were made here and never fetched."""
        try:
            found = json.loads(self._waiting.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
        return tuple(path for path in found if isinstance(path, str) and self.place(path).exists())

    @property
    def unfinished(self) -> bool:
        """Whether a training has not ended: it was cancelled early, or this server died over it."""
        return any((self.project / "runs").glob("*"))

    def keep(self, path: str) -> None:
        """Remember that something was made, until it is `taken`."""
        write_text(self._waiting, json.dumps(sorted({*self.waiting, path})))

    def taken(self, path: str) -> None:
        """It was fetched."""
        write_text(self._waiting, json.dumps(sorted({*self.waiting} - {path})))

    def __str__(self) -> str:
        return str(self.project)


def _forget(root: Path, wanted: set[Path]) -> None:
    """Take away what lies in a tree and is not wanted."""
    if root.is_dir() and root not in wanted:
        for path in sorted(root.rglob("*"), reverse=True):  # what is inside a folder before it
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in wanted:
                path.unlink(missing_ok=True)
    elif root.is_dir():
        shutil.rmtree(root)
    elif root.exists() and root not in wanted:
        root.unlink()
