"""How well tracks agree with true ones: links, divisions and whole tracks found.

Precision, recall and F1 of links and divisions, and complete tracks (CT of the Cell Tracking Challenge, Ulman et al.
2017, doi:10.1038/nmeth.4473): the harmonic mean of the shares of true and found tracks that are the same from beginning
to end. Objects are known by frame and label, so both must be tracks of the same labels.
"""

from __future__ import annotations

from ._tracks import Tracks


def compare_tracks(truth: Tracks, found: Tracks) -> dict[str, float]:
    """Figures in [0, 1]; 1 where neither has any.

    They are ``link_precision``, ``link_recall``, ``link_f1``, the same of ``division``, and ``complete_tracks``.
    """
    values = {}
    for name, mine, theirs in (
        ("link", found.links(), truth.links()),
        ("division", _divisions(found), _divisions(truth)),
    ):
        both = len(mine & theirs)
        values[f"{name}_precision"] = both / len(mine) if mine else float(not theirs)
        values[f"{name}_recall"] = both / len(theirs) if theirs else float(not mine)
        values[f"{name}_f1"] = 2 * both / (len(mine) + len(theirs)) if mine or theirs else 1.0
    whole, true = _whole(found), _whole(truth)
    values["complete_tracks"] = 2 * len(whole & true) / (len(whole) + len(true)) if whole or true else 1.0
    return values


def _divisions(tracks: Tracks) -> set[frozenset[tuple[int, int]]]:
    """The last object of each mother and the first of each daughter, for mothers with two or more."""
    out: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for before, after in tracks.links():
        out.setdefault(before, set()).add(after)
    return {frozenset({before, *after}) for before, after in out.items() if len(after) > 1}


def _whole(tracks: Tracks) -> set[tuple[tuple[int, int], ...]]:
    """Every track as its objects."""
    found: dict[int, list[tuple[int, int]]] = {}
    for t, label, number in zip(tracks.frames.tolist(), tracks.labels.tolist(), tracks.tracks.tolist(), strict=True):
        found.setdefault(number, []).append((t, label))
    return {tuple(objects) for objects in found.values()}
