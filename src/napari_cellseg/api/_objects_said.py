"""What persons said of objects: by labels, into the project, out of tables.

A project keeps it by a pixel inside the object, so it outlives new numbers of objects.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ..measurement import components, labels_at
from ..project import Project, Said

Source = str | Path
HAND = "hand"


def read_said(path: Source, column: str, checked: Callable[[str], str]) -> dict[str, dict[int, str]]:
    """What is said of objects, by image and label, out of a table (``.csv``) with ``image``, ``label`` and a column.

    Of a table with ``decided_by`` only the rows with ``hand`` count: one that was written here can be edited and given.

    Parameters
    ----------
    column
        The one with the words.
    checked
        Makes a word of what stands there, or raises.

    Raises
    ------
    CellsegError
        When it cannot be read, lacks a column, or has a word that cannot be one.
    """
    import pandas as pd

    columns = "image", "label", column
    hint = f"Give a CSV with image, label and {column}."
    try:
        table = pd.read_csv(path, dtype={"image": str, column: str}, keep_default_na=False)
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise CellsegError(f"{path} has no column {', '.join(missing)}.", hint)
        if "decided_by" in table.columns:
            table = table[table["decided_by"] == HAND]
        labels = [int(label) for label in table["label"]]
    except (OSError, ValueError) as error:
        raise CellsegError(f"{path} cannot be read: {error}.", hint) from error
    found: dict[str, dict[int, str]] = {}
    for image, label, word in zip(table["image"], labels, table[column], strict=True):
        if word:
            found.setdefault(str(image), {})[label] = checked(str(word))
    return found


def project_objects(project: Project, id: str) -> Any:
    """Labels of an image; in a project of classes, their connected regions."""
    labels = project.load_labels(id)[0]
    return labels if project.task == "instance" else components(labels)[0]


def lost(objects: Callable[[], Any], said: tuple[Said, ...]) -> int:
    """How many of the words lie in no object now."""
    with suppress(CellsegError):
        if said:
            return int((labels_at(objects(), [s.point for s in said]) == 0).sum())
    return 0
