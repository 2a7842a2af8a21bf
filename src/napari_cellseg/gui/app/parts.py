"""The parts of one viewer's Workbench: which there are, who follows whom, how they begin and end. No Qt.

`Workspace` is what the parts share; `_connect` is the one table of who follows what, in the order of the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.components import ViewerModel
from psygnal import SignalInstance

from ...engine import Engine
from ...project import LabelStore, Project
from ..layers.image_layers import ImageLayers
from .additions import Additions
from .all_images import AllImages
from .before_after import BeforeAfter
from .cell_layers import CellLayers
from .cleaning import Cleaning
from .clicks import Clicks
from .comparison import Comparison
from .edit_log import EditLog
from .engine_events import EngineEvents
from .engine_pulse import EnginePulse
from .errors_shown import ErrorsShown
from .explaining import Explanations
from .external_edits import ExternalEdits
from .frame_walk import FrameWalk
from .garbage import Garbage
from .guidelines import Guidelines
from .hint_strokes import HintStrokes
from .image_changes import ImageChanges
from .label_writer import LabelWriter
from .live import Live
from .masks import Masks
from .measuring import Measuring
from .model_exchange import ModelExchange
from .old_and_new import OldAndNew
from .plane_view import PlaneView
from .prediction import Prediction
from .preferences import Preferences
from .preview import Preview
from .project_place import ProjectPlace
from .projects import Projects
from .recent import RecentProjects
from .report_file import ReportFile
from .review import Review
from .review_cycles import ReviewCycles
from .session import Session
from .spot_check import SpotChecks
from .state_view import StateView
from .strokes import Strokes
from .surveys import SurveysOfData
from .tool_actions import ToolActions
from .tools import Tools
from .tracking import Tracking
from .training import Training
from .training_places import PlacesOfTraining
from .view_updates import ViewUpdates
from .warm_up import warm_up
from .window_state import WindowState
from .workspace import Workspace


class Parts:
    """What a Workbench consists of; verbs and the clock are the controller's."""

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
        self.old_and_new, self.preview, self.before_after = OldAndNew(ws), Preview(ws), BeforeAfter(ws)
        self.actions = ToolActions(ws, self.writer, self.prediction)
        self.clicks = Clicks(ws, self.writer)
        self.review = Review(ws, self.writer, self.strokes)
        self.comparison = Comparison(ws, self.writer, self.review)
        self.errors, self.explaining, self.spot = ErrorsShown(ws), Explanations(ws), SpotChecks(ws)
        self.tools = Tools(ws, self.actions, self.spot.keys(self._keys()))
        self.all_images = AllImages(ws, self.writer, self.prediction)
        self.window = WindowState(ws, self.actions, self.tools, self.review)
        self.projects = Projects(ws, self.strokes, self.window, self.all_images)
        self.time = FrameWalk(ws, self.projects)
        self.tracking = Tracking(ws, self.projects, self.time)
        self.additions = Additions(ws, self.projects)
        self.images, self.recent = ImageChanges(ws, self.projects), RecentProjects(ws)
        self.training, self.log = Training(ws, self.projects), EditLog(ws, self.projects)
        self.masks, self.guidelines, self.report = Masks(ws, self.writer), Guidelines(ws), ReportFile(ws)
        self.measuring, self.places, self.cycles = Measuring(ws), PlacesOfTraining(ws), ReviewCycles(ws)
        self.surveys, self.cleaning = SurveysOfData(ws), Cleaning(ws, self.writer)
        self.models = ModelExchange(ws, self.projects)
        self.pulse, self.place, self.state_view = EnginePulse(ws), ProjectPlace(ws), StateView(ws)
        self.engine_events = EngineEvents(ws, self.writer, self.prediction, self.projects, self.pulse)
        self.garbage, self.cell_layers, self.plane = Garbage(), CellLayers(ws), PlaneView(ws)
        self._connect()
        self._connect_clicks()
        self._watch_viewer()
        self.projects.look_for_images()
        self.measuring.look_for_layers()

    def _keys(self) -> dict[str, Callable[[], object]]:
        """What keys do while layers of the open image are selected, beside those of the tools."""
        return {
            "N": self.strokes.new_label,
            "Y": self.actions.approve_field,
            "Shift-A": self.actions.toggle_lock,
            "Shift-O": lambda: self.plane.turn(),
            "9": self.review.skip,
            "8": self.review.back,
            "0": self.comparison.approve_place,
            "R": self.review.fix,
            ",": lambda: self.time.step(-1),
            ".": lambda: self.time.step(1),
            "Control-L": lambda: self.measuring.classes.go_to_unsure(),
            **{f"Control-{n}": partial(self._class_key, n) for n in range(10)},
        }

    def _class_key(self, number: int) -> None:
        """The brush with a class, or of objects the class of the chosen ones."""
        if self._ws.instances:
            self.measuring.say_class(number)
        else:
            self.strokes.choose_class(number)

    def _connect(self) -> None:
        """Who follows what, in the order of the calls."""
        ws = self._ws
        _follow(ws.project_opened, self.all_images.forget, self.prediction.opened, self.live.opened)
        _follow(ws.project_opened, self.all_images.count, self.recent.opened, self.log.forget)
        _follow(ws.image_opened, self.tools.attach, self.writer.opened, self.external.opened, self.hints.opened)
        _follow(ws.image_opened, self.prediction.opened, self.live.opened, self.recent.opened)
        _follow(ws.image_opened, self.measuring.opened, self.time.opened, self.tracking.opened)
        _follow(ws.image_closing, self.external.settle, ws.stop_helper, self.strokes.stop, self.review.stop)
        _follow(ws.image_closing, self.tools.detach, self.hints.closing, self.writer.reset, self.all_images.closing)
        _follow(ws.image_closing, self.preview.forget, self.errors.stop, self.measuring.closing)
        _follow(ws.image_closing, self.explaining.stop, self.tracking.closing)
        _follow(ws.project_opened, self.tracking.project_opened, self.report.forget)
        _follow(ws.edited, self.tracking.edited)
        _follow(ws.model_changed, self.explaining.stop)
        _follow(self.actions.asked, self.explaining.why)
        _follow(ws.edited, self.errors.edited, self.places.edited)
        _follow(ws.model_changed, self.prediction.opened, self.live.opened, self.places.opened)
        _follow(ws.settling, self.projects.keep_together, self.strokes.finish)
        _follow(ws.cancelling, self.all_images.cancel, self.writer.cancel, self.strokes.stop, self.measuring.cancel)
        _follow(ws.cancelling, self.additions.cancel, self.surveys.cancel, self.models.cancel)
        _follow(ws.edited, self.writer.suggest_again, self.measuring.edited, self.live.edited)
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
        _follow(ws.project_opened, self.places.opened, self.spot.opened, self.cycles.opened, self.surveys.forget)
        _follow(ws.image_opened, self.spot.image_opened, self.explaining.image_opened, self.garbage.image_opened)
        _follow(ws.image_closing, self.spot.image_closing, self.plane.closing)
        _follow(ws.image_opened, self.plane.follow)
        _follow(self.prediction.written, self.spot.predicted)
        _follow(self.masks.classed, self.measuring.classes.read_again)

    def _connect_clicks(self) -> None:
        """Who asks for objects, and when what was asked is over."""
        _follow(self.actions.pointed, self.clicks.pointed)
        _follow(self.actions.forgot, self.clicks.forget)
        _follow(self._ws.image_closing, self.clicks.closing)

    def _watch_viewer(self) -> None:
        """Follow what a person does with napari's own layers."""
        layers = self.viewer.layers.events
        layers.inserted.connect(self.projects.look_for_images)
        layers.removed.connect(self.projects.look_for_images)
        for event in (layers.inserted, layers.removed, layers.renamed):
            event.connect(self.measuring.look_for_layers)
        layers.removed.connect(self._removed)
        layers.removed.connect(self.garbage.layer_gone)
        self.viewer.bind_key("H", self.preview.held, overwrite=True)

    def start(self, preferences: Preferences | None = None) -> None:
        """Warm up the engine, and what the first image needs, in the background, as the person prefers it."""
        if preferences is not None:
            self.projects.author, self.engine.device = preferences.author, preferences.device
            if preferences.engine:
                self.engine.server = preferences.engine
                self.session.update(server=preferences.engine)
            self.projects.in_memory = int(preferences.memory * 1e9)
            self.projects.snapshot_every = preferences.autosave
            self.session.update(live=preferences.live)
            self.tools.take_keys(preferences.keys)
            self.recent.file = preferences.recent
            self.recent.show()
        self.garbage.loading = warm_up()
        self.engine.start()  # the session says "engine: starting" from the beginning

    def ticked_by(self, soon: Callable[[int], None]) -> None:
        """A clock is there: `soon` asks it for a tick in so many milliseconds, 0 for before anything else."""
        self._ws.turns.soon = soon
        self.garbage.start()

    def close(self, *, window_gone: bool = False) -> None:
        """Write snapshots and end the engine; widgets of a window that is gone must not hear of layers any more."""
        self.window.remember(at_once=True)
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self.projects.look_for_images)
        layers.removed.disconnect(self.projects.look_for_images)
        layers.removed.disconnect(self._removed)
        layers.removed.disconnect(self.garbage.layer_gone)
        self.garbage.close()
        for event in (layers.inserted, layers.removed, layers.renamed):
            event.disconnect(self.measuring.look_for_layers)
        self._ws.turns.close()
        self.additions.close()
        self.tracking.close()
        self.projects.close_image(window_gone=window_gone)
        self.engine.close()
        self.helper.close()
        self.preview.worker.close()
        self.measuring.close()
        self.surveys.close()
        self.models.close()
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

    @property
    def busy(self) -> bool:
        """Whether anything is running or waiting to be written."""
        writing = bool(self.writer.pieces) or self.strokes.stepping or self._ws.turns.busy
        helping = self.helper.busy or self.preview.worker.busy or self.all_images.busy or self.measuring.busy
        helping = helping or self.additions.busy or self.surveys.busy or self.models.busy
        return self.job is not None or writing or helping

    @property
    def restless(self) -> bool:
        """Whether the clock should tick often: something runs, or an answer is expected that nobody waits for."""
        return self.busy or self.live.expects or self.clicks.expects

    # --- inside ---------------------------------------------------------------------------------

    def _removed(self, event: Any = None) -> None:
        """A layer was taken out of the viewer; more may follow at once, so this waits until the program is idle."""
        soon = self._ws.turns.soon
        if soon is not None and self.family is not None and self.family.missing:
            soon(0)


def _follow(signal: SignalInstance, *parts: Callable[..., Any]) -> None:
    """Let parts follow a signal, one after another."""
    for part in parts:
        signal.connect(part)
