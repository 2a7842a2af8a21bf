"""Time series of a project, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config import Values
from ..errors import CellsegError
from ..measurement import interval_of
from ..project import (
    Project,
    TimeSeries,
    images_named,
    join_time_series,
    named_series,
    set_interval,
    time_series_in,
)
from ..tracks import Tracks, carry_on, kept_tracks, say_link
from ._learn import names
from ._let_go import let_go
from ._tracking import Tracked, linking, track_project
from ._work import OnEvent, Stop, Work, method, never


class TimeVerbs:
    """Verbs of an open project that are about time."""

    project: Project

    @property
    def time_series(self) -> tuple[TimeSeries, ...]:
        """Time series: ``name``, ``ids`` of their frames in order, ``points``, ``interval_s`` (None: nobody knows)."""
        return tuple(time_series_in(self.project.images()).values())

    def join(self, name: str, images: Sequence[str], interval: str = "") -> TimeSeries:
        """Make images of the project frames of one time series, in this order.

        Raises
        ------
        CellsegError
            When they differ in size or channels, one is a frame of another series, or the name is taken.
        """
        self._check_window()
        return join_time_series(self.project, name, tuple(images), seconds_of(interval))

    def set_interval(self, name: str, interval: str) -> None:
        """Say how long it is from one time point of a series to the next: ``"15min"``, ``"0.5h"``; "": unknown.

        Raises
        ------
        CellsegError
            When there is no such series, or it is no time.
        """
        set_interval(self.project, name, seconds_of(interval))

    @method
    def track(
        self,
        series: str | Sequence[str] | None = None,
        *,
        settings: Values = (),
        out: str | Path | None = None,
        format: str = "csv",
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Tracked]:
        """Follow objects through time: which labels of different frames are one object, and which divide.

        Labels keep their numbers. Tracks are kept in the project, in the place of older ones; links that persons made
        or cut (`link`, `cut`) hold.

        Parameters
        ----------
        series : str or list of str
            Names of time series; all of them where not given.
        settings : dict or list of str
            Of `napari_cellseg.tracks.Linking`: ``{"gaps": 2, "divisions": False}``.
        out : str or Path
            A folder for the tracks.
        format : str
            ``"csv"``: a table of all objects; ``"ctc"``: a folder for each series as results of the Cell Tracking
            Challenge are (``mask000.tif``..., ``res_track.txt``); ``"ctc-truth"``: as its truth is.
        on_event, stop : callable
            Called with every event; asked before every frame whether to end.

        Returns
        -------
        Tracked

        Raises
        ------
        CellsegError
            Before anything is written: when labels are classes, there is no such series or format.
        """
        return track_project(self.project, names(series), linking(settings), (Path(out) if out else None, format), stop)

    def tracks(self, series: str) -> Tracks | None:
        """The tracks that are kept of a series, as it was tracked last; None where it was not.

        Raises
        ------
        CellsegError
            When there is no such series.
        """
        return kept_tracks(self.project, named_series(self.project, series))

    def link(self, earlier: tuple[str, int], later: tuple[str, int]) -> None:
        """Say that two objects, (image, label) each, are one, or mother and daughter; the next `track` obeys.

        Raises
        ------
        CellsegError
            When they are not of one series in this order, or one is not there.
        """
        say_link(self.project, earlier, later, linked=True)

    def cut(self, earlier: tuple[str, int], later: tuple[str, int]) -> None:
        """Say that two objects, (image, label) each, are not one; the next `track` obeys."""
        say_link(self.project, earlier, later, linked=False)

    def carry_on(self, image: str, objects: Sequence[int] = ()) -> dict[int, int]:
        """Copy objects of a frame into the next one where nobody has edited, as one edit; their labels there.

        Parameters
        ----------
        image : str
            Id of the frame that is copied from.
        objects : list of int
            Labels; all that are approved where none is named.

        Raises
        ------
        CellsegError
            When a napari window edits the project, it is the last frame, or nothing can be copied.
        """
        self._check_window()
        found = carry_on(self.project, named_series(self.project, image), image, objects)
        self.project.store(found.image).apply(found.edit)
        let_go(self.project, found.image)
        return found.labels

    def _named(self, images: str | Sequence[str] | None) -> tuple[str, ...]:
        """Ids of images that are named, all frames of time series among them; () where none is named."""
        return tuple(dict.fromkeys(id for name in names(images) for id in images_named(self.project, name)))

    def _check_window(self) -> None:
        if not self.project.claim():
            raise CellsegError("A napari window edits this project.", "Close it first, or do it there.")


def seconds_of(interval: str) -> float | None:
    """Seconds of ``15min``; None of "".

    Raises
    ------
    CellsegError
        When it is no time.
    """
    return interval_of(interval).hours * 3600 if interval.strip() else None
