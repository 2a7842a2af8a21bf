"""What the docks do when the engine tells something. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...engine import Reply, record_round
from ...events import (
    Connection,
    Event,
    Failed,
    Finished,
    Judged,
    Notice,
    Planned,
    Predicted,
    Ready,
    Saved,
    StepDone,
    Stopped,
    TileDone,
    TrainingShown,
    TrainStarted,
    TrialStarted,
    Validated,
)
from .engine_pulse import EnginePulse, engine_line
from .project_lists import interrupted_in
from .projects import Projects
from .session import Curve, Problem, Progress

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .prediction import Prediction
    from .workspace import Workspace


WARM = 10
"""After so many steps their pace tells something."""


class EngineEvents:
    """Turns events into session fields and pieces to write; called in the main thread."""

    def __init__(
        self, workspace: Workspace, writer: LabelWriter, prediction: Prediction, projects: Projects, pulse: EnginePulse
    ) -> None:
        self._ws, self._writer, self._prediction, self._projects = workspace, writer, prediction, projects
        self._pulse = pulse

    def handle(self, reply: Reply) -> None:
        """Take one reply of the engine."""
        event = reply.event
        if isinstance(event, Ready):
            self._ws.session.update(engine=engine_line(self._ws.engine))
        elif isinstance(event, Connection):
            self._pulse.connection(event)
        elif isinstance(event, Failed):
            self._failed(reply.job, event)
        elif reply.job == self._ws.job:
            self._of_job(event)

    def _of_job(self, event: Event) -> None:
        if isinstance(event, TileDone | Predicted) and self._ws.cancelled == self._ws.job:
            return  # it was on its way when the person cancelled
        match event:
            case TileDone():
                self._prediction.tile(event)
            case Predicted():
                self._prediction.whole(event)
            case TrainStarted():
                self._ws.session.update(status=self._started(event))
            case TrialStarted():
                self._tried()
            case StepDone():
                self._stepped(event)
            case Validated():
                self._validated(event)
            case TrainingShown():
                self._ws.session.update(training=event)
            case Planned():
                self._prediction.planned(event)
            case Notice():
                self._ws.session.update(notice=event.text)
            case Saved():
                self._ws.session.update(
                    progress=Progress("judge", f"Judging {event.model} on held-out corrections", 1.0)
                )
            case Judged():
                self._judged(event)
            case Stopped():
                training = self._ws.session.progress is not None and self._ws.session.progress.kind == "train"
                kept = "Cancelled before the first step." if training else "Cancelled; finished tiles stay."
                self._ws.session.update(status=kept)
            case Finished():
                self._ws.job = None
                self._writer.forget()
                if self._ws.session.project is not None:
                    self._ws.session.update(unfinished=interrupted_in(self._ws.project()))
                self._ws.session.update(progress=self._writer.progress())

    def _started(self, event: TrainStarted) -> str:
        seconds = self._ws.session.config.train.seconds
        images = f"{event.images} image{'s' if event.images != 1 else ''}"
        learnt = (
            f"{event.objects} objects in {images}" if event.objects else f"{event.known_voxels:,} voxels in {images}"
        )
        return (
            f"Learning from {learnt}, {event.held_objects} held out; about {seconds:.0f} s, longer while it improves."
        )

    def _tried(self) -> None:
        """The curve begins again: it is of other weights."""
        said = (
            "The model before hardly knew these objects, so new weights are tried, too, about as long again; "
            "the better one is kept. Cancel keeps what there is."
        )
        self._ws.session.update(curve=Curve(), status=said)

    def _stepped(self, event: StepDone) -> None:
        total = event.elapsed + event.remaining
        share = event.elapsed / total if total else 0.0
        before = self._ws.session.curve
        curve = replace(before, training=(*before.training[-2000:], (event.elapsed, event.loss)))
        text = f"Fine-tuning: step {event.step}, loss {event.loss:.3f}"
        pace = event.elapsed / event.step if event.step >= WARM else self._ws.session.pace
        self._ws.session.update(curve=curve, pace=pace, progress=Progress("train", text, share, event.remaining))

    def _validated(self, event: Validated) -> None:
        curve = self._ws.session.curve
        seconds = curve.training[-1][0] if curve.training else 0.0
        held = (*curve.held_out, (seconds, event.held_out))
        learnt = (*curve.learnt, (seconds, event.training))
        self._ws.session.update(curve=Curve(curve.training, held, learnt))

    def _judged(self, event: Judged) -> None:
        record_round(self._ws.project(), event)
        self._projects.refresh()
        word = "better" if event.better else "not better"
        against = event.parent or ("the first draft" if event.before else "")
        said = f"is {word} than {against} on held-out corrections" if against else "is the first model"
        self._ws.session.update(status=f"{event.child} {said}: look at Rounds, keep it or roll back.")

    def _failed(self, job: int, event: Failed) -> None:
        died = self._ws.engine.pid is None
        engine = "engine: stopped, starts with the next click" if died else self._ws.session.engine
        self._ws.session.update(problem=Problem(event.message, event.hint, event.traceback), engine=engine)
        if job == self._ws.job:
            self._ws.session.update(status="The job ended with an error.")
