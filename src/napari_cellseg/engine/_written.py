"""The one way in which a prediction is written into an image that nobody has open, and who was predicted by what."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import numpy as np

from ..edits import is_large, joined, large_prediction, predicted
from ..events import Predicted
from ..project import Edit, Project, given_sizes, last_predictions, note_prediction, note_size
from ..targets import Target
from ._jobs import PredictJob, decoded_with, heads_of, options_of

_DECIDES = {"mode", "flips", "combine", "ease", "join_overlap", "runtime"}
"""Options that decide what is found; the others decide what it costs."""


def write_prediction(project: Project, found: Predicted, job: PredictJob) -> Edit:
    """Write what a job found in one image: only where there are no user edits, in one edit, which is returned.

    Objects that were there before keep their numbers. Of an image that does not fit into memory, a large prediction is
    written in many edits of one group, with new numbers; the last one is returned. A prediction of the whole image is
    remembered (see `unpredicted`); writing the same one again changes nothing.

    Raises
    ------
    CellsegError
        When it cannot be saved; the labels are as before.
    """
    store, instances = project.store(found.image), project.task == "instance"
    note_size(project, found.image, found.size)
    box = tuple(slice(a, b) for a, b in found.box)
    if is_large(store, box):
        group, edit = f"predict-{uuid.uuid4().hex[:8]}", None
        for _, piece in large_prediction(box, found.labels, store.next_id(), instances=instances):
            edit = store.apply(piece(store), group)
        note_predicted(project, found.image, job)
        assert edit is not None
        return edit
    new = joined(
        store.labels, store.state, box, np.asarray(found.labels), store.next_id(),
        before=store.labels[box], min_size=target_of(project, job).min_size, instances=instances,
    )  # fmt: skip
    edit = store.apply(predicted(store.labels, store.state, box, new))
    note_predicted(project, found.image, job)
    return edit


def note_predicted(project: Project, image: str, job: PredictJob) -> None:
    """Remember that what a job found in an image is written; of a part of an image nothing is remembered."""
    if not job.region:
        how = _how(project, job, given_sizes(project).get(image, 0.0))
        note_prediction(project, image, "+".join(job.models), how)


def unpredicted(project: Project, job: PredictJob) -> tuple[str, ...]:
    """The images of a job that these models, with these settings, have not predicted yet, or were undone."""
    models, done, given = "+".join(job.models), last_predictions(project), given_sizes(project)
    sizes = {id: given.get(id, 0.0) for id in job.images}
    how = {size: _how(project, job, size) for size in set(sizes.values())}
    return tuple(
        id for id in job.images if id not in done or (done[id].models, done[id].how) != (models, how[sizes[id]])
    )


def target_of(project: Project, job: PredictJob) -> Target:
    """What a job decodes with."""
    return decoded_with(project, job.models, job.target, job.live)


def _how(project: Project, job: PredictJob, size: float) -> str:
    """A digest of everything beside the models that decides what is found; what was learnt live counts."""
    options = options_of(project, job.models, job.options) or project.model_config(job.models[0]).predict
    values: list[Any] = [
        target_of(project, job).model_dump(mode="json"),
        options.model_dump(mode="json", include=_DECIDES),
    ]
    values += heads_of(project, job)
    values += [size] if size else []
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
