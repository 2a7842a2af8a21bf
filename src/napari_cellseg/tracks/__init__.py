"""Objects through time: which labels of different frames are one object, which divide.

Data flow: labels of a series, frame by frame -> `Tracker` -> `Tracks` (numbers on top of labels, which keep their own)
-> kept in the project, tables, napari's array, the folder of the Cell Tracking Challenge. Links that persons made or
cut are taken as given.
"""

from __future__ import annotations

from ._carry import Carried, carry_on
from ._doubts import track_doubts
from ._export import (
    COLUMNS,
    lineages,
    napari_tracks,
    renumbered,
    track_rows,
    without_gaps,
    write_ctc,
    write_tracks_csv,
)
from ._files import FORMATS, write_tracks
from ._kept import Word, check_objects, keep_tracks, kept_tracks, outdated, said_of, say, track_series, tracking, words
from ._link import Linking
from ._measures import compare_tracks
from ._said import say_link
from ._tracker import Said, Tracker, track
from ._tracks import Span, Tracks

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Carried",
    "Linking",
    "Said",
    "Span",
    "Tracker",
    "Tracks",
    "Word",
    "carry_on",
    "check_objects",
    "compare_tracks",
    "keep_tracks",
    "kept_tracks",
    "lineages",
    "napari_tracks",
    "outdated",
    "renumbered",
    "said_of",
    "say",
    "say_link",
    "track",
    "track_doubts",
    "track_rows",
    "track_series",
    "tracking",
    "without_gaps",
    "words",
    "write_ctc",
    "write_tracks",
    "write_tracks_csv",
]
