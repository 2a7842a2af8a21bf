"""Where a model disagrees most with the labels it learnt from: found, ranked, kept, written as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._types import Labels, Span
from ..engine import EvaluateJob, run
from ..errors import CellsegError
from ..evaluation import disagreements, worst_first
from ..events import Evaluated, Exported, Stopped
from ..files import whole
from ..project import (
    Project,
    TrainingPlace,
    TrainingPlaces,
    images_learnt,
    keep_training_places,
    learnt_mask,
)
from ._place_strips import Seen, seen_at, write_place_strips
from ._work import Stop, Work

MOST = 500
"""Places that are kept."""
COLUMNS = ("rank", "image", "model_sees", "objects", "box", "iou", "score")


@dataclass(frozen=True)
class Finding:
    """What is written of the places: see `OpenProject.training_places`."""

    csv: str | Path | None = None
    figures: str | Path | None = None
    strips: int = 20


def find_training_places(project: Project, model: str | None, how: Finding, stop: Stop) -> Work[TrainingPlaces]:
    """Predict what a model learnt from and rank where it disagrees; see `OpenProject.training_places`."""
    model = model or project.current_model
    if model is None:
        raise CellsegError(f"{project.name} has no model yet.", "Run: napari-cellseg train.")
    places: list[TrainingPlace] = []
    seen: dict[tuple[str, Span], Seen] = {}
    stopped = False
    for event in run(EvaluateJob(project.path, images_learnt(project, model), model), stop):
        if isinstance(event, Evaluated):
            labels = np.asarray(event.labels)
            new = places_of(project, event.image, model, labels)
            seen |= {(p.image, p.box): seen_at(labels, p.box) for p in (new if how.figures is not None else ())}
            places += new
        stopped |= isinstance(event, Stopped)
        yield event
    found = ranked(project, model, places)
    if not stopped and model == project.current_model:
        keep_training_places(project, found)
    if how.csv is not None:
        write_places(found.places, how.csv)
    if how.figures is not None:
        for file in write_place_strips(project, found.places[: how.strips], seen, Path(how.figures)):
            yield Exported("", str(file))
    return found


def places_of(project: Project, image: str, model: str, labels: Labels) -> list[TrainingPlace]:
    """Where labels that a model predicts differ from what it learnt of one image."""
    smallest = project.model_config(model).target.min_size
    truth = project.load_labels(image)[0]
    learnt = learnt_mask(project, image, model)
    return disagreements(image, truth, labels, learnt, smallest, instances=project.task == "instance")


def ranked(project: Project, model: str, places: Sequence[TrainingPlace]) -> TrainingPlaces:
    """The worst places of all images."""
    return TrainingPlaces(model, project.db.last_edit(), tuple(worst_first(places)[:MOST]))


def write_places(places: Sequence[TrainingPlace], path: str | Path) -> Path:
    """Write places as CSV, the worst first.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for n, p in enumerate(places, 1):
            box = " ".join(f"{a}:{b}" for a, b in p.box)
            table.writerow([n, p.image, p.sees, " ".join(map(str, p.objects)), box, p.iou, p.score])
    return Path(path)
