"""Which images a project has: remove, restore, rename, move to another split. No Qt.

Data flow: a wish -> the image is closed where it is open -> the change in the helper thread, with a connection of its
own -> the lists are read again. What was removed can be restored from the same menu.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ...project import (
    Project,
    Removed,
    Split,
    change_split,
    join_time_series,
    remove_image,
    rename_image,
    restore_image,
    what_goes,
)
from .report_errors import report_errors
from .time_line import entries, entry_of, joinable
from .turns import Steps

if TYPE_CHECKING:
    from ...errors import CellsegError
    from .projects import Projects
    from .workspace import Workspace

T = TypeVar("T")


class ImageChanges:
    """What is done to the list of images."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects

    @report_errors
    def what_goes(self, id: str) -> str:
        """What removing an image would take along, in words."""
        return what_goes(self._ws.project(), id).text

    @report_errors
    def remove(self, id: str) -> None:
        """Take an image out of the project; it can be restored."""

        def done(gone: Removed) -> None:
            self._go_on(self._neighbour(id), f"Removed {gone.id} ({gone.text}). *This image* restores it.")

        self._change(id, lambda project: remove_image(project, id), done)

    @report_errors
    def restore(self, key: str) -> None:
        """Put a removed image back and open it."""
        self._change("", lambda project: restore_image(project, key), lambda id: self._go_on(id, f"{id} is back."))

    @report_errors
    def rename(self, id: str, name: str) -> None:
        """Give an image another name."""
        name = name.strip()
        self._change(id, lambda project: rename_image(project, id, name), lambda _: self._go_on(name, f"{name} it is."))

    def joinable(self, id: str) -> tuple[str, tuple[str, ...]] | None:
        """The time series that an image could be a frame of, as its name says: a name, and its frames."""
        return joinable(self._ws.session).get(id)

    @report_errors
    def join(self, name: str, ids: tuple[str, ...]) -> None:
        """Make images frames of one time series, in this order."""
        done = f"{name} is one time series of {len(ids)} frames now: the slider above goes through them."
        self._change("", lambda project: join_time_series(project, name, ids), lambda _: self._go_on(name, done))

    @report_errors
    def move(self, id: str, split: Split) -> None:
        """Say what an image is for."""

        def done(note: str) -> None:
            self._go_on(id, f"{id} is an image for {split} now.")
            self._ws.session.update(notice=note or self._ws.session.notice)

        self._change(id, lambda project: change_split(project, id, split), done)

    # --- inside ---------------------------------------------------------------------------------

    def _change(self, id: str, change: Callable[[Project], T], done: Callable[[T], None]) -> None:
        """Close the image, change the project in the helper thread, then read it again."""
        ws, folder, shown = self._ws, self._ws.project().path, self._ws.session.image
        ws.check_idle()
        ws.settle()
        open_now = bool(id) and (id == shown or id == entry_of(ws.session, shown))
        if open_now:
            self._projects.close_image()

        def work() -> T:
            with Project.open(folder) as own:  # this thread's own connection
                return change(own)

        def failed(error: CellsegError) -> None:
            if open_now:
                self._projects.select_image(shown)
            ws.fail(error)

        def take(result: T) -> None:
            if ws.session.folder == folder:
                done(result)

        ws.session.update(status="...")
        ws.helper.later(work, take, failed)

    def _neighbour(self, id: str) -> str:
        """What is shown when a line of the list is gone: the open one, or the one after it."""
        session = self._ws.session
        ids = [entry.key for entry in entries(session)]
        rest = [other for other in ids if other != id]
        at = ids.index(id) if id in ids else 0
        return session.image or (rest[min(at, len(rest) - 1)] if rest else "")

    def _go_on(self, image: str, status: str) -> None:
        def steps() -> Steps[None]:
            session = self._ws.session
            self._projects.refresh()
            first = next((entry.ids[0] for entry in entries(session) if entry.key == image), image)
            if image and image not in (session.image, entry_of(session, session.image)):
                yield from self._projects.opening(first)
            session.update(status=status)

        self._ws.turns.run(steps())
