"""Tracking by laptrack (Fukai and Kawaguchi 2023, doi:10.1093/bioinformatics/btac799): distances, for a whole movie.

It is an extra: where it is not installed, the message says how. Middles of objects are linked by the linear assignment
of Jaqaman et al. 2008; links that persons made are given to it, what they cut is cut out of its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import CellsegError
from ._frame import Floats
from ._link import Linking
from ._tracks import Tracks

Pair = tuple[tuple[int, int], tuple[int, int]]
"""Two objects, (place of the frame, label) each, the earlier one first."""
INSTALL = 'pip install "napari-cellseg[tracking]"'


def laptracked(found: Tracks, spacing: Floats, how: Linking, made: Sequence[Pair], cuts: Iterable[Pair]) -> Tracks:
    """Objects without tracks (`found`) with those that laptrack gives them.

    Raises
    ------
    CellsegError
        When laptrack is not installed.
    """
    laptrack = _imported()
    if not len(found.frames):
        return found
    import pandas as pd

    names = [f"c{k}" for k in range(found.middles.shape[1])]
    table = pd.DataFrame(found.middles * spacing, columns=names)
    table.insert(0, "frame", found.frames)
    table.insert(1, "row", np.arange(len(table)))  # it may come back in another order
    volume = float(np.median(found.sizes)) * float(np.prod(spacing))
    diameter = (6 * volume / np.pi) ** (1 / 3) if len(spacing) == 3 else 2 * np.sqrt(volume / np.pi)
    reach = float((max(how.reach, 1e-3) * diameter) ** 2)
    rows = {key: n for n, key in enumerate(zip(found.frames.tolist(), found.labels.tolist(), strict=True))}
    edges = [(rows[a], rows[b]) for a, b in made if a in rows and b in rows]
    tracker = laptrack.LapTrack(
        cutoff=reach, gap_closing_cutoff=reach if how.gaps else False, gap_closing_max_frame_count=how.gaps,
        splitting_cutoff=reach if how.divisions else False, merging_cutoff=False, parallel_backend="serial",
    )  # fmt: skip
    tracked, split, _ = tracker.predict_dataframe(
        table, names, frame_col="frame", only_coordinate_cols=False, connected_edges=edges or None
    )
    numbers = np.zeros(len(table), np.int64)
    numbers[tracked["row"].to_numpy()] = tracked["track_id"].to_numpy() + 1
    parents = {}
    if len(split):
        pairs = zip(split["child_track_id"].tolist(), split["parent_track_id"].tolist(), strict=True)
        parents = {int(c) + 1: int(p) + 1 for c, p in pairs}
    return without_cuts(replace(found, tracks=numbers, parents=parents), cuts)


def without_cuts(tracks: Tracks, cuts: Iterable[Pair]) -> Tracks:
    """The same with links taken out: what came after one is a track of its own."""
    numbers, parents = tracks.tracks.copy(), dict(tracks.parents)
    free = int(numbers.max(initial=0))
    there = tracks.links()
    rows = {key: n for n, key in enumerate(zip(tracks.frames.tolist(), tracks.labels.tolist(), strict=True))}
    for a, b in sorted(set(cuts) & there):
        before, after = int(numbers[rows[a]]), int(numbers[rows[b]])
        if before != after:
            parents.pop(after, None)
            continue
        free += 1
        later = (numbers == before) & (tracks.frames >= b[0])
        numbers[later] = free
        parents = {child: free if mother == before else mother for child, mother in parents.items()}
    return replace(tracks, tracks=numbers, parents=parents)


def _imported() -> Any:
    try:
        import laptrack
    except ImportError as error:
        raise CellsegError("laptrack is not installed.", f"Install it: {INSTALL}, or track by overlap.") from error
    return laptrack
