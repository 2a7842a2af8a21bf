"""What judges and is never learnt from.

Data flow: known images -> kinds (`remember_kinds`) -> of every kind at most a fifth: whole images where at least
`WHOLE` of them came at once, otherwise the boxes of single objects, drawn at random from those that came since the last
training. So every kind is judged, and of every kind the newest corrections are learnt from.

Of a time series never single frames, but places are held out, in all of its frames: the frame beside shows nearly the
same, and a model that had learnt it would be flattered.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Span
from ..boxes import size
from ..errors import CellsegError
from ._folder import Project
from ._grids import islands, parts
from ._kinds import remember_kinds
from ._objects import Objects
from ._records import Holdout, ImageRecord
from ._rename import learnt_from
from ._time_series import time_series_in

T = TypeVar("T")
VAL_SHARE = 0.2
"""This share of every kind is held out."""
WHOLE = 5
"""From so many new images of a kind on, whole images are held out."""
LEAST = 2
"""From so many objects on, one is held out."""
MARGIN = 4
"""A held-out box reaches so many pixels beyond its object."""
_GIVEN = "learn/"
CELLS = 5
"""Where there are no objects (classes), the known part is cut into so many fields along each axis."""


def assign_holdouts(project: Project) -> dict[str, Holdout]:
    """Fix what judges and is never learnt from; what was fixed once stays, what is new may be added.

    Images of the split *val* judge as a whole, and alone, for their kind. The draw depends only on the project's images
    and corrections.
    """
    kinds = remember_kinds(project)
    known = {r.id: r for r in project.images() if r.split != "test" and _any_known(project, r.id)}
    for record in known.values():
        if record.split == "val":
            project.db.put_holdout(_whole(record))
    judged_by_val = {kinds[id] for id, r in known.items() if r.split == "val"}
    series = {id: s.name for s in time_series_in(project.images()).values() for id in s.ids}
    for kind in dict.fromkeys(kinds[id] for id in known):
        if kind in judged_by_val:
            continue
        mine = [r for r in known.values() if kinds[r.id] == kind]
        if single := [r for r in mine if r.id not in series]:
            _hold_of_kind(project, single)
        for name in dict.fromkeys(series[r.id] for r in mine if r.id in series):
            _hold_of_series(project, [r for r in mine if series.get(r.id) == name])
    return project.db.holdouts()


def change_holdout(project: Project, image: str, field: Span, *, hold: bool) -> int:
    """Let the known objects of a field judge from the next training on, or be learnt from, as a person wishes.

    Objects whose middle lies in the field count; where there are no objects, its known part does. What was given to
    learning is not drawn to judge again.

    Returns
    -------
    int
        How many objects (or fields) changed sides.

    Raises
    ------
    CellsegError
        When the image judges as a whole (split *val*) or measures (*test*), or there is nothing to change.
    """
    record = project.image(image)
    if record.split != "train":
        raise CellsegError(
            f"{image} is an image of the split {record.split}, which is never learnt from.",
            "Change its split first (napari-cellseg images --split train).",
        )
    holdout = project.db.holdouts().get(image)
    boxes, given = holdout.boxes if holdout else (), _given(project, image)
    if hold:
        found = _known_boxes(project, image)
        moved = [box for box in found if _within(box, field) and box not in boxes]
        boxes, given = (*boxes, *moved), tuple(box for box in given if box not in moved)
    else:
        whole = tuple((0, n) for n in record.shape)
        moved = [box for box in boxes if box == whole or _within(box, field)]
        boxes, given = tuple(box for box in boxes if box not in moved), (*given, *moved)
    if not moved:
        nothing = "Nothing that is known here could be held out." if hold else "Nothing is held out here."
        raise CellsegError(nothing, "Correct or approve objects first." if hold else "Move to one of the boxes.")
    project.db.set_holdout(image, boxes, {_GIVEN + image: json.dumps(given)})
    return len(moved)


def _given(project: Project, image: str) -> tuple[Span, ...]:
    """Boxes that a person has given to learning."""
    text = project.db.setting(_GIVEN + image)
    return tuple(tuple((int(a), int(b)) for a, b in box) for box in json.loads(text)) if text else ()


def _within(box: Span, field: Span) -> bool:
    """Whether the middle of a box lies in a field."""
    return all(a <= (s + e) / 2 < b for (s, e), (a, b) in zip(box, field, strict=True))


def holdout_mask(record: ImageRecord, holdout: Holdout | None, part: Box | None = None) -> NDArray[np.bool_]:
    """Where an image (or a part of it) is held out, on its spatial grid."""
    return mask_of(holdout.boxes if holdout is not None else (), part or tuple(slice(0, n) for n in record.shape))


def mask_of(boxes: Iterable[Span], part: Box) -> NDArray[np.bool_]:
    """Which voxels of a part lie in some boxes, of the part's shape."""
    mask = np.zeros(size(part), bool)
    for box in boxes:
        spans = zip(box, part, strict=True)
        mask[tuple(slice(max(0, a - p.start), max(0, b - p.start)) for (a, b), p in spans)] = True
    return mask


