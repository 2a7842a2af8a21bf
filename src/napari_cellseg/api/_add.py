"""Pictures into a project, each with its masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from .. import images
from .._types import Labels
from ..drafts import CleanUp
from ..errors import CellsegError
from ..project import Added, Addition, Project
from ._object_classes import keep_kinds
from ._pairs import pictures_by_name
from ._results import AddedPicture, Additions

Source = str | Path
Truth = str | Path | Labels


@dataclass(frozen=True)
class Adding:
    """How pictures and masks are meant: see `OpenProject.add`."""

    labels: Sequence[Truth | None] = ()
    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    split: str = "train"
    draft: bool = False
    series: str | None = None
    components: bool | None = None
    threshold: float | None = None
    time_series: str = ""
    interval_s: float | None = None
    clean: CleanUp | None = None
    notes: list[str] = field(default_factory=list)
    """What was noticed when masks were read."""
    kinds: dict[tuple[Path, str | None], Mapping[int, str]] = field(default_factory=dict)
    """Classes of objects that masks had, by picture and image of its file."""
    shared: int = 0
    """How many masks the only file of labels holds, where it serves every picture."""


def add_pictures(project: Project, sources: Sequence[Source], how: Adding) -> Additions:
    """Add pictures with their masks: all of them, or none.

    Raises
    ------
    CellsegError
        Before anything is written: see `OpenProject.add`.
    """
    sources, how = _folders_opened(sources, how)
    if shared := _serves_all(sources, how):
        how = replace(how, labels=[*how.labels] * len(sources), shared=shared)
    if how.labels and len(how.labels) != len(sources):
        raise CellsegError(
            f"{len(sources)} images but {len(how.labels)} labels were given.",
            "Give one --labels per image, in the same order.",
        )
    pairs = [_pair(Path(p), how, n) for n, p in enumerate(sources)]
    additions = [a for n, pair in enumerate(pairs) for a in _additions(*pair, n, how, project.meanings)]
    done = project.add_images(additions)
    for addition, one in zip(additions, done, strict=True):
        if one.labelled:
            for id in one.ids:
                keep_kinds(project, id, how.kinds.get((addition.source, addition.series), {}))
    added = [_told(project, a, d) for a, d in zip(additions, done, strict=True)]
    return Additions(tuple(added), tuple(how.notes))


def _folders_opened(sources: Sequence[Source], how: Adding) -> tuple[Sequence[Source], Adding]:
    """Pictures instead of folders that hold them, and masks of a folder by the names of the pictures.

    A picture whose name no mask has is added without any.

    Raises
    ------
    CellsegError
        When a folder holds no picture, or masks belong to none.
    """
    if not any(_holds_pictures(Path(source)) for source in sources):
        return sources, how
    found: list[Path] = []
    for path in map(Path, sources):
        found += pictures_by_name(path).values() if _holds_pictures(path) else [path]
    paths = [Path(x) for x in how.labels if isinstance(x, str | Path)]
    by_name = len(paths) == len(how.labels) > 0 and (len(paths) > 1 or paths[0].is_dir())
    if not by_name:
        return found, how
    masks = images.masks_by_name(paths)
    alone = sorted(set(masks) - {images.picture_stem(path) for path in found})
    if alone:
        raise CellsegError(
            f"There is no picture for the masks {alone[0]}.", f"Masks are called like their pictures: {found[0].stem}."
        )
    return found, replace(how, labels=[masks.get(images.picture_stem(path)) for path in found])


def _holds_pictures(path: Path) -> bool:
    """Whether a path is a plain folder: no picture itself, and none of those with images/ and masks/."""
    return path.is_dir() and not images.is_picture(path) and not (path / "images").is_dir()


def _told(project: Project, addition: Addition, done: Added) -> AddedPicture:
    inside: tuple[str, ...] = ()
    if addition.labels is None and not done.known:
        inside = tuple(map(str, images.labels_inside(project.source(project.image(done.ids[0])))))
    labelled = done.labelled, addition.draft
    return AddedPicture(addition.source, done.ids, done.known, *labelled, inside, done.time_series)


def _serves_all(sources: Sequence[Source], how: Adding) -> int:
    """How many masks the only file of labels holds where it serves every picture: else 0.

    COCO finds the pictures by their names (1); images or planes of a picture are masks in the order of the pictures.
    """
    only = how.labels[0] if len(how.labels) == 1 else None
    if not isinstance(only, str | Path) or len(sources) == 1:
        return 0
    masks, first = Path(only), Path(sources[0])
    if images.is_for_many(masks):
        return 1
    if not (masks.exists() and first.exists() and images.is_picture(masks)) or (first / "images").is_dir():
        return 0
    if how.series == "all":
        return 0
    shape = images.read(first, how.axes, series=how.series).spatial_shape
    return len(sources) if images.count_of_masks(masks, shape) == len(sources) else 0


def _pair(path: Path, how: Adding, number: int) -> tuple[Path, Truth | None]:
    """The picture and its masks; a folder with images/ and masks/ (Data Science Bowl) names both."""
    if (path / "images").is_dir():
        pictures = images.pictures_in(path / "images")
        if len(pictures) != 1:
            raise CellsegError(f"{path}/images holds {len(pictures)} pictures, not one.", "Add them one by one.")
        return pictures[0], path / "masks" if (path / "masks").is_dir() else None
    return path, how.labels[number] if how.labels else None


def _additions(
    picture: Path, masks: Truth | None, place: int, how: Adding, classes: tuple[str, ...]
) -> Iterator[Addition]:
    """The images of a picture, in its place among others; what reads their masks is called when their turn comes."""
    for series in _series(picture, masks, how):
        labels: Labels | partial[Labels] | None = None
        if isinstance(masks, str | Path):
            labels = partial(_read_masks, picture, Path(masks), (series, place), how, classes)
        elif masks is not None:
            labels = as_labels(masks)
        if labels is not None and how.clean is not None:
            labels = partial(_cleaned, labels, how.clean)
        yield Addition(
            picture, labels, how.axes, how.spacing, how.split, draft=how.draft, series=series,
            time_series=how.time_series, interval_s=how.interval_s,
        )  # fmt: skip


def _cleaned(labels: Labels | partial[Labels], how: CleanUp) -> Labels:
    return how(labels() if isinstance(labels, partial) else labels)


def truths(given: Truth | Iterable[Truth] | None) -> list[Truth]:
    """One or several labels as a list."""
    if given is None:
        return []
    if isinstance(given, str | Path | np.ndarray) or hasattr(given, "ndim"):
        return [cast(Truth, given)]
    return list(given)


def as_labels(array: Labels) -> Labels:
    """An array of ids as uint32.

    Raises
    ------
    CellsegError
        When it holds something else.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "uib" or (array.size and (array.min() < 0 or array.max() > np.iinfo(np.uint32).max)):
        raise CellsegError(f"Labels of dtype {array.dtype} cannot be used.", "Give ids from 0 to 2**32 - 1.")
    return array.astype(np.uint32)


