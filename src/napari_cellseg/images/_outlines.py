"""Outlines of other tools become labels: where each belongs, what it is called, which one lies on top.

Data flow: the reader of a format gives `Outline`s -> `paint` finds their planes, draws them, leaves out regions,
numbers them -> `Masks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..errors import CellsegError
from ._polygons import Ring, fill

FARTHEST = 1e8
"""No picture reaches as far as this, in pixels; coordinates beyond it are damage."""
MOST_KINDS = 50
"""What differs more often is the name of an object, not its class."""


@dataclass(frozen=True)
class Place:
    """Which image of its file a picture is: its number from 0, how many there are, and what the file calls it."""

    number: int = 0
    of: int = 1
    title: str = ""


@dataclass(frozen=True)
class MasksFor:
    """What masks are read for.

    Attributes
    ----------
    shape
        Spatial shape of the image, (Z, Y, X) or (Y, X); formats with outlines need it.
    frames
        Number of its time points; of a picture that was added frame by frame, of all of them.
    name
        Name of its file: of a COCO file for many images, the masks of this one are taken.
    classes
        Names of the classes, where labels are classes; () where they are objects.
    split
        Of objects: whether the pieces of a mask that do not touch become objects of their own. None: where the mask
        is binary.
    threshold
        Of a project with one class: values above it are the class (None: above 0). Of objects: what is above it is
        mask, which is then split.
    frame
        Only this time point is wanted; None: all of them.
    place
        Which image of its file the picture is, for masks of files with several.
    """

    shape: tuple[int, ...] | None = None
    frames: int = 1
    name: str = ""
    classes: tuple[str, ...] = ()
    split: bool | None = None
    threshold: float | None = None
    frame: int | None = None
    place: Place = Place()

    @property
    def times(self) -> int:
        """Number of time points that are wanted."""
        return self.frames if self.frame is None else 1

    @property
    def planes(self) -> int:
        """Number of planes of all frames and slices that are wanted."""
        return self.times * self.slices

    @property
    def slices(self) -> int:
        """Number of slices, 1 in 2D."""
        return self.shape[0] if self.shape is not None and len(self.shape) == 3 else 1


@dataclass(frozen=True)
class Masks:
    """Labels that were read, and what the person should know of how.

    Attributes
    ----------
    labels
        (T, Z, Y, X), (Z, Y, X), (T, Y, X) or (Y, X) uint32; 0 is background.
    notes
        Whole sentences.
    kinds
        Where labels are objects, the class of each that has one in the file, by label.
    """

    labels: Labels
    notes: tuple[str, ...] = ()
    kinds: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Outline:
    """One piece of an object.

    Attributes
    ----------
    key
        Number of the object, or a key of its own where the file gives no number.
    kind
        Its class, or "".
    rings
        The first is the outer one, (N, 2) corners (y, x).
    frame, slice
        Where it lies, from 0; None where the file does not say.
    region
        It may be a region that other objects lie in, and no object itself.
    pixels
        Rows and columns, instead of `rings`.
    """

    key: int | str
    kind: str = ""
    rings: Sequence[Ring] = ()
    frame: int | None = 0
    slice: int | None = 0
    region: bool = False
    pixels: tuple[NDArray[Any], NDArray[Any]] | None = None


@dataclass
class _Piece:
    """An outline, drawn: a mask and the place of its upper left corner."""

    outline: Outline
    plane: int
    corner: tuple[int, int]
    mask: NDArray[np.bool_]
    area: int = field(init=False)

    def __post_init__(self) -> None:
        self.area = int(self.mask.sum())

    @cached_property
    def centre(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Row and column of the centre in the mask, (1,) each."""
        rows, columns = np.nonzero(self.mask)
        return rows.mean(keepdims=True).round(), columns.mean(keepdims=True).round()

    @cached_property
    def mark(self) -> tuple[int, int, int]:
        """A pixel that lies in whatever holds this: plane, row, column."""
        first = np.unravel_index([self.mask.argmax()], self.mask.shape)
        y, x = (int(p[0]) for p in (first if self.outline.region else self.centre))
        return self.plane, y + self.corner[0], x + self.corner[1]

    @property
    def box(self) -> tuple[slice, slice]:
        y, x = (slice(c, c + n) for c, n in zip(self.corner, self.mask.shape, strict=True))
        return y, x

    def holds(self, other: _Piece) -> bool:
        """Whether another of the same plane lies in here, for QuPath: annotations with all of them, others' centre."""
        if other.outline.key == self.outline.key or not other.area:
            return False
        if other.outline.region and other.area >= self.area:
            return False
        rows, columns = np.nonzero(other.mask) if other.outline.region else other.centre
        y = rows.astype(np.int64) + other.corner[0] - self.corner[0]
        x = columns.astype(np.int64) + other.corner[1] - self.corner[1]
        inside = (y >= 0) & (x >= 0) & (y < self.mask.shape[0]) & (x < self.mask.shape[1])
        return bool(inside.all()) and bool(self.mask[y, x].all())


