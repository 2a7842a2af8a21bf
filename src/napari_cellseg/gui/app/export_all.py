"""Exports the labels of every image, one after another, in a helper thread. No Qt."""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...api import kinds_for_export
from ...errors import CellsegError
from ...images import LABEL_FORMATS
from ...project import export_labels, export_units
from .background import Helper
from .tally import Elsewhere, Tally, voxels

if TYPE_CHECKING:
    from .workspace import Workspace


class ExportAll:
    """The walk of an export; `worker` is the helper thread that reads and writes."""

    def __init__(self, workspace: Workspace, worker: Helper) -> None:
        self._ws, self._worker = workspace, worker
        self._left: deque[str] = deque()
        self._elsewhere: Elsewhere | None = None
        self._running = False

    def start(self, folder: Path, format: str, known_only: bool) -> None:
        """Write the labels of every image into a folder."""
        ws = self._ws
        project = ws.project()
        ws.check_idle()
        if format not in LABEL_FORMATS:
            raise CellsegError(f"There is no format {format!r}.", f"Use one of {', '.join(LABEL_FORMATS)}.")
        ws.settle()
        sizes = {r.id: voxels(r.shape) for r in ws.session.images}
        units = export_units(project, list(sizes), format)
        tally = Tally("export all", "Exporting", {name: sum(sizes[i] for i in ids) for name, ids in units.items()})
        tally.begin()
        self._left, self._elsewhere, self._running = deque(tally.sizes), Elsewhere(project.path), True
        ws.session.update(problem=None, notice="")
        self._next(self._elsewhere, tally, folder, format, known_only)

    def cancel(self) -> None:
        """Export no more; files that are whole stay."""
        self._left.clear()

    def forget(self) -> None:
        """Another project comes."""
        self.cancel()
        if self._elsewhere is not None:
            self._worker.later(self._elsewhere.close, lambda _: None)
        self._running = False

    def close(self) -> None:
        """The worker has ended: close the project."""
        if self._elsewhere is not None:
            self._elsewhere.close()

    # --- inside ---------------------------------------------------------------------------------

    def _next(self, elsewhere: Elsewhere, tally: Tally, folder: Path, format: str, known_only: bool) -> None:
        if not self._running or elsewhere is not self._elsewhere:
            return
        if not self._left:
            self._end(tally, folder)
            return
        image = self._left.popleft()
        self._ws.session.update(progress=tally.progress(image))
        go_on = partial(self._next, elsewhere, tally, folder, format, known_only)

        def write() -> Path:
            project = elsewhere.project()
            kinds = kinds_for_export(project, image, format)
            return export_labels(project, image, folder, format, known_only=known_only, kinds=kinds)

        def written(_: Path) -> None:
            tally.end(image)
            go_on()

        def failed(error: CellsegError) -> None:
            tally.leave_out(image, error.message)
            tally.end(image)
            go_on()

        self._worker.later(write, written, failed)

    def _end(self, tally: Tally, folder: Path) -> None:
        n, total = len(tally.done), len(tally.sizes)
        ended = n + len(tally.left_out) == total
        text = f"Exported {n} of {total} images to {folder.name}." if n < total else f"Exported {n} images to {folder}."
        self.forget()
        self._ws.session.update(
            progress=None,
            status=text if ended else f"Cancelled. {text}",
            notice=tally.notice() or self._ws.session.notice,
        )
