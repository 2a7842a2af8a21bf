"""Verbs of an open project round reviewers: cycles of review, and how far annotators agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cycles import close_cycle
from ..project import Project, ReviewCycle, open_cycle
from ..report import CycleTold, told_cycles
from ._agree import compare_annotators, compare_everywhere
from ._results import Agreement


class ReviewingVerbs:
    """What `OpenProject` offers round reviewers."""

    project: Project

    @property
    def review_cycles(self) -> tuple[CycleTold, ...]:
        """Every review cycle: who, when, how much work, what it changed and how far it agrees with the one before."""
        return tuple(told_cycles(self.project))

    def open_review_cycle(self, reviewer: str = "", note: str = "") -> ReviewCycle:
        """Begin a pass of a reviewer over all images; how labels stand now is kept.

        Parameters
        ----------
        reviewer : str
            Who reviews, which the project remembers; who reviewed last, or edits, where not given.
        note : str
            What it is for.

        Raises
        ------
        CellsegError
            When a cycle is open already, or there is no image.
        """
        return open_cycle(self.project, reviewer, note)

    def close_review_cycle(self) -> CycleTold:
        """End the open review cycle: keep how labels stand now, and measure what it changed in every image.

        Raises
        ------
        CellsegError
            When no cycle is open, or it cannot be written; it is open then, as before.
        """
        n = close_cycle(self.project).cycle.n
        return next(told for told in self.review_cycles if told.cycle.n == n)

    def compare(
        self,
        image: str | None,
        labels: Sequence[str | Path],
        *,
        map: str | Path | None = None,
        consensus: str | Path | None = None,
    ) -> Agreement:
        """How far annotators agree: this project and mask files, or other copies of the project.

        Parameters
        ----------
        image : str
            Id of an image; None for all images, of which `labels` are copies of the project, or folders of masks that
            are called like the pictures: then `pairs` are of all images pooled, and `images` of each.
        map, consensus : str or Path
            Files to write of one image: where the first two differ (1 first alone, 2 second alone, 3 both, 4 different
            objects), and what most of them say. Of all images folders, with a file for each.

        Raises
        ------
        CellsegError
            Before anything is written: when there is no such image, labels cannot be read or have another shape, or no
            image has labels of everybody.
        """
        where = Path(map) if map else None, Path(consensus) if consensus else None
        if image is None:
            return compare_everywhere(self.project, labels, *where)
        return compare_annotators(self.project, image, labels, *where)
