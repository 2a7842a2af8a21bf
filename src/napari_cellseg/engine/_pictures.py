"""Pictures in a child that computes for another machine: they lie with the window, and come when they are read."""

from __future__ import annotations

import threading
from pathlib import Path

from ..errors import CellsegError
from ..events import PictureWanted
from ..project import ImageRecord
from ._messages import Picture, Reply
from ._streams import Speaker


class Elsewhere:
    """Asks for pictures and waits for them; `find` is called in the thread of the jobs, `take` in that of the pipe.

    Attributes
    ----------
    job
        The job that runs.
    """

    def __init__(self, send: Speaker) -> None:
        self._send, self.job = send, 0
        self._there: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._come = threading.Condition()

    def find(self, record: ImageRecord) -> Path:
        """Where the picture of a record lies now. Whoever gives it keeps it up to date.

        Raises
        ------
        CellsegError
            When it cannot be had.
        """
        source = record.source
        with self._come:
            if source not in self._there:
                self._send(Reply(self.job, PictureWanted(source)))
                self._come.wait_for(lambda: source in self._there or source in self._refused)
            if reason := self._refused.pop(source, ""):
                raise CellsegError(
                    f"The picture of {record.id} cannot be had: {reason}", "Look at it where napari runs."
                )
            return Path(self._there[source])

    def take(self, picture: Picture) -> None:
        """A picture is there, or cannot be had."""
        with self._come:
            if picture.reason:
                self._refused[picture.source] = picture.reason
            else:
                self._there[picture.source] = picture.path
            self._come.notify_all()
