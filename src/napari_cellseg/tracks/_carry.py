"""Objects of one frame copied into the next, where nobody has edited.

Each is put where its track goes on, or as far on as it has moved last. What it stands for there - the object of its
track, else one that lies in it for the most part - makes room and gives its number; other objects stay as they are.
Only voxels in the state *predicted* change; the copies are *corrected*: a person asked for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._types import Labels, State
from ..errors import CellsegError, NothingThere
from ..matching import ids_in, mostly_known
from ..project import APPROVED, CORRECTED, PREDICTED, Edit, Project, TimeSeries, difference
from ._frame import Floats, Frame, Ints, frame_of
from ._kept import check_objects, kept_tracks
from ._tracks import Tracks

TOOL = "carry on"
MOST = 0.5
"""An object is one that is carried on where more than this share of it lies in the copy; copies of which more than this
is somebody's already are left out."""


@dataclass(frozen=True)
class Carried:
    """What was, or would be, copied: the frame it goes to, the edit there, the new labels by the old ones."""

    image: str
    edit: Edit
    labels: dict[int, int]


def carry_on(project: Project, series: TimeSeries, image: str, objects: Sequence[int] = ()) -> Carried:
    """What copying objects into the next frame changes there; nothing is written yet.

    Parameters
    ----------
    objects
        Labels in `image`; () for all that are approved.

    Raises
    ------
    CellsegError
        When labels are classes, it is the last frame, there is no such object, or nothing can be copied.
    """
    check_objects(project)
    at = series.at(image)
    if at + 1 >= len(series.ids):
        raise NothingThere(f"{image} is the last frame of {series.name}.", "There is nothing to carry on to.")
    labels, state = project.load_labels(image)
    ids = ids_in(labels)
    if missing := sorted(set(objects) - set(ids.tolist())):
        raise NothingThere(f"{image} has no object {missing[0]}.", "Click an object first.")
    chosen = list(objects) or ids[mostly_known(labels, state == APPROVED, ids)].tolist()
    if not chosen:
        raise NothingThere(f"No object of {image} is approved.", "Approve some, or choose one.")
    target = series.ids[at + 1]
    frame, moves = frame_of(labels), _Moves(kept_tracks(project, series), at)
    copies = _Copies(*project.load_labels(target))
    place = {id: n for n, id in enumerate(frame.ids.tolist())}
    done: dict[int, int] = {}
    for id in chosen:
        number = copies.put(*moves.of(frame, place[id]))
        if number:
            done[id] = number
    if not done:
        raise NothingThere(f"Somebody has edited these places of {target} already.", "Nothing was copied.")
    return Carried(target, copies.edit(), done)


class _Moves:
    """Where objects of a frame are in the next one, as tracks tell, where there are some."""

    def __init__(self, tracks: Tracks | None, at: int) -> None:
        self._tracks, self._at = tracks, at

    def of(self, frame: Frame, n: int) -> tuple[Ints, int]:
        """Voxels of an object as places (N, ndim) in the next frame, and its label there, 0 where nobody knows."""
        shift, label = self._shift(int(frame.ids[n]), frame.middles[n])
        places = np.stack(np.unravel_index(frame.voxels[frame.owner == n], frame.shape), axis=1)
        return places + np.rint(shift).astype(np.int64), label

    def _shift(self, id: int, middle: Floats) -> tuple[Floats, int]:
        tracks = self._tracks
        number = tracks.at(self._at).get(id) if tracks is not None else None
        if tracks is None or number is None:
            return np.zeros(len(middle)), 0
        for frame, sign in ((self._at + 1, 1), (self._at - 1, -1)):
            other = np.flatnonzero((tracks.frames == frame) & (tracks.tracks == number))
            if len(other):
                label = int(tracks.labels[other[0]]) if sign > 0 else 0
                return sign * (tracks.middles[other[0]] - middle), label
        return np.zeros(len(middle)), 0


class _Copies:
    """The frame that is copied to, as it becomes."""

    def __init__(self, labels: Labels, state: State) -> None:
        self._labels, self._state = labels, state
        self._new, self._known = labels.copy(), state.copy()
        self._next = int(labels.max(initial=0)) + 1

    def put(self, places: Ints, label: int) -> int:
        """Copy an object to these places; its label there, 0 where it cannot be."""
        inside = ((places >= 0) & (places < self._labels.shape)).all(axis=1)
        where = tuple(places[inside].T)
        if not len(where[0]) or (self._known[where] != PREDICTED).mean() > MOST:
            return 0
        label = self._stands_for(where, label)
        if label:
            mine = self._new == label
            if (self._known[mine] != PREDICTED).any():
                return 0
            self._new[mine] = 0
        free = (self._known[where] == PREDICTED) & (self._new[where] == 0)
        if not free.any():
            return 0
        if not label:
            label, self._next = self._next, self._next + 1
        chosen = tuple(side[free] for side in where)
        self._new[chosen], self._known[chosen] = label, CORRECTED
        return label

    def _stands_for(self, where: tuple[NDArray[np.int64], ...], label: int) -> int:
        """The object of the frame that the copy is: the one that is known, or that lies in it for the most part."""
        if label and (self._new == label).any():
            return label
        ids, counts = np.unique(self._new[where], return_counts=True)
        for id, count in sorted(zip(ids.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]):
            if id and count > MOST * int((self._new == id).sum()):
                return int(id)
        return 0

    def edit(self) -> Edit:
        """All copies as one edit."""
        if self._next > np.iinfo(np.uint32).max:
            raise CellsegError("There are no free numbers left.", "Renumber the labels.")
        box = tuple(slice(0, n) for n in self._labels.shape)
        return difference(TOOL, self._labels, self._state, box, self._new, self._known)
