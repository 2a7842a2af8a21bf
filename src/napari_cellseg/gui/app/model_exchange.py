"""Models out to other programs, and in from bioimage.io, from the dock. No Qt, and no torch in this process.

Data flow: a button -> the subcommand ``model export`` or ``model import`` in a process of its own -> what it says. What
was imported becomes the project's current model.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CellsegError
from .background import Helper
from .report_errors import report_errors
from .session import Progress

if TYPE_CHECKING:
    from .projects import Projects
    from .workspace import Workspace

LOOK_S = 0.2
"""Between two looks whether the process has ended."""
AGAIN_S = 5.0
"""So long a process may take to tidy up before it is asked again to end."""
HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""Whoever starts a window in the background of a shell script lets all its processes ignore interrupts."""


class ModelExchange:
    """Runs the two subcommands."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects
        self.worker = Helper(workspace.session)
        self._stop = threading.Event()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    @property
    def busy(self) -> bool:
        """Whether a process is running."""
        return self.worker.busy

    @report_errors
    def export(self, form: str, out: str | Path, authors: str = "", licence: str = "") -> None:
        """Export the current model; the comparison with torch is shown when it is done."""
        ws = self._ws
        if ws.session.current_model is None:
            raise CellsegError("There is no model to export.", "Start from one, or fine-tune one.")
        path = ws.project().model_path(ws.session.current_model)
        said = [*(["--authors", authors] if authors else []), *(["--licence", licence] if licence else [])]
        words = ["model", "export", str(path), "--format", form, "--out", str(out), *said]

        def take(told: str) -> None:
            ws.session.update(status=f"Exported to {Path(out).name}. {' '.join(told.splitlines()[1:])}")

        self._begin(words, "Exporting the model, and comparing it with torch", take)

    @report_errors
    def bring_in(self, package: str | Path, read: str = "", channels: str = "") -> None:
        """Import a bioimage.io package and go on with it; `read` says how another program's outputs are understood."""
        self._ws.project()
        self._tidy()
        self._scratch = tempfile.TemporaryDirectory(prefix="cellseg-model-")
        out = Path(self._scratch.name) / (Path(package).stem or "model")
        said = [*(["--read", read] if read else []), *(["--channels", channels] if channels else [])]

        def take(told: str) -> None:
            self._projects.start_from(out)
            self._tidy()

        self._begin(["model", "import", str(package), "--out", str(out), *said], "Reading the package", take)

    # --- following --------------------------------------------------------------------------------

    def follow(self) -> None:
        """Called by the clock."""
        self.worker.collect()

    def cancel(self) -> None:
        """End the process; nothing of it stays."""
        self._stop.set()

    def close(self) -> None:
        """End the thread."""
        self.cancel()
        self.worker.close()
        self._tidy()

    # --- inside -----------------------------------------------------------------------------------

    def _tidy(self) -> None:
        """A model that was imported is in the project."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def _begin(self, words: Sequence[str], text: str, then: Callable[[str], None]) -> None:
        ws, stop = self._ws, threading.Event()
        ws.check_idle()
        self._stop, folder = stop, ws.session.folder

        def take(told: str) -> None:
            ws.session.update(progress=None)
            if stop.is_set():
                ws.session.update(status="Cancelled; nothing was written.")
            elif ws.session.folder == folder:
                then(told)

        def failed(error: CellsegError) -> None:
            ws.session.update(progress=None)
            ws.fail(error)

        ws.session.update(problem=None, notice="", progress=Progress("model", text))
        self.worker.later(lambda: run_command(words, stop.is_set), take, failed)


def run_command(words: Sequence[str], stop: Callable[[], bool]) -> str:
    """Run a subcommand in a process of its own; what it printed.

    Raises
    ------
    CellsegError
        With what it said on stderr, where it did not succeed.
    """
    command = [sys.executable, "-c", f"{HEARING}from napari_cellseg.cli import script; script()", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    while True:
        try:
            told, mistakes = process.communicate(timeout=LOOK_S)
            break
        except subprocess.TimeoutExpired:
            if stop():
                _end(process)
                return ""
            time.sleep(0)
    if process.returncode:
        lines = [line.strip().removeprefix("napari-cellseg: ") for line in mistakes.strip().splitlines()]
        first, rest = (lines[0], lines[1:2]) if process.returncode == 2 and lines else (lines[-1] if lines else "?", [])
        raise CellsegError(first, " ".join(rest))
    return told + mistakes


def _end(process: subprocess.Popen[str]) -> None:
    """Let it tidy up and end; it is asked again, since Python ignores an interrupt that meets a callback."""
    while process.poll() is None:
        process.terminate() if os.name == "nt" else process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=AGAIN_S)
