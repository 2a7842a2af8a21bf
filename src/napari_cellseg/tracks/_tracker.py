"""Follows objects through time, one time point after another; only the last few are in memory.

Data flow: labels -> `Frame` -> links that persons made -> pairs that overlap or are near -> gaps -> divisions
-> tracks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ._frame import Floats, Frame, Ints, frame_of
from ._laptrack import laptracked
from ._link import Linking, Moving, assigned, candidates, divisions, drift, without
from ._tracks import Tracks, numbered_as


@dataclass(frozen=True)
class Said:
    """What a person said of two objects: `later` is the same object (or a daughter), or it is not.

    Each is (place of the frame, label).
    """

    earlier: tuple[int, int]
    later: tuple[int, int]
    linked: bool


@dataclass(eq=False)
class _End:
    """Objects of one frame, how they moved last (voxels a frame), their tracks, and which of them nothing follows."""

    at: int
    frame: Frame
    shift: Floats
    tracks: list[int]
    open: set[int]

    def ahead(self, rows: Ints, steps: int) -> Moving:
        """Where some of the objects are expected so many frames later."""
        return Moving(self.frame.only(rows), self.shift[rows] * steps)


@dataclass(eq=False)
class _Step:
    """What is known of one frame while it is linked: who follows whom, and who is free."""

    at: int
    frame: Frame
    free: NDArray[np.bool_]
    follows: dict[int, tuple[_End, int]] = field(default_factory=dict)
    taken: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def link(self, end: _End, left: int, right: int) -> None:
        """Object `right` of this frame is object `left` of an earlier one, or a daughter of it."""
        self.follows[right] = (end, left)
        self.taken.setdefault((end.at, left), []).append(right)
        self.free[right] = False


class Tracker:
    """Takes label images in the order of time; `result` says what belongs together.

    Parameters
    ----------
    spacing
        Size of a voxel, one number per axis; None: 1.
    said
        Links that persons made or cut, the newest last; they hold.
    """

    def __init__(
        self, how: Linking | None = None, spacing: Sequence[float] | None = None, said: Iterable[Said] = ()
    ) -> None:
        self._how = how or Linking()
        self._given = spacing
        said = list(said)
        made = {s.later: s for s in said if s.linked}  # an object follows one; the newest word counts
        self._made = sorted(made.values(), key=lambda s: s.later)
        self._cuts = {(s.earlier, s.later) for s in said if not s.linked and made.get(s.later) is not s}
        self._daughters = Counter(s.earlier for s in self._made)
        self._ends: list[_End] = []
        self._frames: list[tuple[Frame, list[int]]] = []
        self._parents: dict[int, int] = {}
        self._n = 0

    def add(self, labels: Labels) -> None:
        """The next time point, (Z, Y, X) or (Y, X)."""
        frame = frame_of(np.asarray(labels))
        if self._how.method != "overlap":  # it links the whole movie at once
            self._frames.append((_light(frame), []))
            return
        spacing = np.ones(len(frame.shape)) if self._given is None else np.asarray(self._given, float)
        now = _Step(len(self._frames), frame, np.ones(len(frame), bool))
        self._as_said(now)
        for end in sorted(self._ends, key=lambda e: -e.at):
            self._follow(end, now, spacing)
        if self._ends and self._ends[-1].at == now.at - 1:
            self._divide(self._ends[-1], now, spacing)
        self._take(now)

    def __len__(self) -> int:
        """How many objects the newest frame has."""
        return len(self._frames[-1][0]) if self._frames else 0

    def result(self, before: Mapping[tuple[int, int], int] | None = None) -> Tracks:
        """What belongs together.

        Parameters
        ----------
        before
            Tracks by (place of the frame, label) as they were: numbers stay where most of a track is the same.
        """
        frames = [frame for frame, _ in self._frames]
        ndim = len(frames[0].shape) if frames else 2
        none = np.zeros(0, np.int64)
        found = Tracks(
            np.concatenate([none, *(np.full(len(f), t) for t, f in enumerate(frames))]),
            np.concatenate([none, *(f.ids for f in frames)]),
            np.array([n for _, tracks in self._frames for n in tracks], np.int64),
            np.concatenate([np.zeros((0, ndim)), *(f.middles for f in frames)]),
            np.concatenate([none, *(f.sizes for f in frames)]),
            dict(self._parents), len(frames),
        )  # fmt: skip
        if self._how.method == "laptrack":
            made = [(s.earlier, s.later) for s in self._made]
            spacing = np.ones(ndim) if self._given is None else np.asarray(self._given, float)
            found = laptracked(found, spacing, self._how, made, self._cuts)
        return numbered_as(found, before or {})

    # --- inside ---------------------------------------------------------------------------------

    def _as_said(self, now: _Step) -> None:
        """Links that a person made to objects of this frame, over any number of frames."""
        place = {id: n for n, id in enumerate(now.frame.ids.tolist())}
        for said in self._made:
            if said.later[0] != now.at or said.later[1] not in place or said.earlier[0] >= now.at:
                continue
            at = said.earlier[0]
            frame, tracks = self._frames[at]
            where = np.flatnonzero(frame.ids == said.earlier[1])
            if len(where):
                end = next((e for e in self._ends if e.at == at), None)
                end = end or _End(at, frame, np.zeros_like(frame.middles), tracks, set())
                now.link(end, int(where[0]), place[said.later[1]])

    def _follow(self, end: _End, now: _Step, spacing: Floats) -> None:
        """Link what is left of an earlier frame, one to one."""
        ids = end.frame.ids.tolist()
        rows = np.array(sorted(n for n in end.open if (end.at, ids[n]) not in self._daughters), np.int64)
        if not len(rows) or not now.free.any():
            return
        pairs = candidates(end.ahead(rows, now.at - end.at), now.frame, spacing, self._how)
        cut = self._cut(end, now, rows)
        pairs = without(pairs, np.ones(len(rows), bool), now.free, cut)
        for n in assigned(pairs):
            now.link(end, int(rows[pairs.left[n]]), int(pairs.right[n]))

    def _cut(self, end: _End, now: _Step, rows: Ints) -> set[tuple[int, int]]:
        """Pairs that a person said are not one, as places among `rows` and in the frame of now."""
        mine = [(a[1], b[1]) for a, b in self._cuts if (a[0], b[0]) == (end.at, now.at)]
        there = {id: n for n, id in enumerate(end.frame.ids[rows].tolist())}
        here = {id: n for n, id in enumerate(now.frame.ids.tolist())}
        return {(there[a], here[b]) for a, b in mine if a in there and b in here}

    def _divide(self, end: _End, now: _Step, spacing: Floats) -> None:
        """Objects that nobody follows may be second daughters."""
        ids = end.frame.ids.tolist()
        one = {left: right[0] for (t, left), right in now.taken.items() if t == end.at and len(right) == 1}
        mothers = {m: d for m, d in one.items() if (end.at, ids[m]) not in self._daughters}
        rows = np.arange(len(end.frame))
        free = np.flatnonzero(now.free)
        cut = self._cut(end, now, rows)
        for mother, daughter in divisions(end.ahead(rows, 1), now.frame, mothers, free, spacing, self._how):
            if (mother, daughter) not in cut:
                now.link(end, mother, daughter)

    def _take(self, now: _Step) -> None:
        """Number the objects of this frame and remember how they moved."""
        frame, tracks = now.frame, list[int]()
        common = drift(self._ends[-1].frame, frame) if self._ends else np.zeros(len(frame.shape))
        shift = np.tile(common, (len(frame), 1))
        for n in range(len(frame)):
            end, left = now.follows.get(n, (None, 0))
            alone = end is not None and len(now.taken[end.at, left]) == 1
            alone = alone and self._daughters[end.at, int(end.frame.ids[left])] < 2 if end is not None else False
            if end is not None and alone:
                tracks.append(end.tracks[left])
                shift[n] = (frame.middles[n] - end.frame.middles[left]) / (now.at - end.at)
                continue
            self._n += 1
            tracks.append(self._n)
            if end is not None:
                self._parents[self._n] = end.tracks[left]
        for before in self._ends:
            before.open -= {left for t, left in now.taken if t == before.at}
        if self._frames:
            older, numbers = self._frames[-1]
            self._frames[-1] = _light(older), numbers
        self._frames.append((frame, tracks))
        self._ends = [e for e in self._ends if e.open and now.at - e.at <= self._how.gaps]
        self._ends.append(_End(now.at, frame, shift, tracks, set(range(len(frame)))))


def _light(frame: Frame) -> Frame:
    """Without the voxels, which are many."""
    return replace(frame, voxels=frame.voxels[:0], owner=frame.owner[:0])


def track(
    frames: Iterable[Labels],
    how: Linking | None = None,
    spacing: Sequence[float] | None = None,
    said: Iterable[Said] = (),
) -> Tracks:
    """Follow the objects of label images, (Z, Y, X) or (Y, X) each, through time."""
    tracker = Tracker(how, spacing, said)
    for labels in frames:
        tracker.add(labels)
    return tracker.result()
