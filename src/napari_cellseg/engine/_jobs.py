"""The jobs that the child process (or a script) can run: plain values that say what to do."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Box, Labels, Mask, Span
from ..boxes import size
from ..config import Config, Predict
from ..errors import CellsegError
from ..evaluation import Metrics, covered, mean_scores, score_image
from ..events import Evaluated, Event, Judged, Predicted, Saved, Skipped, Stopped
from ..project import (
    ImageRecord,
    Project,
    fitted_target,
    head_path,
    holdout_mask,
    islands,
    kinds_of_images,
    known_mask,
    known_size,
    known_sizes,
    labels_before,
    member_paths,
    reading,
)
from ..targets import Target
from ._click import ClickJob, click
from ._elsewhere import predict_by
from ._explain import ExplainJob, WhyJob, explaining
from ._live import LiveJob, live, network_with_features, refit
from ._rounds import judged_better
from ._thresholds import fit_thresholds

if TYPE_CHECKING:
    from ..prediction import Predictor

Stop = Callable[[], bool]


@dataclass(frozen=True)
class PredictJob:
    """Label images of a project with one of its models, or with several together.

    Attributes
    ----------
    options, target
        Instead of the model's own; a target of the same kind. With `live`, thresholds are those that were fitted to the
        corrections, unless a target is given.
    centre
        Where the person looks at the start, in voxels.
    region
        Only this box, (start, stop) per spatial axis.
    show
        Whether somebody watches: tiles come with labels.
    skip
        Leave out images that cannot be read or do not fit the models, and go on with the others.
    keep
        Leave the probabilities in the project's cache, for thresholds.
    live
        With what was fitted to the corrections since the model was made (see `LiveJob`).
    scheduler, scheduler_options
        Who does the blocks of each image (see `parts.scheduler`); "": this process.
    """

    project: Path
    images: tuple[str, ...]
    models: tuple[str, ...]
    options: Predict | None = None
    target: Target | None = None
    centre: tuple[float, ...] | None = None
    region: Span = ()
    show: bool = True
    skip: bool = False
    live: bool = False
    keep: bool = True
    scheduler: str = ""
    scheduler_options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class PlanJob:
    """Say what predicting an image will take."""

    project: Path
    image: str
    models: tuple[str, ...]
    options: Predict | None = None
    region: Span = ()


@dataclass(frozen=True)
class KeptJob:
    """What needs the probabilities that were kept of an image, and no network."""

    project: Path
    image: str
    models: tuple[str, ...]
    target: Target


@dataclass(frozen=True)
class DecodeJob(KeptJob):
    """Decode them again, inside a field or everywhere."""

    field: Span = ()


@dataclass(frozen=True)
class FitJob(KeptJob):
    """Fit the target's thresholds to what is known of the image."""


@dataclass(frozen=True)
class TrainJob:
    """Train a child of the current model and judge both; `resume` goes on with an interrupted run ("": the newest)."""

    project: Path
    config: Config
    resume: str | None = None


@dataclass(frozen=True)
class ShowTrainingJob:
    """Describe the network and show patches, without training."""

    project: Path
    config: Config


@dataclass(frozen=True)
class EvaluateJob:
    """Measure a model against the approved labels of some images; with `loss`, its training's loss there, too.

    `also` are other models, measured on each image after it.
    """

    project: Path
    images: tuple[str, ...]
    model: str
    loss: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgeJob:
    """Judge a trained model that has no round yet against its parent, as a training does at its end."""

    project: Path
    model: str


LookingJob = PlanJob | DecodeJob | FitJob | ShowTrainingJob | LiveJob | ClickJob | ExplainJob | WhyJob
Job = PredictJob | TrainJob | JudgeJob | EvaluateJob | LookingJob
AROUND = 64
"""Pixels round what is known that are predicted with it, where an image is not predicted as a whole."""
Look = Callable[[], tuple[float, ...] | None]
"""Answers where the person looks now, in voxels; None if nobody said."""


