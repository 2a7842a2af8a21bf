"""Labels of one image that lie elsewhere: masks of any tool, other annotators' copies of the project."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import images
from ..errors import CellsegError
from ._folder import Project
from ._grids import parts, zeros
from ._records import ImageRecord


def masks_for_image(
    project: Project, id: str, path: str | Path, *, split: bool | None = None, threshold: float | None = None
) -> images.Masks:
    """Masks of any tool for one image of a project: (Z, Y, X) or (Y, X) uint32, with notes for the person.

    Of masks of a whole time series those of the image's frame are taken, and of a file with several images those of
    the one that belongs to the picture's.

    Parameters
    ----------
    split, threshold
        See `images.MasksFor`.

    Raises
    ------
    CellsegError
        When the file cannot be read, or it cannot be told which of its masks are of this image.
    """
    record = project.image(id)
    frames, place = _whereabouts(project, record)
    wanted = images.MasksFor(
        record.shape, frames, Path(record.source).name, project.meanings, split, threshold,
        frame=record.frame if frames > 1 else None, place=place,
    )  # fmt: skip
    return images.read_masks(path, wanted)


def labels_of_others(
    paths: Sequence[Path],
    record: ImageRecord,
    classes: Sequence[str] = (),
    taken: Sequence[str] = (),
    project: Project | None = None,
) -> dict[str, NDArray[np.uint32]]:
    """What others say of an image, by the names of their files and folders: (Z, Y, X) or (Y, X) uint32.

    Parameters
    ----------
    paths
        Masks in any format that can be read, or copies of the project.
    classes
        Names of the classes, where labels are classes.
    taken
        Names that are in use already: a number makes others different.
    project
        That of the image; with it, masks of a whole series and files with several images are understood, too.

    Raises
    ------
    CellsegError
        When one cannot be read, or has another shape.
    """
    found: dict[str, NDArray[np.uint32]] = {}
    for path in paths:
        if (path / "project.toml").is_file():
            with Project.open(path) as other:
                labels, _ = other.load_labels(record.id)
        elif project is not None:
            labels = masks_for_image(project, record.id, path).labels
        else:
            name = Path(record.source).name
            labels = images.read_masks(path, images.MasksFor(record.shape, name=name, classes=tuple(classes))).labels
        names = itertools.chain([path.name], (f"{path.name} ({k})" for k in itertools.count(2)))
        found[next(n for n in names if n not in found and n not in taken)] = labels
    return found


def labels_before(project: Project, id: str) -> NDArray[np.uint32] | None:
    """Labels as they were before a person changed anything; None where nothing was there."""
    shape = project.image(id).shape
    labels, state = (zeros(shape, kind, project.path / "cache") for kind in (np.uint32, np.uint8))
    for row in project.db.rows_after(id, 0):
        if row.by_hand:
            break
        project.db.edit(row.n, shape).onto(labels, state)
    return labels if any(labels[box].any() for box in parts(labels)) else None


def _whereabouts(project: Project, record: ImageRecord) -> tuple[int, images.Place]:
    """How many frames the picture of an image has, and which image of its file it is.

    Where the picture is gone, what the project knows of it: the frames that were added.
    """
    try:
        frames = project.read_whole(record.id).n_frames
        return frames, images.place_in_file(project.source(record), record.series)
    except CellsegError:
        same = (r for r in project.images() if (r.source, r.series) == (record.source, record.series))
        return max(r.frame for r in same) + 1, images.Place()
