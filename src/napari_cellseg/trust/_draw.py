"""Draws a spot check: random objects that nobody has touched, and random fields in which to count what was missed.

Every untouched object of the images has the same chance, whichever image it is in; so has every field that is untouched
for at least half of it. In volumes objects are drawn as a whole, fields lie in one slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Labels, Span, State
from ..errors import CellsegError
from ..project import (
    Objects,
    Project,
    SpotCheck,
    SpotPlace,
    add_spot_check,
    image_statuses,
    last_predictions,
    mark_of,
)

OBJECTS, FIELDS = 20, 8
"""So many are drawn: about four minutes (4 s for an object, 15 to 20 s for a field)."""
LEAST = 12
"""Objects, at least: below, an interval says hardly anything."""
PER_FIELD = 10
"""Objects that a field should hold, on average."""
SIDES = (48, 1024)
"""Of a field, in pixels: what an eye can take in."""
EMPTY_SIDE = 256
"""Where nothing was predicted at all."""
GRAIN = 16
"""State is kept in blocks of so many pixels while fields are chosen."""
Stop = Callable[[], bool]


@dataclass(frozen=True)
class Drawing:
    """What to draw; see `OpenProject.spot_check`."""

    objects: int = OBJECTS
    fields: int = FIELDS
    seed: int = 0
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """What is kept of an image while the others are read."""

    id: str
    shape: tuple[int, ...]
    untouched: NDArray[np.uint32]
    sections: int
    free: NDArray[np.float32] | None


def draw(project: Project, how: Drawing, stop: Stop = lambda: False) -> SpotCheck:
    """Draw a spot check and keep it in the project; labels are only read.

    Raises
    ------
    CellsegError
        Before anything is written: when labels are classes, numbers are too small, nothing was predicted, or everything
        has been looked at.
    """
    _check(project, how)
    ids = [project.image(id).id for id in how.images] or _predicted(project)
    if not ids:
        raise CellsegError("No image has been predicted yet.", "Predict first: napari-cellseg predict.")
    seen = [_look(project, id) for id in ids if not stop()]
    if stop():
        raise CellsegError("The spot check was not drawn: it was cancelled.", "Start it again.")
    total = sum(len(s.untouched) for s in seen)
    if not total and not _sides(seen):
        raise CellsegError("Nothing is untouched: all has been looked at.", "Predict more images, or others.")
    rng = np.random.default_rng(how.seed)
    chosen = np.sort(rng.choice(total, min(how.objects, total), replace=False))
    tiles = _tiles(seen, rng)
    fields = sorted(tiles[: how.fields])
    places = [*_objects(project, seen, chosen), *_fields(project, seen, fields)]
    if not places:
        raise CellsegError("Nothing is untouched: all has been looked at.", "Predict more images, or others.")
    models = sorted({note.models for id, note in last_predictions(project).items() if id in ids})
    check = SpotCheck(
        0, 0.0, project.author, how.seed, project.db.last_edit(), ", ".join(models), total, len(tiles),
        tuple(replace(p, number=k) for k, p in enumerate(places, 1)),
    )  # fmt: skip
    return add_spot_check(project.db, check)


def _check(project: Project, how: Drawing) -> None:
    if project.task != "instance":
        raise CellsegError(
            "A spot check is of objects; the labels of this project are classes.",
            "Approve some random fields, then: napari-cellseg evaluate.",
        )
    if how.objects < LEAST or how.fields < 0:
        raise CellsegError(
            f"{how.objects} objects and {how.fields} fields are no spot check.",
            f"Draw at least {LEAST} objects; fewer say hardly anything. Without fields (0) only precision is told.",
        )


def _predicted(project: Project) -> list[str]:
    """Images that have labels, or were predicted and nothing was found."""
    known = image_statuses(project)
    return [r.id for r in project.images() if r.id in known and (known[r.id].labelled or known[r.id].predicted_by)]


def _look(project: Project, id: str) -> _Seen:
    labels, state = project.load_labels(id)
    objects = Objects(labels, state)
    boxes = [objects.box(labels, int(i)) for i in objects.ids()] if labels.ndim == 3 else []
    sections = sum(b[0].stop - b[0].start for b in boxes) if labels.ndim == 3 else len(objects)
    return _Seen(id, labels.shape, objects.untouched(), sections, _free(state) if state.any() else None)


def _free(state: State) -> NDArray[np.float32]:
    """Share of every block that is untouched, (Z, Y, X) float32 of blocks; the last ones may be smaller."""
    planes = (state == 0).reshape(-1, *state.shape[-2:])
    rows, columns = (np.arange(0, n, GRAIN) for n in planes.shape[1:])
    out = np.empty((len(planes), len(rows), len(columns)), np.float32)
    sizes = np.outer(np.diff([*rows, planes.shape[1]]), np.diff([*columns, planes.shape[2]]))
    for z, plane in enumerate(planes):
        sums = np.add.reduceat(np.add.reduceat(plane, rows, axis=0, dtype=np.int64), columns, axis=1)
        out[z] = sums / sizes
    return out


def _sides(seen: list[_Seen]) -> bool:
    """Whether any field would be left."""
    return any(s.free is None or (s.free >= 0.5).any() for s in seen)


def _side(seen: list[_Seen]) -> int:
    """The side of a field that holds about `PER_FIELD` objects."""
    area = sum(float(np.prod(s.shape)) for s in seen)
    sections = sum(s.sections for s in seen)
    if not sections:
        return EMPTY_SIDE
    return int(np.clip(round((PER_FIELD * area / sections) ** 0.5), *SIDES))


def _tiles(seen: list[_Seen], rng: np.random.Generator) -> list[tuple[int, Span]]:
    """All fields that are untouched for at least half of them, in random order: number of the image, and box."""
    side = _side(seen)
    found = [(k, box) for k, s in enumerate(seen) for box in _grid(s, side)]
    return [found[i] for i in rng.permutation(len(found))]


def _grid(seen: _Seen, side: int) -> Iterator[Span]:
    """Fields side by side that fill an image, slice by slice; all about as large."""
    edges = [np.linspace(0, n, -(-n // side) + 1).round().astype(int).tolist() for n in seen.shape[-2:]]
    for z in range(seen.shape[0] if len(seen.shape) == 3 else 1):
        for y0, y1 in zip(edges[0][:-1], edges[0][1:], strict=True):
            for x0, x1 in zip(edges[1][:-1], edges[1][1:], strict=True):
                if seen.free is not None:
                    blocks = seen.free[z, y0 // GRAIN : -(-y1 // GRAIN), x0 // GRAIN : -(-x1 // GRAIN)]
                    if blocks.mean() < 0.5:
                        continue
                yield (*(((z, z + 1),) if len(seen.shape) == 3 else ()), (y0, y1), (x0, x1))


def _objects(project: Project, seen: list[_Seen], chosen: NDArray[np.int64]) -> Iterator[SpotPlace]:
    """The places of the chosen objects, image by image."""
    start = 0
    for s in seen:
        mine = chosen[(chosen >= start) & (chosen < start + len(s.untouched))] - start
        start += len(s.untouched)
        if mine.size:
            labels, state = project.load_labels(s.id)
            objects = Objects(labels, state)
            for id in s.untouched[mine].tolist():
                box = tuple((b.start, b.stop) for b in objects.box(labels, id))
                yield SpotPlace(0, s.id, "object", id, box, mark=mark_of(labels, id, box))


def _fields(project: Project, seen: list[_Seen], fields: list[tuple[int, Span]]) -> Iterator[SpotPlace]:
    """The chosen fields with the untouched objects that lie in them, image by image."""
    for k in sorted({k for k, _ in fields}):
        labels, state = project.load_labels(seen[k].id)
        objects = Objects(labels, state)
        untouched = set(seen[k].untouched.tolist())
        for box in (box for i, box in fields if i == k):
            yield SpotPlace(0, seen[k].id, "field", 0, box, found=_count(labels, objects, untouched, box))


def _count(labels: Labels, objects: Objects, untouched: set[int], box: Span) -> int:
    """Untouched objects whose middle, of their part in the slice of the field, lies in the field."""
    field: Box = tuple(slice(a, b) for a, b in box)
    n = 0
    for id in objects.within(field).tolist():
        if id not in untouched:
            continue
        own = objects.box(labels, id)
        plane: Box = (*field[:-2], *own[-2:])
        mask = labels[plane] == id
        if not mask.any():
            continue
        middle = np.argwhere(mask.reshape(mask.shape[-2:])).mean(0)
        flat = (middle[0] + own[-2].start, middle[1] + own[-1].start)
        n += all(s.start <= v < s.stop for s, v in zip(field[-2:], flat, strict=True))
    return n
