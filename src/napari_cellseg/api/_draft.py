"""First labels by a classical method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import drafts
from .._types import Labels
from ..config import Values, assigned
from ..edits import joined, predicted
from ..errors import CellsegError
from ..events import DraftWritten, Skipped, Stopped
from ..extensions import problems
from ..images import read_labels
from ..project import Project
from ..settings import validated
from ._let_go import let_go
from ._results import Drafts
from ._work import Stop, Work


def draft_images(
    project: Project, ids: Sequence[str], own: drafts.Unlearnt, hints: Sequence[str | Path | Labels], stop: Stop
) -> Work[Drafts]:
    """Draft the named images, or those without labels; what cannot be drafted is left out, and the rest goes on."""
    named = [project.image(id).id for id in ids]
    wanted = named or _without_labels(project)
    drafts.check_task(own, instances=project.task == "instance", classes=project.classes)
    _take_hints(project, named, hints)
    method = drafts.learn(project, own) if isinstance(own, drafts.PixelClassifier) else own
    objects: dict[str, int] = {}
    doubts: dict[str, str] = {}
    left_out: list[Skipped] = []
    for id in wanted:
        if stop():
            yield Stopped("cancelled")
            return Drafts(objects, doubts, tuple(left_out), stopped=True)
        try:
            found = _drafted(project, id, method, own.min_size, stop)
        except drafts.DraftStopped:
            yield Stopped("cancelled")
            return Drafts(objects, doubts, tuple(left_out), stopped=True)
        except CellsegError as error:
            left_out.append(Skipped(id, error.message, error.hint))
            yield left_out[-1]
            continue
        objects[id] = found.n_objects
        if found.doubt:
            doubts[id] = found.doubt
        yield DraftWritten(id, found.n_objects, found.doubt)
    return Drafts(objects, doubts, tuple(left_out))


def draft_method(method: str, settings: Values) -> drafts.Unlearnt:
    """A method by name, with its settings.

    Raises
    ------
    CellsegError
        When there is no such method, or a value does not fit.
    """
    if method not in drafts.DRAFTS:
        hint = f"Use one of {', '.join(drafts.DRAFTS)}. {problems('drafts')}"
        raise CellsegError(f"There is no method {method!r}.", hint.strip())
    return validated(drafts.DRAFTS[method], dict(assigned(settings, "polarity=dark")))


def _take_hints(project: Project, ids: Sequence[str], given: Sequence[str | Path | Labels]) -> None:
    """Keep pictures of hints in the project; all are read before any is written.

    Raises
    ------
    CellsegError
        When their number is not that of the images, or one does not fit.
    """
    if given and len(given) != len(ids):
        raise CellsegError(f"There are {len(given)} pictures of hints for {len(ids)} images.", "Give one per --image.")
    pairs = []
    for id, hint in zip(ids, given, strict=True) if given else ():
        pairs.append((project.hints(id), read_labels(hint) if isinstance(hint, str | Path) else np.asarray(hint)))
    for hints, values in pairs:
        hints.check(values)
    for hints, values in pairs:
        hints.put(values)


def _drafted(project: Project, id: str, method: drafts.Method, min_size: int, stop: Stop) -> drafts.Drafted:
    """Draft one image and write it as a prediction is written, in one edit."""
    image, store, instances = project.read_image(id), project.store(id), project.task == "instance"
    found = drafts.draft(
        method, image.load(), image.spacing_um, recipe=project.config.recipe,
        instances=instances, classes=project.classes, stop=stop,
    )  # fmt: skip
    box = tuple(slice(0, n) for n in store.labels.shape)
    new = joined(
        store.labels, store.state, box, found.labels, store.next_id(),
        before=store.labels, min_size=min_size, instances=instances,
    )  # fmt: skip
    store.apply(predicted(store.labels, store.state, box, new, tool="draft"))
    let_go(project, id)
    return found


def _without_labels(project: Project) -> list[str]:
    """Images without any label in which something is still to be said."""
    found = []
    for record in project.images():
        labels, state = project.load_labels(record.id)
        if not labels.any() and not state.all():
            found.append(record.id)
    return found