def paint(outlines: Sequence[Outline], wanted: MasksFor, name: str) -> Masks:
    """Labels of outlines; the largest are painted first, so that none hides a smaller one.

    A region (an annotation of QuPath) in which others lie is left out, unless it is of a class of the project.

    Raises
    ------
    CellsegError
        When an outline lies outside the image, or says no class, slice or frame that the image has.
    """
    outlines = [o for o in outlines if o.pixels is not None or len(o.rings)]
    if not outlines:
        raise CellsegError(f"{name} holds no outlines.", "Points, lines and boxes alone are no masks.")
    shape = wanted.shape or ()
    planes = np.zeros((wanted.planes, *shape[-2:]), np.uint32)
    notes: list[str] = []
    outlines = _of_frame(outlines, wanted, name, notes)
    at = places(outlines, wanted, name)
    pieces = [_drawn(o, plane, planes.shape[1:], name) for o, plane in zip(outlines, at, strict=True)]
    over = sum(_reaches_over(o, planes.shape[1:]) for o in outlines)
    if over:
        notes.append(
            f"{_many(over, 'outline reaches', 'outlines reach')} over the border of the image: what lies outside is "
            "left out."
        )
    pieces = _without_regions(pieces, planes.shape, wanted.classes, notes)
    numbers = _numbered([p.outline for p in pieces], wanted.classes, name, notes)
    _put(planes, pieces, numbers, notes)
    labels = planes.reshape(((wanted.times,) if wanted.times > 1 else ()) + tuple(shape))
    return Masks(labels, tuple(f"{name}: {note}" for note in notes), _kinds(pieces, numbers, wanted))


def places(outlines: Sequence[Outline], wanted: MasksFor, name: str) -> list[int]:
    """The plane of each outline, counted through frames and slices.

    A stack that was opened as frames (or frames as a stack) is recognised: then the one axis stands for the other.
    Where the image has one slice (or frame) only, all outlines may be of one slice of something larger.

    Raises
    ------
    CellsegError
        When an outline belongs to a slice or frame that the image does not have.
    """
    frames, slices = [o.frame for o in outlines], [o.slice for o in outlines]
    if wanted.times == 1 and wanted.slices > 1 and any(frames) and not any(slices):
        frames, slices = [None] * len(frames), frames
    elif wanted.slices == 1 and wanted.times > 1 and any(slices) and not any(frames):
        frames, slices = slices, [None] * len(slices)
    at = [
        _positions(given, n, word, name)
        for given, n, word in ((frames, wanted.times, "frame"), (slices, wanted.slices, "slice"))
    ]
    return [t * wanted.slices + z for t, z in zip(*at, strict=True)]


def class_number(kind: str, classes: Sequence[str]) -> int | None:
    """The number of a class by its name; None where there is none of it.

    Of QuPath's derived classes ("Tumor: Positive") the whole name counts first, then what it is derived from, then
    its parts from the last to the first; capitals do not matter where nothing else differs.
    """
    if kind in classes:
        return list(classes).index(kind) + 1
    parts = [part.strip() for part in kind.split(":")]
    known = [":".join(part.strip() for part in c.split(":")).casefold() for c in classes]
    for candidate in [":".join(parts[:n]) for n in range(len(parts), 0, -1)] + parts[::-1]:
        if candidate and candidate.casefold() in known:
            return known.index(candidate.casefold()) + 1
    return None


def checked(id: Any, name: str) -> int:
    """The number of an object.

    Raises
    ------
    CellsegError
        When labels cannot hold it.
    """
    if not 1 <= int(id) < 2**32 - 1_000_000:
        raise CellsegError(f"{name} holds the object number {id}.", "Numbers are 1 to 4,293,967,295.")
    return int(id)


