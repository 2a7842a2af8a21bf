"""Objects from clicks and boxes, for scripts and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._types import Labels, Mask, Span
from ..edits import EditContext, found
from ..engine import ClickJob, run
from ..errors import CellsegError
from ..events import ObjectFound
from ..project import Project
from ._let_go import let_go

Point = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Clicked:
    """The object that was found and drawn.

    Attributes
    ----------
    id
        Its number (in a project of classes, the class).
    box, mask
        Where it was found: (start, stop) per spatial axis, and which voxels of that.
    """

    id: int
    box: Span
    mask: Mask


def click_object(
    project: Project, image: str, said: tuple[Sequence[Point], Sequence[Point], Span], through: bool, class_: int
) -> Clicked:
    """Find the object that is pointed at (places on it, places beside it, a box) and draw it, in one edit.

    Raises
    ------
    CellsegError
        See `OpenProject.click`.
    """
    record = project.image(image)
    z, (inside, outside, box) = _slice(len(record.shape), said)
    job = ClickJob(project.path, record.id, inside, outside, box, z, through)
    event = next(e for e in run(job) if isinstance(e, ObjectFound))
    store = project.store(record.id)
    instances = project.task == "instance"
    if not instances and not 1 <= class_ <= len(project.classes):
        raise CellsegError(f"There is no class {class_}.", f"Give the number of one: 1 to {len(project.classes)}.")
    context = EditContext.on(store, z=z if len(record.shape) == 3 and not through else None, instances=instances)
    place = tuple(slice(a, b) for a, b in event.box)
    store.apply(found(context, place, event.mask, id=0 if instances else class_))
    id = _drawn(store.labels[place], event.mask)
    let_go(project, record.id)
    return Clicked(id, event.box, event.mask)


def places(given: Sequence[int] | Sequence[Sequence[int]]) -> tuple[Point, ...]:
    """One place or several, as several."""
    if not given:
        return ()
    if isinstance(given[0], Sequence):
        return tuple(tuple(int(v) for v in place) for place in given)  # type: ignore[union-attr]
    return (tuple(int(v) for v in given),)  # type: ignore[arg-type]


def _slice(
    ndim: int, said: tuple[Sequence[Point], Sequence[Point], Span]
) -> tuple[int, tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], Span]]:
    """The slice that everything lies in, and the places in it."""
    inside, outside, box = said
    if any(len(place) != ndim for place in (*inside, *outside, *([box] if box else []))):
        raise CellsegError(f"The image has {ndim} axes.", f"Give {'Z,Y,X' if ndim == 3 else 'Y,X'} of every place.")
    slices = {place[0] for place in (*inside, *outside) if ndim == 3}
    if box and ndim == 3:
        slices.add(box[0][0])
        if box[0][1] - box[0][0] != 1:
            raise CellsegError("A box lies in one slice.", "Give Z as N:N+1; through=True follows the object.")
    if len(slices) > 1:
        raise CellsegError("The places lie in several slices.", "Point in one slice; through=True follows the object.")
    flat = [tuple((int(p[-2]), int(p[-1])) for p in places) for places in (inside, outside)]
    return (slices.pop() if slices else 0), (flat[0], flat[1], tuple(box[-2:]))


def _drawn(labels: Labels, mask: Mask) -> int:
    """The number that most of what was found has now."""
    import numpy as np

    ids, counts = np.unique(labels[mask], return_counts=True)
    return int(ids[counts.argmax()])
