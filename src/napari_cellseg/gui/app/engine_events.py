"""What the docks do when the engine tells something. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine import Reply, record_round
from ...events import (
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
    Validated,
)
from .engine_pulse import engine_line
from .session import Curve, Problem, Progress

if TYPE_CHECKING:
    from .controller import Controller


WARM = 10
"""After so many steps their pace tells something."""


class Reactions:
    """Turns events into session fields and pieces to write; called in the main thread."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller

    def handle(self, reply: Reply) -> None:
        """Take one reply of the engine."""
        event = reply.event
        if isinstance(event, Ready):
            self._c.session.update(engine=engine_line(self._c.engine))
        elif isinstance(event, Failed):
            self._failed(reply.job, event)
        elif reply.job == self._c.job:
            self._of_job(event)

    def _of_job(self, event: Event) -> None:
        if isinstance(event, TileDone | Predicted) and self._c.cancelled == self._c.job:
            return  # it was on its way when the person cancelled
        match event:
            case TileDone():
                self._c.predicting.tile(event)
            case Predicted():
                self._c.predicting.whole(event)
            case TrainStarted():
                self._c.session.update(status=self._started(event))
            case StepDone():
                self._stepped(event)
            case Validated():
                curve = self._c.session.curve
                seconds = curve.training[-1][0] if curve.training else 0.0
                self._c.session.update(curve=Curve(curve.training, (*curve.validation, (seconds, event.loss))))
            case TrainingShown():
                self._c.session.update(training=event)
            case Planned():
                self._c.predicting.planned(event)
            case Notice():
                self._c.session.update(notice=event.text)
            case Saved():
                self._c.session.update(
                    progress=Progress("judge", f"Judging {event.model} on held-out corrections", 1.0)
                )
            case Judged():
                self._judged(event)
            case Stopped():
                training = self._c.session.progress is not None and self._c.session.progress.kind == "train"
                kept = "Cancelled before the first step." if training else "Cancelled; finished tiles stay."
                self._c.session.update(status=kept)
            case Finished():
                self._c.job = None
                self._c.writer.forget()
                if self._c.session.project is not None:
                    self._c.session.update(unfinished=self._c.interrupted())
                self._c.session.update(progress=self._c.writer.progress())

    def _started(self, event: TrainStarted) -> str:
        seconds = self._c.session.config.train.seconds
        images = f"{event.images} image{'s' if event.images != 1 else ''}"
        learnt = (
            f"{event.objects} objects in {images}" if event.objects else f"{event.known_voxels:,} voxels in {images}"
        )
        return (
            f"Learning from {learnt}, {event.held_objects} held out; about {seconds:.0f} s, longer while it improves."
        )

    def _stepped(self, event: StepDone) -> None:
        total = event.elapsed + event.remaining
        share = event.elapsed / total if total else 0.0
        curve = Curve(
            (*self._c.session.curve.training[-2000:], (event.elapsed, event.loss)), self._c.session.curve.validation
        )
        text = f"Fine-tuning: step {event.step}, loss {event.loss:.3f}"
        pace = event.elapsed / event.step if event.step >= WARM else self._c.session.pace
        self._c.session.update(curve=curve, pace=pace, progress=Progress("train", text, share, event.remaining))

    def _judged(self, event: Judged) -> None:
        record_round(self._c.project(), event)
        self._c.refresh()
        word = "better" if event.better else "not better"
        against = event.parent or ("the first draft" if event.before else "")
        said = f"is {word} than {against} on held-out corrections" if against else "is the first model"
        self._c.session.update(status=f"{event.child} {said}: look at Rounds, keep it or roll back.")

    def _failed(self, job: int, event: Failed) -> None:
        died = self._c.engine.pid is None
        engine = "engine: stopped, starts with the next click" if died else self._c.session.engine
        self._c.session.update(problem=Problem(event.message, event.hint, event.traceback), engine=engine)
        if job == self._c.job:
            self._c.session.update(status="The job ended with an error.")
