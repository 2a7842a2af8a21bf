"""Verbs of an open project round reviewers: cycles of review, spot checks, and how far annotators agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cycles import close_cycle
from ..project import ReviewCycle, open_cycle
from ..report import CycleTold, told_cycles
from ..trust import FIELDS, OBJECTS, Drawing, SpotResult, draw, results, write_sample
from ._agree import compare_annotators, compare_everywhere
from ._results import Agreement
from ._spot_check import Answers, answer, chosen_check
from ._time_verbs import TimeVerbs


class ReviewingVerbs(TimeVerbs):
    """What `OpenProject` offers round reviewers."""

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

    def draw_spot_check(
        self,
        objects: int = OBJECTS,
        fields: int = FIELDS,
        *,
        seed: int = 0,
        images: str | Sequence[str] | None = None,
        sample: str | Path | None = None,
    ) -> SpotResult:
        """Draw random objects that nobody has touched, and random fields in which to count missed ones.

        Answers come from the Workbench (step *Rounds*), from a table or from values (`answer_spot_check`).

        Parameters
        ----------
        objects, fields
            How many; at least 12 objects.
        seed : int
            The same seed draws the same places of the same labels.
        images : str or list of str
            Ids; all predicted images where not given.
        sample : str or Path
            A table (CSV) to write, which can be filled in.

        Raises
        ------
        CellsegError
            Before anything is written: when labels are classes, or nothing untouched is left.
        """
        check = draw(self.project, Drawing(objects, fields, seed, self._named(images)))
        if sample is not None:
            write_sample(check, sample)
        return self.spot_checks[-1]

    def answer_spot_check(self, answers: Answers, check: int | None = None) -> SpotResult:
        """Keep answers to a spot check (the newest where not given) and say what it comes to.

        Parameters
        ----------
        answers : str, Path or dict
            A table that `draw_spot_check` wrote, filled in; or by the number of the place ``"right"``, ``"wrong"``,
            ``"unsure"``, or of a field how many were missed.

        Raises
        ------
        CellsegError
            When there is no such check or place, or an answer is none; nothing is kept then.
        """
        return answer(self.project, answers, check)

    def write_spot_check(self, path: str | Path, check: int | None = None) -> Path:
        """Write the places of a spot check (the newest where not given) and the answers so far as CSV."""
        return write_sample(chosen_check(self.project, check), path)

    @property
    def spot_checks(self) -> tuple[SpotResult, ...]:
        """What every spot check says of what nobody looked at: precision and recall with intervals; oldest first."""
        return tuple(results(self.project))