def frame_of(labels: Labels, wanted: MasksFor, name: str) -> Labels:
    """The labels of the frame that is wanted; all others as they are.

    Raises
    ------
    CellsegError
        When they are of another number of frames.
    """
    if wanted.frame is None or wanted.frames == 1 or labels.shape[1:] != wanted.shape:
        return labels
    check_count(len(labels), wanted, name)
    return np.asarray(labels[wanted.frame])


def check_count(n: int, wanted: MasksFor, name: str) -> None:
    """Refuse masks of another number of frames than the picture has.

    Raises
    ------
    CellsegError
        With both numbers.
    """
    if n != wanted.frames:
        raise CellsegError(
            f"{name} holds masks of {n} frames; {wanted.name or 'the picture'} has {wanted.frames}.",
            "Give masks of all of its frames, or of the one that is meant.",
        )


# --- inside ---------------------------------------------------------------------------------------


def _of_frame(outlines: Sequence[Outline], wanted: MasksFor, name: str, notes: list[str]) -> Sequence[Outline]:
    """The outlines of the frame that is wanted of a series.

    Those that say no frame, or are all of the first (which is what tools write that know no frames), are of it.
    """
    if wanted.frame is None or wanted.frames == 1:
        return outlines
    if wanted.slices == 1 and not any(o.frame for o in outlines) and any(o.slice for o in outlines):
        outlines = [replace(o, frame=o.slice, slice=None) for o in outlines]  # a series that was opened as a stack
    known = {o.frame for o in outlines if o.frame is not None}
    if known <= {0} or known == {wanted.frame}:
        return [replace(o, frame=None) for o in outlines]
    _positions([o.frame for o in outlines], wanted.frames, "frame", name)
    mine = [replace(o, frame=None) for o in outlines if o.frame == wanted.frame]
    if not mine and len(known) == 1:
        raise CellsegError(
            f"{name} has outlines in frame {_span(known)} only; this is frame {wanted.frame + 1} of {wanted.frames}.",
            "Choose the frame that they were made on, or the outlines of this one.",
        )
    if not mine:
        notes.append(f"it has no outlines in frame {wanted.frame + 1}, which is all background.")
    return mine


def _positions(given: Sequence[int | None], n: int, word: str, name: str) -> list[int]:
    known = {p for p in given if p is not None}
    if n == 1:
        if len(known) > 1:
            raise CellsegError(
                f"{name} has outlines in {len(known)} {word}s ({_span(known)}), but the image has one.",
                f"Give the image that they were made on, or the outlines of one {word}.",
            )
        return [0] * len(given)
    if None in given:
        raise CellsegError(
            f"{name} has {given.count(None)} outlines that do not say their {word}; the image has {n}.",
            "In ImageJ, tick 'Associate Show All ROIs with slices' in the ROI Manager's options and export them again.",
        )
    if min(known) < 0 or max(known) >= n:
        raise CellsegError(
            f"{name} has outlines in {word}s {_span(known)}, but the image has {n}.", "Give the image it was made on."
        )
    return [p for p in given if p is not None]


def _span(known: set[int]) -> str:
    low, high = min(known) + 1, max(known) + 1
    return f"{low} to {high}" if high > low else str(low)


def _many(n: int, one: str, more: str) -> str:
    return f"{n} {one if n == 1 else more}"


def _drawn(outline: Outline, plane: int, shape: tuple[int, ...], name: str) -> _Piece:
    if outline.pixels is not None:
        rows, columns = outline.pixels
        if not len(rows):
            return _Piece(outline, plane, (0, 0), np.zeros((0, 0), bool))
        top, left = int(rows.min()), int(columns.min())
        mask = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), bool)
        mask[rows - top, columns - left] = True
        return _Piece(outline, plane, (top, left), mask)
    corners = np.concatenate(outline.rings)
    farthest = np.abs(corners).max()
    if not farthest < FARTHEST:  # not a number, too
        raise CellsegError(
            f"{name} has an outline with the coordinate {farthest:g}.", "The file is damaged: export it again."
        )
    low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int), shape)
    if (high <= low).any():
        x, y = corners.mean(0)[::-1]
        raise CellsegError(
            f"{name} has an outline outside the image: it lies around x {x:.0f}, y {y:.0f}, and the image is "
            f"{shape[1]} wide and {shape[0]} high.",
            "Give the image it was made on.",
        )
    mask = fill([ring - low for ring in outline.rings], (int(high[0] - low[0]), int(high[1] - low[1])))
    return _Piece(outline, plane, (int(low[0]), int(low[1])), mask)


