"""Systems measured on the images of a project: its models, and folders of masks of other tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import images
from ..config import Values
from ..engine import EvaluateJob, run
from ..errors import CellsegError
from ..evaluation import Comparing, mean_scores, score_image
from ..events import Evaluated, Event, Skipped, Stopped
from ..project import Project, known_mask, masks_for_image
from ._evaluate import Comparison, comparing
from ._results import Evaluation
from ._strips import Strip
from ._work import Stop, Work

Systems = Mapping[str, str | Path]
"""Ids of models, or folders of masks, by the names that the tables shall have for them."""


@dataclass(frozen=True)
class Evaluating:
    """What is measured: see `OpenProject.evaluate`."""

    split: str = "test"
    model: str | None = None
    systems: Systems = field(default_factory=dict)
    exclude: frozenset[str] = frozenset()
    figures: Path | None = None
    settings: Values = ()


def evaluate_project(project: Project, how: Evaluating, stop: Stop) -> Work[Evaluation]:
    """Measure systems against the approved labels of one split.

    Raises
    ------
    CellsegError
        See `OpenProject.evaluate`.
    """
    systems = _systems(project, how)
    given = comparing(how.settings, classes=project.meanings)
    work = Comparison(given, how.figures)
    ids = [r.id for r in project.images(how.split)]
    unknown = sorted(how.exclude - set(ids))
    if unknown:
        raise CellsegError(
            f"{project.name} has no {how.split} image {unknown[0]!r}, so it cannot be left out.",
            f"There are: {', '.join(ids)}.",
        )
    ids = [id for id in ids if id not in how.exclude]
    strips: dict[str, Strip] = {}
    scores: dict[str, dict[str, dict[str, float]]] = {name: {} for name in systems}
    stopped = False
    for name, what in systems.items():
        masks = _masks(project, ids, name, what, work) if isinstance(what, dict) else None
        for event in masks or _model(project, ids, str(what), given, stop):
            if isinstance(event, Evaluated):
                strip = strips.get(event.image) or _strip(project, event.image, pixels=how.figures is not None)
                if how.figures is not None:  # else nothing of an image is kept but its figures
                    strips[event.image] = strip
                work.add("approved", strip, name, np.asarray(event.labels), _own(event))
                scores[name][event.image] = event.metrics
            stopped |= isinstance(event, Stopped)
            yield event
    for strip in strips.values():
        yield from work.finish(strip)
    first = next(iter(systems))
    if not any(scores.values()):
        _nothing(project, how.split, work.left_out)
    return Evaluation(
        str(systems[first]) if isinstance(systems[first], str) else first, how.split,
        mean_scores(scores[first].values()), scores[first], stopped, work.collector.tables(), tuple(work.left_out),
        tuple(work.files),
    )  # fmt: skip


def _nothing(project: Project, split: str, left_out: list[Skipped]) -> None:
    if left_out:
        raise CellsegError(left_out[0].message, left_out[0].hint)
    raise CellsegError(
        f"No {split} image of {project.name} has approved labels.",
        f"Add some: napari-cellseg add {project.path.name} IMAGE --labels LABELS --split {split}",
    )


def _systems(project: Project, how: Evaluating) -> dict[str, str | dict[str, Path]]:
    """Every system: the id of a model, or mask files by image."""
    found: dict[str, str | dict[str, Path]] = {}
    model = how.model or (None if how.systems else project.current_model)
    if model is None and not how.systems:
        raise CellsegError(f"{project.name} has no model yet.", "Run: napari-cellseg train.")
    if model is not None:
        found[project.model_card(model).id] = model
    for name, what in how.systems.items():
        if Path(what).exists():
            found[name] = images.masks_by_name([what])
        else:
            found[name] = project.model_card(str(what)).id
    return found


def _model(project: Project, ids: list[str], model: str, how: Comparing, stop: Stop) -> Work[None]:
    """A model's answers; its loss only where it was asked for, since it costs another pass."""
    loss = any(metric.name == "loss" for metric in how.chosen)
    yield from run(EvaluateJob(project.path, tuple(ids), model, loss), stop)


def _own(event: Evaluated) -> dict[str, float]:
    """What is told of the model itself."""
    found = {} if event.took is None else {"seconds": event.took}
    return found if event.loss is None else found | {"loss": event.loss[0], "loss_voxels": event.loss[1]}


def _masks(project: Project, ids: list[str], name: str, files: dict[str, Path], work: Comparison) -> Work[None]:
    """Masks of a folder, as a model's would be measured; images without any are left out."""
    for id in ids:
        strip = _strip(project, id, pixels=False)
        if strip.known is not None and not strip.known.any():
            continue
        try:
            yield _measured(project, strip, name, files)
        except CellsegError as error:
            yield work.leave_out(f"{id} of {name}", error)


def _measured(project: Project, strip: Strip, name: str, files: dict[str, Path]) -> Event:
    record = project.image(strip.name)
    file = files.get(strip.name) or files.get(images.picture_stem(Path(record.source)))
    if file is None:
        raise CellsegError(f"{name} has no masks called {strip.name}.", "Its files are called like the pictures.")
    labels = masks_for_image(project, strip.name, file).labels
    instances = project.task == "instance"
    metrics = score_image(strip.truth, labels, project.classes, strip.known, instances=instances)
    return Evaluated(strip.name, name, metrics, 0.0, labels)


def _strip(project: Project, id: str, *, pixels: bool) -> Strip:
    """An image's approved labels, and where they are known."""
    record = project.image(id)
    truth, state = project.load_labels(id)
    known = known_mask(truth, state, 0, instances=project.task == "instance")
    picture = project.read_image(id) if pixels else None
    return Strip(id, truth, picture, record.spacing_um, None if known.all() else known)
