"""What data, networks and trainings are worth: one training under every combination of factors, with several seeds.

Data flow: factors (`_factors`) -> for every combination a `Variant`, all checked before the first training -> a scratch
project with the same pictures, its labels and its division -> train from scratch -> measure on the test images
against the corrected labels. The experiment of Aziz et al. 2026 (IoU 0.7805 to 0.8980, one run each), with the variance
over seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from pathlib import Path

import numpy as np

from ..config import Config
from ..engine import TrainJob, open_round
from ..errors import CellsegError
from ..events import Event, Notice, Saved, StudyScored
from ..preprocess import Recipe
from ..project import PREDICTED, Project, difference, stratified_split
from ._factors import Given, Variant, Varied, varied
from ._scratch import Runner, approved_truth, measured, scratch_project


@dataclass(frozen=True)
class Study:
    """What to vary (see `FACTORS`; ``loss``, or with levels ``loss=dice/focal``), and how many seeds for each."""

    factors: tuple[str, ...] = ("recipe", "labels")
    repeats: int = 3


def study(source: Project, plan: Study, config: Config, folder: Path, run: Runner) -> Iterator[Event]:
    """Train and measure; `folder` takes scratch projects, `run` does the jobs.

    Draft labels are those that stood before a person touched an image; where there were none (imported truth), Otsu's
    threshold with watershed makes them. What no factor says is the project's own.

    Yields
    ------
    Event
        Everything the jobs yield, and StudyScored after every training.

    Raises
    ------
    CellsegError
        Before the first training: when a factor or level is unknown or does not fit, or there are no approved labels
        to learn from or to measure with.
    """
    if not plan.factors:
        raise CellsegError("A study needs a factor.", "Give one: --factors recipe,labels.")
    truth = approved_truth(source)
    given = Given(source, config, truth)
    factors = [varied(text, given) for text in plan.factors]
    own = Variant(config, {id: truth.labels[id] for id in truth.pool})
    variants = [(levels, _varied(own, factors, levels, given)) for levels in product(*(f.levels for f in factors))]
    yield from _notices(factors, given, plan.repeats)
    for n, (levels, variant) in enumerate(variants):
        scratch, tests = _scratch(given, variant, folder / f"{n}")
        with scratch:
            named = {f.factor.name: level for f, level in zip(factors, levels, strict=True)}
            yield from _repeated(scratch, variant.config, plan.repeats, named, tests, run)


def study_table(scores: Sequence[StudyScored]) -> list[list[str]]:
    """Rows of cells: head, then every combination with mean and standard deviation over seeds, and the gain.

    The gain is relative to the first combination (raw images, draft labels), in percent of its mean.
    """
    names = [m for m in ("iou", "dice", "ap50") if scores and m in scores[0].metrics]
    title = {"iou": "IoU", "dice": "Dice", "ap50": "AP@0.5"}
    factors = list(scores[0].levels) if scores else []
    rows = [[*factors, "seeds", *(x for n in names for x in (title[n], "gain"))]]
    first: dict[str, float] = {}
    for levels in dict.fromkeys(tuple(s.levels.values()) for s in scores):
        runs = [s for s in scores if tuple(s.levels.values()) == levels]
        cells = [*levels, str(len(runs))]
        for n in names:
            values = np.array([s.metrics[n] for s in runs])
            spread = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
            base = first.setdefault(n, float(values.mean()))
            gain = f"{100 * (values.mean() - base) / base:+.1f} %" if base else ""
            cells += [f"{values.mean():.4f}{spread}", gain]
        rows.append(cells)
    return rows


# --- inside ---------------------------------------------------------------------------------------


def _varied(own: Variant, factors: Sequence[Varied], levels: Sequence[str], given: Given) -> Variant:
    """A variant with one level of every factor, the first factor first."""
    pairs = zip(factors, levels, strict=True)
    variant = reduce(lambda variant, pair: pair[0].factor.change(variant, pair[1], given), pairs, own)
    target, dimensions = variant.config.target, variant.config.model.dimensions
    variant.config.loss.check(target.probabilities(len(given.project.classes), dimensions))
    return variant


def _notices(factors: Sequence[Varied], given: Given, repeats: int) -> Iterator[Event]:
    names = [f.factor.name for f in factors]
    if "recipe" in names and given.config.recipe == Recipe():
        yield Notice("The project's recipe is the bare normalisation: raw and preprocessed images are the same.")
    if given.made:
        made, pool = len(given.made), len(given.truth.pool)
        yield Notice(f"{made} of {pool} images have no draft; Otsu's threshold with watershed made one.")
    levels = " x ".join(f"{len(f.levels)} of {f.factor.name}" for f in factors)
    trainings = math.prod(len(f.levels) for f in factors) * repeats
    yield Notice(f"{trainings} trainings: {levels}, each with {repeats} seed{'s' * (repeats != 1)}.")


def _scratch(given: Given, variant: Variant, folder: Path) -> tuple[Project, list[str]]:
    """A project of the same pictures with the labels and the division of a variant, and the images that measure."""
    truth = given.truth.labels
    scratch = scratch_project(given.project, folder, set(truth), truth)
    try:
        tests = list(given.truth.tests)
        if variant.split is not None:  # drawn by the truth, before any label is another one
            tests = stratified_split(scratch, "density", *variant.split, variant.config.train.seed)["test"]
            if not tests:
                raise CellsegError("That split leaves no image to measure with.", "Give the test images more.")
        for record in scratch.images():
            if record.id not in tests:
                _learn_from(scratch, variant, record.id)
    except BaseException:
        scratch.close()
        raise
    return scratch, tests


def _learn_from(scratch: Project, variant: Variant, id: str) -> None:
    """Give an image the labels of a variant, approved but for what is unknown."""
    labels, unknown = variant.labels.get(id), variant.unknown.get(id)
    if labels is not None and (labels != scratch.store(id).labels).any():
        scratch.approve_labels(id, labels)
    if unknown is not None and unknown.any():
        store = scratch.store(id)
        box = tuple(slice(0, n) for n in store.labels.shape)
        new = np.where(unknown, 0, store.labels), np.where(unknown, PREDICTED, store.state)
        store.apply(difference("unknown", store.labels, store.state, box, *new))
    scratch.release(id)


def _repeated(
    scratch: Project, config: Config, repeats: int, level: dict[str, str], tests: list[str], run: Runner
) -> Iterator[Event]:
    for seed in range(repeats):
        open_round(scratch)
        train = config.train.model_copy(update={"seed": config.train.seed + seed, "from_scratch": True})
        start, model = time.monotonic(), ""
        for event in run(TrainJob(scratch.path, config.model_copy(update={"train": train}))):
            yield event
            if isinstance(event, Saved):
                model = event.model
        scores = measured(scratch, tests, model, run)
        yield StudyScored(level, train.seed, scores, time.monotonic() - start)
