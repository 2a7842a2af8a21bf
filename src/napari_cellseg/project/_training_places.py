"""Where a model disagrees with the labels it learnt from: which voxels these are, and the list that was found last.

The list lies in the cache, since it can be made again; the report and the dock read it there.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Span
from ..errors import CellsegError
from ..files import write_text
from ._folder import Project
from ._holdout import holdout_mask
from ._known import known_mask
from ._rename import learnt_from

Sees = Literal["nothing", "an object", "several", "one", "another outline"]
"""What the model finds where the label is: nothing; an object where the label has none; several in place of one; one in
place of several; the same object, drawn differently."""


@dataclass(frozen=True)
class TrainingPlace:
    """A place where a model disagrees with what it learnt.

    Attributes
    ----------
    objects
        Ids in the labels, () where they have none.
    box
        (start, stop) per axis, round both sides.
    iou
        Of both sides.
    score
        0 to 1: how much they differ, and less for what is small beside the other objects.
    changed
        Whether a person has edited there since.
    """

    image: str
    sees: Sees
    objects: tuple[int, ...]
    box: Span
    iou: float
    score: float
    changed: bool = False


@dataclass(frozen=True)
class TrainingPlaces:
    """The places of one model, the worst first, and the newest edit when they were found."""

    model: str
    edits: int
    places: tuple[TrainingPlace, ...] = ()


def images_learnt(project: Project, model: str) -> tuple[str, ...]:
    """The images that a model learnt from and that are there.

    Raises
    ------
    CellsegError
        When there is no such model, or it has learnt from none of them.
    """
    card = project.model_card(model)
    there = {r.id for r in project.images()}
    found = tuple(id for id in dict.fromkeys(learnt_from(project, card)) if id in there)
    if not found:
        raise CellsegError(
            f"{model} has learnt from no image of {project.name}.",
            "Fine-tune first, or name a model that was: --model.",
        )
    return found


def learnt_mask(project: Project, image: str, model: str) -> NDArray[np.bool_]:
    """Voxels whose labels a model has learnt: known and not held out, and not edited since it was trained."""
    record, card = project.image(image), project.model_card(model)
    labels, state = project.load_labels(image)
    margin = project.model_config(model).train.margin
    known = known_mask(labels, state, margin, instances=project.task == "instance")
    known &= ~holdout_mask(record, project.db.holdouts().get(image))
    flat = known.reshape(-1)
    for row in project.db.rows_after(image, card.edits_until):
        if not row.compacted:
            flat[project.db.edit(row.n, record.shape).index] = False
    return known


def keep_training_places(project: Project, found: TrainingPlaces) -> None:
    """Keep a list in the cache; where there is no room for it, it is found again."""
    with suppress(CellsegError):
        write_text(project.path / "cache" / "training_places.json", json.dumps(asdict(found)))


def training_places(project: Project) -> TrainingPlaces | None:
    """The list that was found last for the model in use, with what was edited since; None where there is none."""
    try:
        given = json.loads((project.path / "cache" / "training_places.json").read_text(encoding="utf-8"))
        places = tuple(_place(values) for values in given.pop("places"))
        found = TrainingPlaces(places=places, **given)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if found.model != project.current_model:
        return None
    there = {r.id for r in project.images()}
    edited = {id: _edited(project, id, found.edits) for id in {p.image for p in places} & there}
    return replace(
        found,
        places=tuple(
            replace(p, changed=any(_meet(p.box, box) for box in edited[p.image])) for p in places if p.image in there
        ),
    )


def _place(values: dict[str, object]) -> TrainingPlace:
    box = tuple((int(a), int(b)) for a, b in values["box"])  # type: ignore[attr-defined]
    objects = tuple(int(i) for i in values["objects"])  # type: ignore[attr-defined]
    return TrainingPlace(**values | {"box": box, "objects": objects})  # type: ignore[arg-type]


def _edited(project: Project, image: str, n: int) -> list[Span]:
    """Boxes of what people did to an image after an edit."""
    return [row.box for row in project.db.rows_after(image, n) if row.by_hand and not row.compacted]


def _meet(one: Span, other: Span) -> bool:
    return all(a < d and c < b for (a, b), (c, d) in zip(one, other, strict=True))
