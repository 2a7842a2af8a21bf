"""The cells of one image of a project of classes."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CellsegError
from ..measurement import CellRules, Cells, Roles, cells_of_classes
from ..project import Project

Together = Sequence[Sequence[tuple[int, ...]]]
"""Places in parts of one nucleus, a list for each cell."""


def cells_of_image(project: Project, id: str, roles: Roles, rules: CellRules, together: Together = ()) -> Cells:
    """Cells of one image, as it is labelled now."""
    labels, _ = project.load_labels(id)
    return cells_of_classes(labels, roles, rules, spacing=project.image(id).spacing_um, together=together)


def cell_roles(project: Project, nucleus: str = "nucleus", envelope: str = "envelope") -> Roles:
    """The project's classes by their names; what is neither background nor one of the two is the rest of a cell.

    Raises
    ------
    CellsegError
        When the project has objects, or no class of the name of nuclei.
    """
    if project.task == "instance":
        raise CellsegError("The labels of this project are objects already.", "This is for projects of classes.")
    numbers = {name.strip().lower(): n for n, name in enumerate(project.classes, 1)}
    if nucleus.lower() not in numbers:
        raise CellsegError(
            f"The project has no class {nucleus!r}.",
            f"Say which of {', '.join(project.classes)} are nuclei: cells --nucleus CLASS.",
        )
    inner, shell = numbers.pop(nucleus.lower()), numbers.pop(envelope.lower(), 0)
    numbers.pop("background", None)
    return Roles(inner, shell, tuple(numbers.values()))
