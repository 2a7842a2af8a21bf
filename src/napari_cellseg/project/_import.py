"""Pictures into a project, with or without their masks: all that one command names, or none.

Data flow: every picture and its masks are read, checked and packed as rows -> one transaction enters records and edits
-> snapshots and thumbnails, which can be made again at any time. A picture that is in the project already is found by
its path or its content and is not added a second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import images as pictures
from .._types import Labels
from ..errors import CellsegError
from ._db import Database
from ._edit import Edit, Packed, difference
from ._grids import check_room
from ._known import APPROVED
from ._names import free_name
from ._records import ImageRecord
from ._snapshot import write_snapshot
from ._time_series import check_name, check_same_size, film_name, time_series_in

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Addition:
    """A picture to add.

    Attributes
    ----------
    labels
        (Z, Y, X) or (Y, X), with a leading T for a time series; or what reads them when their turn comes, so that those
        of many pictures are never in memory together.
    frame
        Only this time point; labels are its own, or with a leading T those of the whole series.
    draft
        The labels are a first draft (state 0) that predictions may replace, not approved truth (state 2).
    id
        Name of the image (of every frame: name and number); made from the file's name where not given.
    series
        Which image of a file that holds several: its number from 0, or its name.
    time_series
        Name of the time series whose next frame, or frames, it is; a file with a T axis is one without it, too.
    interval_s
        Seconds from one time point to the next; what the file says where not given.
    """

    source: Path
    labels: Labels | Callable[[], Labels] | None = None
    axes: str | None = None
    spacing_um: tuple[float, ...] | None = None
    split: str = "train"
    frame: int | None = None
    id: str = ""
    draft: bool = False
    series: str | None = None
    time_series: str = ""
    interval_s: float | None = None


@dataclass(frozen=True)
class Added:
    """What became of a picture: its images, and whether the project had them already."""

    ids: tuple[str, ...]
    known: bool = False
    labelled: bool = False
    """Whether labels were taken."""
    time_series: str = ""
    """The time series whose frames they are."""


class Receiver(Protocol):
    """What is needed of the project that pictures are added to."""

    path: Path
    db: Database
    author: str
    notices: list[str]

    def images(self) -> list[ImageRecord]:
        """What it has."""
        ...

    def source(self, record: ImageRecord, /) -> Path:
        """Where the picture of a record should lie."""
        ...

    def relative(self, path: Path, /) -> str:
        """A path as records keep it."""
        ...

    def load_labels(self, id: str, /) -> tuple[Labels, NDArray[np.uint8]]:
        """Labels and state of an image, as logged, in memory."""
        ...

    def open_labels(self, id: str, /) -> tuple[Labels, NDArray[np.uint8]]:
        """The same, mapped where they are too large for memory."""
        ...

    def check_classes(self, labels: Labels, /) -> None:
        """Refuse labels with classes that it does not have."""
        ...


class _Batch:
    """What one transaction will enter, beside what is there."""

    def __init__(self, project: Receiver) -> None:
        self.records: list[ImageRecord] = []
        self.edits: list[tuple[str, Packed]] = []
        self.made: dict[str, pictures.Image] = {}
        self.there = [(record, project.source(record)) for record in project.images()]

    @property
    def taken(self) -> set[str]:
        """Names in use: of images and of time series."""
        return {record.id for record, _ in self.there} | {r.time_series for r, _ in self.there if r.time_series}

    def put(self, record: ImageRecord) -> None:
        """Another record of an image that is there, or was planned."""
        self.there = [(record if r.id == record.id else r, path) for r, path in self.there]
        self.records = [r for r in self.records if r.id != record.id] + [record]

    def enter(self, record: ImageRecord, source: Path, image: pictures.Image) -> None:
        """A new image."""
        self.records.append(record)
        self.there.append((record, source))
        self.made[record.id] = image

    def known(self, image: pictures.Image, source: Path, fingerprint: str) -> dict[int, ImageRecord]:
        """The frames that are there already, read in the same way from this file or one of the same content."""
        read_so = (image.frame(0).axes, image.series or None)
        alike = [(r, path) for r, path in self.there if (r.axes, r.series) == read_so]
        same = [r for r, path in alike if path == source or (r.fingerprint == fingerprint and path.exists())]
        return {r.frame: r for r in same}


def add_pictures(project: Receiver, additions: Iterable[Addition]) -> list[Added]:
    """Add pictures, all or none of them.

    Raises
    ------
    CellsegError
        Before anything is written: when a picture or its labels cannot be used, or a picture that the project has
        already, with labels of its own, comes with others.
    """
    batch, done = _Batch(project), []
    for addition in additions:
        done.append(_plan(project, addition, batch))
    with project.db.transaction() as connection:
        project.db.enter_images(connection, batch.records)
        for id, packed in batch.edits:
            project.db.append(connection, id, packed, project.author)
    for record in batch.records:
        if record.id in batch.made:
            _keep(project, record, batch.made[record.id])
    return done


def _plan(project: Receiver, addition: Addition, batch: _Batch) -> Added:
    """Check one picture and put what it needs into the batch."""
    if addition.split not in SPLITS:
        raise CellsegError(f"There is no split {addition.split!r}.", f"Use one of {', '.join(SPLITS)}.")
    source = pictures.absolute(addition.source)
    image = pictures.read(source, addition.axes, addition.spacing_um, series=addition.series)
    check_room(source.name, image.spatial_shape, project.path)
    pictures.check_content(image)
    frames = _frames(addition, image, source)
    source = image.source or source
    mark = _Mark(pictures.glance(source), pictures.fingerprint(source))
    truths = dict(zip(frames, _truths(project, addition, image, len(frames)), strict=True))
    known = {t: record for t, record in batch.known(image, source, mark.fingerprint).items() if t in truths}
    again = any(path == source for _, path in batch.there)  # read in another way: its folder tells nothing apart
    folder = "" if again else source.parent.name
    stem = addition.id or pictures.picture_stem(Path(addition.source)) + (f"_{image.title}" if image.title else "")
    ids, labelled = [], False
    for t, truth in truths.items():
        if t in known:
            labelled |= truth is not None and _label_known(project, known[t], truth, addition, batch)
            ids.append(known[t].id)
            continue
        id = free_name(stem, batch.taken, folder, f"_t{t:04d}" if len(frames) > 1 else "")
        record = _record(project, id, image.frame(t), source, mark, (t, addition))
        batch.enter(record, source, image.frame(t))
        ids.append(id)
        if truth is not None:
            empty = np.zeros(record.shape, np.uint32), np.zeros(record.shape, np.uint8)
            batch.edits.append((id, _taken(*empty, truth, draft=addition.draft).packed))
            labelled = True
    name = _joined(ids, (len(frames) > 1, addition), image.interval_s, batch)
    return Added(tuple(ids), known=len(known) == len(truths), labelled=labelled, time_series=name)


def _joined(ids: Sequence[str], of: tuple[bool, Addition], told: float | None, batch: _Batch) -> str:
    """Let images be frames of a time series, where they are some; its name, "" where they are none.

    Raises
    ------
    CellsegError
        When a frame differs from the others in size, is one of another series, or the name cannot be one.
    """
    several, addition = of
    if not (several or addition.time_series):
        return ""
    records = {r.id: r for r, _ in batch.there}
    before = time_series_in(records.values())
    mine = {name for name, s in before.items() if set(ids) & set(s.ids)}
    name = addition.time_series or next(iter(mine), "") or film_name(ids[0], batch.taken)
    if mine - {name}:
        raise CellsegError(f"{ids[0]} is a frame of {min(mine)} already.", "An image is in one time series.")
    if name not in before:
        check_name(name, batch.taken)
    there = dict(zip(before[name].ids, before[name].points, strict=True)) if name in before else {}
    interval = addition.interval_s or (before[name].interval_s if name in before else None) or told
    after = max(there.values(), default=-1) + 1
    for n, id in enumerate(ids):
        own = records[id].frame if several else after + n
        point = there.get(id, own)
        batch.put(replace(records[id], time_series=name, time_point=point, interval_s=interval))
    check_same_size([r for r, _ in batch.there if r.time_series == name])
    return name


def _frames(addition: Addition, image: pictures.Image, source: Path) -> Sequence[int]:
    if addition.frame is None:
        return range(image.n_frames)
    if not 0 <= addition.frame < image.n_frames:
        raise CellsegError(
            f"{source.name} has {image.n_frames} frames, not {addition.frame + 1}.", "Frames count from 0."
        )
    return (addition.frame,)


def _truths(project: Receiver, addition: Addition, image: pictures.Image, n_frames: int) -> list[Labels | None]:
    """The labels of every frame."""
    labels = addition.labels() if callable(addition.labels) else addition.labels
    if labels is None:
        return [None] * n_frames
    expected = ((n_frames,) if n_frames > 1 else ()) + image.spatial_shape
    if addition.frame is not None and image.n_frames > 1 and labels.shape == (image.n_frames, *image.spatial_shape):
        labels = labels[addition.frame]  # those of the whole series
    if labels.shape != expected:
        raise CellsegError(
            f"The labels are {labels.shape}, the image {expected}.",
            "Labels need the size of their image. Check whether one of them was cropped or transposed.",
        )
    project.check_classes(labels)
    return list(labels) if n_frames > 1 else [labels]


def _label_known(project: Receiver, record: ImageRecord, truth: Labels, addition: Addition, batch: _Batch) -> bool:
    """Labels of an image that is there already are taken where it has no user edits; whether they were."""
    if record.id in batch.made:  # named twice in one command: the first labels are right
        return False
    labels, state = project.load_labels(record.id)
    edit = _taken(labels, state, truth, draft=addition.draft)
    if edit.empty:
        return False
    if any(row.by_hand for row in project.db.rows_after(record.id, 0)):
        raise CellsegError(
            f"{Path(addition.source).name} is in the project already, as {record.id}, with labels that differ "
            "from the given ones. Nothing was added.",
            f"Leave it out; to look at the differences: napari-cellseg compare {project.path.name} --image "
            f"{record.id} --labels LABELS",
        )
    batch.edits.append((record.id, edit.packed))
    return True


def _taken(labels: Labels, state: NDArray[np.uint8], truth: Labels, *, draft: bool) -> Edit:
    """The edit that takes labels as a draft, or as approved truth."""
    box = tuple(slice(0, n) for n in labels.shape)
    if draft:
        return difference("draft", labels, state, box, np.where(state == 0, truth, labels), state)
    return difference("import", labels, state, box, truth, np.full(labels.shape, APPROVED, np.uint8))


@dataclass(frozen=True)
class _Mark:
    """How a file looks at a glance, taken before its checksum so that a change in between is noticed."""

    seen: str
    fingerprint: str


def _record(
    project: Receiver, id: str, image: pictures.Image, source: Path, mark: _Mark, of: tuple[int, Addition]
) -> ImageRecord:
    frame, addition = of
    return ImageRecord(
        id=id, source=project.relative(source), frame=frame, given_axes=addition.axes, axes=image.axes,
        shape=image.spatial_shape, n_channels=image.n_channels, dtype=str(image.data.dtype),
        spacing_um=image.spacing_um, fingerprint=mark.fingerprint, split=addition.split,
        series=image.series or None, seen=mark.seen, rgb=image.rgb, turned=True, time_series="",
    )  # fmt: skip


def _keep(project: Receiver, record: ImageRecord, image: pictures.Image) -> None:
    """First snapshots, from which a lost database could be rebuilt, and a thumbnail; the log has it all already."""
    folder = project.path / "images" / record.id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pictures.write_thumbnail(folder / "thumbnail.png", image)
        labels, state = project.open_labels(record.id)
        last = project.db.last_row(record.id)
        for name, array in (("labels", labels), ("state", state)):
            write_snapshot(folder / f"{name}.zarr", array, last.n if last else 0, json.dumps(asdict(record)))
    except (OSError, CellsegError) as error:
        project.notices.append(f"{record.id} was added, but its first snapshot could not be written: {error}")
