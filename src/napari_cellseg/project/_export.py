"""Labels out of a project, one image at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import images as pictures
from ._cycles import labels_of_cycle
from ._folder import Project
from ._records import ImageRecord


def export_labels(
    project: Project,
    id: str,
    folder: str | Path,
    format: str = "tif",
    *,
    known_only: bool = False,
    cycle: int | None = None,
) -> Path:
    """Write the labels of one image, as they stand on disk, to ``folder/<id>_labels.<format>``; returns that path.

    Parameters
    ----------
    format
        One of `images.LABEL_FORMATS`.
    known_only
        Only corrected and approved voxels.
    cycle
        As labels were when this review cycle was closed.

    Raises
    ------
    CellsegError
        When there is no such image, the format does not suit it, or the file cannot be written.
    """
    record = project.image(id)
    labels, state = project.load_labels(id) if cycle is None else labels_of_cycle(project, id, cycle)
    chosen: NDArray[Any] = np.where(state > 0, labels, 0) if known_only else labels
    return write_labels_of(project, record, chosen, Path(folder) / f"{id}_labels.{format}")


def write_labels_of(project: Project, record: ImageRecord, labels: NDArray[Any], path: str | Path) -> Path:
    """Write labels of one image with what is known of it: voxel size, classes, its picture; returns the path.

    Raises
    ------
    CellsegError
        When the format does not suit it, or the file cannot be written.
    """
    return pictures.write_labels(path, labels, record.spacing_um, project.meanings, project.source(record))
