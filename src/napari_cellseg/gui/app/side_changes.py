"""What another model finds, against what is on the screen, as outlines that a glance can tell apart. Pure. No Qt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernels.outline import overlay
from ...matching import overlaps

ALIKE, MOVED, MORE, GONE = 1, 2, 3, 4
SAME, OTHER = 0.8, 0.3
"""IoU from which on an object is the same, and below which it is another one."""
THICK = 2
_INSIDE = 100


class Changes(NamedTuple):
    """Values (`ALIKE`...) of every voxel of a field, uint8, and how many objects of each kind there are."""

    values: NDArray[np.uint8]
    alike: int
    moved: int
    more: int
    gone: int


def changes_of_objects(found: NDArray[np.uint32], shown: NDArray[np.uint32]) -> Changes:
    """Outlines of what is found by whether it is on the screen, and of what is on the screen only.

    Parameters
    ----------
    found, shown
        Labels of one field, (Z, Y, X) or (Y, X).
    """
    pairs = overlaps(found, shown)
    mine, theirs = pairs.of_left[0], pairs.of_right[0]
    kinds = np.where(mine >= SAME, ALIKE, np.where(mine >= OTHER, MOVED, MORE)).astype(np.uint8)
    lost = pairs.right_ids[theirs < OTHER]
    out = _outlined(found, pairs.left_ids, kinds)
    gone = _outlined(shown, lost, np.full(len(lost), GONE, np.uint8))
    alike, moved, more = (int((kinds == kind).sum()) for kind in (ALIKE, MOVED, MORE))
    return Changes(np.where(out > 0, out, gone), alike, moved, more, len(lost))


def changes_of_classes(found: NDArray[np.uint32], shown: NDArray[np.uint32]) -> Changes:
    """Outlines of what is alike; voxels of another class, of more and of less are filled. Nothing is counted."""
    same = np.where(found == shown, found, 0).astype(np.uint32)
    out = _outlined(same, np.unique(same[same > 0]), None)
    different = found != shown
    kinds = np.where(shown == 0, MORE, np.where(found == 0, GONE, MOVED))
    return Changes(np.where(different, kinds, out).astype(np.uint8), 0, 0, 0, 0)


def text_of(changes: Changes) -> str:
    """What the colours mean, with how many there are; rich text."""
    counts = (changes.alike, changes.moved, changes.more, changes.gone)
    words = ("as in the labels", "of another shape", "only found by it", "not found by it")
    parts = [
        f"<span style='color:{colour}'>■</span> {str(n) + ' ' if any(counts) else ''}{word}"
        for colour, n, word in zip(COLOURS[1:], counts, words, strict=True)
        if n or not any(counts)
    ]
    return "&nbsp; ".join(parts)


COLOURS = ("transparent", "#aeb6c0", "#ffd23f", "#4be08a", "#ff5a5f")
"""Of the values 0 to 4."""


def _outlined(labels: NDArray[np.uint32], ids: NDArray[np.int64], kinds: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Outlines of some objects in the value of their kind (`ALIKE` where none is given)."""
    value = np.zeros(int(labels.max(initial=0)) + 1, np.uint8)
    value[ids] = ALIKE if kinds is None else kinds
    state, out = value[labels], np.zeros(labels.shape, np.uint8)
    planes = (-1, *labels.shape[-2:])
    chosen = np.where(state > 0, labels, 0).astype(np.uint32).reshape(planes)
    overlay(chosen, state.reshape(planes), None, (0, 0, _INSIDE), out.reshape(planes), THICK)
    out[out >= _INSIDE] = 0
    return out