def _hold_of_kind(project: Project, records: list[ImageRecord]) -> None:
    """Images that came together in number are held out as a whole, of the rest single objects."""
    learnt = {id: card.edits_until for card in project.models() for id in learnt_from(project, card)}
    holdouts = project.db.holdouts()
    whole = [r for r in records if _whole(r) == holdouts.get(r.id)]
    fresh = [r for r in records if r.id not in learnt and r.id not in holdouts and not _given(project, r.id)]
    seed = f"{records[0].id} {len(whole)}"
    if len(fresh) + len(whole) >= WHOLE and len(fresh) >= len(whole):
        for record in _draw(fresh, int(VAL_SHARE * len(records)) - len(whole), seed):
            project.db.put_holdout(_whole(record))
        return
    pieces, n_known, n_held, n_new, n_new_held = [], 0, 0, 0, 0
    for record in (r for r in records if r not in whole):
        boxes, held, new = _pieces(project, record, holdouts.get(record.id), learnt.get(record.id, 0))
        n_known, n_held = n_known + len(boxes), n_held + int(held.sum())
        n_new, n_new_held = n_new + int(new.sum()), n_new_held + int((new & held).sum())
        given = _given(project, record.id)
        candidates = [box for box, is_new in zip(boxes, new & ~held, strict=True) if is_new]
        pieces += [(record, box) for box in candidates if not any(_within(box, g) for g in given)]
    wanted = max(round(VAL_SHARE * n_known), 1 if n_known >= LEAST and not whole else 0) - n_held
    if n_new >= WHOLE and not n_new_held:  # of what is new, something judges
        wanted = max(wanted, 1)
    for record, box in _draw(pieces, min(wanted, len(pieces) - 1), f"{seed} {n_held}"):
        project.db.put_holdout(Holdout(record.id, (box,)))


def _hold_of_series(project: Project, frames: list[ImageRecord]) -> None:
    """Places of known objects are held out in all known frames, until they hold a fifth of the objects."""
    holdouts = project.db.holdouts()
    places = list(dict.fromkeys(box for r in frames if r.id in holdouts for box in holdouts[r.id].boxes))
    whole = tuple((0, n) for n in frames[0].shape)
    places = [box for box in places if box != whole]  # a frame that an older version, or a person, held out stays so
    given = [box for r in frames for box in _given(project, r.id)]
    boxes = [box for r in frames for box in _pieces(project, r, None, 0)[0]]
    middles = np.array([[(a + b) / 2 for a, b in box] for box in boxes])
    held = np.zeros(len(boxes), bool)
    for place in places:
        held |= _inside(middles, place)
    wanted = max(round(VAL_SHARE * len(boxes)), len(boxes) >= LEAST)
    for place in _draw(boxes, len(boxes), f"{frames[0].id} {int(held.sum())}", shuffle=True):
        if held.sum() >= wanted:
            break
        more = held | _inside(middles, place)
        if not more.all() and more.sum() > held.sum() and not any(_within(place, g) for g in given):
            places.append(place)
            held = more
    for record in frames:
        mine = _given(project, record.id)
        if kept := tuple(p for p in places if not any(_within(p, g) for g in mine)):
            project.db.put_holdout(Holdout(record.id, kept))