def _reaches_over(outline: Outline, shape: tuple[int, ...]) -> bool:
    """Whether a piece lies outside by more than the rounding of outlines can be."""
    if outline.pixels is not None:
        return False
    corners = np.concatenate(outline.rings)
    return bool((corners.min(0) < -1).any() or (corners.max(0) > np.array(shape) + 1).any())


def _without_regions(
    pieces: list[_Piece], shape: tuple[int, ...], classes: Sequence[str], notes: list[str]
) -> list[_Piece]:
    """Leave out annotations that others lie in: they say where somebody looked, not what is there."""
    regions = [p for p in pieces if p.outline.region and p.area and not class_number(p.outline.kind, classes)]
    if not regions:
        return pieces
    there = [p for p in pieces if p.area]
    marks = np.zeros(shape, np.uint32)  # a pixel of each; who has none but its own holds nothing
    for piece in there:
        marks[piece.mark] += 1
    low = np.array([(p.plane, *p.corner) for p in there])
    high = low + [(1, *p.mask.shape) for p in there]
    parents = set()
    for region in regions:
        if marks[region.plane][region.box][region.mask].sum() > 1:
            start, end = (region.plane, *region.corner), (region.plane + 1, *(s.stop for s in region.box))
            near = np.flatnonzero((low < end).all(1) & (high > start).all(1))
            if any(region.holds(there[k]) for k in near):
                parents.add(region.outline.key)
    if parents:
        notes.append(
            f"{_many(len(parents), 'annotation that contains', 'annotations that contain')} other objects "
            f"{'was' if len(parents) == 1 else 'were'} taken for their region and left out."
        )
    return [p for p in pieces if p.outline.key not in parents]


def _numbered(outlines: Sequence[Outline], classes: Sequence[str], name: str, notes: list[str]) -> list[int]:
    if classes:
        return _classed(outlines, classes, name, notes)
    next_id = max((checked(o.key, name) for o in outlines if isinstance(o.key, int)), default=0) + 1
    named: dict[int | str, int] = {}
    return [o.key if isinstance(o.key, int) else named.setdefault(o.key, next_id + len(named)) for o in outlines]


def _kinds(pieces: Sequence[_Piece], numbers: Sequence[int], wanted: MasksFor) -> dict[int, str]:
    """The class of each object; {} where labels are classes, or so many differ that they are names."""
    found = {n: p.outline.kind for p, n in zip(pieces, numbers, strict=True) if p.outline.kind.strip()}
    return found if not wanted.classes and len(set(found.values())) <= MOST_KINDS else {}


def _classed(outlines: Sequence[Outline], classes: Sequence[str], name: str, notes: list[str]) -> list[int]:
    """Numbers of classes, by name, or as they were written here; all of a file is the only class if it names none."""
    found = [class_number(o.kind, classes) for o in outlines]
    if len(classes) == 1 and not any(found):
        if any(o.kind for o in outlines):
            notes.append(f"all outlines are of the only class here, {classes[0]}.")
        return [1] * len(outlines)
    numbers = []
    for outline, number in zip(outlines, found, strict=True):
        if number is None and isinstance(outline.key, int) and 1 <= outline.key <= len(classes):
            number = outline.key
        if number is None:
            said = f"the class {outline.kind!r}" if outline.kind else "masks without a class"
            raise CellsegError(f"{name} holds {said}.", f"The classes here are {', '.join(classes)}.")
        numbers.append(number)
    return numbers


def _put(planes: Labels, pieces: Sequence[_Piece], numbers: Sequence[int], notes: list[str]) -> None:
    overlaps = 0
    for piece, number in sorted(zip(pieces, numbers, strict=True), key=lambda pair: -pair[0].area):
        under = planes[piece.plane][piece.box]
        below = under[piece.mask]
        overlaps += bool(((below != 0) & (below != number)).any())
        under[piece.mask] = number
    if overlaps:
        said = _many(overlaps, "outline lies", "outlines lie")
        notes.append(f"{said} over larger ones: where they do, the smaller one counts.")
    there = set(np.unique(planes).tolist())
    if gone := len(set(numbers) - there):
        said = _many(gone, "object is", "objects are")
        notes.append(f"{said} smaller than a pixel or covered by others, and not there.")
