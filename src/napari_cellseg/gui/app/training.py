"""The steps Fine-tune and Rounds: one method for every button. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from ...engine import JudgeJob, ShowTrainingJob, TrainJob, decide, open_round
from ...errors import CellsegError
from ...presets import preset
from ...project import Project, change_holdout
from .report_errors import report_errors
from .session import Curve, Progress

if TYPE_CHECKING:
    from .projects import Projects
    from .workspace import Workspace


class Training:
    """Fine-tune, go on, look at what would be learnt, judge, keep, roll back."""

    decided = Signal()
    """The person has kept a model or gone back."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects

    @report_errors
    def fine_tune(self) -> None:
        """Train a child of the current model on what is corrected and approved; judge both."""
        self._after_holdouts(TrainJob(self._ws.project().path, self._ws.session.config), "train")

    @report_errors
    def resume(self) -> None:
        """Go on with the training that was interrupted last."""
        self._after_holdouts(TrainJob(self._ws.project().path, self._ws.session.config, resume=""), "train")

    @report_errors
    def show(self) -> None:
        """Patches as the network would see them, and the network in numbers."""
        self._after_holdouts(ShowTrainingJob(self._ws.project().path, self._ws.session.config), "show")

    @report_errors
    def choose_preset(self, name: str) -> None:
        """Train as a paper did: recipe, target, network, loss, patches and optimiser, from new weights."""
        chosen = preset(name)
        config = chosen.apply(self._ws.session.config)
        objects = self._ws.project().task == "instance"
        if config.target.instances != objects:
            has, other = ("objects", "classes") if objects else ("classes", "objects")
            raise CellsegError(
                f"{chosen.title} is a training for {other}, but {self._ws.project().name} has {has}.",
                f"Make a project of {other} (Image > New project).",
            )
        self._projects.configure(config)
        self._ws.session.update(status=f"{chosen.title}. It starts from new weights.", training=None)

    @report_errors
    def keep(self) -> None:
        """Keep the new model."""
        round_ = decide(self._ws.project(), "keep")
        self.decided.emit()
        self._projects.refresh()
        self._ws.session.update(status=f"Kept {round_.child}. Predict again to see what it has learnt.")

    @report_errors
    def roll_back(self) -> None:
        """Go back to the parent model."""
        round_ = decide(self._ws.project(), "roll back")
        self.decided.emit()
        self._projects.refresh()
        self._ws.session.update(status=f"Back to {round_.parent or 'no model'}; {round_.child} stays on disk.")

    @report_errors
    def show_held_out(self, on: bool) -> None:
        """Show boxes round what judges in the open image, or take them away."""
        if self._ws.family is not None:
            holdout = self._ws.project().db.holdouts().get(self._ws.session.image)
            self._ws.family.overlays.show_held_out((holdout.boxes if holdout else ()) if on else None)
            nothing = "Nothing of this image is held out." if on and holdout is None else ""
            self._ws.session.update(held_shown=on, status=nothing or self._ws.session.status)

    @report_errors
    def hold_out_field(self, hold: bool) -> None:
        """Let what is known in view judge from the next training on, or be learnt from."""
        if self._ws.family is None:
            raise CellsegError("No image is open.", "Open one in the step Image.")
        field = tuple((s.start, s.stop) for s in self._ws.family.field_to_label())
        n = change_holdout(self._ws.project(), self._ws.session.image, field, hold=hold)
        self._projects.refresh()
        self.show_held_out(True)
        things = ("object" if self._ws.project().task == "instance" else "field") + ("" if n == 1 else "s")
        what = "judge from the next training on" if hold else "are learnt from by the next training"
        self._ws.session.update(status=f"{n} {things} in view {what}.")

    @report_errors
    def judge(self, model: str) -> None:
        """Judge a trained model that has no round yet."""
        self._ws.begin(JudgeJob(self._ws.project().path, model), "judge")

    def _after_holdouts(self, job: TrainJob | ShowTrainingJob, kind: str) -> None:
        """Fix what judges, in the helper thread; then start the job."""
        project = self._ws.project()
        if self._ws.job is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        if kind == "train":
            self._ws.session.update(curve=Curve())
        self._ws.session.update(problem=None, notice="", progress=Progress(kind, "Collecting corrections"))

        def prepare() -> None:
            with Project.open(project.path) as own:
                open_round(own)

        stop = self._ws.new_stop()

        def begin(_: None) -> None:
            if stop.is_set() or self._ws.session.project is not project:
                self._ws.session.update(progress=None, status="Cancelled before it began.")
            else:
                self._ws.begin(job, kind)

        self._ws.helper.later(prepare, begin)
