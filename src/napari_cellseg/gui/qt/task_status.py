"""Tells napari's window what runs, so that it asks before it is closed and cancels what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..app.controller import Controller
from ..app.view import View
from ..layers._napari import task_manager

if TYPE_CHECKING:
    import napari

PROVIDER = "Cellseg"


class TaskStatus:
    """One task of the window, busy while the person waits for something."""

    def __init__(self, viewer: napari.Viewer, controller: Controller) -> None:
        self._tasks, self._controller = task_manager(viewer), controller
        self._id: object = None
        if self._tasks is not None:
            controller.views.changed.connect(self._follow)

    def _follow(self, view: View) -> None:
        from napari.utils.task_status import Status

        busy = view.progress is not None
        if self._id is None and busy:
            self._id = self._tasks.register_task_status(
                PROVIDER, Status.BUSY, view.progress_kind, self._controller.cancel
            )
        elif self._id is not None:
            self._tasks.update_task_status(self._id, Status.BUSY if busy else Status.COMPLETED, view.progress_kind)
