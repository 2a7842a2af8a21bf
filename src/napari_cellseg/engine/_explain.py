"""Explaining as jobs: what is asked about, checked; and the answers as events, for docks.

Data flow: `Asking` -> method and what is asked about -> `explanation.explain` on the image of a project -> `MapFound`;
a place -> `explanation.why`, beside objects of all images that were corrected or approved -> `ReasonsFound`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._types import Labels, Span
from ..config import Config, Values, assigned
from ..errors import CellsegError
from ..events import Event, MapFound, ReasonsFound, Stopped
from ..images import Image
from ..project import (
    ImageRecord,
    Project,
    holdout_mask,
    image_statuses,
    known_size,
    read_card,
    read_model_config,
)
from ..settings import validated
from ..zoom import Zoom
from ._explain_files import filter_grids, write_explanation

if TYPE_CHECKING:
    from ..explanation import Known, Learnt, MethodBase, Reasons, What

    Asked = tuple[Image, Learnt, tuple[MethodBase, What], Labels, tuple[str, Zoom]]

T = TypeVar("T")
Stop = Callable[[], bool]
COMPARED = 48
"""Objects that a place is compared with, at most: a pass through the network each."""


@dataclass(frozen=True)
class Asking:
    """What is to be explained, and how: see `OpenProject.explain`.

    Attributes
    ----------
    method
        ``"gradcam"``, ``"lrp"`` or ``"occlusion"``.
    class_
        Name or number of a class.
    filters
        Number of the convolution whose filters are written, too; 0: none.
    out
        A folder; None: nothing is written.
    """

    method: str = "gradcam"
    object: int | None = None
    point: tuple[int, ...] = ()
    box: Span = ()
    class_: str | int | None = None
    layer: str = ""
    filters: int = 0
    settings: Values = ()
    out: Path | None = None


@dataclass(frozen=True)
class ExplainJob:
    """Explain what a model predicts in an image of a project."""

    project: Path
    image: str
    model: str
    asking: Asking


@dataclass(frozen=True)
class WhyJob:
    """Tell why something was found, or missed, at a voxel of an image."""

    project: Path
    image: str
    model: str
    point: tuple[int, ...]


def explaining(project: Project, job: ExplainJob | WhyJob, stop: Stop) -> Iterator[Event]:
    """Do one of these jobs.

    Raises
    ------
    CellsegError
        When there is no such image, model, place, layer or class, or the method cannot explain this network.
    """
    if isinstance(job, WhyJob):
        reasons = yield from stoppable(reasons_in(project, job.image, job.model, job.point), stop)
        if reasons is not None:
            words, numbers = reasons.sentences, reasons.numbers
            yield ReasonsFound(job.image, reasons.model, reasons.point, words, reasons.profile, numbers)
        return
    how, (picture, model, (method, what), labels, seen) = (
        job.asking,
        asked_of(project, job.image, job.model, job.asking),
    )
    from ..explanation import explain

    found = yield from stoppable(explain(picture, model, method, what, labels, seen), stop)
    if found is None:
        return
    grids = filter_grids(picture, model, (how.filters, what, method), labels, seen[1])
    files = () if how.out is None else write_explanation(how.out, found, picture, labels, grids)
    part = np.ascontiguousarray(found.map[tuple(slice(a, b) for a, b in found.box)])
    shown = grids if how.out is None else {}
    yield MapFound(job.image, found.model, found.of, part, found.box, found.numbers, shown, tuple(map(str, files)))


def stoppable(work: Generator[Event, None, T], stop: Stop) -> Generator[Event, None, T | None]:
    """All of a work, which has no answer before its end; None, after `Stopped`, where it was stopped."""
    try:
        while True:
            event = next(work)
            if stop():
                yield Stopped("cancelled")
                return None
            yield event
    except StopIteration as end:
        answer: T = end.value
        return answer


def asked_of(project: Project, image: str, model: str | None, how: Asking) -> Asked:
    """All that explaining an image of a project takes: picture, model, method and what, labels, name and zoom."""
    from ..explanation import learnt

    record, path = project.image(image), project.model_path(model_of(project, model))
    method, chosen = method_of(how), learnt(path)
    what = what_of(how, chosen, project.classes)
    picture, labels = project.read_image(record.id), project.load_labels(record.id)[0]
    zoom = zoom_of_picture(picture, path, known_size(project, record.id))
    return picture, chosen, (method, what), labels, (record.id, zoom)


def reasons_in(
    project: Project, image: str, model: str | None, point: tuple[int, ...]
) -> Generator[Event, None, Reasons]:
    """Why a model of a project found or missed something at a voxel of one of its images."""
    from ..explanation import learnt, why

    record, id = project.image(image), model_of(project, model)
    path = project.model_path(id)
    chosen, picture = learnt(path), project.read_image(record.id)
    seen = record.id, zoom_of_picture(picture, path, known_size(project, record.id))
    labels = project.load_labels(record.id)[0]
    return (yield from why(picture, chosen, tuple(point), labels, seen, known_objects(project, path)))


def model_of(project: Project, model: str | None) -> str:
    """A model by id, or the current one.

    Raises
    ------
    CellsegError
        When there is none.
    """
    id = model or project.current_model
    if not id:
        raise CellsegError(f"{project.name} has no model yet.", "Train one, or name a base model in cs.explain.")
    return id


def known_objects(project: Project, path: Path) -> list[Known]:
    """Objects that were corrected or approved and are not held out, spread over the images; chosen with a seed."""
    from ..explanation import Known

    statuses, rng = image_statuses(project), np.random.default_rng(0)
    touched = {id for id, status in statuses.items() if status.corrected or status.approved}
    records = [r for r in project.images() if r.split != "test" and r.id in touched]
    chosen = [records[k] for k in rng.permutation(len(records))[:COMPARED]]
    share, known = COMPARED // max(1, len(chosen)), []
    for record in chosen:
        labels, ids = _objects_of(project, record)
        if not len(ids):
            continue
        some = tuple(sorted(int(i) for i in rng.permutation(ids)[:share]))
        picture = project.read_image(record.id)
        known.append(
            Known(record.id, picture, labels, some, zoom_of_picture(picture, path, known_size(project, record.id)))
        )
    return known


def _objects_of(project: Project, record: ImageRecord) -> tuple[Labels, Any]:
    """Labels of an image, and the ids that were corrected or approved where nothing is held out."""
    labels, state = project.load_labels(record.id)
    learnt = (state > 0) & ~holdout_mask(record, project.db.holdouts().get(record.id))
    ids = np.unique(labels[learnt])
    return labels, ids[ids > 0]


def method_of(how: Asking) -> MethodBase:
    """A method by name, with its settings.

    Raises
    ------
    CellsegError
        When there is no such method, it has no layer to choose, or a value does not fit.
    """
    from ..explanation import METHODS

    kinds = {str(m.model_fields["kind"].default): m for m in METHODS}
    if how.method not in kinds:
        raise CellsegError(f"There is no method {how.method!r}.", f"Use one of {', '.join(kinds)}.")
    cls, values = kinds[how.method], dict(assigned(how.settings, "tile=256"))
    if how.layer:
        if "layer" not in cls.model_fields:
            raise CellsegError(f"{cls.label()} looks at no single layer.", "Leave the layer out, or use gradcam.")
        values["layer"] = how.layer
    return validated(cls, values)


def what_of(how: Asking, model: Learnt, names: Sequence[str]) -> What:
    from ..explanation import What

    if how.object is not None and how.object < 1:
        raise CellsegError(f"There is no object {how.object}.", "Objects are numbered from 1.")
    channel, name = _channel(how.class_, model, names)
    return What(how.object, tuple(how.point), tuple(how.box), channel, name)


def _channel(given: str | int | None, model: Learnt, names: Sequence[str]) -> tuple[int | None, str]:
    """Output channel of a class, and its name."""
    if given is None:
        return None, ""
    if model.config.target.instances:
        raise CellsegError(f"Model {model.id} tells objects, not classes.", "Leave the class out.")
    known = [*names] or [f"class {k + 1}" for k in range(model.card.n_classes)]
    text = str(given)
    number = known.index(text) + 1 if text in known else int(text) if text.isdigit() else 0
    if not 1 <= number <= len(known):
        raise CellsegError(f"There is no class {given!r}.", f"Classes: {', '.join(known)} (or their numbers from 1).")
    return number if model.config.target.exclusive else number - 1, known[number - 1]


def zoom_of_picture(picture: Image, path: Path, size: float) -> Zoom:
    """How the model sees the picture: as it would be predicted, with a size that is known, given or estimated."""
    config: Config = read_model_config(path)
    if config.model.dimensions != 2 or not config.object_size:
        return Zoom()
    if not size:
        from ..prediction import Request, load_model, plan_for

        size = plan_for(picture.frame(0), load_model(path.resolve()), read_card(path).id, Request()).size
    return Zoom.between(size, config.object_size)
