"""Clean-up of objects that nobody has touched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..config import Values, assigned
from ..drafts import CleanUp, DraftStopped
from ..edits import predicted
from ..errors import CellsegError
from ..events import CleanedUp, Skipped, Stopped
from ..project import Project
from ..settings import validated
from ._let_go import let_go
from ._results import Cleaned
from ._work import Stop, Work


def clean_images(project: Project, ids: Sequence[str], how: CleanUp, stop: Stop) -> Work[Cleaned]:
    """Clean the named images, or all; what cannot be cleaned is left out, and the rest goes on.

    Raises
    ------
    CellsegError
        When the project is of classes.
    """
    if project.task != "instance":
        raise CellsegError("Only objects are cleaned up.", "This is a project of classes.")
    done: dict[str, tuple[int, int]] = {}
    left_out: list[Skipped] = []
    for id in [project.image(id).id for id in ids] or [record.id for record in project.images()]:
        try:
            done[id] = _cleaned(project, id, how, stop)
        except DraftStopped:
            yield Stopped("cancelled")
            return Cleaned(done, tuple(left_out), stopped=True)
        except CellsegError as error:
            left_out.append(Skipped(id, error.message, error.hint))
            yield left_out[-1]
            continue
        yield CleanedUp(id, *done[id])
    return Cleaned(done, tuple(left_out))


def clean_up(settings: Values) -> CleanUp:
    """The clean-up with settings.

    Raises
    ------
    CellsegError
        When a value does not fit.
    """
    return validated(CleanUp, dict(assigned(settings, "min_size=30")))


def _cleaned(project: Project, id: str, how: CleanUp, stop: Stop) -> tuple[int, int]:
    """Clean an image, in one edit; how many objects nobody had touched, and how many of them are left."""
    store = project.store(id)
    before = len(store.objects.untouched())
    if before:
        new = how(np.asarray(store.labels), np.asarray(store.state) == 0, stop)
        box = tuple(slice(0, n) for n in store.labels.shape)
        store.apply(predicted(store.labels, store.state, box, new, tool="draft"))
    after = len(store.objects.untouched())
    let_go(project, id)
    return before, after
