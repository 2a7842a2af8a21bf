"""States of nuclei that a person said: by labels, into the project, out of tables."""

from __future__ import annotations

from collections.abc import Mapping

from ..measurement import points_to_say, state_name
from ..project import Project, said_states, say_states
from ._objects_said import Source, lost, project_objects, read_said

Said = Mapping[int, str]


def say(project: Project, image: str, states: Said) -> None:
    """Say the states of nuclei of an image by their labels, "" to go by the thresholds again.

    Raises
    ------
    CellsegError
        When there is no such image, object or state; nothing is kept then.
    """
    named = {int(label): state_name(state) if state else "" for label, state in states.items()}
    points, instead = points_to_say(project_objects(project, image), named, said_states(project, image), image)
    say_states(project, image, points, instead)


def say_all(project: Project, path: Source) -> int:
    """Say the states of a table (see `fucci_files`); returns how many."""
    found = read_corrections(path)
    for image in found:
        project.image(image)
    for image, states in found.items():
        say(project, image, states)
    return sum(map(len, found.values()))


def read_corrections(path: Source) -> dict[str, dict[int, str]]:
    """States by image and label, out of a table; see `read_said`."""
    return read_said(path, "state", state_name)


def lost_states(project: Project, id: str) -> int:
    """How many states that were said lie in no object now."""
    return lost(lambda: project_objects(project, id), said_states(project, id))
