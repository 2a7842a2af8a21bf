"""The jobs that the child process (or a script) can run: plain values that say what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import Config
from ..errors import CellsegError
from ..evaluate import Metrics, mean_scores, score_image
from ..events import Evaluated, Event, Judged, Predicted, Saved, Stopped
from ..project import ImageRecord, Project, holdout_mask, known_mask
from ._rounds import judged_better

if TYPE_CHECKING:
    from ..predict import Predictor

Stop = Callable[[], bool]


@dataclass(frozen=True)
class PredictJob:
    """Label images of a project with one of its models; `centre` is where the person looks."""

    project: Path
    images: tuple[str, ...]
    model: str
    centre: tuple[float, ...] | None = None


@dataclass(frozen=True)
class TrainJob:
    """Train a child of the current model and judge both."""

    project: Path
    config: Config


@dataclass(frozen=True)
class EvaluateJob:
    """Measure a model against the approved labels of some images."""

    project: Path
    images: tuple[str, ...]
    model: str


Job = PredictJob | TrainJob | EvaluateJob


def run(job: Job, stop: Stop = lambda: False) -> Iterator[Event]:
    """Do a job in this process, yielding its events; needs torch.

    Raises
    ------
    CellsegError
        For everything a person can mend.
    """
    with Project.open(job.project) as project:
        kind = type(job).__name__
        number = project.db.start_run(kind, repr(job)[:2000])
        outcome = "died"
        try:
            for event in _runner(job)(project, job, stop):
                if isinstance(event, Stopped):
                    outcome = "cancelled"
                yield event
            outcome = "done" if outcome == "died" else outcome
        except CellsegError as error:
            outcome = f"failed: {error.message}"
            raise
        finally:
            project.db.finish_run(number, outcome)


def _runner(job: Job) -> Callable[[Project, Any, Stop], Iterator[Event]]:
    runners: dict[type, Callable[[Project, Any, Stop], Iterator[Event]]]
    runners = {PredictJob: _predict, TrainJob: _train, EvaluateJob: _evaluate}
    return runners[type(job)]


def _predict(project: Project, job: PredictJob, stop: Stop) -> Iterator[Event]:
    from ..predict import predict

    model = _loaded(project, job.model)
    for id in job.images:
        for event in predict(project.read_image(id), model, id, centre=job.centre, stop=stop):
            yield event
            if isinstance(event, Stopped):
                return


def _train(project: Project, job: TrainJob, stop: Stop) -> Iterator[Event]:
    from ..train import train

    parent = None if job.config.train.from_scratch else project.current_model
    for event in train(project, job.config, stop):
        yield event
        if isinstance(event, Saved):
            # a person who cancels has waited long enough, but an unjudged model would prove nothing: judging goes on
            yield from _judge(project, parent or project.current_model, event.model)


def _judge(project: Project, parent: str | None, child: str) -> Iterator[Event]:
    """Both models on the same held-out corrections."""
    held = project.db.holdouts()
    records = [r for r in project.images() if r.id in held]
    margin = project.model_config(child).train.margin
    truths = {r.id: _held_out(project, r, margin) for r in records}
    scores: dict[str, list[Metrics]] = {}
    for model in [m for m in (parent, child) if m]:
        scores[model] = []
        for record in records:
            truth, known = truths[record.id]
            if known.any():
                labels = _labels_of(project, record, model)
                scores[model].append(_score(project, truth, labels, known))
    before = mean_scores(scores[parent]) if parent else {}
    after = mean_scores(scores[child])
    yield Judged(parent, child, before, after, judged_better(before, after))


def _evaluate(project: Project, job: EvaluateJob, stop: Stop) -> Iterator[Event]:
    for id in job.images:
        if stop():
            yield Stopped("cancelled")
            return
        record, start = project.image(id), time.monotonic()
        truth, state = project.load_labels(id)
        known = known_mask(truth, state, 0, instances=project.task == "instance")
        if known.any():
            labels = _labels_of(project, record, job.model)
            yield Evaluated(id, job.model, _score(project, truth, labels, known), time.monotonic() - start)


def _labels_of(project: Project, record: ImageRecord, model: str) -> np.ndarray[Any, np.dtype[np.uint32]]:
    from ..predict import predict

    events = predict(project.read_image(record.id), _loaded(project, model), record.id)
    return next(e.labels for e in events if isinstance(e, Predicted))


def _held_out(project: Project, record: ImageRecord, margin: int) -> tuple[Any, Any]:
    labels, state = project.load_labels(record.id)
    known = known_mask(labels, state, margin, instances=project.task == "instance")
    return labels, known & holdout_mask(record, project.db.holdouts()[record.id])


def _score(project: Project, truth: Any, labels: Any, known: Any) -> Metrics:
    whole = None if known.all() else known
    return score_image(truth, labels, project.classes, whole, instances=project.task == "instance")


def _loaded(project: Project, model: str) -> Predictor:
    return _load(project.model_path(model).resolve())


@lru_cache(maxsize=3)
def _load(path: Path) -> Predictor:
    """Models are immutable, so a warm process keeps the last ones."""
    from ..predict import load_model

    return load_model(path)
