"""Tells classes again and again while a person says more: what is measured is kept until its labels change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..measurement import ClassesTold, Objects, labels_at, rows_to_say
from ..project import Project, all_said_classes
from ._object_classes import ObjectsSaid, objects_said, rules_of, tell
from ._work import Stop, never

Point = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Known:
    """The objects of an image as they were at an edit, and which label lies at which point."""

    edit: int
    objects: Objects
    at: dict[Point, int]


class ClassTeller:
    """Classes of the objects of a project; of one thread.

    Parameters
    ----------
    project
        Given anew to every call: connections are those of their thread.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def tell(
        self, project: Project, ids: Sequence[str], stop: Stop = never, live: Mapping[str, Any] | None = None
    ) -> ClassesTold:
        """The classes of the objects of some images, learnt from all in which anything was said.

        Parameters
        ----------
        live
            Labels that are in memory, by image: they need not be read again to find the objects of words.

        Raises
        ------
        CellsegError
            When an image cannot be measured, a rule cannot be used, or it was stopped.
        """
        said = all_said_classes(project)
        ends = project.db.log_ends()
        found: dict[str, ObjectsSaid] = {}
        for id in dict.fromkeys([*ids, *said]):
            known = self._known.get(id)
            if known is None or known.edit != ends.get(id, 0):
                known = self._known[id] = _Known(ends.get(id, 0), objects_said(project, id, stop).objects, {})
            words = said.get(id, ())
            if new := [s.point for s in words if s.point not in known.at]:
                labels = live[id] if live and id in live else project.load_labels(id)[0]
                at = labels_at(labels, new)
                known.at.update({p: int(label) for p, label in zip(new, at, strict=True)})
            by_label = {known.at[s.point]: s.word for s in words if known.at[s.point]}
            found[id] = ObjectsSaid(known.objects, by_label)
        return tell(found, rules_of(project))

    def objects(self, id: str) -> Objects:
        """The objects of an image that was told."""
        return self._known[id].objects

    def least_sure(self, told: ClassesTold, id: str, n: int = 20) -> NDArray[np.int64]:
        """Labels of the objects of an image that are worth a word, the most worth it first."""
        table, columns = self._known[id].objects.table, told.columns[id]
        open_to = ~columns["decided_by"].isin(("hand", "rule")).to_numpy()
        rows = rows_to_say(told, table, open_to, n)
        return np.asarray(table["label"], np.int64)[rows]
