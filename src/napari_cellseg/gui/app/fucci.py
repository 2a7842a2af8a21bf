"""Tells the cell cycle of a project's nuclei from two channels; recolours them while thresholds move. No Qt.

Data flow: labels and channels of all images -> `OpenProject.fucci` in a helper thread -> nuclei in the session; a moved
threshold -> states -> colours of the open image, the newest request first; a state that a person says -> the project.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...api import FucciResult
from ...api import open as open_project
from ...errors import CellsegError
from ...events import ObjectsMeasured
from ...measurement import (
    FUCCI_STATES,
    MARKERS,
    Threshold,
    channels_of,
    fucci_tables,
    propose_threshold,
    usual_channels,
    write_table,
)
from ...project import FucciSetup, Project, fucci_setup, put_fucci_setup, said_states, say_states
from ..layers.objects import UNKNOWN, Levels, ObjectView
from .background import Helper, Latest
from .fucci_state import NAME, FucciState, Nuclei, Points
from .report_errors import report_errors
from .said_objects import points_in
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace

Role = Literal["red", "green", "nuclear"]
KIND = "fucci"


class Fucci:
    """States of the cell cycle, beside the table of objects.

    Parameters
    ----------
    view
        What shows objects of the open image; shared with the table.
    worker
        The helper thread of the step.
    uncolour
        Called when nuclei get the colours of their states: other colours go, and other layers are not measured.

    Attributes
    ----------
    colours
        A thread that works out only the colours that were asked for last.
    """

    def __init__(self, workspace: Workspace, view: ObjectView, worker: Helper, uncolour: Callable[[], None]) -> None:
        self._ws, self._view, self._worker, self._uncolour = workspace, view, worker, uncolour
        self.colours = Latest(workspace.session)
        self._stop = threading.Event()
        self._done: list[str] = []
        self._folder: Path | None = None
        self._edits = 0

    @property
    def state(self) -> FucciState:
        """What is known and wanted."""
        return self._ws.session.measured.fucci

    @property
    def busy(self) -> bool:
        """Whether colours are still to come."""
        return self.colours.busy

    # --- images -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """Another image is open: its channels are asked for, its nuclei have colours where those are on."""
        session = self._ws.session
        if session.folder != self._folder:
            self._folder = session.folder
            setup = fucci_setup(self._ws.project())
            kept = {"red": setup.red, "green": setup.green, "nuclear": setup.nuclear}
            self._say(nuclei=None, thresholds=(), coloured=False, stale=False, **kept)
        self._say(channels=(), points=self._points())
        record = session.record
        if record is None or record.n_channels < 2 or record.in_colour or not self._ws.instances:
            return
        folder, image = self._ws.project().path, session.image

        def names() -> tuple[str, ...]:
            try:
                with Project.open(folder) as own:  # this thread's own connection
                    return channels_of(own.read_image(image))[1]
            except CellsegError:
                return ()  # its picture is gone

        self._worker.later(names, lambda found: self._take_channels(image, found))
        if self.state.nuclei is not None and not session.measured.labels:
            self._view.watch(self._ws.layers().labels)
            self._recolour()

    def closing(self) -> None:
        """The open image is being closed; colours of its nuclei go with `ObjectView.leave`."""
        self.colours.forget()
        self._say(channels=())
        if self._busy:
            self._stop.set()

    def edited(self) -> None:
        """Labels were changed."""
        self._edits += 1
        if self.state.nuclei is not None and not self.state.stale:
            self._say(stale=True)

    # --- what a person wants --------------------------------------------------------------------------

    @report_errors
    def choose_channel(self, role: Role, name: str) -> None:
        """Say which channel is which; "" for none. Thresholds of another channel are worth nothing."""
        before = fucci_setup(self._ws.project())
        changed: dict[str, Any] = {role: name}
        if role != "nuclear" and name != getattr(before, role):
            changed[f"{role}_threshold"] = None
        self._put(replace(before, **changed))
        self._say(nuclei=None, thresholds=(), points=None, **{role: name})
        self.colour(False)

    @report_errors
    def tell(self) -> None:
        """Measure the nuclei of all images and tell their states."""
        ws, state = self._ws, self.state
        ws.check_idle()
        ws.settle()
        folder, edits = ws.project().path, self._edits
        self._stop = stop = threading.Event()
        self._done.clear()
        ws.session.update(problem=None, notice="", progress=Progress(KIND, "Telling states..."))

        def work() -> FucciResult:
            with open_project(folder) as project:
                return project.fucci(
                    red=state.red, green=state.green, nuclear=state.nuclear, on_event=self._count, stop=stop.is_set
                )

        def take(done: FucciResult) -> None:
            ws.session.update(progress=None)
            if not done.stopped and ws.session.folder == folder:
                self._take(done, stale=self._edits != edits)
            else:
                ws.session.update(status="Cancelled; no state was told.")

        def failed(error: CellsegError) -> None:
            ws.session.update(progress=None)
            if ws.session.problem is None:
                ws.fail(error)

        self._worker.later(work, take, failed)

    @report_errors
    def set_threshold(self, marker: str, value: float, *, keep: bool = True) -> None:
        """Move a threshold; nuclei have other colours at once. `keep` writes it into the project: at the end of it."""
        state = self.state
        if state.nuclei is None or not 0 < value < float("inf"):
            return
        place = MARKERS.index("red" if marker == "red" else "green")
        moved = tuple(Threshold(value, "hand") if n == place else t for n, t in enumerate(state.thresholds))
        self._say(thresholds=moved)
        self._say(points=self._points())
        self._recolour()
        if keep:
            self._keep_thresholds()

    @report_errors
    def propose(self) -> None:
        """Take the proposed thresholds again."""
        nuclei = self.state.nuclei
        if nuclei is None:
            raise CellsegError("Nothing is told yet.", "Press Tell states first.")
        self._say(thresholds=tuple(propose_threshold(nuclei.frame[m], m) for m in MARKERS))
        self._say(points=self._points())
        self._recolour()
        self._keep_thresholds()

    def colour(self, on: bool) -> None:
        """Give nuclei the colours of their states, or their own back."""
        on = on and self.state.points is not None
        if on and self._ws.family is not None:
            self._uncolour()
            self._view.watch(self._ws.family.labels)
        was = self.state.coloured
        self._say(coloured=on)
        if on:
            self._recolour()
        elif was:
            self.colours.forget()
            self._view.colour(None)

    def uncolour(self) -> None:
        """Other colours are shown now."""
        self.colours.forget()
        self._say(coloured=False)

    @report_errors
    def say(self, label: int, state: str) -> None:
        """Say the state of a nucleus of the open image; "" goes by the thresholds again."""
        ws = self._ws
        store, image, nuclei = ws.store(), ws.session.image, self.state.nuclei
        row = nuclei.row(image, label) if nuclei is not None else -1
        if nuclei is None or row < 0:
            raise CellsegError(f"No state of object {label} was told.", "Press Tell states again.")
        points, instead = points_in(store, {label: state}, said_states(ws.project(), image))
        say_states(ws.project(), image, points, instead)
        self._say(nuclei=nuclei.with_said(row, state))
        self._say(points=self._points())
        self._recolour()
        ws.session.update(status=f"Nucleus {label}: {state or 'by the thresholds'}. It is kept.")

    def _times(self) -> dict[str, float]:
        """Time points of frames of time series, by image."""
        return {id: float(p) for s in self._ws.session.time_series for id, p in zip(s.ids, s.points, strict=True)}

    @report_errors
    def save(self, path: str | Path) -> None:
        """Write nuclei and counts as ``fucci --csv --summary`` does (``NAME``, ``NAME_summary``)."""
        state, path = self.state, Path(path)
        if state.nuclei is None:
            raise CellsegError("Nothing is told yet.", "Press Tell states first.")
        table, summary = fucci_tables(state.nuclei.frame, state.values, times=self._times())
        beside = path.with_name(f"{path.stem}_summary{path.suffix}")
        written = [write_table(table, path), write_table(summary, beside)]
        self._ws.session.update(status=f"Wrote {', '.join(p.name for p in written)}: {len(table):,} nuclei.")

    def cancel(self) -> None:
        """Tell no more."""
        self._stop.set()

    def follow(self) -> None:
        """Called by the clock."""
        if self._busy and self._done:
            n, total = len(self._done), max(1, len(self._ws.session.images))
            shown = Progress(KIND, f"Telling states: image {min(n + 1, total)} of {total}", n / total)
            self._ws.session.update(progress=shown)
        self.colours.collect()

    def close(self) -> None:
        """End the thread."""
        self.cancel()
        self.colours.close()

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        progress = self._ws.session.progress
        return progress is not None and progress.kind == KIND

    def _take_channels(self, image: str, names: tuple[str, ...]) -> None:
        if image != self._ws.session.image:
            return
        usual, state = usual_channels(names), self.state
        roles = {r: getattr(state, r) or usual.get(r, "") for r in ("red", "green", "nuclear")}
        self._say(channels=names, **roles)

    def _take(self, done: FucciResult, *, stale: bool) -> None:
        self._say(nuclei=Nuclei(done.nuclei), thresholds=tuple(done.thresholds[m] for m in MARKERS), stale=stale)
        self._say(points=self._points())
        self.colour(True)
        left = "\n".join(f"{s.image} was left out: {s.message}" for s in done.left_out)
        self._ws.session.update(
            status=f"Told the states of {len(done.table):,} nuclei.", notice=left or self._ws.session.notice
        )

    def _points(self) -> Points | None:
        nuclei = self.state.nuclei
        return Points.of(nuclei, self.state.values, self._ws.session.image) if nuclei is not None else None

    def _recolour(self) -> None:
        """Show the states of the open image's nuclei, as soon as nothing newer is asked for."""
        points, layer = self.state.points, self._view.layer
        own = self._ws.family is not None and layer is self._ws.family.labels
        if not self.state.coloured or points is None or not own:
            return
        mine = np.flatnonzero(points.mine)
        mine = mine[np.argsort(points.labels[mine])]
        codes = points.states[mine]
        numbers = np.where(codes >= 0, codes + 1, UNKNOWN).astype(np.uint8)
        levels = Levels(NAME, points.labels[mine], numbers, tuple(s.colour for s in FUCCI_STATES))
        data = self._view.pixels

        def take(pixels: Any) -> None:
            if self.state.coloured and self._view.layer is layer:
                self._view.recolour(levels, pixels)

        self.colours.ask(lambda: levels.of(data), take)

    def _keep_thresholds(self) -> None:
        red, green = (t.value if t.how == "hand" else None for t in self.state.thresholds)
        kept = fucci_setup(self._ws.project())
        self._put(replace(kept, red_threshold=red, green_threshold=green))

    def _put(self, setup: FucciSetup) -> None:
        if not self._ws.session.read_only:
            put_fucci_setup(self._ws.project(), setup)

    def _count(self, event: Any) -> None:
        """Called in the helper thread: an image is done."""
        if isinstance(event, ObjectsMeasured):
            self._done.append(event.image)

    def _say(self, **values: Any) -> None:
        measured = self._ws.session.measured
        self._ws.session.update(measured=replace(measured, fucci=replace(measured.fucci, **values)))
