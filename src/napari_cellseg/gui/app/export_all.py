"""Exports the labels of every image, one after another, in a helper thread. No Qt."""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...api import Exporting
from ...errors import CellsegError
from .background import Helper
from .tally import Elsewhere, Tally, voxels

if TYPE_CHECKING:
    from .workspace import Workspace


class ExportAll:
    """The walk of an export; `worker` is the helper thread that reads and writes."""

    def __init__(self, workspace: Workspace, worker: Helper) -> None:
        self._ws, self._worker = workspace, worker
        self._left: deque[tuple[str, tuple[str, ...]]] = deque()
        self._elsewhere: Elsewhere | None = None
        self._running = False

    def start(self, what: Exporting) -> None:
        """Write the labels of every image into a folder, or into the images."""
        ws = self._ws
        project = ws.project()
        ws.check_idle()
        sizes = {r.id: voxels(r.shape) for r in ws.session.images}
        units = what.units(project, list(sizes))
        ws.settle()
        tally = Tally("export all", "Exporting", {name: sum(sizes[i] for i in ids) for name, ids in units.items()})
        tally.begin()
        self._left, self._elsewhere, self._running = deque(units.items()), Elsewhere(project.path), True
        ws.session.update(problem=None, notice="")
        self._next(self._elsewhere, tally, what)

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

    def _next(self, elsewhere: Elsewhere, tally: Tally, what: Exporting) -> None:
        if not self._running or elsewhere is not self._elsewhere:
            return
        if not self._left:
            self._end(tally, what)
            return
        image, ids = self._left.popleft()
        self._ws.session.update(progress=tally.progress(image))
        go_on = partial(self._next, elsewhere, tally, what)

        def write() -> Path:
            return what.write(elsewhere.project(), image, ids)

        def written(_: Path) -> None:
            tally.end(image)
            go_on()

        def failed(error: CellsegError) -> None:
            tally.leave_out(image, error.message)
            tally.end(image)
            go_on()

        self._worker.later(write, written, failed)

    def _end(self, tally: Tally, what: Exporting) -> None:
        n, total = len(tally.done), len(tally.sizes)
        ended = n + len(tally.left_out) == total
        where = what.out.name if what.out and n < total else what.out or f"labels/{what.inside} of each"
        many = f"{n} of {total} images" if n < total else f"{n} image{'s' * (n != 1)}"
        text = f"Exported {many} to {where}."
        self.forget()
        self._ws.session.update(
            progress=None,
            status=text if ended else f"Cancelled. {text}",
            notice=tally.notice() or self._ws.session.notice,
        )
