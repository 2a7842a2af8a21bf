"""The controller's side of the steps Fine-tune and Rounds: one method for every button. No Qt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...config import Config
from ...engine import Job, JudgeJob, ShowTrainingJob, TrainJob, decide, open_round
from ...errors import CellsegError
from ...presets import preset
from ...project import Project, change_holdout, unfinished_runs
from .report_errors import shown
from .session import Curve, Progress, Session

if TYPE_CHECKING:
    from ..layers.image_layers import LayerFamily
    from .background import Helper
    from .old_and_new import Both


class Trainings:
    """Fine-tune, go on, look at what would be learnt, keep, roll back; the controller is one of these."""

    session: Session
    helper: Helper
    both: Both
    family: LayerFamily | None
    job: int | None
    project: Callable[[], Project]
    refresh: Callable[[], None]
    configure: Callable[[Config], None]
    begin: Callable[[Job, str], None]
    new_stop: Callable[[], threading.Event]

    @shown
    def fine_tune(self) -> None:
        """Train a child of the current model on what is corrected and approved; judge both."""
        self._after_holdouts(TrainJob(self.project().path, self.session.config), "train")

    @shown
    def resume_training(self) -> None:
        """Go on with the training that was interrupted last."""
        self._after_holdouts(TrainJob(self.project().path, self.session.config, resume=""), "train")

    @shown
    def show_training(self) -> None:
        """Patches as the network would see them, and the network in numbers."""
        self._after_holdouts(ShowTrainingJob(self.project().path, self.session.config), "show")

    @shown
    def choose_preset(self, name: str) -> None:
        """Train as a paper did: recipe, target, network, loss, patches and optimiser, from new weights."""
        chosen = preset(name)
        config = chosen.apply(self.session.config)
        objects = self.project().task == "instance"
        if config.target.instances != objects:
            has, other = ("objects", "classes") if objects else ("classes", "objects")
            raise CellsegError(
                f"{chosen.title} is a training for {other}, but {self.project().name} has {has}.",
                f"Make a project of {other} (Image > New project).",
            )
        self.configure(config)
        self.session.update(status=f"{chosen.title}. It starts from new weights.", training=None)

    @shown
    def keep(self) -> None:
        """Keep the new model."""
        round_ = decide(self.project(), "keep")
        self.both.clear()
        self.refresh()
        self.session.update(status=f"Kept {round_.child}. Predict again to see what it has learnt.")

    @shown
    def roll_back(self) -> None:
        """Go back to the parent model."""
        round_ = decide(self.project(), "roll back")
        self.both.clear()
        self.refresh()
        self.session.update(status=f"Back to {round_.parent or 'no model'}; {round_.child} stays on disk.")

    @shown
    def show_held_out(self, on: bool) -> None:
        """Show boxes round what judges in the open image, or take them away."""
        if self.family is not None:
            holdout = self.project().db.holdouts().get(self.session.image)
            self.family.overlays.show_held_out((holdout.boxes if holdout else ()) if on else None)
            nothing = "Nothing of this image is held out." if on and holdout is None else ""
            self.session.update(held_shown=on, status=nothing or self.session.status)

    @shown
    def hold_out_field(self, hold: bool) -> None:
        """Let what is known in view judge from the next training on, or be learnt from."""
        if self.family is None:
            raise CellsegError("No image is open.", "Open one in the step Image.")
        field = tuple((s.start, s.stop) for s in self.family.visible_box())
        n = change_holdout(self.project(), self.session.image, field, hold=hold)
        self.refresh()
        self.show_held_out(True)
        things = ("object" if self.project().task == "instance" else "field") + ("" if n == 1 else "s")
        what = "judge from the next training on" if hold else "are learnt from by the next training"
        self.session.update(status=f"{n} {things} in view {what}.")

    @shown
    def judge(self, model: str) -> None:
        """Judge a trained model that has no round yet."""
        self.begin(JudgeJob(self.project().path, model), "judge")

    def interrupted(self) -> str:
        """The training that was interrupted last, "" where a later one has ended."""
        return interrupted_in(self.project())

    def _after_holdouts(self, job: TrainJob | ShowTrainingJob, kind: str) -> None:
        """Fix what judges, in the helper thread; then start the job."""
        project = self.project()
        if self.job is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        if kind == "train":
            self.session.update(curve=Curve())
        self.session.update(problem=None, notice="", progress=Progress(kind, "Collecting corrections"))

        def prepare() -> None:
            with Project.open(project.path) as own:
                open_round(own)

        stop = self.new_stop()

        def begin(_: None) -> None:
            if stop.is_set() or self.session.project is not project:
                self.session.update(progress=None, status="Cancelled before it began.")
            else:
                self.begin(job, kind)

        self.helper.later(prepare, begin)


def interrupted_in(project: Project) -> str:
    """The training of a project that was interrupted last, "" where a later one has ended."""
    runs = unfinished_runs(project.runs_folder)
    trained = [m.id.lstrip("v") for m in project.models() if not m.members]
    numbers = [int(n) for n in trained if n.isdigit()]
    return runs[-1] if runs and int(runs[-1].lstrip("v")) >= max(numbers, default=0) else ""
