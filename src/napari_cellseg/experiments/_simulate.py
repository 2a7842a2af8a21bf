"""The loop without a person: the truth plays a perfect annotator.

Data flow: a scratch project refers to the same pictures but starts without labels. Every round predicts the
pool, lets the annotator walk through K places of the review queue, mending what differs from the truth (through
the same edits, log and known masks as a person's) and approve images in which nothing is left, trains for S
seconds, judges, and measures on the test images.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import edits
from .._types import Labels
from ..config import Config
from ..drafts import Example, OtsuWatershed, PixelClassifier
from ..edits import EditContext
from ..engine import PredictJob, TrainJob, open_round, settle_round, write_prediction
from ..errors import CellsegError
from ..evaluation import Item, by_worth, mean_scores, review_order, score_image, worst_objects
from ..events import Event, Judged, Notice, Predicted, RoundScored
from ..probabilities import kept_path, open_kept
from ..project import CORRECTED, Project, begin_with, difference
from ..targets import tells_doubt
from ._scratch import Runner, Truth, approved_truth, measured, scratch_project


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Attributes
    ----------
    rounds
        Number of rounds.
    objects
        Objects that the annotator mends per round.
    seconds
        Training time in all, shared equally among the rounds.
    order
        ``queue``: the review order that a person gets, which knows nothing of the truth; ``random``: the same places
        in any order; ``worst``: the objects with the largest errors, which only an oracle can know.
    baselines
        Whether two classical methods are measured first.
    keep
        ``judged``: a child that is not better is rolled back; ``always``: every child is kept, which shows what the
        labels alone are worth.
    start
        The model that the loop begins with: ``base``, any model, or ``none`` (the annotator draws the first objects).
    """

    rounds: int = 5
    objects: int = 200
    seconds: float = 600.0
    order: Literal["queue", "random", "worst"] = "queue"
    seed: int = 0
    baselines: bool = True
    keep: Literal["judged", "always"] = "judged"
    start: str = "base"


def simulate(source: Project, plan: Simulation, config: Config, folder: Path, run: Runner) -> Iterator[Event]:
    """Work through the loop on a scratch project in `folder`; `run` does the jobs.

    Parameters
    ----------
    source
        Its approved labels are the truth: train and val images are the pool, test images measure.

    Yields
    ------
    Event
        Everything the jobs yield, and RoundScored: the classical baselines, round 0 (what the loop begins with), then
        every round.

    Raises
    ------
    CellsegError
        When no pool or no test images have approved labels.
    """
    truth, pool, tests = given = approved_truth(source)
    scratch = scratch_project(source, folder, set(truth), {id: truth[id] for id in tests})
    if plan.baselines:
        yield from _baselines(scratch, config, given)
    annotator = Annotator(scratch, truth, np.random.default_rng(plan.seed))
    start = time.monotonic()
    begin_with(scratch, plan.start)
    if scratch.current_model is not None:
        scores = measured(scratch, tests, scratch.current_model, run)
        yield RoundScored(0, "round 0", 0, 0.0, time.monotonic() - start, scores)
    for number in range(1, plan.rounds + 1):
        yield from _annotated(scratch, annotator, pool, plan, run)
        open_round(scratch)
        own = {"seconds": plan.seconds / plan.rounds, "seed": plan.seed + number}
        settings = config.train.model_copy(update=own)
        for event in run(TrainJob(scratch.path, config.model_copy(update={"train": settings}))):
            yield event
            if isinstance(event, Judged):
                settle_round(scratch, event, "yes" if plan.keep == "always" else "auto")
        current = scratch.current_model
        if current is None:
            raise CellsegError("The first round gave no model.", "Raise the training time.")
        scores = measured(scratch, tests, current, run)
        trained, took = number * own["seconds"], time.monotonic() - start
        yield RoundScored(number, f"round {number}", annotator.mended, trained, took, scores)
    scratch.close()


