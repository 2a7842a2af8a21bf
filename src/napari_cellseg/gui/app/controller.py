"""The verbs of a Workbench that need several parts of it, and the clock. No Qt: tests use `ViewerModel`.

Data flow: a verb asks a part, which asks the engine (or a helper thread) for work and returns at once; `tick`, called
by a timer, takes answers in small portions: tiles are written box by box, never while a stroke is open. Only the main
thread, in `tick` or in a verb, writes the session, labels and layers. Verbs that one part can answer alone are that
part's (``controller.strokes.undo()``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from napari.components import ViewerModel
from numpy.typing import NDArray

from ..._types import Span
from ...api import Exporting
from ...config import Config
from ...engine import Engine, Reply
from ...engine.remote.tokens import client_file, keep_token
from ...errors import CellsegError
from ...evaluation import Order
from ...project import Project, new_project
from ...settings import Settings
from ...targets import Target
from .old_and_new import Side
from .parts import Parts
from .report_errors import after_settling, report_errors
from .session import Session
from .tools import BY_NAME

BUDGET_S = 0.012
"""A tick stops taking work after this long."""


class Controller(Parts):
    """What a person, or a script, can do with one viewer's Workbench."""

    def __init__(self, viewer: ViewerModel, session: Session | None = None, engine: Engine | None = None) -> None:
        super().__init__(viewer, session, engine)
        wishes = self.spot.wished, self.places.wished, self.explaining.wished, self.surveys.wished
        for wish in (self.all_images.predict_all.wished, *wishes):
            wish.connect(self.select_image)

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
        self.additions.open_images(paths, folder, anyway=anyway)

    @report_errors
    def add_images(self, paths: Sequence[str | Path]) -> None:
        """Add picture files to the project, of whatever kind, and open the first of them."""
        self.additions.add_images(paths)

    @report_errors
    def use_layer(self, name: str, folder: str | Path | None = None, *, wait: bool = True) -> None:
        """Work on an image that is open in napari, making a project beside its file where there is none.

        Scripts `wait` until the project has it; a window does not.
        """
        self.additions.use_layer(name, folder)
        if wait:
            self.additions.finish()

    @report_errors
    def relocate(self, id: str, path: str | Path) -> None:
        """Say where a moved picture is now."""
        self.additions.relocate(id, path)

    @report_errors
    def select_image(self, id: str) -> None:
        """Close the open image (its labels are saved) and open another; of a time series the frame open last."""
        self.projects.select_image(self.time.first_of(id))

    @report_errors
    def step_image(self, by: int) -> None:
        """Open the next or the previous image."""
        self.time.turn(by)

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
    def draft(self, by: str | Settings = "otsu") -> None:
        """Label the open image by a method of `drafts.DRAFTS`, by name or with its settings."""
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
        self.all_images.export(Exporting(Path(folder), format, known_only))

    @report_errors
    def export_inside(self, name: str, replace: bool = False) -> None:
        """Write the labels of every image into ``labels/NAME`` of the OME-Zarr that it is."""
        self.all_images.export(Exporting(inside=name.strip(), replace=replace))

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

    def approve_place(self) -> None:
        """Approve the place of the review that is shown, and go on."""
        self.comparison.approve_place()

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

    @report_errors
    def tick(self) -> None:
        """Take what has arrived, for at most `BUDGET_S`; called by a timer in the main thread. Views are told once."""
        with self.session.told_once():
            self._tick()
        self._ws.turns.ended()

    def _tick(self) -> None:
        end = time.perf_counter() + BUDGET_S
        self._ws.turns.step()
        self.projects.keep_together()
        self.strokes.take_back_unsaved()
        self.helper.collect()
        self.preview.worker.collect()
        for part in (
            self.pulse, self.place, self.all_images, self.preview, self.prediction, self.hints, self.live, self.window,
            self.external, self.state_view, self.measuring, self.additions, self.before_after, self.surveys, self.time,
            self.tracking, self.models, self.clicks,
        ):  # fmt: skip
            part.follow()
        self.strokes.follow()
        self.strokes.go_on(end)
        while not (self.writer.pieces and self._ws.painting):
            if self.writer.pieces:
                self.writer.step()
            elif replies := self.engine.poll(1):
                self.take(replies[0])
            else:
                break
            if time.perf_counter() >= end:  # asked last: on a busy machine, too, every tick brings something on
                break
        if not self.writer.pieces and not self.strokes.stepping:
            self._ws.rest()

    def rest(self, seconds: float) -> None:
        """Nothing has run and nobody has moved the mouse for so many seconds; called by the timer."""
        self.garbage.rest(seconds)

    def take(self, reply: Reply) -> None:
        """Give an answer of the engine to the part that asked."""
        askers = (
            self.prediction, self.live, self.old_and_new, self.before_after, self.all_images, self.comparison,
            self.errors, self.places, self.explaining, self.report, self.clicks,
        )  # fmt: skip
        if not any(part.take(reply) for part in askers):
            self.engine_events.handle(reply)

    @report_errors
    def compute_on(self, server: str, token: Path | None = None, secret: str = "") -> None:
        """Let an engine on another machine (``HOST:PORT``) compute, or this one ("").

        `token` is the file with the token for it; `secret` is the token itself, which is kept for the next time.
        """
        if secret:
            keep_token(token or client_file(), secret)
        self.pulse.move(server, token)

    def restart_engine(self) -> None:
        """End an engine that does not answer and start a new one; only what it was doing is lost."""
        self.pulse.restart()

    def dismiss(self) -> None:
        """The person has read the problem."""
        self.session.update(problem=None, notice="")

    def fail(self, error: CellsegError) -> None:
        """Show a problem until it is read."""
        self._ws.fail(error)
