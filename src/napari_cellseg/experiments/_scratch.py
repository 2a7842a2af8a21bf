"""What experiments without a person share: approved truth, its division, a scratch project, a measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .._types import Labels
from ..engine import EvaluateJob, Job
from ..errors import CellsegError
from ..evaluation import mean_scores
from ..events import Evaluated, Event
from ..project import APPROVED, Project

Runner = Callable[[Job], Iterator[Event]]


class Truth(NamedTuple):
    """Labels of wholly approved images, and which of these may be learnt from (train, val) and which measure (test)."""

    labels: dict[str, Labels]
    pool: list[str]
    tests: list[str]


def approved_truth(source: Project) -> Truth:
    """Every image that was approved as a whole; in others, what nobody looked at would pass for truth.

    Raises
    ------
    CellsegError
        When there is nothing to learn from, or nothing to measure with.
    """
    loaded = {r.id: source.load_labels(r.id) for r in source.images()}
    labels = {id: labels for id, (labels, state) in loaded.items() if (state == APPROVED).all()}
    pool = [r.id for r in source.images() if r.id in labels and r.split != "test"]
    tests = [r.id for r in source.images("test") if r.id in labels]
    if not pool or not tests:
        raise CellsegError(
            f"{source.name} has {len(pool)} training and {len(tests)} test images that are approved as a whole; "
            "both are needed.",
            "Approve whole images, or add them with --labels; divide them: napari-cellseg split.",
        )
    return Truth(labels, pool, tests)


def scratch_project(source: Project, folder: Path, ids: set[str], approved: dict[str, Labels]) -> Project:
    """A project of the same pictures and splits, with other approved labels (or none)."""
    scratch = Project.create(folder / source.name, source.task, source.classes)
    for record in source.images():
        if record.id in ids:
            labels = approved.get(record.id)
            (id,) = scratch.add_image(
                source.source(record), labels=labels, axes=record.given_axes, spacing_um=record.spacing_um,
                split=record.split, frame=record.frame, id=record.id, series=record.series,
            )  # fmt: skip
    return scratch


def measured(scratch: Project, tests: list[str], model: str, run: Runner) -> dict[str, float]:
    """Mean scores of a model on the test images."""
    found = run(EvaluateJob(scratch.path, tuple(tests), model))
    return mean_scores([e.metrics for e in found if isinstance(e, Evaluated)])