def _inside(middles: NDArray[np.float64], box: Span) -> NDArray[np.bool_]:
    """Which points (N, ndim) lie in a box."""
    low, high = np.array(box, float).T
    return np.asarray(((middles >= low) & (middles < high)).all(axis=1))


def _draw(candidates: Sequence[T], n: int, seed: str, *, shuffle: bool = False) -> list[T]:
    """At most `n` at random; in their order, or in that of the draw."""
    drawn = np.random.default_rng(zlib.crc32(seed.encode())).permutation(len(candidates))[: max(0, n)]
    return [candidates[i] for i in (drawn if shuffle else sorted(drawn))]


def _pieces(
    project: Project, record: ImageRecord, holdout: Holdout | None, learnt_until: int
) -> tuple[list[Span], NDArray[np.bool_], NDArray[np.bool_]]:
    """Boxes of the known objects (or fields) of an image; which of them are held out, and which are new."""
    boxes = _known_boxes(project, record.id)
    held = holdout.boxes if holdout is not None else ()
    changed = [row.box for row in project.db.rows_after(record.id, learnt_until) if row.by_hand]

    def mostly(others: Sequence[Span]) -> NDArray[np.bool_]:
        masks = (mask_of(others, tuple(slice(a, b) for a, b in box)) for box in boxes)
        return np.array([mask.mean() > 0.5 for mask in masks], bool)

    return boxes, mostly(held), mostly(changed)


def _any_known(project: Project, image: str) -> bool:
    """Whether anything in an image is corrected or approved."""
    state = project.open_labels(image)[1]
    return any(bool(state[box].any()) for box in parts(state))


def _known_boxes(project: Project, image: str) -> list[Span]:
    """Boxes of the known objects of an image, or, where there are none, of its known fields."""
    labels, state = project.open_labels(image)
    places = islands(state)

    def moved(place: Box, boxes: list[Span]) -> list[Span]:
        return [tuple((a + s.start, b + s.start) for (a, b), s in zip(box, place, strict=True)) for box in boxes]

    objects = [
        box for place in places if project.task == "instance"
        for box in moved(place, _objects(labels[place], state[place] > 0))
    ]  # fmt: skip
    return objects or [box for place in places for box in moved(place, _fields(state[place] > 0))]


def _objects(labels: NDArray[np.uint32], known: NDArray[np.bool_]) -> list[Span]:
    """Boxes, a little larger, of the objects of which at least half is known."""
    found = Objects(labels, np.zeros((), np.uint8))
    out: list[Span] = []
    for id in found.ids().tolist():
        box = found.box(labels, id)
        if known[box][labels[box] == id].mean() >= 0.5:
            flat = (0,) * (labels.ndim - 2) + (MARGIN, MARGIN)
            sides = zip(box, flat, labels.shape, strict=True)
            out.append(tuple((max(0, s.start - m), min(n, s.stop + m)) for s, m, n in sides))
    return out


def _fields(known: NDArray[np.bool_]) -> list[Span]:
    """Fields of a grid over the image that are mostly known, or those that are known at all."""
    ends = [np.linspace(0, n, min(CELLS, n) + 1).round().astype(int) for n in known.shape]
    spans = [list(zip(e[:-1].tolist(), e[1:].tolist(), strict=True)) for e in ends]
    cells: list[Span] = [tuple(cell) for cell in product(*spans)]
    shares = [float(known[tuple(slice(a, b) for a, b in cell)].mean()) for cell in cells]
    full = [cell for cell, share in zip(cells, shares, strict=True) if share > 0.5]
    return full or [cell for cell, share in zip(cells, shares, strict=True) if share > 0]


def _whole(record: ImageRecord) -> Holdout:
    return Holdout(record.id, (tuple((0, n) for n in record.shape),))
