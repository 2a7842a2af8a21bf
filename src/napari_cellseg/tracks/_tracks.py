"""Which objects of a time series are one, as a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ._frame import Floats, Ints


class Span(NamedTuple):
    """A track: first and last frame (places, from 0), and the track it came from by division, 0 where from none."""

    track: int
    first: int
    last: int
    parent: int


@dataclass(frozen=True, eq=False)
class Tracks:
    """A track for every object of every frame; labels keep their own numbers.

    Attributes
    ----------
    frames
        Place of the frame in the series, from 0, (n,), rising.
    labels
        Label of the object there, (n,).
    tracks
        Number of its track, (n,), from 1.
    middles
        Mean place in voxels, (n, ndim).
    sizes
        Voxels, (n,).
    parents
        By track: the one that divided into it.
    n_frames
        How many frames there are, those without objects among them.
    """

    frames: Ints
    labels: Ints
    tracks: Ints
    middles: Floats
    sizes: Ints
    parents: Mapping[int, int] = field(default_factory=dict)
    n_frames: int = 0

    def __len__(self) -> int:
        return len(set(self.tracks.tolist()))

    def at(self, frame: int) -> dict[int, int]:
        """Tracks of a frame by label."""
        here = self.frames == frame
        return dict(zip(self.labels[here].tolist(), self.tracks[here].tolist(), strict=True))

    @property
    def by_object(self) -> dict[tuple[int, int], int]:
        """Tracks by (place of the frame, label)."""
        keys = zip(self.frames.tolist(), self.labels.tolist(), strict=True)
        return dict(zip(keys, self.tracks.tolist(), strict=True))

    @property
    def spans(self) -> list[Span]:
        """Every track, rising numbers."""
        numbers, owner = np.unique(self.tracks, return_inverse=True)
        first = np.full(len(numbers), self.n_frames)
        last = np.full(len(numbers), -1)
        np.minimum.at(first, owner, self.frames)
        np.maximum.at(last, owner, self.frames)
        return [
            Span(n, a, b, self.parents.get(n, 0))
            for n, a, b in zip(numbers.tolist(), first.tolist(), last.tolist(), strict=True)
        ]

    def span(self, track: int) -> Span:
        """One track."""
        at = self.frames[self.tracks == track]
        return Span(track, int(at.min()), int(at.max()), self.parents.get(track, 0))

    def before(self, frame: int, label: int) -> tuple[int, int] | None:
        """The object, (place of the frame, label), that an object follows; None where it follows none."""
        number = self.at(frame).get(label)
        if number is None:
            return None
        for track in (number, self.parents.get(number, 0)):
            rows = np.flatnonzero((self.tracks == track) & (self.frames < frame))
            if len(rows):
                last = rows[np.argmax(self.frames[rows])]
                return int(self.frames[last]), int(self.labels[last])
        return None

    @property
    def divisions(self) -> dict[int, tuple[int, ...]]:
        """Daughters by mother; single ones (a mother with one daughter) among them."""
        found: dict[int, list[int]] = {}
        for child, parent in sorted(self.parents.items()):
            found.setdefault(parent, []).append(child)
        return {parent: tuple(children) for parent, children in found.items()}

    def links(self) -> set[tuple[tuple[int, int], tuple[int, int]]]:
        """Which object follows which, as pairs of (place of the frame, label); daughters follow mothers."""
        found = set()
        ends: dict[int, tuple[int, int]] = {}
        firsts: dict[int, tuple[int, int]] = {}
        for t, label, number in zip(self.frames.tolist(), self.labels.tolist(), self.tracks.tolist(), strict=True):
            if number in ends:
                found.add((ends[number], (t, label)))
            firsts.setdefault(number, (t, label))
            ends[number] = (t, label)
        for child, parent in self.parents.items():
            if parent in ends and child in firsts:
                found.add((ends[parent], firsts[child]))
        return found


def numbered_as(found: Tracks, before: Mapping[tuple[int, int], int]) -> Tracks:
    """The same tracks, with the numbers that most of their objects had `before`; others get the next free ones."""
    votes = Counter(
        (number, before[key])
        for key, number in zip(
            zip(found.frames.tolist(), found.labels.tolist(), strict=True), found.tracks.tolist(), strict=True
        )
        if key in before
    )
    new: dict[int, int] = {}
    used: set[int] = set()
    for (number, old), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if number not in new and old not in used:
            new[number] = old
            used.add(old)
    free = max(before.values(), default=0)
    for number in dict.fromkeys(found.tracks.tolist()):
        if number not in new:
            free += 1
            new[number] = free
    numbers = np.array([new[n] for n in found.tracks.tolist()], np.int64)
    return replace(found, tracks=numbers, parents={new[c]: new[p] for c, p in found.parents.items() if c in new})
