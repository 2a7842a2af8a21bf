"""What the current model says of the open image, asked for once and for one purpose only. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..._types import Labels
from ...engine import DecodeJob, Reply
from ...errors import CellsegError
from ...events import Predicted
from ...project import check_in_memory

if TYPE_CHECKING:
    from .workspace import Workspace

Then = Callable[[Labels, str], None]


class ModelLabels:
    """Labels from the probabilities that were kept; they never count as a prediction."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._then: Then | None = None
        self._job: int | None = None

    def ask(self, then: Then) -> None:
        """Call `then` with the model's labels of the whole image and its name.

        Raises
        ------
        CellsegError
            When nothing was predicted, or something is running.
        """
        ws = self._ws
        target = ws.session.decoding
        if target is None or not ws.session.kept:
            raise CellsegError("No probabilities are kept for this image.", "Press Predict first.")
        check_in_memory(ws.session.image, ws.store().record.shape)
        ws.begin(DecodeJob(ws.project().path, ws.session.image, ws.session.together_now, target), "decode")
        self._job, self._then = ws.job, then

    def take(self, reply: Reply) -> bool:
        """The labels that were asked for; True if it was them. Nobody may be interested any more."""
        event = reply.event
        if self._job is None or reply.job != self._job or not isinstance(event, Predicted):
            return False
        then, store = self._then, self._ws.session.store
        wanted = then is not None and self._ws.cancelled != reply.job
        if then is not None and wanted and store is not None and event.image == self._ws.session.image:
            self._then = None
            labels = np.zeros(store.labels.shape, np.uint32)  # a part of the image as the whole
            labels[tuple(slice(a, b) for a, b in event.box)] = np.asarray(event.labels)
            then(labels, event.model)
        return True

    def forget(self) -> None:
        """Nobody is interested any more."""
        self._then = None
