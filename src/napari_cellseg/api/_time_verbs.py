"""Time series of a project, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CellsegError
from ..measurement import interval_of
from ..project import Project, TimeSeries, images_named, join_time_series, set_interval, time_series_in
from ._learn import names


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
