"""What persons say of two objects, by their labels."""

from __future__ import annotations

import numpy as np

from ..errors import CellsegError
from ..project import Project, named_series
from ._kept import Word, say


def say_link(project: Project, earlier: tuple[str, int], later: tuple[str, int], *, linked: bool) -> None:
    """Keep that two objects, (image, label) each, are one or are not.

    Raises
    ------
    CellsegError
        When they are not of one series in this order, or one is not there.
    """
    series = named_series(project, earlier[0])
    if later[0] not in series.ids or series.at(later[0]) <= series.at(earlier[0]):
        raise CellsegError(
            f"{later[0]} does not come after {earlier[0]} in a time series.", "Name the earlier object first."
        )
    points = [_inside(project, *which) for which in (earlier, later)]
    back = series.points[series.at(later[0])] - series.points[series.at(earlier[0])]
    say(project, Word(later[0], points[1], back, points[0], linked))


def _inside(project: Project, image: str, label: int) -> tuple[int, ...]:
    """The pixel of an object that lies nearest to its middle."""
    places = np.argwhere(project.load_labels(image)[0] == label)
    if not len(places) or label < 1:
        raise CellsegError(f"{image} has no object {label}.", "Name a label that is there.")
    away = np.abs(places - places.mean(axis=0)).sum(axis=1)
    return tuple(int(p) for p in places[np.argmin(away)])