def _series(picture: Path, masks: Truth | None, how: Adding) -> list[str | None]:
    """Which images of a file are meant; None where it is for the reader to say."""
    if how.series != "all":
        return [how.series]
    found: list[str | None] = [s.key or None for s in images.series_in(picture)]
    several = isinstance(masks, str | Path) and images.holds_several(Path(masks))
    if masks is not None and len(found) > 1 and not several:
        raise CellsegError(
            f"{picture.name} holds {len(found)} images, but one file of labels was given.",
            "Add them one by one: --series N --labels LABELS.",
        )
    return found


def _read_masks(
    picture: Path, masks: Path, which: tuple[str | None, int], how: Adding, classes: tuple[str, ...]
) -> Labels:
    """Masks of a picture: `which` is the image of its file, and its place among the others."""
    axes, (series, place) = how.axes.replace("C", "") if how.axes else None, which
    image = images.read(picture, how.axes, series=series)
    wanted = images.MasksFor(
        image.spatial_shape, image.n_frames, picture.name, classes, how.components, how.threshold,
        place=images.place_in_file(picture, series),
    )  # fmt: skip
    if how.shared > 1:  # masks of a series whose frames are files of their own
        wanted = replace(wanted, frames=how.shared, frame=place)
    fitting = _fitting(masks, axes) if images.is_picture(masks) else None
    found = images.read_masks(masks, wanted, fitting)
    how.notes.extend(found.notes)
    if found.kinds:
        how.kinds[picture, series] = found.kinds
    return found.labels


def _fitting(masks: Path, axes: str | None) -> str | None:
    """The image's axes, where the mask file has as many dimensions."""
    if axes is None or images.holds_several(masks):
        return None
    return axes if images.read(masks).data.ndim == len(axes) else None
