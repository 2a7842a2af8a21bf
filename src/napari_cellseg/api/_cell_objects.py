"""The cells of one image of a project of classes."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CellsegError
from ..measurement import CellRules, Cells, Roles, cells_of_classes
from ..project import CellClasses, Project, cell_classes

Together = Sequence[Sequence[tuple[int, ...]]]
"""Places in parts of one nucleus, a list for each cell."""


def cells_of_image(project: Project, id: str, roles: Roles, rules: CellRules, together: Together = ()) -> Cells:
    """Cells of one image, as it is labelled now."""
    labels, _ = project.load_labels(id)
    return cells_of_classes(labels, roles, rules, spacing=project.image(id).spacing_um, together=together)


def cell_names(project: Project, nucleus: str = "", envelope: str = "") -> CellClasses:
    """Names of the classes of nuclei and envelopes; where none is given, those that the project keeps."""
    kept = cell_classes(project)
    return CellClasses(nucleus.strip() or kept.nucleus, envelope.strip() or kept.envelope)


def cell_roles(project: Project, names: CellClasses | None = None) -> Roles:
    """The project's classes by their names; what is neither background nor one of the two is the rest of a cell.

    Parameters
    ----------
    names
        Those that the project keeps where not given.

    Raises
    ------
    CellsegError
        When the project has objects, or no class of the name of nuclei.
    """
    if project.task == "instance":
        raise CellsegError("The labels of this project are objects already.", "This is for projects of classes.")
    names = names or cell_classes(project)
    numbers = {name.strip().lower(): n for n, name in enumerate(project.classes, 1)}
    if names.nucleus.lower() not in numbers:
        raise CellsegError(
            f"The project has no class {names.nucleus!r}.",
            f"Say once which of {', '.join(project.classes)} are nuclei: cells --nucleus CLASS; the project keeps it.",
        )
    inner, shell = numbers.pop(names.nucleus.lower()), numbers.pop(names.envelope.lower(), 0)
    numbers.pop("background", None)
    return Roles(inner, shell, tuple(numbers.values()))
