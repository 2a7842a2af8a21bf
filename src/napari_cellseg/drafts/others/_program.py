"""A draft by another program, in a process of its own, in whatever environment that program is installed in.

Data flow: pixels and settings -> files in a folder -> `run_program.py` under the Python of that environment -> labels
in a file, or what went wrong. torch or TensorFlow of those programs never come into this process; ending theirs ends
them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from ..._types import Float, Labels, Spacing
from ...errors import CellsegError
from ...extensions import DraftMethod, DraftStopped
from ...matching import join_slices
from ...processes import OURS
from .run_program import MISSING

SCRIPT = Path(__file__).with_name("run_program.py")
ASKED_S = 0.05
"""So often it is asked whether the program has ended, or the person wants it to."""


class OtherProgram(DraftMethod):
    """A program that other people made, run with its own package."""

    as_stored: ClassVar[bool] = True
    module: ClassVar[str]
    """What is imported to see whether it is installed."""
    distribution: ClassVar[str]
    """What pip installs."""
    needs: ClassVar[str]
    """The requirement, as it is written for pip."""
    program: ClassVar[str]
    """Which function of the script runs it."""
    python: str = Field(
        "", description="Python of the environment in which it is installed; empty: the one that runs this program."
    )
    model: str = Field("", description="A model's file or folder, or a name that it knows; empty: its own default.")
    channel: int = Field(0, ge=0, le=1000, description="The channel that is segmented, from 1; 0: the mean of all.")

    @abstractmethod
    def request(self, spacing: Spacing) -> dict[str, Any]:
        """What the script is told beside the fields."""

    def __call__(self, pixels: Float, spacing: Spacing = None) -> Labels:
        """(C, Z, Y, X) or (C, Y, X) float32 -> labels (Z, Y, X) or (Y, X).

        Raises
        ------
        CellsegError
            When the program is not installed, or fails.
        """
        return self.stoppable(pixels, spacing, lambda: False)

    def stoppable(self, pixels: Float, spacing: Spacing, stop: Callable[[], bool]) -> Labels:
        """The same; the program is ended where `stop` says so."""
        with tempfile.TemporaryDirectory(prefix="cellseg-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            np.save(folder / "pixels.npy", np.ascontiguousarray(pixels, np.float32), allow_pickle=False)
            asked = self.model_dump() | self.request(spacing)
            asked |= {"program": self.program, "module": self.module, "distribution": self.distribution}
            (folder / "request.json").write_text(json.dumps(asked), encoding="utf-8")
            code = self._run(folder, stop)
            if code:
                raise self._failure(folder, code)
            return self._read(folder, pixels.shape[1:])

    def _run(self, folder: Path, stop: Callable[[], bool]) -> int:
        if self.python and not Path(self.python).is_file():
            raise CellsegError(f"There is no Python at {self.python}.", "Give the interpreter: python=ENV/bin/python")
        with (folder / "said.txt").open("wb") as said:
            try:
                process = subprocess.Popen(
                    [self.python or sys.executable, str(SCRIPT), str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env=_environment(bool(self.python)),
                    start_new_session=True,
                )
            except OSError as error:
                raise CellsegError(f"{self.python} does not start: {error}.", "Name another Python.") from error
            try:
                while process.poll() is None:
                    if stop():
                        raise DraftStopped
                    time.sleep(ASKED_S)
            finally:
                _end(process)
        return process.returncode

    def _failure(self, folder: Path, code: int) -> CellsegError:
        name = self.label()
        if code == MISSING:
            where = f" for {self.python}" if self.python else ""
            pip = f"{self.python or sys.executable} -m pip install"
            return CellsegError(
                f"{name} is not installed{where}.",
                f"Install it here: {pip} {self.needs}\nOr, better, in an environment of its own, and name its Python: "
                f"python -m venv {self.distribution}-env; {self.distribution}-env/bin/pip install {self.needs}; then "
                f"python={self.distribution}-env/bin/python",
            )
        told = folder / "failure.json"
        text = json.loads(told.read_text(encoding="utf-8"))["text"] if told.is_file() else _last_line(folder)
        return CellsegError(
            f"{name} failed: {text or f'it ended with {code}'}",
            "A model that it cannot fetch can be given as a file: model=PATH.",
        )

    def _read(self, folder: Path, shape: tuple[int, ...]) -> Labels:
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        if labels.shape != shape:
            raise CellsegError(f"{self.label()} gave labels of shape {labels.shape} for an image of {shape}.", "")
        labels = np.ascontiguousarray(labels, np.uint32)
        return join_slices(labels, getattr(self, "join", 0.25)) if answer["planar"] else labels


def _environment(foreign: bool) -> dict[str, str]:
    """Of this process; another environment's Python must not find the packages of this one."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} if foreign else set()
    kept = {k: v for k, v in os.environ.items() if k not in ours}
    return OURS | kept | {"PYTHONUNBUFFERED": "1", "MPLBACKEND": "Agg"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it goes on, its own children included."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _last_line(folder: Path) -> str:
    lines = (folder / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
