"""States of nuclei that a person said: by labels, into the project, out of tables.

A project keeps them by a pixel inside the nucleus, so they outlive new numbers of objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ..measurement import components, inner_point, labels_at, state_name
from ..project import Project, said_states, say_states

Source = str | Path
Said = Mapping[int, str]


def say(project: Project, image: str, states: Said) -> None:
    """Say the states of nuclei of an image by their labels, "" to go by the thresholds again.

    Raises
    ------
    CellsegError
        When there is no such image, object or state; nothing is kept then.
    """
    labels = project_objects(project, image)
    before = said_states(project, image)
    at = labels_at(labels, [s.point for s in before])
    points: dict[tuple[int, ...], str] = {}
    for label, state in states.items():
        point = inner_point(labels, int(label)) if label > 0 else ()
        if not point:
            raise CellsegError(f"There is no object {label} in {image}.", "Look it up in the table of objects.")
        points[point] = state_name(state) if state else ""
    say_states(project, image, points, {n for n, label in enumerate(at) if int(label) in states})


def say_all(project: Project, path: Source) -> int:
    """Say the states of a table (see `fucci_files`); returns how many."""
    found = read_corrections(path)
    for image in found:
        project.image(image)
    for image, states in found.items():
        say(project, image, states)
    return sum(map(len, found.values()))


def read_corrections(path: Source) -> dict[str, dict[int, str]]:
    """States by image and label, out of a table.

    Raises
    ------
    CellsegError
        When it cannot be read, has no such columns, or a state that there is not.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"image": str, "state": str})
    except (OSError, ValueError) as error:
        raise CellsegError(f"{path} cannot be read: {error}.", "Give a CSV with image, label and state.") from error
    missing = [name for name in ("image", "label", "state") if name not in table.columns]
    if missing:
        raise CellsegError(f"{path} has no column {', '.join(missing)}.", "Give a CSV with image, label and state.")
    if "decided_by" in table.columns:
        table = table[table["decided_by"] == "hand"]
    found: dict[str, dict[int, str]] = {}
    for image, label, state in zip(table["image"], table["label"], table["state"], strict=True):
        found.setdefault(str(image), {})[int(label)] = state_name(str(state))
    return found


def project_objects(project: Project, id: str) -> Any:
    """Labels of an image; in a project of classes, their connected regions."""
    labels = project.load_labels(id)[0]
    return labels if project.task == "instance" else components(labels)[0]


def lost_states(project: Project, id: str) -> int:
    """How many states that were said lie in no object now."""
    with suppress(CellsegError):
        said = said_states(project, id)
        if said:
            return int((labels_at(project_objects(project, id), [s.point for s in said]) == 0).sum())
    return 0
