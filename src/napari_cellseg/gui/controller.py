"""Every button is one method here. No Qt: tests drive it with `ViewerModel` and `tick`.

Data flow: a method asks the engine (or the helper thread) for work and returns at once; `tick`, called by a
timer, takes answers in small portions: tiles are written box by box, never while a stroke is open. Only the main
thread, in `tick` or in a method, writes the session, the canvas and the layers.
"""

from __future__ import annotations

import contextlib
import functools
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from .. import edits
from ..config import Config
from ..drafts import OtsuWatershed
from ..engine import Engine, PredictJob, TrainJob, decide, open_round
from ..errors import CellsegError
from ..matching import join_slices
from ..project import Canvas, Edit, Project
from .background import Helper
from .layers import LayerFamily, is_ours, save_pixels, state_counts
from .reactions import Reactions
from .session import Counts, Curve, Problem, Progress, Session
from .tools import Tools
from .writing import PredictionWriter

BUDGET_S = 0.012
"""A tick stops taking work after this long."""
Method = TypeVar("Method", bound=Callable[..., Any])


def shown(method: Method) -> Method:
    """A person's mistake in a method becomes a problem in the dock, not a traceback in the terminal."""

    @functools.wraps(method)
    def wrapper(self: Controller, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except CellsegError as error:
            self.fail(error)
            return None

    return wrapper  # type: ignore[return-value]


class Controller:
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
        self.family: LayerFamily | None = None
        self.tools = Tools(self)
        self.helper = Helper(self.session)
        self.writer = PredictionWriter(self)
        self._reactions = Reactions(self)
        self.job: int | None = None
        self._generation = 0
        self._count_due = 0.0
        self._take_back: list[tuple[NDArray[Any], NDArray[Any]]] = []
        viewer.layers.events.inserted.connect(self._look_for_images)
        viewer.layers.events.removed.connect(self._look_for_images)
        self._look_for_images()

    def start(self) -> None:
        """Warm up the engine in the background."""
        self.engine.start()
        self.session.update(engine="engine: starting")

    def close(self) -> None:
        """Write snapshots and end the engine."""
        self.viewer.layers.events.inserted.disconnect(self._look_for_images)
        self.viewer.layers.events.removed.disconnect(self._look_for_images)
        self._close_image()
        self.engine.close()
        self.helper.close()
        if self.session.project is not None:
            self.session.project.close()
            self.session.update(project=None)

    # --- project and images -----------------------------------------------------------------------

    @shown
    def new_project(self, path: str | Path, task: Literal["instance", "semantic"] = "instance") -> None:
        """Make a project and open it."""
        self._use(Project.create(path, task))

    @shown
    def open_project(self, path: str | Path) -> None:
        """Open a project and its first image."""
        self._use(Project.open(path))

    @shown
    def recover_project(self, path: str | Path) -> None:
        """Open a project whose database is damaged."""
        self._use(Project.recover(path))

    @shown
    def add_images(self, paths: list[str] | list[Path]) -> None:
        """Add picture files to the project and open the first of them."""
        project = self.project()
        added = [id for path in paths for id in project.add_image(path)]
        self.refresh()
        if added:
            self.select_image(added[0])

    @shown
    def use_layer(self, name: str, folder: str | Path | None = None) -> None:
        """Work on an image that is open in napari, making a project beside its file where there is none.

        Pixels that come from no file are written once into the project (``sources/``), since a project must be
        able to read them again.
        """
        layer = self.viewer.layers[name]
        path = Path(str(layer.source.path)) if layer.source.path else None
        if self.session.project is None:
            home = Path(folder) if folder else (path.parent if path else Path.cwd())
            base = home / (path.name.split(".")[0] if path else name.split(" ")[0])
            if base.with_suffix(".cellseg").exists():
                self._use(Project.open(base.with_suffix(".cellseg")))
            else:
                self._use(Project.create(base))
        project = self.project()
        if path is None or not path.exists():
            path = save_pixels(layer, project.path / "sources")
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
        try:
            picture = project.read_image(id)
        except CellsegError as error:
            self.fail(error, lost_image=id)
            return
        self._close_image()
        record, canvas = project.image(id), project.canvas(id)
        margin = self.session.config.train.margin
        self.family = LayerFamily(self.viewer, record, picture, canvas, margin, self._on_paint, self.undo, self.redo)
        self.tools.attach(self.family)
        self.session.update(image=id, canvas=canvas, channel=0, tool="", status=f"Opened {id}.", preview=False)
        self._look_for_images()
        self._count()

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
        if self.session.preview:
            self._preview()

    def show_preview(self, on: bool) -> None:
        """Show what the network would see, computed off the main thread."""
        self.session.update(preview=on)
        if on:
            self._preview()
        elif self.family is not None:
            self.family.show_preview(None)

    # --- predict ----------------------------------------------------------------------------------

    @shown
    def predict(self) -> None:
        """Label the open image, beginning where the person looks; without a model, by a classical draft."""
        project, canvas = self.project(), self.canvas()
        if self.job is not None or self.session.progress is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        if self.session.current_model is None:
            self._draft()
            return
        centre = self.family.centre() if self.family else None
        self._begin(PredictJob(project.path, (self.session.image,), self.session.current_model, centre), "predict")
        self.writer.next_id = canvas.next_id()

    @shown
    def use_model(self, id: str) -> None:
        """Predict and train from another model from now on."""
        project = self.project()
        project.model_path(id)
        project.db.put_setting("current_model", id)
        self.refresh()

    def cancel(self) -> None:
        """End the running job; what is finished stays."""
        if self.job is not None:
            self.engine.cancel(self.job)
            if self.session.progress:
                self.session.update(status="Stopping after the current tile or step...")

    # --- correct ----------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take back the last edit of the open image; ignored while a stroke is open."""
        self._step_history("undo")

    def redo(self) -> None:
        """Do again what was undone."""
        self._step_history("redo")

    @shown
    def approve_field(self) -> None:
        """Approve what is visible: its background, and objects that lie in it for at least half."""
        if self.family is not None:
            self.apply(self._approved(self.family.visible_box(), "approve field"))
            self.session.update(status="Approved the visible field.")

    @shown
    def approve_slice(self) -> None:
        """Approve the whole current slice."""
        if self.family is not None:
            self.apply(self._approved(self.family.slice_box(), "approve slice"))
            self.session.update(status="Approved the slice.")

    @shown
    def approve_image(self) -> None:
        """Approve the whole image."""
        canvas = self.canvas()
        self.apply(self._approved(tuple(slice(0, n) for n in canvas.labels.shape), "approve image"))
        self.session.update(status="Approved the image.")

    @shown
    def approve_object(self, point: tuple[int, ...]) -> None:
        """Approve the object at a voxel."""
        canvas = self.canvas()
        id = edits.object_at(canvas.labels, point)
        self.apply(edits.approve_object(canvas.labels, canvas.state, id))
        self.session.update(status=f"Approved object {id}.")

    @shown
    def delete_object(self, point: tuple[int, ...]) -> None:
        """Delete the object at a voxel."""
        canvas = self.canvas()
        id = edits.object_at(canvas.labels, point)
        self.apply(edits.delete(canvas.labels, canvas.state, id))
        self.session.update(status=f"Deleted object {id}.")

    @shown
    def merge_objects(self, ids: list[int]) -> None:
        """Merge objects into the first one."""
        canvas = self.canvas()
        self.apply(edits.merge(canvas.labels, canvas.state, ids))
        self.session.update(status=f"Merged {len(ids)} objects into {ids[0]}.")

    @shown
    def split_along(self, line: NDArray[Any]) -> None:
        """Split the objects that a line crosses."""
        canvas = self.canvas()
        self.apply(edits.split(canvas.labels, canvas.state, line, canvas.next_id()))
        self.session.update(status="Split along the line.")

    def new_label(self) -> None:
        """Select the next free id for the brush."""
        if self.family is not None and self.session.canvas is not None:
            self.family.labels.selected_label = self.session.canvas.next_id()
            self.family.labels.mode = "paint"
            self.session.update(tool="", status=f"Paint object {self.family.labels.selected_label}.")

    def apply(self, edit: Edit, group: str = "") -> None:
        """Log an edit, write it, show it."""
        canvas = self.canvas()
        written = canvas.apply(edit, group)
        self.show(written)

    # --- fine-tune and judge ----------------------------------------------------------------------

    @shown
    def fine_tune(self) -> None:
        """Train a child of the current model on what is corrected and approved; judge both."""
        project, config = self.project(), self.session.config
        if self.job is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        self.session.update(
            curve=Curve(), problem=None, notice="", progress=Progress("train", "Collecting corrections")
        )

        def prepare() -> None:
            with Project.open(project.path) as own:
                open_round(own)

        self.helper.later(prepare, lambda _: self._begin(TrainJob(project.path, config), "train"))

    @shown
    def keep(self) -> None:
        """Keep the new model."""
        round_ = decide(self.project(), "keep")
        self.refresh()
        self.session.update(status=f"Kept {round_.child}. Predict again to see what it has learnt.")

    @shown
    def roll_back(self) -> None:
        """Go back to the parent model."""
        round_ = decide(self.project(), "roll back")
        self.refresh()
        self.session.update(status=f"Back to {round_.parent or 'no model'}; {round_.child} stays on disk.")

    # --- the clockwork ----------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether anything is running or waiting to be written."""
        return self.job is not None or bool(self.writer.pieces) or self.helper.busy

    def tick(self) -> None:
        """Take what has arrived, for at most `BUDGET_S`; called by a timer in the main thread."""
        end = time.perf_counter() + BUDGET_S
        self._restore_unsaved()
        self.helper.collect()
        while time.perf_counter() < end and not self._writing_waits():
            if self.writer.pieces:
                self.writer.step()
            elif replies := self.engine.poll(1):
                self._reactions.handle(replies[0])
            else:
                break
        if self._count_due and time.monotonic() > self._count_due and not self.writer.pieces:
            self._count()

    def dismiss(self) -> None:
        """The person has read the problem."""
        self.session.update(problem=None, notice="")

    def fail(self, error: CellsegError, lost_image: str = "") -> None:
        """Show a problem until it is read."""
        self.session.update(problem=Problem(error.message, error.hint, lost_image=lost_image))

    # --- inside: predictions ----------------------------------------------------------------------

    def _begin(self, job: PredictJob | TrainJob, kind: str) -> None:
        if self.job is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        self.job = self.engine.submit(job)
        text = "Predicting" if kind == "predict" else "Fine-tuning"
        waiting = "" if self.engine.ready else " (the engine is starting)"
        self.session.update(problem=None, notice="", progress=Progress(kind, text + waiting))

    def _draft(self) -> None:
        """Otsu + watershed where there is no model yet."""
        image, recipe = self.session.image, self.session.config.recipe
        picture, method = self.project().read_image(image), OtsuWatershed()

        def draft() -> NDArray[np.uint32]:
            pixels = recipe(picture.load())
            if pixels.ndim == 3:
                return method(pixels)
            return join_slices(np.stack([method(pixels[:, z]) for z in range(pixels.shape[1])]), 0.25)

        def take(labels: NDArray[np.uint32]) -> None:
            self.writer.whole(image, labels, method.min_size, f"draft-{time.time():.0f}")
            self.session.update(
                progress=None, status="Drafted with Otsu + watershed. Correct some objects, then fine-tune a network."
            )

        self.session.update(progress=Progress("draft", "Drafting with Otsu + watershed (there is no model yet)"))
        self.helper.later(draft, take)

    # --- inside: history and strokes --------------------------------------------------------------

    def _on_paint(self, index: NDArray[Any], old: NDArray[Any], new: NDArray[Any]) -> None:
        """Napari's brush, eraser, fill or polygon changed labels: log it before the stroke counts as done."""
        canvas = self.canvas()
        flat = canvas.labels.reshape(-1)
        try:
            flat[index] = new  # some tools tell before they write
            tool = self.family.labels.mode if self.family else "brush"
            edit = edits.stroke(canvas.labels, canvas.state, index, old, tool=str(tool), instances=self.instances())
            self.show(canvas.commit(edit), labels=False)
            self.session.update(status="")
        except CellsegError as error:
            self._take_back = [*self._take_back, (index, old)]
            self.fail(CellsegError(f"The last stroke was taken back: {error.message}", error.hint))
        except Exception as error:  # noqa: BLE001 - an exception here would make napari record the stroke twice
            self.session.update(
                problem=Problem(
                    f"The stroke could not be logged: {error}.", "Please report this.", traceback.format_exc()
                )
            )

    def _restore_unsaved(self) -> None:
        """Take strokes back that could not be saved: some of napari's tools write only after they have told us."""
        for index, old in reversed(self._take_back):
            if self.session.canvas is not None and self.family is not None:
                self.session.canvas.labels.reshape(-1)[index[::-1]] = old[::-1]
                self.family.labels.refresh()
        self._take_back = []

    @shown
    def _step_history(self, verb: str) -> None:
        if self.family is None or self.family.stroke_open() or self.writer.pieces:
            return
        canvas = self.canvas()
        written = canvas.undo() if verb == "undo" else canvas.redo()
        for edit in written:
            self.show(edit)
        self.session.update(status=(verb.capitalize() + ": " + written[0].tool) if written else f"Nothing to {verb}.")

    def show(self, edit: Edit, labels: bool = True) -> None:
        """Show what an edit wrote; `labels` is False where napari has painted it already."""
        if edit.empty or self.family is None:
            return
        box = edit.box()
        if labels:
            self.family.repaint(box)
        else:
            self.family.show_state(box)
        self._count_due = time.monotonic() + 0.5
        canvas = self.canvas()
        if canvas.snapshot_due and not self.writer.pieces:
            self.helper.later(canvas.prepare_snapshot(), lambda _: None)

    def _count(self) -> None:
        self._count_due = 0.0
        if self.session.canvas is not None:
            objects, corrected, approved = state_counts(self.session.canvas)
            self.session.update(counts=Counts(objects, corrected, approved))

    # --- inside: helpers --------------------------------------------------------------------------

    def _writing_waits(self) -> bool:
        return bool(self.writer.pieces) and self.family is not None and self.family.stroke_open()

    def _preview(self) -> None:
        """Ask for the preprocessed image; an answer that is not the newest is dropped."""
        if self.family is None:
            return
        self._generation += 1
        mine, recipe, channel = self._generation, self.session.config.recipe, self.session.channel
        picture, family = self.project().read_image(self.session.image), self.family

        def compute() -> NDArray[np.float32] | None:
            if mine != self._generation:
                return None
            pixels = recipe(picture.load())
            return np.asarray(pixels.mean(0) if family.rgb else pixels[min(channel, len(pixels) - 1)])

        def take(pixels: NDArray[np.float32] | None) -> None:
            if pixels is not None and mine == self._generation and family is self.family and self.session.preview:
                family.show_preview(pixels)

        self.helper.later(compute, take)

    def _approved(self, box: tuple[slice, ...], tool: str) -> Edit:
        canvas = self.canvas()
        return edits.approve_box(canvas.labels, canvas.state, box, instances=self.instances(), tool=tool)

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

    def _use(self, project: Project) -> None:
        self._close_image()
        if self.session.project is not None:
            self.session.project.close()
        self.session.update(
            project=project, config=project.config, image="", canvas=None, problem=None, notice="", curve=Curve()
        )
        self.refresh()
        self.session.update(status=f"Opened {project.name}." if self.session.images else "Now add an image.")
        if self.session.images:
            self.select_image(self.session.images[0].id)

    def refresh(self) -> None:
        """Read the lists of images, models and rounds anew."""
        project = self.project()
        self.session.update(
            images=tuple(project.images()),
            models=tuple(project.models()),
            current_model=project.current_model,
            rounds=tuple(project.db.rounds()),
        )

    def _close_image(self) -> None:
        self._restore_unsaved()
        self.tools.detach()
        self.writer.pieces.clear()
        if self.family is not None:
            self.family.remove()
            self.family = None
        if self.session.project is not None and self.session.image:
            self.session.project.release(self.session.image)
        self.session.update(image="", canvas=None)

    def _look_for_images(self, event: Any = None) -> None:
        own = self.family.image if self.family else None
        names = [x.name for x in self.viewer.layers if isinstance(x, Image) and not is_ours(x) and x is not own]
        self.session.update(open_images=tuple(names))
