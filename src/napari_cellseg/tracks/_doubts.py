"""What is odd about an object when it is followed through time: its track breaks off, or it jumps in size."""

from __future__ import annotations

import numpy as np

from ._frame import Ints
from ._tracks import Tracks

BREAKS, SIZE = "track breaks", "jumps in size"
"""How features are called; both are between 0 and 1."""
TWICE = float(np.log(2))
"""A size that is twice, or half, that of the frames beside is as odd as it gets."""


def track_doubts(tracks: Tracks, frame: int) -> dict[int, dict[str, float]]:
    """Features of every object of a frame, by label.

    A track breaks where it begins after the first frame without a mother, ends before the last without daughters, or
    has a gap beside this frame. Sizes are compared with the objects of the same track in the frames beside.
    """
    before, after = (_sizes(tracks, frame + step) for step in (-1, 1))
    children = set(tracks.parents.values())
    spans = {s.track: s for s in tracks.spans}
    found = {}
    for n in np.flatnonzero(tracks.frames == frame).tolist():
        number, size = int(tracks.tracks[n]), int(tracks.sizes[n])
        span = spans[number]
        begins = span.first == frame
        ends = span.last == frame
        lost = ends and frame + 1 < tracks.n_frames and number not in children
        new = begins and frame > 0 and not span.parent
        gap = (not begins and number not in before) or (not ends and number not in after)
        beside = [sizes[number] for sizes in (before, after) if number in sizes]
        jump = max((abs(np.log(size / other)) / TWICE for other in beside), default=0.0)
        if len(beside) == 2:  # what only grows or shrinks is no jump
            jump = abs(np.log(size / np.sqrt(beside[0] * beside[1]))) / TWICE
        found[int(tracks.labels[n])] = {BREAKS: float(lost or new or gap), SIZE: float(min(1.0, jump))}
    return found


def _sizes(tracks: Tracks, frame: int) -> dict[int, int]:
    """Sizes of a frame's objects by track."""
    here: Ints = np.flatnonzero(tracks.frames == frame)
    return dict(zip(tracks.tracks[here].tolist(), tracks.sizes[here].tolist(), strict=True))
