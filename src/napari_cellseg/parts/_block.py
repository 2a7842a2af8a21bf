"""One block: work on a part of an image, done by any process that sees the folder, and the mark that it is done.

This is all that runs elsewhere, whoever schedules it: worker processes of dask, jobs of a batch system, or processes
of this machine.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CellsegError
from ..files import whole
from ..processes import compute_here
from ._here import Answer

_PER_FOLDER = 1000


@dataclass(frozen=True, eq=False)
class Block:
    """Work on any part of an image, and the folder for its answers, which are the marks of parts that are done."""

    work: Callable[[Any], Answer]
    folder: Path

    def __call__(self, number: int, item: Any) -> int:
        """Do part `number` if it is not done yet; its answer is written when all else has been. Returns the number."""
        path = self.path(number)
        if not path.is_file():
            with compute_here():
                answer = self.work(item)
            with whole(path) as part, part.open("wb") as file:
                np.savez_compressed(file, **answer)  # type: ignore[arg-type,unused-ignore]
                file.flush()
                os.fsync(file.fileno())
        return number

    def several(self, parts: Iterable[tuple[int, Any]]) -> None:
        """One job of a batch system: a few parts, one after another."""
        for number, item in parts:
            self(number, item)

    def path(self, number: int) -> Path:
        """Where the answer of a part lies."""
        return self.folder / f"{number // _PER_FOLDER:06d}" / f"{number % _PER_FOLDER:03d}.npz"

    def done(self) -> set[int]:
        """Parts that are done."""
        if not self.folder.is_dir():
            return set()
        found = (f for folder in self.folder.iterdir() if folder.is_dir() for f in folder.glob("[0-9]*.npz"))
        return {int(f.parent.name) * _PER_FOLDER + int(f.stem) for f in found}

    def answer(self, number: int) -> Answer:
        """What was said of a part.

        Raises
        ------
        CellsegError
            When the file is damaged.
        """
        path = self.path(number)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise CellsegError(
                f"The answer of block {number} cannot be read ({path}): {error}.",
                "Delete this file and give the command again: only that block is done again.",
            ) from error
