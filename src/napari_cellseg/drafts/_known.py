"""A random forest learns from what a person has said in a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from ..config import Config
from ..errors import CellsegError
from ..project import Project, known_mask
from ._forest import Example, FittedClassifier, PixelClassifier


def learn(project: Project, method: PixelClassifier, config: Config | None = None) -> FittedClassifier:
    """Learn from every corrected and approved voxel of the training images, and from hints.

    Parameters
    ----------
    config
        Its recipe and the margin of its training count; the project's own where not given.

    Raises
    ------
    CellsegError
        When nothing is known there, or only background, or a picture cannot be read.
    """
    known = KnownImages(project, config or project.config)
    if not known:
        raise CellsegError(
            f"Nothing is known in the training images of {project.name}, so there is nothing to learn from.",
            "Correct a few cells, or paint hints on cells and on background, or use --method otsu.",
        )
    return method.fit(known, instances=project.task == "instance")


class KnownImages(Sequence[Example]):
    """The training images in which a person has said something; each is read when it is asked for."""

    def __init__(self, project: Project, config: Config) -> None:
        self._project, self._config = project, config
        hinted = project.db.hinted()
        self._ids = [r.id for r in project.images("train") if r.id in hinted or project.load_labels(r.id)[1].any()]

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """One image: its pixels after the recipe, labels, what is known of them, um per voxel, hints."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        project, id = self._project, self._ids[index]
        image = project.read_image(id)
        labels, state = project.load_labels(id)
        known = known_mask(labels, state, self._config.train.margin, instances=project.task == "instance")
        return Example(self._config.recipe(image.load()), labels, known, image.spacing_um, project.hints(id).values)