def _annotated(
    scratch: Project, annotator: Annotator, pool: list[str], plan: Simulation, run: Runner
) -> Iterator[Event]:
    """Predict the pool and mend a round's worth of objects; without a model, draw them."""
    model = scratch.current_model
    if model is None:
        annotator.first_fields(pool, plan.objects)
        return
    job = PredictJob(scratch.path, tuple(pool), (model,), show=False)
    for event in run(job):
        if isinstance(event, Predicted):
            write_prediction(scratch, event, job)
        yield event
    annotator.mend(pool, plan.objects, plan.order)


class Annotator:
    """Mends labels of a project until they are the truth, counting objects."""

    def __init__(self, project: Project, truth: dict[str, Labels], rng: np.random.Generator) -> None:
        self.project, self.truth, self.rng = project, truth, rng
        self.mended = 0

    def first_fields(self, pool: list[str], objects: int) -> None:
        """Without a model: draw a share of the objects in one field of every image and approve the field."""
        order = [pool[i] for i in self.rng.permutation(len(pool))]
        left = objects
        for index, id in enumerate(order):
            quota = max(0, min(left, int(np.ceil(left / (len(order) - index)))))
            left -= self._draw_field(id, quota) if quota else 0

    def mend(self, pool: list[str], objects: int, order: str) -> None:
        """Deal with K objects of the whole pool that are not known yet."""
        if order == "worst":
            self._mend_worst(pool, objects)
            return
        places = []
        for id in pool:
            store = self.project.store(id)
            items = review_order(store.labels, store.state, "worth", doubt=self._doubt(id))
            places += [(id, item) for item in items]
        ranks = self.rng.permutation(len(places)) if order == "random" else by_worth([item for _, item in places])
        end = self.mended + objects
        for id, item in [places[i] for i in ranks]:
            if self.mended >= end:
                return
            self._look(id, item)
        # no place is left: a careful person looks over whole images for what is still wrong, and only then approves
        self._mend_worst(pool, end - self.mended)

    def _doubt(self, id: str) -> NDArray[np.uint8] | None:
        try:
            kept = open_kept(kept_path(self.project.path, id))
        except CellsegError:
            return None
        if not tells_doubt(kept.target):
            return None
        return kept.doubt(self.project.task == "semantic" and len(self.project.classes) > 1)

    def _look(self, id: str, item: Item) -> None:
        """What a careful person does at one place of the queue."""
        store, truth = self.project.store(id), self.truth[id]
        box = tuple(slice(a, b) for a, b in item.box)
        if item.id:
            mine = store.labels[box] == item.id
            if not mine.any() or store.state[box][mine].all():
                return  # mended together with a neighbour
            inside, counts = np.unique(truth[box][mine], return_counts=True)
            sizes = np.bincount(truth.ravel())
            belongs = [int(t) for t, n in zip(inside, counts, strict=True) if t and n * 2 > sizes[t]]
            if not belongs and inside[-1]:  # a part of something larger
                belongs = [int(inside[1:][counts[1:].argmax()] if inside[0] == 0 else inside[counts.argmax()])]
            for n, true_id in enumerate(belongs or [0]):
                self._mend_object(id, true_id, item.id if n == 0 else 0)
            return
        free = (store.labels[box] == 0) & (truth[box] > 0)
        sizes, unlabelled = np.bincount(truth.ravel()), np.bincount(truth[store.labels == 0])
        drawn = [int(t) for t in np.unique(truth[box][free]) if unlabelled[t] * 2 > sizes[t]]
        for true_id in drawn:
            self._mend_object(id, true_id, 0)
        if not drawn:
            self.mended += 1  # a look costs something even where nothing is missing
        store.apply(edits.approve_background(self._context(id), box))

    def _mend_worst(self, pool: list[str], objects: int) -> None:
        queue = []
        for id in pool:
            store = self.project.store(id)
            for value, true_id, predicted_id in worst_objects(self.truth[id], store.labels):
                place = self.truth[id] == true_id if true_id else store.labels == predicted_id
                if not store.state[place].all():
                    queue.append((value, id, true_id, predicted_id))
        queue.sort(key=lambda item: item[0])
        for _, id, true_id, predicted_id in queue[:objects]:
            self._mend_object(id, true_id, predicted_id)
        for id in {id for _, id, *_ in queue} - {id for _, id, *_ in queue[objects:]}:
            self._approve(id)

    def _context(self, id: str) -> EditContext:
        store, instances = self.project.store(id), self.project.task == "instance"
        return EditContext.on(store, instances=instances)

    def _approve(self, id: str) -> None:
        """Nothing is left to correct in this image: approve all of it, as a person would with one key."""
        store = self.project.store(id)
        whole = tuple(slice(0, n) for n in store.labels.shape)
        store.apply(edits.approve_box(self._context(id), whole, tool="approve image"))

    def _mend_object(self, id: str, true_id: int, predicted_id: int) -> None:
        """Draw the true outline; take away what the predicted one had too much, but not from other objects."""
        store, truth = self.project.store(id), self.truth[id]
        mine = truth == true_id if true_id else np.zeros(truth.shape, bool)
        excess = (store.labels == predicted_id) & (truth == 0) if predicted_id else np.zeros(truth.shape, bool)
        new = np.where(mine, store.next_id(), np.where(excess, 0, store.labels)).astype(np.uint32)
        state = np.where(mine | excess, np.maximum(store.state, CORRECTED), store.state)
        box = tuple(slice(0, n) for n in truth.shape)
        store.apply(difference("mend", store.labels, store.state, box, new, state))
        self.mended += 1

    def _draw_field(self, id: str, quota: int) -> int:
        """Draw about `quota` objects around a random one and approve the box around them."""
        store, truth = self.project.store(id), self.truth[id]
        ids = np.unique(truth[truth > 0])
        if not ids.size:
            return 0
        centres = np.array([np.mean(np.nonzero(truth == i), axis=1) for i in ids])
        start = centres[self.rng.integers(len(ids))]
        chosen = ids[np.argsort(np.abs(centres - start).max(1), kind="stable")[:quota]]
        mask = np.isin(truth, chosen)
        places = np.nonzero(mask)
        box = tuple(
            slice(max(0, int(p.min()) - 4), min(n, int(p.max()) + 5)) for p, n in zip(places, truth.shape, strict=True)
        )
        inside = truth[box]
        new = np.where(inside > 0, inside, store.labels[box])
        store.apply(difference("draw", store.labels, store.state, box, new, np.full(new.shape, CORRECTED, np.uint8)))
        store.apply(edits.approve_box(self._context(id), box))
        drawn = int(np.unique(inside[inside > 0]).size)
        self.mended += drawn
        return drawn


# --- inside ---------------------------------------------------------------------------------------


def _baselines(project: Project, config: Config, given: Truth) -> Iterator[Event]:
    """Otsu + watershed, and a random forest that has seen every label of the pool, on the same test images."""
    truth, pool, tests = given
    if project.task != "instance":
        yield Notice("The classical baselines are for instances; they were left out.")
        return

    def pixels(id: str) -> Any:
        return config.recipe(project.read_image(id).load())

    def spacing(id: str) -> tuple[float, ...] | None:
        return project.image(id).spacing_um

    start = time.monotonic()
    known = [Example(pixels(id), truth[id], np.ones(truth[id].shape, bool), spacing(id)) for id in pool]
    forest = PixelClassifier().fit(known)
    seconds = {"Otsu + watershed": 0.0, "random forest": time.monotonic() - start}
    for name, method in (("Otsu + watershed", OtsuWatershed()), ("random forest", forest)):
        start = time.monotonic()
        scores = [score_image(truth[id], method(pixels(id), spacing(id))) for id in tests]
        objects = sum(len(np.unique(truth[id])) - 1 for id in pool) if name == "random forest" else 0
        yield RoundScored(0, name, objects, seconds[name], time.monotonic() - start, mean_scores(scores))
