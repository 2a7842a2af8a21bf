"""Verbs of an open project that correct single objects."""

from __future__ import annotations

from collections.abc import Sequence

from .._types import Span
from ..project import Project
from ._click import Clicked, click_object, places


class CorrectingVerbs:
    """What `OpenProject` offers for single objects."""

    project: Project

    def click(
        self,
        image: str,
        at: Sequence[int] | Sequence[Sequence[int]] = (),
        *,
        but_not: Sequence[int] | Sequence[Sequence[int]] = (),
        box: Span = (),
        through: bool = False,
        class_: int = 1,
    ) -> Clicked:
        """Find the object that is pointed at in the picture, and draw it: as the tool *Click* does.

        It takes the place of the object of which it covers at least half, else it is a new one. Corrected and approved
        voxels of other objects stay theirs.

        Parameters
        ----------
        image : str
            Id of the image.
        at, but_not : tuple of int, or several
            Voxels ((Z,) Y, X) that belong to the object, and voxels that do not, in the order of the clicks.
        box : tuple of (int, int)
            (start, stop) per axis round the object, instead of a click or beside it; in volumes of one slice.
        through : bool
            Follow it into the slices above and below.
        class_ : int
            Number of the class, in a project of classes.

        Returns
        -------
        Clicked

        Raises
        ------
        CellsegError
            When a place lies outside of the image or in another slice, nothing is found there, or the object is
            approved, which protects it.
        """
        return click_object(self.project, image, (places(at), places(but_not), box), through, class_)
