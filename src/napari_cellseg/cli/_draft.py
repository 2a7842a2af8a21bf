"""The subcommand draft."""

from __future__ import annotations

import tomllib
from argparse import Namespace
from typing import Any

from .. import drafts
from ..edits import joined, predicted
from ..errors import CellsegError
from ..images import read_labels
from ..project import Project
from ..settings import validated
from ._opened import let_go, opened
from ._verbs import LeftOut


def draft(options: Namespace) -> int:
    """Draft the images that have no labels, or the given ones."""
    own = _method(options)
    with opened(options.project) as project:
        ids = [project.image(id).id for id in options.image] or _without_labels(project)
        _take_hints(project, options.image, options.hints)
        if not ids:
            print(f"Every image of {project.name} has labels: say which to draft with --image ID.")
        method = drafts.learn(project, own) if isinstance(own, drafts.PixelClassifier) else own
        left_out, doubtful, noun = LeftOut(), False, "objects" if project.task == "instance" else "classes"
        for id in ids:
            try:
                found = _drafted(project, id, method, own.min_size)
            except CellsegError as error:
                left_out.tell(id, error.message, error.hint)
                continue
            doubtful |= bool(found.doubt)
            print(f"{id}: {found.n_objects} {noun}" + (f"; doubtful: {found.doubt}." if found.doubt else "."))
        if doubtful:
            print(drafts.ADVICE)
    return left_out.status


def _take_hints(project: Project, ids: list[str], files: list[str]) -> None:
    """Keep pictures of hints in the project; all are read before any is written.

    Raises
    ------
    CellsegError
        When their number is not that of the images, or one does not fit.
    """
    if files and len(files) != len(ids):
        raise CellsegError(f"There are {len(files)} pictures of hints for {len(ids)} images.", "Give one per --image.")
    pairs = [(project.hints(id), read_labels(file)) for id, file in zip(ids, files, strict=True)] if files else []
    for hints, values in pairs:
        hints.check(values)
    for hints, values in pairs:
        hints.put(values)


def _drafted(project: Project, id: str, method: drafts.Method, min_size: int) -> drafts.Drafted:
    """Draft one image and write it as a prediction is written, in one edit."""
    image, store, instances = project.read_image(id), project.store(id), project.task == "instance"
    found = drafts.draft(method, project.config.recipe(image.load()), image.spacing_um, instances=instances)
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


def _method(options: Namespace) -> drafts.OtsuWatershed | drafts.PixelClassifier:
    values = dict(_value(text) for text in options.values)
    if options.method == "otsu":
        return validated(drafts.OtsuWatershed, values)
    return validated(drafts.PixelClassifier, values)


def _value(assignment: str) -> tuple[str, Any]:
    """One ``key=value``; values are TOML, bare words are strings."""
    key, separator, text = assignment.partition("=")
    if not separator:
        raise CellsegError(f"{assignment!r} is not an assignment.", "Write key=value, for example polarity=dark.")
    try:
        return key.strip(), tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text.strip()