def run(job: Job, stop: Stop = lambda: False, look: Look = lambda: None) -> Iterator[Event]:
    """Do a job in this process, yielding its events; needs torch.

    Looking jobs (plans, decoding again) leave no trace in the project's list of runs.

    Raises
    ------
    CellsegError
        For everything a person can mend.
    """
    with Project.open(job.project) as project:
        kind = type(job).__name__
        if not isinstance(job, PredictJob | TrainJob | JudgeJob | EvaluateJob):
            yield from _looking(project, job, stop)
            return
        if isinstance(job, TrainJob) and not _tells():  # helps another process to train, which notes the run
            yield from _events(project, job, stop, look)
            return
        number = project.db.start_run(kind, repr(job)[:2000])
        outcome = "died"
        try:
            with reading(project.path):
                for event in _events(project, job, stop, look):
                    if isinstance(event, Stopped):
                        outcome = "cancelled"
                    yield event
            outcome = "done" if outcome == "died" else outcome
        except CellsegError as error:
            outcome = f"failed: {error.message}"
            raise
        finally:
            project.db.finish_run(number, outcome)


def _looking(project: Project, job: LookingJob, stop: Stop) -> Iterator[Event]:
    """Jobs that answer a question, and change nothing."""
    if isinstance(job, PlanJob):
        yield _plan(project, job)
    elif isinstance(job, ShowTrainingJob):
        from ..train import show_training

        yield show_training(project, job.config)
    elif isinstance(job, DecodeJob):
        yield _decode(project, job, stop)
    elif isinstance(job, FitJob):
        yield fit_thresholds(project, job.image, job.models, job.target)
    elif isinstance(job, LiveJob):
        yield from live(project, job)
    elif isinstance(job, ClickJob):
        yield click(project, job, stop)
    else:
        yield from explaining(project, job, stop)


def _tells() -> bool:
    from ..train import is_first

    return is_first()


def _events(
    project: Project, job: PredictJob | TrainJob | JudgeJob | EvaluateJob, stop: Stop, look: Look
) -> Iterator[Event]:
    if isinstance(job, PredictJob):
        return _predict(project, job, stop, look)
    if isinstance(job, JudgeJob):
        return _judge(project, _opponent(project, job.model), job.model)
    return _train(project, job, stop) if isinstance(job, TrainJob) else _evaluate(project, job, stop)


def _predict(project: Project, job: PredictJob, stop: Stop, look: Look) -> Iterator[Event]:
    from ..prediction import Request, predict

    models, options = loaded_models(project, job.models, job.live), options_of(project, job.models, job.options)
    sizes, target = known_sizes(project), decoded_with(project, job.models, job.target, job.live)
    if job.scheduler:
        requests = {
            id: Request(options, target, job.region, _kept(project, id), job.keep, False, sizes.get(id, 0.0))
            for id in job.images
        }
        networks = NetworksOf(project.path.resolve(), job.models, job.live, heads_of(project, job))
        yield from predict_by(project, networks, (job.scheduler, dict(job.scheduler_options)), requests, stop)
        return
    for id in job.images:
        request = Request(options, target, job.region, _kept(project, id), job.keep, job.show, sizes.get(id, 0.0))

        def where() -> tuple[float, ...] | None:
            return look() or job.centre

        try:
            for event in predict(project.read_image(id), models, id, request=request, look=where, stop=stop):
                yield event
                if isinstance(event, Stopped):
                    return
        except (CellsegError, OSError) as error:
            if not job.skip:
                raise
            yield _skipped(id, error)


@dataclass(frozen=True)
class NetworksOf:
    """Models of a project that a worker loads for itself; `heads` says what was learnt live when it was asked for."""

    project: Path
    models: tuple[str, ...]
    live: bool
    heads: tuple[str, ...]

    def __call__(self) -> list[Predictor]:
        """Load them."""
        with Project.open(self.project) as project:
            return loaded_models(project, self.models, self.live)


def heads_of(project: Project, job: PredictJob) -> tuple[str, ...]:
    """A digest of what was learnt live of every model that has it."""
    heads = [head_path(project.path, model) for model in job.models] if job.live else []
    return tuple(hashlib.sha256(head.read_bytes()).hexdigest() for head in heads if head.is_file())


