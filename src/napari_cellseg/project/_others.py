"""Labels of one image that lie elsewhere: masks of any tool, other annotators' copies of the project."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import images
from ._folder import Project
from ._records import ImageRecord


def labels_of_others(
    paths: Sequence[Path], record: ImageRecord, classes: Sequence[str] = (), taken: Sequence[str] = ()
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
        else:
            name = Path(record.source).name
            labels = images.read_masks(path, images.MasksFor(record.shape, name=name, classes=tuple(classes))).labels
        names = itertools.chain([path.name], (f"{path.name} ({k})" for k in itertools.count(2)))
        found[next(n for n in names if n not in found and n not in taken)] = labels
    return found


def labels_before(project: Project, id: str) -> NDArray[np.uint32] | None:
    """Labels as they were before a person changed anything; None where nothing was there."""
    shape = project.image(id).shape
    labels, state = np.zeros(shape, np.uint32), np.zeros(shape, np.uint8)
    for row in project.db.rows_after(id, 0):
        if row.by_hand:
            break
        project.db.edit(row.n, shape).onto(labels, state)
    return labels if labels.any() else None
