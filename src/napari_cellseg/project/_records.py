"""Rows of the database as frozen values."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from .._types import Span
from ..files import whole
from ._inside import checked_name

COMPACTED = "compacted"
"""Tools of a row that stands for all rows before it (see `compact`) begin with this."""
ANSWER = "live-"
"""Groups of edits that answer a person's edit, and go with it when that is undone, begin with this."""
COUNTED = ("status/", "known/", "guesses/")
"""Settings under these names are sums over the log, which can be made again."""


@dataclass(frozen=True)
class ImageRecord:
    """One image of a project: where it lies and what was seen when it was added.

    `source` is absolute, or relative to the folder that holds the project. `frame` is the time point of a time
    series, whose frames are images of their own. `given_axes` are the file's axes
    where a person named them. `series` is which image of a file that holds several. `seen` is what `images.glance` said
    of the picture, "" where that would not tell a change. `rgb` says whether three channels are the colours of a
    picture; None in records of older versions. `turned` says whether a TIFF's orientation tag is obeyed; not in those
    of older versions. `split` is train, val or test: test images are never learnt
    from, val images judge. `time_series` is the name of the series whose frame it is, "" where it is none, None in
    records of older versions; `time_point` is its place there, and `interval_s` the seconds to the next (see
    `time_series_in`, which alone reads these).
    """

    id: str
    source: str
    frame: int
    given_axes: str | None
    axes: str
    shape: tuple[int, ...]
    n_channels: int
    dtype: str
    spacing_um: tuple[float, ...] | None
    fingerprint: str
    split: str = "train"
    series: str | None = None
    seen: str = ""
    rgb: bool | None = None
    turned: bool = False
    time_series: str | None = None
    time_point: int = 0
    interval_s: float | None = None

    @property
    def in_colour(self) -> bool:
        """Whether it is shown, and told apart from others, as a colour picture of 8 bit."""
        bytes_of_three = self.n_channels == 3 and self.dtype == "uint8"
        return bytes_of_three and (self.rgb is None or self.rgb)

    def __post_init__(self) -> None:
        checked_name(self.id, "an image")
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise ValueError(f"an image cannot be {self.shape}")

    @property
    def spatial_axes(self) -> str:
        """``"ZYX"`` or ``"YX"``."""
        return "ZYX"[-len(self.shape) :]


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(ImageRecord)


def image_from_json(text: str) -> ImageRecord:
    """An image record from its JSON.

    Raises
    ------
    ValueError
        When it is not one.
    CellsegError
        When its id cannot be the name of a folder.
    """
    record: ImageRecord = _adapter().validate_json(text)
    return record


@dataclass(frozen=True)
class EditRow:
    """One row of the log, without its voxels."""

    MACHINE: ClassVar[tuple[str, ...]] = ("predict", "draft", f"{COMPACTED} predictions")
    """Tools whose rows nobody made by hand."""

    n: int
    image: str
    time: float
    author: str
    tool: str
    group: str
    undoes: int | None
    box: tuple[tuple[int, int], ...]
    voxels: int

    @property
    def by_hand(self) -> bool:
        """Whether a person did it: neither a prediction nor a draft."""
        return self.tool not in self.MACHINE

    @property
    def answer(self) -> bool:
        """Whether it is Live's answer to an edit of a person."""
        return self.group.startswith(ANSWER)

    @property
    def begun(self) -> int | None:
        """The newest edit when it was asked for, None where the log does not say."""
        _, _, n = self.group.rpartition("@")
        return int(n) if n.isdecimal() and n != self.group else None

    @property
    def compacted(self) -> bool:
        """Whether it stands for all rows before it."""
        return self.tool.startswith(COMPACTED)


@dataclass(frozen=True)
class Entry:
    """What a person sees as one thing done: an edit, or all pieces of a prediction (or of undoing one).

    Attributes
    ----------
    n
        The newest edit of it.
    pieces
        How many edits it was.
    box
        (start, stop) per axis, round all of them.
    """

    n: int
    time: float
    author: str
    tool: str
    voxels: int
    pieces: int
    box: tuple[tuple[int, int], ...]

    def follows(self, row: EditRow) -> Entry:
        """The same with the edit before it, too."""
        box = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(self.box, row.box, strict=True))
        return replace(self, voxels=self.voxels + row.voxels, pieces=self.pieces + 1, box=box)


def entries(newest_first: Iterable[EditRow]) -> Iterator[Entry]:
    """The log as a person sees it, the newest first."""
    entry, last = None, None
    for row in newest_first:
        if entry and last and row.group and (row.group, row.tool) == (last.group, last.tool):
            entry = entry.follows(row)
        else:
            if entry:
                yield entry
            entry = Entry(row.n, row.time, row.author, row.tool, row.voxels, 1, row.box)
        last = row
    if entry:
        yield entry


@dataclass(frozen=True)
class Holdout:
    """Parts of an image that judge and are never learnt from: all of it, or the boxes of some objects or fields."""

    image: str
    boxes: tuple[Span, ...]


@dataclass(frozen=True)
class ReviewRecord:
    """What a person did at one place of the review queue: how long (s) and with how many edits."""

    image: str
    time: float
    author: str
    object: int
    box: tuple[tuple[int, int], ...]
    outcome: str
    """approved, fixed or skipped."""
    seconds: float
    edits: int
    order: str


@dataclass(frozen=True)
class ModelCard:
    """What a model is and where it came from (``card.json``)."""

    id: str
    parent: str | None
    created: float
    in_channels: int
    out_channels: int
    n_classes: int
    edits_until: int
    """The newest edit the model could have learnt from."""
    images: tuple[str, ...] = ()
    seed: int = 0
    steps: int = 0
    seconds: float = 0.0
    stopped_by: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    """The models of an ensemble, which lie in ``members/``; it has no weights of its own."""

    def __post_init__(self) -> None:
        checked_name(self.id, "a model")
        for member in self.members:
            checked_name(member, "a member of a model")


@dataclass(frozen=True)
class RoundRecord:
    """One round: parent and child judged on the same held-out corrections, and what the person decided."""

    n: int
    time: float
    parent: str | None
    child: str
    decision: str
    before: dict[str, Any]
    after: dict[str, Any]


def write_history(path: Path, rows: Iterable[EditRow]) -> Path:
    """Write log rows as a table (CSV): number, image, time (UTC), author, tool, voxels, box, what it undid.

    Raises
    ------
    CellsegError
        When it cannot be written; the file appears whole or not at all.
    """
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["edit", "image", "time", "author", "tool", "voxels", "box", "undoes"])
        for r in rows:
            when = datetime.fromtimestamp(r.time, UTC).isoformat(timespec="milliseconds")
            box = " ".join(f"{a}:{b}" for a, b in r.box)
            table.writerow([r.n, r.image, when, r.author, r.tool, r.voxels, box, r.undoes or ""])
    return path