def _skipped(image: str, error: CellsegError | OSError) -> Skipped:
    if isinstance(error, CellsegError):
        return Skipped(image, error.message, error.hint)
    return Skipped(image, f"The picture of {image} cannot be read: {error}.", "Check the drive and your rights.")


def _plan(project: Project, job: PlanJob) -> Event:
    from ..prediction import Request, plan_for

    models = loaded_models(project, job.models)
    request = Request(
        options_of(project, job.models, job.options), None, job.region, size=known_size(project, job.image)
    )
    return plan_for(project.read_image(job.image), models, job.image, request)


def _decode(project: Project, job: DecodeJob, stop: Stop) -> Event:
    from ..prediction import decode_again

    path = _kept(project, job.image) / "probabilities.zarr"
    single = tuple(p.name for m in job.models for p in _members(project, m))
    return decode_again(path, job.target, job.image, job.field, models=single, stop=stop)


def _members(project: Project, model: str) -> list[Path]:
    return member_paths(project.model_path(model), project.model_card(model).members)


def decoded_with(project: Project, models: tuple[str, ...], given: Target | None, live: bool) -> Target:
    """What is decoded with: what is given, what was fitted live to a model that predicts alone, or the model's own."""
    fitted = fitted_target(project, models[0]) if live and len(models) == 1 and given is None else None
    return given or fitted or project.model_config(models[0]).target


def options_of(project: Project, models: tuple[str, ...], options: Predict | None) -> Predict | None:
    """What was asked for; an ensemble combines its members as it was saved."""
    if len(models) > 1 or not models or not project.model_card(models[0]).members:
        return options
    own = project.model_config(models[0]).predict
    return (options or own).model_copy(update={"combine": own.combine})


def _kept(project: Project, image: str) -> Path:
    """Where the probabilities of an image are kept; safe to delete."""
    return project.path / "cache" / "predictions" / image


def _train(project: Project, job: TrainJob, stop: Stop) -> Iterator[Event]:
    from ..prediction import make_exports
    from ..train import train

    current = project.current_model
    for event in train(project, job.config, stop, job.resume):
        yield event
        if isinstance(event, Saved):
            parent = project.model_card(event.model).parent
            # a person who cancels has waited long enough, but an unjudged model would prove nothing: judging goes on
            yield from _judge(project, parent or current, event.model)
            make_exports(loaded_models(project, (event.model,)))  # so that its first prediction need not


def _opponent(project: Project, child: str) -> str | None:
    """Its parent; of a model that began with new weights, what is used now."""
    current = project.current_model
    return project.model_card(child).parent or (current if current != child else None)


def _judge(project: Project, parent: str | None, child: str) -> Iterator[Event]:
    """Both models on the same held-out corrections; without a parent, what stood there before any correction."""
    held, kinds = project.db.holdouts(), kinds_of_images(project)
    if parent:
        refit(project, parent)
    margin = project.model_config(child).train.margin
    before: dict[str, list[Metrics]] = {}
    after: dict[str, list[Metrics]] = {}
    cover: tuple[list[tuple[int, int]], list[tuple[int, int]]] = [], []
    for record in [r for r in project.images() if r.id in held and r.split != "test"]:
        kind, there = kinds[record.id], None if parent else labels_before(project, record.id)
        for place, truth, known in held_places(project, record, margin):
            if parent or there is not None:
                earlier = _labels_of(project, record, parent, place, live=True) if parent else there[place]  # type: ignore[index]
                before.setdefault(kind, []).append(_score(project, truth, earlier, known))
                cover[0].append(covered(truth, earlier, known))
            later = _labels_of(project, record, child, place)
            after.setdefault(kind, []).append(_score(project, truth, later, known))
            cover[1].append(covered(truth, later, known))
    by_kind = {k: (mean_scores(before.get(k, [])), mean_scores(after[k])) for k in after}
    old, new = (mean_scores([s for scores in side.values() for s in scores]) for side in (before, after))
    yield Judged(
        parent, child, old if before else {}, new, judged_better(list(by_kind.values()), parent),
        by_kind if len(by_kind) > 1 else {}, cover,
    )  # fmt: skip


