"""Tracks out: a table, napari's array, the folder of the Cell Tracking Challenge."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from .._types import Labels
from ..errors import CellsegError
from ..files import whole
from ._tracks import Tracks

COLUMNS = ("series", "image", "frame", "time_s", "label", "track", "parent", "lineage", "z", "y", "x", "unit", "size")
"""Of the table: the place of a frame counts from 0, `lineage` is the first mother, middles are in `unit`."""


def lineages(tracks: Tracks) -> dict[int, int]:
    """By track the one that all of its mothers come from."""
    found: dict[int, int] = {}
    for span in sorted(tracks.spans, key=lambda s: s.first):
        parent = tracks.parents.get(span.track, 0)
        found[span.track] = found.get(parent, parent) if parent else span.track
    return found


def track_rows(
    tracks: Tracks,
    name: str,
    images: Sequence[str],
    times_s: Sequence[float | None],
    spacing_um: tuple[float, ...] | None,
) -> list[tuple[object, ...]]:
    """A row per object (`COLUMNS`), by track, then time."""
    roots = lineages(tracks)
    scale = np.asarray(spacing_um or (1.0,) * tracks.middles.shape[1])
    rows: list[tuple[object, ...]] = []
    for n in np.lexsort((tracks.frames, tracks.tracks)).tolist():
        t, number = int(tracks.frames[n]), int(tracks.tracks[n])
        middle = [round(float(v), 4) for v in tracks.middles[n] * scale]
        time = times_s[t]
        rows.append(
            (
                name, images[t], t, "" if time is None else time, int(tracks.labels[n]), number,
                tracks.parents.get(number, 0), roots[number], *([""] * (3 - len(middle))), *middle,
                "um" if spacing_um else "px", int(tracks.sizes[n]),
            )
        )  # fmt: skip
    return rows


def write_tracks_csv(path: str | Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write rows of `track_rows` as CSV; the file appears whole or not at all.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    path = Path(path)
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(rows)
    return path


def napari_tracks(tracks: Tracks) -> tuple[NDArray[np.float64], dict[int, list[int]]]:
    """What napari's layer of tracks takes: (n, 2 + ndim) track, frame, (Z,) Y, X in voxels; and mothers by track."""
    order = np.lexsort((tracks.frames, tracks.tracks))
    data = np.column_stack([tracks.tracks, tracks.frames, tracks.middles])[order].astype(float)
    return data, {child: [parent] for child, parent in tracks.parents.items()}


def without_gaps(tracks: Tracks) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Numbers of tracks, (n,), and mothers, where after a gap a track goes on under another number, as in the CTC."""
    numbers, parents = tracks.tracks.copy(), dict(tracks.parents)
    free = int(numbers.max(initial=0))
    for track in np.unique(numbers).tolist():
        mine = np.flatnonzero(tracks.tracks == track)
        mine = mine[np.argsort(tracks.frames[mine])]
        children = [child for child, parent in tracks.parents.items() if parent == track]
        now = track
        for cut in np.flatnonzero(np.diff(tracks.frames[mine]) > 1).tolist():
            free += 1
            numbers[mine[cut + 1 :]] = free
            parents[free], now = now, free
        parents |= dict.fromkeys(children, now)
    return numbers, parents


def write_ctc(folder: str | Path, tracks: Tracks, load: Callable[[int], Labels], *, truth: bool = False) -> list[Path]:
    """Write tracks as the Cell Tracking Challenge has them: a picture of track numbers per frame, and their table.

    ``mask000.tif``... and ``res_track.txt``, or with `truth` ``man_track000.tif``... and ``man_track.txt``: a line
    ``L B E P`` per track - number, first and last frame, mother (0: none). A track goes on under another number, with
    the first as its mother, where it was missed in a frame.

    Parameters
    ----------
    load
        Labels of a frame by its place.

    Raises
    ------
    CellsegError
        When there are more tracks than 16 bits hold, or the folder is there already or cannot be written.
    """
    folder = Path(folder)
    numbers, parents = without_gaps(tracks)
    if numbers.max(initial=0) > np.iinfo(np.uint16).max:
        raise CellsegError(f"{numbers.max()} tracks do not fit into 16 bits.", "Export them as CSV.")
    if folder.exists() and any(folder.iterdir()):
        raise CellsegError(f"{folder} is not empty.", "Name a new folder: what is there would be among it.")
    part = folder.with_name(f".{folder.name}.part")
    picture, table = ("man_track", "man_track.txt") if truth else ("mask", "res_track.txt")
    digits = max(3, len(str(max(tracks.n_frames - 1, 0))))
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for t in range(tracks.n_frames):
            own = np.flatnonzero(tracks.frames == t)
            masks = renumbered(load(t), tracks.labels[own], numbers[own]).astype(np.uint16)
            tifffile.imwrite(part / f"{picture}{t:0{digits}d}.tif", masks, compression="zlib")
        lines = []
        for track in np.unique(numbers).tolist():
            at = tracks.frames[numbers == track]
            lines.append(f"{track} {at.min()} {at.max()} {parents.get(track, 0)}\n")
        (part / table).write_text("".join(lines), encoding="ascii")
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise CellsegError(f"{folder} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sorted(folder.iterdir())


def renumbered(labels: Labels, ids: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels with other numbers in the place of their ids; 0 for ids that have none."""
    out = np.zeros(labels.shape, np.int64)
    if not len(ids):
        return out
    order = np.argsort(ids)
    there = labels > 0
    at = np.minimum(np.searchsorted(ids[order], labels[there]), len(ids) - 1)
    out[there] = np.where(ids[order][at] == labels[there], numbers[order][at], 0)
    return out
