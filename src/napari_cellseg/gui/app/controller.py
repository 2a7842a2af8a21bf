"""The parts of a Workbench, the verbs that need several of them, and the clock. No Qt: tests use `ViewerModel`.

Data flow: a verb asks a part, which asks the engine (or a helper thread) for work and returns at once; `tick`, called
by a timer, takes answers in small portions: tiles are written box by box, never while a stroke is open. Only the main
thread, in `tick` or in a verb, writes the session, labels and layers. `Workspace` is what the parts share; `_connect`
says which part follows which. Verbs that one part can answer alone are that part's (``controller.strokes.undo()``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from napari.components import ViewerModel
from numpy.typing import NDArray
from psygnal import SignalInstance

from ..._types import Span
from ...config import Config
from ...engine import Engine, Reply
from ...errors import CellsegError
from ...evaluation import Order
from ...project import LabelStore, Project, new_project
from ...targets import Target
from ..layers.image_layers import ImageLayers
from .all_images import AllImages
from .comparison import Comparison
from .engine_events import EngineEvents
from .engine_pulse import EnginePulse
from .errors_shown import ErrorsShown
from .external_edits import ExternalEdits
from .guidelines import Guidelines
from .hint_strokes import HintStrokes
from .image_changes import ImageChanges
from .label_writer import LabelWriter
from .live import Live
from .masks import Masks
from .measuring import Measuring
from .old_and_new import OldAndNew, Side
from .prediction import Prediction
from .preferences import Preferences
from .preview import Preview
from .project_place import ProjectPlace
from .projects import Projects
from .recent import RecentProjects
from .report_errors import after_settling, report_errors
from .report_file import ReportFile
from .review import Review
from .session import Session
from .state_view import StateView
from .strokes import Strokes
from .tool_actions import ToolActions
from .tools import BY_NAME, Tools
from .training import Training
from .view_updates import ViewUpdates
from .warm_up import warm_up
from .window_state import WindowState
from .workspace import Workspace

BUDGET_S = 0.012
"""A tick stops taking work after this long."""


class Controller:
    """Owns the parts of one viewer's Workbench."""

    def __init__(self, viewer: ViewerModel, session: Session | None = None, engine: Engine | None = None) -> None:
        ws = self._ws = Workspace(viewer, session or Session(), engine or Engine())
        self.viewer, self.session, self.engine, self.helper = ws.viewer, ws.session, ws.engine, ws.helper
        self.views = ViewUpdates(ws.session)
        self.writer = LabelWriter(ws)
        self.strokes = Strokes(ws, self.writer)
        self.external = ExternalEdits(ws, self.writer, self.strokes)
        self.prediction = Prediction(ws, self.writer)
        self.hints = HintStrokes(ws)
        self.live = Live(ws, self.writer, self.hints)
        self.old_and_new, self.preview = OldAndNew(ws), Preview(ws)
        self.actions = ToolActions(ws, self.writer, self.prediction)
        self.review = Review(ws, self.writer, self.strokes)
        self.comparison = Comparison(ws, self.writer, self.review)
        self.errors = ErrorsShown(ws)
        self.tools = Tools(ws, self.actions, self._keys())
        self.all_images = AllImages(ws, self.writer, self.prediction)
        self.window = WindowState(ws, self.actions, self.tools, self.review)
        self.projects = Projects(ws, self.strokes, self.window, self.all_images)
        self.images, self.recent = ImageChanges(ws, self.projects), RecentProjects(ws)
        self.training = Training(ws, self.projects)
        self.masks, self.guidelines, self.report = Masks(ws, self.writer), Guidelines(ws), ReportFile(ws)
        self.measuring = Measuring(ws)
        self.engine_events = EngineEvents(ws, self.writer, self.prediction, self.projects)
        self.pulse, self.place, self.state_view = EnginePulse(ws), ProjectPlace(ws), StateView(ws)
        self.wake: Callable[[], None] = lambda: None
        self._connect()
        self.projects.look_for_images()
        self.measuring.look_for_layers()

    def _keys(self) -> dict[str, Callable[[], object]]:
        """What keys do while layers of the open image are selected, beside those of the tools."""
        return {
            "N": self.strokes.new_label,
            "Y": self.actions.approve_field,
            "Shift-A": self.actions.toggle_lock,
            "9": self.review.skip,
            "8": self.review.back,
            "0": self.approve_place,
            "R": self.review.fix,
            **{f"Control-{n}": partial(self.strokes.choose_class, n) for n in range(1, 10)},
        }

    def _connect(self) -> None:
        """Who follows what, in the order of the calls."""
        ws = self._ws
        _follow(ws.project_opened, self.all_images.forget, self.prediction.opened, self.live.opened)
        _follow(ws.project_opened, self.all_images.count, self.recent.opened)
        _follow(ws.image_opened, self.tools.attach, self.writer.opened, self.external.opened, self.hints.opened)
        _follow(
            ws.image_opened, self.prediction.opened, self.live.opened, self.recent.opened, self.measuring.fucci.opened
        )
        _follow(ws.image_closing, self.external.settle, ws.stop_helper, self.strokes.stop, self.review.stop)
        _follow(ws.image_closing, self.tools.detach, self.hints.closing, self.writer.reset, self.all_images.closing)
        _follow(ws.image_closing, self.preview.forget, self.errors.stop, self.measuring.closing)
        _follow(ws.edited, self.errors.edited)
        _follow(ws.model_changed, self.prediction.opened, self.live.opened)
        _follow(ws.settling, self.projects.keep_together, self.strokes.finish)
        _follow(ws.cancelling, self.all_images.cancel, self.writer.cancel, self.strokes.stop, self.measuring.cancel)
        _follow(ws.edited, self.writer.suggest_again, self.measuring.edited)
        _follow(ws.user_edited, self.review.touched)
        _follow(ws.counted, self.all_images.foresee)
        _follow(self.strokes.undoing, self.actions.forget, self.live.forget)
        _follow(self.writer.replacing, self.comparison.replaced)
        _follow(self.writer.predicted, self.review.renew)
        _follow(self.review.ended, self.comparison.stop)
        _follow(self.prediction.outlines_cleared, self.old_and_new.clear)
        _follow(self.prediction.written, self.all_images.predicted)
        _follow(self.hints.choosing, self.tools.leave)
        _follow(self.hints.took_brush, self.tools.keys.listen_for_escape)
        _follow(self.hints.changed, self.live.hinted)
        _follow(self.training.decided, self.old_and_new.clear)
        _follow(self.all_images.predict_all.wished, self.select_image)
        layers = self.viewer.layers.events
        layers.inserted.connect(self.projects.look_for_images)
        layers.removed.connect(self.projects.look_for_images)
        for event in (layers.inserted, layers.removed, layers.renamed):
            event.connect(self.measuring.look_for_layers)
        layers.removed.connect(self._removed)
        self.viewer.bind_key("H", self.preview.held, overwrite=True)

    def start(self, preferences: Preferences | None = None) -> None:
        """Warm up the engine, and what the first image needs, in the background, as the person prefers it."""
        if preferences is not None:
            self.projects.author, self.engine.device = preferences.author, preferences.device
            self.session.update(live=preferences.live)
            self.tools.take_keys(preferences.keys)
            self.recent.file = preferences.recent
            self.recent.show()
        warm_up()
        self.engine.start()  # the session says "engine: starting" from the beginning

    def close(self) -> None:
        """Write snapshots and end the engine."""
        self.window.remember(at_once=True)
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self.projects.look_for_images)
        layers.removed.disconnect(self.projects.look_for_images)
        layers.removed.disconnect(self._removed)
        for event in (layers.inserted, layers.removed, layers.renamed):
            event.disconnect(self.measuring.look_for_layers)
        self.projects.close_image()
        self.engine.close()
        self.helper.close()
        self.preview.worker.close()
        self.measuring.close()
        self.all_images.close()
        self.projects.close()

    # --- what is open -----------------------------------------------------------------------------

    @property
    def workspace(self) -> Workspace:
        """What the parts share."""
        return self._ws

    @property
    def family(self) -> ImageLayers | None:
        """The layers of the open image, None before one is open."""
        return self._ws.family

    @property
    def job(self) -> int | None:
        """The engine's job that the person waits for."""
        return self._ws.job

    def project(self) -> Project:
        """The open project, or a mistake to show."""
        return self._ws.project()

    def store(self) -> LabelStore:
        """The open image's labels and state, or a mistake to show."""
        return self._ws.store()

    canvas = store
    """Its old name, which scripts use."""

    # --- project and images -----------------------------------------------------------------------

    @report_errors
    def new_project(
        self, path: str | Path, task: Literal["instance", "semantic"] = "instance", classes: tuple[str, ...] = ()
    ) -> None:
        """Make a project and open it."""
        self.projects.use(new_project(path, task, classes))

    @report_errors
    def open_project(self, path: str | Path) -> None:
        """Open a project and its first image."""
        self.projects.use(Project.open(path))

    @report_errors
    def recover_project(self, path: str | Path) -> None:
        """Put the database of a project together again from all that is left, and open it."""
        self.projects.recover(path)

    @report_errors
    def save_elsewhere(self, path: str | Path) -> None:
        """Write the open project as another one, also where its own folder is gone, and go on with that."""
        self.projects.save_elsewhere(path)

    @report_errors
    def open_images(
        self, paths: Sequence[str | Path], folder: str | Path | None = None, *, anyway: bool = False
    ) -> None:
        """Begin with pictures, in the open project or in one that is made beside them; or open a project folder."""
        self.projects.open_images(paths, folder, anyway=anyway)

    @report_errors
    def add_images(self, paths: Sequence[str | Path]) -> None:
        """Add picture files to the project, of whatever kind, and open the first of them."""
        self.projects.add_images(paths)

    @report_errors
    def use_layer(self, name: str, folder: str | Path | None = None) -> None:
        """Work on an image that is open in napari, making a project beside its file where there is none."""
        self.projects.use_layer(name, folder)

    @report_errors
    def relocate(self, id: str, path: str | Path) -> None:
        """Say where a moved picture is now."""
        self.projects.relocate(id, path)

    @report_errors
    def select_image(self, id: str) -> None:
        """Close the open image (its labels are saved) and open another."""
        self.projects.select_image(id)

    @report_errors
    def step_image(self, by: int) -> None:
        """Open the next or the previous image."""
        self.projects.step_image(by)

    def look_at(self, box: Span) -> None:
        """Move the view to a box of the open image."""
        if self.family is not None:
            self.family.look_at(tuple(slice(a, b) for a, b in box))

    def want(
        self,
        *,
        live: bool | None = None,
        field_only: bool | None = None,
        together: tuple[str, ...] | None = None,
        split: float | None = None,
    ) -> None:
        """Set what the person wants; what is None stays. See the fields of `Session`."""
        wishes = {"live": live, "field_only": field_only, "together": together, "split": split}
        self.session.update(**{name: value for name, value in wishes.items() if value is not None})

    def configure(self, config: Config) -> None:
        """Use another configuration from now on, and remember it in the project."""
        self.projects.configure(config)

    def show_preview(self, on: bool) -> None:
        """Show what the network would see, computed off the main thread."""
        self.preview.show(on)

    @report_errors
    def use_model(self, id: str) -> None:
        """Predict and train from another model from now on."""
        self.projects.use_model(id)

    @report_errors
    def start_from(self, model: str | Path) -> None:
        """Copy a model into the project (a base model, a model folder, another project's) and go on with it."""
        self.projects.start_from(model)

    @report_errors
    def set_object_size(self, size: float) -> None:
        """Say how large typical objects of the open image are (pixels); 0: let it be estimated."""
        self.projects.set_object_size(size)

    # --- predict ----------------------------------------------------------------------------------

    @report_errors
    def predict(self) -> None:
        """Label the open image, beginning where the person looks; without a model, by a classical draft."""
        self.prediction.predict()

    @report_errors
    def draft(self, by: str = "otsu") -> None:
        """Label the open image by a classical method, whatever models there are."""
        self.prediction.draft(by)

    @report_errors
    def retarget(self, target: Target) -> None:
        """Look at other thresholds without running the network."""
        self.prediction.retarget(target)

    @report_errors
    def fit_thresholds(self) -> None:
        """Look at the thresholds that agree best with what was corrected in the open image."""
        self.prediction.fit()

    @report_errors
    def apply_target(self) -> None:
        """Let the whole image have the labels of the thresholds that are set."""
        self.prediction.apply()

    @report_errors
    def look_with(self, side: Side) -> None:
        """Show what the old or the new model finds in the visible field; "" for neither."""
        self.old_and_new.show(side)

    @report_errors
    def predict_all(self, again: bool = False) -> None:
        """Label every image that the current model has not labelled yet, or all of them `again`."""
        self.all_images.predict(again)

    @report_errors
    def export_all(self, folder: str | Path, format: str = "tif", known_only: bool = False) -> None:
        """Write the labels of every image into a folder."""
        self.all_images.export(Path(folder), format, known_only)

    def cancel(self) -> None:
        """End the running job; what is finished stays."""
        self._ws.cancel()

    # --- correct ----------------------------------------------------------------------------------

    def correct_at(self, tool: str, point: tuple[int, ...]) -> None:
        """Use a tool on a voxel."""
        self.actions.at(BY_NAME[tool], point)

    def correct_along(self, tool: str, line: NDArray[Any]) -> None:
        """Use a tool along a drawn line or loop."""
        self.actions.along(BY_NAME[tool], line)

    def correct_inside(self, tool: str, box: tuple[slice, ...]) -> None:
        """Use a tool inside a drawn box."""
        self.actions.inside(BY_NAME[tool], box)

    def correct_now(self, tool: str) -> None:
        """Use a tool that needs no place."""
        self.actions.now(BY_NAME[tool])

    @report_errors
    def start_review(self, order: Order) -> None:
        """Walk through what has no user edits, in an order."""
        self.review.start(order)

    @after_settling
    def approve_place(self) -> None:
        """Approve the place of the review that is shown, and go on."""
        if self.session.compared and self.session.queue:
            self.comparison.mine()
        else:
            self.review.approve()

    @report_errors
    def compare(self, *paths: str | Path) -> None:
        """Compare the labels with mask files or copies of the project (several: their consensus), or with the model."""
        if paths:
            self.comparison.with_files([Path(path) for path in paths])
        else:
            self.comparison.with_model()

    @after_settling
    def accept(self, side: Literal["mine", "theirs"]) -> None:
        """Whose outline counts at the difference that is shown."""
        self.comparison.mine() if side == "mine" else self.comparison.theirs()

    # --- the clockwork ----------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether anything is running or waiting to be written."""
        writing = bool(self.writer.pieces) or self.strokes.stepping
        helping = self.helper.busy or self.preview.worker.busy or self.all_images.busy or self.measuring.busy
        return self.job is not None or writing or helping

    @report_errors
    def tick(self) -> None:
        """Take what has arrived, for at most `BUDGET_S`; called by a timer in the main thread. Views are told once."""
        with self.session.told_once():
            self._tick()

    def _tick(self) -> None:
        end = time.perf_counter() + BUDGET_S
        self.projects.keep_together()
        self.strokes.take_back_unsaved()
        self.helper.collect()
        self.preview.worker.collect()
        for part in (
            self.pulse, self.place, self.all_images, self.preview, self.prediction, self.hints, self.live, self.window,
            self.external, self.state_view, self.measuring,
        ):  # fmt: skip
            part.follow()
        self.strokes.follow()
        self.strokes.go_on(end)
        while time.perf_counter() < end and not (self.writer.pieces and self._ws.painting):
            if self.writer.pieces:
                self.writer.step()
            elif replies := self.engine.poll(1):
                self.take(replies[0])
            else:
                break
        if not self.writer.pieces and not self.strokes.stepping:
            self._ws.rest()

    def take(self, reply: Reply) -> None:
        """Give an answer of the engine to the part that asked."""
        askers = (self.prediction, self.live, self.old_and_new, self.all_images, self.comparison, self.errors)
        if not any(part.take(reply) for part in askers):
            self.engine_events.handle(reply)

    def restart_engine(self) -> None:
        """End an engine that does not answer and start a new one; only what it was doing is lost."""
        self.pulse.restart()

    def dismiss(self) -> None:
        """The person has read the problem."""
        self.session.update(problem=None, notice="")

    def fail(self, error: CellsegError) -> None:
        """Show a problem until it is read."""
        self._ws.fail(error)

    def _removed(self, event: Any = None) -> None:
        """A layer was taken out of the viewer; more may follow at once, so this waits until the program is idle."""
        if self.family is not None and self.family.missing:
            self.wake()


def _follow(signal: SignalInstance, *parts: Callable[..., Any]) -> None:
    """Let parts follow a signal, one after another."""
    for part in parts:
        signal.connect(part)