def _evaluate(project: Project, job: EvaluateJob, stop: Stop) -> Iterator[Event]:
    for id in job.images:
        if stop():
            yield Stopped("cancelled")
            return
        record = project.image(id)
        truth, state = project.load_labels(id)
        known = known_mask(truth, state, 0, instances=project.task == "instance")
        for model in (job.model, *job.also) if known.any() else ():
            start = time.monotonic()
            found = _predicted(project, record, model)
            labels = np.asarray(found.labels)
            metrics = _score(project, truth, labels, known)
            loss = _loss(project, record, model) if job.loss else None
            yield Evaluated(id, model, metrics, time.monotonic() - start, labels, found.seconds, loss)


def _loss(project: Project, record: ImageRecord, model: str) -> tuple[float, int] | None:
    """See `train.loss_on`; an ensemble, which was not trained, has none."""
    from ..train import loss_on

    if len(together := loaded_models(project, (model,))) > 1:
        return None
    return loss_on(project, record, together[0].network, together[0].config, together[0].device)


def _labels_of(project: Project, record: ImageRecord, model: str, place: Box, *, live: bool = False) -> Labels:
    """What a model says of a place."""
    region = () if size(place) == record.shape else tuple((s.start, s.stop) for s in place)
    return np.asarray(_predicted(project, record, model, region, live=live).labels)


def _predicted(
    project: Project, record: ImageRecord, model: str, region: Span = (), *, live: bool = False
) -> Predicted:
    from ..prediction import Request, predict

    options = options_of(project, (model,), None)
    folder = project.path / "cache" / "judged" / record.id
    target = decoded_with(project, (model,), None, live)
    request = Request(options, target, region, folder=folder, show=False, size=known_size(project, record.id))
    events = predict(project.read_image(record.id), loaded_models(project, (model,), live), record.id, request=request)
    return next(e for e in events if isinstance(e, Predicted))


def held_out(project: Project, record: ImageRecord, margin: int) -> tuple[Any, Any]:
    """The labels of an image that judges, and where they are known and held out (bool)."""
    labels, state = project.load_labels(record.id)
    known = known_mask(labels, state, margin, instances=project.task == "instance")
    return labels, known & holdout_mask(record, project.db.holdouts()[record.id])


def held_places(project: Project, record: ImageRecord, margin: int) -> Iterator[tuple[Box, Labels, Mask]]:
    """Where an image judges: a box, its labels, and where they are known and held out.

    An image in memory is one such place; of one that does not fit there, each part with something held out in it.
    """
    labels, state = project.open_labels(record.id)
    held = project.db.holdouts()[record.id]
    for place in islands(state, AROUND):
        known = known_mask(labels[place], state[place], margin, instances=project.task == "instance")
        known &= holdout_mask(record, held, place)
        if known.any():
            yield place, labels[place], known


def _score(project: Project, truth: Any, labels: Any, known: Any) -> Metrics:
    whole = None if known.all() else known
    return score_image(truth, labels, project.classes, whole, instances=project.task == "instance")


def loaded_models(project: Project, models: tuple[str, ...], live: bool = False) -> list[Predictor]:
    """Models ready to predict; `live`: those that have a head, with it."""
    out: list[Predictor] = []
    for model in models:
        path = project.model_path(model).resolve()
        adapted = _adapted(project, model) if live else None
        out += [adapted] if adapted is not None else load_folder(path)
    return out


def _adapted(project: Project, model: str) -> Predictor | None:
    """A model with the head that was fitted to the corrections, None where there is none: then torch is not needed."""
    if not head_path(project.path, model).is_file():
        return None
    from ..adapt import load_head

    head = load_head(project.path, model)
    if head is None:
        return None
    import torch

    from ..nets.features import WithHead
    from ..prediction import Predictor

    path = project.model_path(model)
    features, device = network_with_features(path)
    network = device.place(WithHead(features, torch.from_numpy(head.weight), torch.from_numpy(head.bias)).eval())
    return Predictor(model, network, project.model_config(model), project.model_card(model), device)


@lru_cache(maxsize=3)
def load_folder(path: Path) -> list[Predictor]:
    """Models are immutable, so a warm process keeps the last ones."""
    from ..prediction import load_model

    return load_model(path)
