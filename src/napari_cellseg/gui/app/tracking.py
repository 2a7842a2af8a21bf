"""Objects through time in the window: track, look, link and cut, carry on, write. No Qt.

Data flow: labels of the series on disk -> `tracking` in the helper thread, with a connection of its own -> tracks kept
in the project -> paths, colours, the track of the chosen object, which stays chosen from frame to frame.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...project import Edit, Project, TimeSeries, named_series
from ...tracks import (
    Tracks,
    carry_on,
    check_objects,
    kept_tracks,
    outdated,
    renumbered,
    say_link,
    tracking,
    write_tracks,
)
from ..layers.track_layer import TrackLayer
from .report_errors import after_settling, report_errors
from .session import Progress
from .time_line import series_of
from .track_state import TrackState, object_of, summary_of
from .turns import Steps

if TYPE_CHECKING:
    from .frame_walk import FrameWalk
    from .projects import Projects
    from .workspace import Workspace

KIND = "track"
Found = tuple[Tracks | None, bool]


class Tracking:
    """What is done with the objects of the open series."""

    def __init__(self, workspace: Workspace, projects: Projects, walk: FrameWalk) -> None:
        self._ws, self._projects, self._walk = workspace, projects, walk
        self._layer = TrackLayer(workspace.viewer, walk.go)
        self._track = 0  # of the object that was chosen last
        self._count: list[tuple[int, int]] = []  # frames done, of how many; written by the helper thread

    @property
    def state(self) -> TrackState:
        """What is known."""
        return self._ws.session.tracking

    def _say(self, **values: Any) -> None:
        self._ws.session.update(tracking=replace(self.state, **values))

    def _series(self) -> TimeSeries:
        return named_series(self._ws.project(), self._ws.session.image)

    # --- what buttons do ----------------------------------------------------------------------------

    @after_settling
    def track(self) -> None:
        """Follow the objects of the open series through time."""
        ws = self._ws
        ws.store()
        ws.check_idle()
        series, folder, stop = self._series(), ws.project().path, ws.new_stop()
        check_objects(ws.project())
        self._count = [(0, len(series.ids))]

        def work() -> Found:
            with Project.open(folder) as own:  # this thread's own connection
                steps = tracking(own, series, stop=stop.is_set)
                while True:
                    try:
                        next(steps)
                    except StopIteration as end:
                        return end.value, False
                    self._count.append((self._count[-1][0] + 1, len(series.ids)))

        def take(found: Found) -> None:
            self._count = []
            ws.session.update(progress=None)
            if found[0] is None:
                ws.session.update(status="Cancelled; tracks are as before.")
                return
            first = self.state.tracks is None
            self._take(series, found)
            if first:  # what was asked for is seen
                self._say(shown=True, coloured=True)
            self._show()
            ws.session.update(status=f"Tracked {series.name}.")

        ws.session.update(progress=Progress(KIND, f"Tracking {series.name}..."), problem=None)
        ws.helper.later(work, take)

    @report_errors
    def show(self, on: bool) -> None:
        """Draw the paths of objects, or not; napari's slider of time comes and goes with them."""
        self._say(shown=on)
        self._show()

    @report_errors
    def colour(self, on: bool) -> None:
        """Give objects the colours of their tracks, or their own."""
        self._say(coloured=on)
        self._colour()

    @report_errors
    def mark(self) -> None:
        """Remember the chosen object, to link one of a later frame with it."""
        self._say(marked=(self._ws.session.image, self.state.chosen))

    @after_settling
    def same(self) -> None:
        """The chosen object is the marked one, or a daughter of it."""
        marked, session = self.state.marked, self._ws.session
        if marked is not None:
            say_link(self._ws.project(), marked, (session.image, self.state.chosen), linked=True)
            self._say(marked=None)
            self.track()

    @after_settling
    def cut(self) -> None:
        """The chosen object is not the one that it follows."""
        session, series = self._ws.session, self._series()
        before = self.state.follows
        if before is not None:
            earlier = (series.ids[before[0]], before[1])
            say_link(self._ws.project(), earlier, (session.image, self.state.chosen), linked=False)
            self.track()

    @after_settling
    def carry_on(self, everything: bool = False) -> None:
        """Copy the chosen object, or all that are approved, into the next frame, where nobody has edited."""
        ws = self._ws
        series, image = self._series(), ws.session.image
        objects = () if everything or not self.state.chosen else (self.state.chosen,)
        carry_on(ws.project(), series, image, objects)  # what cannot be is said before the frame is left

        target = series.ids[series.at(image) + 1]

        def steps() -> Steps[None]:
            yield from self._projects.opening(target)
            if ws.session.image != target:  # it cannot be opened now, which was said
                return
            found = carry_on(ws.project(), series, image, objects)
            ws.apply(found.edit)
            if len(found.labels) == 1 and ws.family is not None:
                ws.family.labels.selected_label = next(iter(found.labels.values()))
            n = len(found.labels)
            ws.session.update(status=f"{n} object{'s' * (n != 1)} carried on from {image}. Undo takes them back.")

        ws.turns.run(steps())

    @report_errors
    def write(self, path: str | Path, format: str = "csv") -> None:
        """Write the tracks of the open series into a folder."""
        tracks = self.state.tracks
        if tracks is not None:
            (file, *_) = write_tracks(self._ws.project(), [(self._series(), tracks)], Path(path), format)
            self._ws.session.update(status=f"Wrote {file}.")

    # --- following ----------------------------------------------------------------------------------

    def opened(self) -> None:
        """An image is open."""
        ws, session = self._ws, self._ws.session
        family, series = ws.layers(), series_of(session, session.image)
        family.labels.events.selected_label.connect(self._chosen)
        name = series.name if series is not None else ""
        if name != self.state.series:
            self._layer.hide()
            session.update(tracking=TrackState(series=name))
            self._track = 0
            if series is not None and ws.instances:
                self._load(series)
        self._choose_again()
        self._show()

    def closing(self) -> None:
        """The open image is being closed."""
        if self._ws.family is not None:
            self._ws.family.labels.events.selected_label.disconnect(self._chosen)

    def project_opened(self) -> None:
        """Another project."""
        self._layer.hide()
        self._ws.session.update(tracking=TrackState())

    def edited(self, edit: Edit, painted: bool = False) -> None:
        """Labels of the open image were changed."""
        if self.state.series and not self.state.outdated and self.state.tracks is not None:
            self._say(outdated=True)
        if self.state.coloured and self._ws.family is not None:
            self._ws.family.overlays.repaint_tracks(edit.box(), self._numbers(edit.box()))

    def follow(self) -> None:
        """Called by the clock: how far tracking is, and whether somebody has taken the paths out of the viewer."""
        if self.state.shown and self._layer.gone:
            self.show(False)
        progress = self._ws.session.progress
        if self._count and progress is not None and progress.kind == KIND:
            done, total = self._count[-1]
            self._ws.session.update(progress=replace(progress, done=done / max(total, 1)))

    def close(self) -> None:
        """The window closes."""
        self._layer.close()

    # --- inside -------------------------------------------------------------------------------------

    def _load(self, series: TimeSeries) -> None:
        """Read what is kept of a series, in the helper thread."""
        folder = self._ws.project().path

        def work() -> Found:
            with Project.open(folder) as own:
                return kept_tracks(own, series), bool(outdated(own, series))

        def take(found: Found) -> None:
            if self.state.series == series.name and self.state.tracks is None and found[0] is not None:
                self._take(series, found)

        self._ws.helper.later(work, take)

    def _take(self, series: TimeSeries, found: Found) -> None:
        if self.state.series == series.name:
            tracks = found[0]
            self._say(tracks=tracks, outdated=found[1], summary=summary_of(tracks) if tracks is not None else "")
            self._chosen()

    def _chosen(self, event: Any = None) -> None:
        """The brush has another label."""
        ws = self._ws
        if ws.family is None or not self.state.series or not ws.session.image:
            return
        label = int(ws.family.labels.selected_label)
        label = label if label in ws.family.store.objects else 0
        series = series_of(ws.session, ws.session.image)
        tracks, words, follows = self.state.tracks, "", None
        if tracks is not None and series is not None and label:
            at = series.at(ws.session.image)
            self._track = tracks.at(at).get(label, 0)
            words, follows = object_of(tracks, at, label), tracks.before(at, label)
        self._say(chosen=label, object=words, follows=follows)

    def _choose_again(self) -> None:
        """The object of the same track, in the frame that was opened."""
        ws, tracks = self._ws, self.state.tracks
        series = series_of(ws.session, ws.session.image)
        self._say(chosen=0, object="", follows=None)
        if tracks is None or series is None or not self._track or ws.family is None:
            return
        at = tracks.at(series.at(ws.session.image))
        label = next((label for label, number in at.items() if number == self._track), 0)
        if label and label in ws.family.store.objects:
            ws.family.labels.selected_label = label

    def _show(self) -> None:
        """Draw what is to be seen."""
        ws, state = self._ws, self.state
        series = series_of(ws.session, ws.session.image)
        if series is None or ws.family is None:
            return
        if not state.shown or state.tracks is None:
            self._layer.hide()
        elif self._layer.layer is None or self._layer.layer.metadata.get("tracks") is not state.tracks:
            self._layer.show(series.name, state.tracks, ws.family.record, series.at(ws.session.image))
            if self._layer.layer is not None:
                self._layer.layer.metadata["tracks"] = state.tracks
        else:
            self._layer.go(series.at(ws.session.image))
        self._colour()

    def _colour(self) -> None:
        ws = self._ws
        if ws.family is None:
            return
        on = self.state.coloured and self.state.tracks is not None
        whole = tuple(slice(0, n) for n in ws.family.record.shape)
        ws.family.overlays.show_tracks(self._numbers(whole) if on else None)
        ws.family.dim("by track", on=on)

    def _numbers(self, box: tuple[slice, ...]) -> Any:
        """Tracks instead of labels, in a box; 0 where an object is in none."""
        ws, tracks = self._ws, self.state.tracks
        assert ws.family is not None
        series = series_of(ws.session, ws.session.image)
        labels = ws.family.store.labels[box]
        if tracks is None or series is None:
            return labels
        here = tracks.frames == series.at(ws.session.image)
        return renumbered(labels, tracks.labels[here], tracks.tracks[here]).astype("uint32")
