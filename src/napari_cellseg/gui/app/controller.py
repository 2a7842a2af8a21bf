"""Every button is one method here. No Qt: tests drive it with `ViewerModel` and `tick`.

Data flow: a method asks the engine (or the helper thread) for work and returns at once; `tick`, called by a
timer, takes answers in small portions: tiles are written box by box, never while a stroke is open. Only the main
thread, in `tick` or in a method, writes the session, the canvas and the layers.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image

from ... import edits, images
from ...config import Config
from ...engine import Engine, Job
from ...errors import CellsegError, ProjectDamaged, ProjectGone
from ...project import APPROVED, CORRECTED, Addition, Canvas, Edit, Project, adopt_model, new_project, put_size
from ...targets import Target
from ..layers.image_layers import LayerFamily, holds_file, is_ours, save_pixels
from .all_images import AllImages
from .background import Helper
from .comparison import Comparing
from .corrections import Corrections
from .engine_events import Reactions
from .engine_pulse import EnginePulse
from .external_edits import Watching
from .hint_strokes import Hinting
from .label_writer import PieceWriter
from .live import Live
from .old_and_new import Both, Side
from .opening import Opening, taken
from .prediction import DraftBy, Predicting
from .preview import Previewer
from .project_place import Moved
from .report_errors import shown
from .review import Reviewing
from .session import Counts, Problem, Progress, Session
from .strokes import Strokes
from .tool_actions import Correcting
from .tools import Tools
from .training import Trainings
from .view_updates import Views
from .warm_up import warm_up
from .window_state import Whereabouts

BUDGET_S = 0.012
"""A tick stops taking work after this long."""


class Controller(Opening, Corrections, Trainings):
    """Joins one viewer, one session and one engine.

    Attributes
    ----------
    session
        What views show.
    family
        The layers of the open image, None before one is open.
    """

    def __init__(self, viewer: ViewerModel, session: Session | None = None, engine: Engine | None = None) -> None:
        self.viewer, self.session = viewer, session or Session()
        self.engine = engine or Engine()
        self.views = Views(self.session)
        self.family: LayerFamily | None = None
        self.tools, self.correcting, self.reviewing = Tools(self), Correcting(self), Reviewing(self)
        self.where, self.comparing = Whereabouts(self), Comparing(self)
        self.helper = Helper(self.session)
        self.writer = PieceWriter(self)
        self.previewer, self.predicting, self.live = Previewer(self), Predicting(self), Live(self)
        self.both, self.hinting = Both(self), Hinting(self)
        self._reactions, self.all_images = Reactions(self), AllImages(self)
        self.strokes, self.watching = Strokes(self), Watching(self)
        self.pulse, self.moved = EnginePulse(self), Moved(self)
        self.job: int | None = None
        self.cancelled: int | None = None
        self._count_due = 0.0
        self._stop_helper = threading.Event()
        self._kept: WeakKeyDictionary[Any, Path] = WeakKeyDictionary()
        viewer.layers.events.inserted.connect(self._look_for_images)
        viewer.layers.events.removed.connect(self._look_for_images)
        viewer.layers.events.removed.connect(self._removed)
        self.wake: Callable[[], None] = lambda: None
        viewer.bind_key("H", self.previewer.held, overwrite=True)
        self._look_for_images()

    def start(self) -> None:
        """Warm up the engine, and what the first image needs, in the background."""
        warm_up()
        self.engine.start()  # the session says "engine: starting" from the beginning

    def close(self) -> None:
        """Write snapshots and end the engine."""
        self.where.remember(at_once=True)
        self.viewer.layers.events.inserted.disconnect(self._look_for_images)
        self.viewer.layers.events.removed.disconnect(self._look_for_images)
        self.viewer.layers.events.removed.disconnect(self._removed)
        self._close_image()
        self.engine.close()
        self.helper.close()
        self.previewer.worker.close()
        self.all_images.close()
        if self.session.project is not None:
            self._told(self.session.project.close)
            self.session.update(project=None)

    # --- project and images -----------------------------------------------------------------------

    @shown
    def new_project(self, path: str | Path, task: Literal["instance", "semantic"] = "instance") -> None:
        """Make a project and open it."""
        self.use(new_project(path, task))

    @shown
    def open_project(self, path: str | Path) -> None:
        """Open a project and its first image."""
        self.use(Project.open(path))

    @shown
    def recover_project(self, path: str | Path) -> None:
        """Put the database of a project together again from all that is left, and open it."""
        self.recover(path)

    @shown
    def save_elsewhere(self, path: str | Path) -> None:
        """Write the open project as another one, also where its own folder is gone, and go on with that."""
        self.moved.save(path)

    @shown
    def add_images(self, paths: list[str] | list[Path]) -> None:
        """Add picture files to the project and open the first of them."""
        project = self.project()
        done = project.add_images(Addition(Path(path)) for path in paths)
        added = [id for each in done for id in each.ids]
        self.refresh()
        if added:
            self.select_image(added[0])

    @shown
    def use_layer(self, name: str, folder: str | Path | None = None) -> None:
        """Work on an image that is open in napari, making a project beside its file where there is none.

        Pixels that come from no file, or from several opened as one stack, are written once into the project
        (``sources/``), since a project must be able to read them again. Of a pyramid it is the finest level.
        """
        layer = self.viewer.layers[name]
        path = Path(str(layer.source.path)) if layer.source.path else None
        home = Path(folder) if folder else (path.parent if path else Path.cwd())
        base = home / (path.name.split(".")[0] if path else name.split(" ")[0])
        if path is not None:
            picture = images.read(path)
            if holds_file(layer, picture):
                images.check_content(picture)  # before a project is made for it
            else:
                path = None
        made = base.with_suffix(".cellseg")
        if self.session.project is None:
            self.use(Project.open(made) if made.exists() else new_project(base))
        project = self.project()
        if path is None:
            path = self._kept.get(layer) or save_pixels(layer, project.path / "sources")
            self._kept[layer] = path
        known = [r.id for r in project.images() if project.source(r) == path.resolve()]
        ids = known or project.add_image(path)
        layer.visible = False
        self.refresh()
        self.select_image(ids[0])

    @shown
    def relocate(self, id: str, path: str | Path) -> None:
        """Say where a moved picture is now."""
        self.project().relocate(id, path)
        self.refresh()
        self.session.update(problem=None)
        self.select_image(id)

    @shown
    def select_image(self, id: str) -> None:
        """Close the open image (its labels are saved) and open another."""
        project = self.project()
        if self.all_images.holds(id):
            return
        try:
            picture = project.read_image(id)
        except CellsegError as error:
            self.fail(error, lost_image=id)
            return
        self.where.remember(at_once=True)
        self._close_image()
        record, canvas = project.image(id), project.canvas(id)
        margin = self.session.config.train.margin
        self.family = LayerFamily(
            self.viewer, record, picture, canvas, margin, self.strokes.painted, self.undo, self.redo
        )
        canvas.read_only = self.session.read_only
        self.family.labels.editable = not self.session.read_only
        self.family.labels.preserve_labels = self.session.choices.over == "background"
        self.tools.attach(self.family)
        self.session.update(
            image=id, canvas=canvas, channel=0, tool="", status=f"Opened {id}.", preview=False, held_shown=False,
            spoken=project.db.spoken(),
        )  # fmt: skip
        if self.instances():  # else the first stroke would be of object 1
            self.writer.offer()
        self.watching.opened()
        self.hinting.opened()
        self.predicting.opened()
        self._look_for_images()
        self.count()
        if project.notices:
            self.session.update(notice="\n".join([*filter(None, [self.session.notice]), *taken(project.notices)]))

    def step_image(self, by: int) -> None:
        """Open the next or the previous image."""
        ids = [r.id for r in self.session.images]
        if self.session.image in ids:
            self.select_image(ids[(ids.index(self.session.image) + by) % len(ids)])

    def select_channel(self, channel: int) -> None:
        """Show another channel."""
        if self.family is not None:
            self.family.show_channel(channel)
            self.session.update(channel=channel)

    # --- preprocess -------------------------------------------------------------------------------

    def configure(self, config: Config) -> None:
        """Use another configuration from now on, and remember it in the project."""
        if config == self.session.config:
            return
        self.session.update(config=config)
        if self.session.project is not None:
            with contextlib.suppress(OSError):
                self.session.project.save_config(config)
        if self.family is not None and self.family.margin != config.train.margin:
            self.family.margin = config.train.margin
            self.family.show_state(tuple(slice(0, n) for n in self.family.record.shape))

    def show_preview(self, on: bool) -> None:
        """Show what the network would see, computed off the main thread."""
        self.previewer.show(on)

    # --- predict ----------------------------------------------------------------------------------

    @shown
    def predict(self) -> None:
        """Label the open image, beginning where the person looks; without a model, by a classical draft."""
        self.predicting.predict()

    @shown
    def draft(self, by: DraftBy = "otsu") -> None:
        """Label the open image by a classical method, whatever models there are."""
        self.predicting.draft(by)

    @shown
    def retarget(self, target: Target) -> None:
        """Look at other thresholds without running the network."""
        self.predicting.retarget(target)

    @shown
    def look_with(self, side: Side) -> None:
        """Show what the old or the new model finds in the visible field; "" for neither."""
        self.both.show(side)

    @shown
    def fit_thresholds(self) -> None:
        """Look at the thresholds that agree best with what was corrected in the open image."""
        self.predicting.fit()

    @shown
    def apply_target(self) -> None:
        """Let the whole image have the labels of the thresholds that are set."""
        self.predicting.apply()

    @shown
    def use_model(self, id: str) -> None:
        """Predict and train from another model from now on."""
        project = self.project()
        project.model_path(id)
        project.db.put_setting("current_model", id)
        self.refresh()
        self.predicting.opened()

    @shown
    def start_from(self, model: str | Path) -> None:
        """Copy a model into the project (a base model, a model folder, another project's) and go on with it."""
        id = adopt_model(self.project(), model)
        self.refresh()
        self.predicting.opened()
        self.session.update(status=f"The current model is {id}. Press Predict to see what it finds.")

    @shown
    def set_object_size(self, size: float) -> None:
        """Say how large typical objects of the open image are (pixels); 0: let it be estimated."""
        self.canvas()
        put_size(self.project(), self.session.image, size)
        self.session.update(given_size=size)

    @shown
    def predict_all(self, again: bool = False) -> None:
        """Label every image that the current model has not labelled yet, or all of them `again`."""
        self.all_images.predict(again)

    @shown
    def export_all(self, folder: str | Path, format: str = "tif", known_only: bool = False) -> None:
        """Write the labels of every image into a folder."""
        self.all_images.export(Path(folder), format, known_only)

    def cancel(self) -> None:
        """End the running job; what is finished stays."""
        self._stop_helper.set()
        self.all_images.cancel()
        writing = self.session.progress is not None and self.session.progress.kind == "write"
        self.writer.drop()
        if writing:
            self.session.update(status="Cancelled; what is written stays. Undo takes it back.")
        self.strokes.stop()
        if self.job is not None:
            self.cancelled = self.job
            self.engine.cancel(self.job)
            self.session.update(status="Stopping after the current tile or step...")

    def restart_engine(self) -> None:
        """End an engine that does not answer and start a new one; only what it was doing is lost."""
        self.pulse.restart()

    # --- changing labels ----------------------------------------------------------------------------

    def apply(self, edit: Edit, group: str = "") -> Edit:
        """Log an edit, write it, show it; returns what was written."""
        written = self.canvas().apply(edit, group)
        self.show(written)
        return written

    def show_all(self, written: list[Edit]) -> None:
        """Show what several edits wrote."""
        for edit in written:
            self.show(edit)

    def go_to_slice(self, z: int) -> None:
        """Show another slice of a volume."""
        if self.family is not None:
            self.family.go_to_slice(z)

    # --- the clockwork ----------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether anything is running or waiting to be written."""
        writing = bool(self.writer.pieces) or self.strokes.stepping
        helping = self.helper.busy or self.previewer.worker.busy or self.all_images.busy
        return self.job is not None or writing or helping

    @shown
    def tick(self) -> None:
        """Take what has arrived, for at most `BUDGET_S`; called by a timer in the main thread. Views are told once."""
        with self.session.told_once():
            self._tick()

    def _tick(self) -> None:
        end = time.perf_counter() + BUDGET_S
        self.keep_together()
        self.strokes.take_back_unsaved()
        self.helper.collect()
        self.previewer.worker.collect()
        self.pulse.follow()
        self.moved.follow()
        self.all_images.follow()
        self.previewer.follow()
        self.predicting.follow()
        self.hinting.follow()
        self.live.follow()
        self.where.remember()
        self.watching.follow()
        self.strokes.go_on(end)
        while time.perf_counter() < end and not self._writing_waits():
            if self.writer.pieces:
                self.writer.step()
            elif replies := self.engine.poll(1):
                if not any(part.take(replies[0]) for part in (self.predicting, self.live, self.both, self.all_images)):
                    self._reactions.handle(replies[0])
            else:
                break
        if self._count_due and time.monotonic() > self._count_due and not self.writer.pieces:
            self.count()

    def dismiss(self) -> None:
        """The person has read the problem."""
        self.session.update(problem=None, notice="")

    def fail(self, error: CellsegError, lost_image: str = "") -> None:
        """Show a problem until it is read."""
        gone = isinstance(error, ProjectGone)
        folder = error.folder if isinstance(error, ProjectDamaged) else ""
        problem = Problem(error.message, error.hint, lost_image=lost_image, gone=gone, damaged=folder)
        self.session.update(problem=problem, gone=gone or self.session.gone)

    # --- for the parts of the controller ----------------------------------------------------------

    def begin(self, job: Job, kind: str) -> None:
        """Start a job that the person waits for; there is only one at a time."""
        if self.job is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        self.job = self.engine.submit(job)
        text = {
            "predict": "Predicting",
            "decode": "Decoding",
            "train": "Fine-tuning",
            "show": "Cutting patches",
            "judge": "Judging on held-out corrections",
        }[kind]
        text += "" if self.engine.ready else ": engine starts"
        self.session.update(problem=None, notice="", progress=Progress(kind, text))

    def new_stop(self) -> threading.Event:
        """What Cancel sets for work in the helper thread."""
        self._stop_helper = threading.Event()
        return self._stop_helper

    # --- inside ---------------------------------------------------------------------------------

    def show(self, edit: Edit, labels: bool = True) -> None:
        """Show what an edit wrote; `labels` is False where napari has painted it already."""
        if self.family is None:
            return
        foreign, self.canvas().taken_in = self.canvas().taken_in, []
        for other in foreign:  # somebody else is working on this image too
            self.family.repaint(other.box())
        if edit.empty:
            return
        box = edit.box()
        if labels:
            self.family.repaint(box)
        else:
            self.family.show_state(box)
        self.writer.offer_again(painted=not labels)
        self._count_due = time.monotonic() + 0.5
        canvas = self.canvas()
        if canvas.snapshot_due and not self.writer.pieces and not self.strokes.stepping:
            self.helper.later(canvas.prepare_snapshot(), lambda _: None)

    def count(self) -> None:
        """Count the open image's objects, and what is corrected and approved of it."""
        self._count_due = 0.0
        if self.session.canvas is not None:
            found = self.session.canvas.objects
            self.session.update(counts=Counts(len(found), found.share(CORRECTED), found.share(APPROVED)))
            self.all_images.foresee()

    # --- inside: helpers --------------------------------------------------------------------------

    def _writing_waits(self) -> bool:
        return bool(self.writer.pieces) and self.family is not None and self.family.stroke_open()

    def _approve(self, box: tuple[slice, ...], what: str) -> None:
        self.writer.approve(*edits.approval(self.correcting.scene(), box), what)

    def instances(self) -> bool:
        """Whether ids are objects (else classes)."""
        return self.session.project is None or self.session.project.task == "instance"

    def project(self) -> Project:
        """The open project, or a mistake to show."""
        if self.session.project is None:
            raise CellsegError("No project is open.", "Make one or open one in the step Image.")
        return self.session.project

    def canvas(self) -> Canvas:
        """The open image's labels and state, or a mistake to show."""
        if self.session.canvas is None:
            raise CellsegError("No image is open.", "Add one in the step Image.")
        return self.session.canvas

    def _removed(self, event: Any) -> None:
        """A layer was taken out of the viewer; more may follow at once, so this waits until the program is idle."""
        if self.family is not None and self.family.missing:
            self.wake()

    def _look_for_images(self, event: Any = None) -> None:
        own = self.family.image if self.family else None
        found = (x for x in self.viewer.layers if isinstance(x, Image) and not is_ours(x) and x is not own)
        self.session.update(open_images=tuple(x.name for x in found))
