"""How pictures come into a project: files, layers that are open in napari, pictures that have moved. No Qt.

Data flow: paths or a layer -> `bring_in`, in a helper thread, with progress -> the project that they belong to is
opened where it is not -> the first of them is opened, unless the person has gone on working meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CellsegError
from ...project import SUFFIX, Project
from ..layers.overlays import is_ours
from .background import Helper
from .bring_in import Brought, Cancelled, Kind, Place, Told, bring_files, bring_layer
from .session import Progress

if TYPE_CHECKING:
    from .projects import Projects
    from .turns import Steps
    from .workspace import Workspace

SHOWN_AFTER_S = 0.4
"""What takes longer has a bar and can be cancelled; a bar that is there for a moment only makes the page jump."""


@dataclass
class _Running:
    """What is being added: written by the thread, read by the clock."""

    total: int
    here: tuple[Path | None, str, int]
    done: int = 0
    name: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)
    shown: bool = False

    def told(self, done: int, name: str) -> None:
        """The thread has read so many, and goes on with the one of this name."""
        if self.stop.is_set():
            raise Cancelled
        self.done, self.name = done, name

    @property
    def long(self) -> bool:
        """Whether it takes so long that a person wants to know how far it is."""
        return time.monotonic() - self.began > SHOWN_AFTER_S

    @property
    def progress(self) -> Progress:
        """For the dock."""
        text = f"Adding picture {min(self.done + 1, self.total)} of {self.total}: {self.name}"
        return Progress("add", text, self.done / self.total)


class Additions:
    """Brings pictures into the open project, or into one that is made for them; one call at a time."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects
        self._running: _Running | None = None
        self.worker = Helper(workspace.session)

    def open_images(
        self, paths: Sequence[str | Path], folder: str | Path | None = None, *, anyway: bool = False
    ) -> None:
        """Begin with pictures, in the open project or in one that is made beside the first; or open a project folder.

        Parameters
        ----------
        folder
            Where a new project goes instead; a new one is made there in any case.
        anyway
            Take pictures of another kind than those of the open project, too.
        """
        given = [Path(path) for path in paths]
        if folders := [path for path in given if path.suffix == SUFFIX]:
            self._projects.use(Project.open(folders[0]))
        if pictures := [path for path in given if path.suffix != SUFFIX]:
            place = self._place(folder, anyway=anyway)
            self._begin(len(pictures), partial(bring_files, pictures, place))

    def add_images(self, paths: Sequence[str | Path]) -> None:
        """Add picture files to the project, of whatever kind, and open the first of them."""
        place = Place(self._ws.project().path, author=self._projects.author)
        self._begin(len(paths), partial(bring_files, [Path(path) for path in paths], place))

    def use_layer(self, name: str, folder: str | Path | None = None) -> None:
        """Work on an image that is open in napari, making a project beside its file where there is none.

        Pixels that come from no file, or from several opened as one stack, are written once into the project
        (``sources/``), since a project must be able to read them again. Of a pyramid it is the finest level. What
        showed the picture so far is taken away when ours is there.
        """
        layer = self._ws.viewer.layers[name]
        path = Path(str(layer.source.path)) if layer.source.path else None
        place = self._place(folder) if path else Place(self._ws.session.folder, _path(folder))
        self._begin(1, partial(bring_layer, layer, path, place), lambda: self._take_away(layer, path))

    def relocate(self, id: str, path: str | Path) -> None:
        """Say where a moved picture is now."""
        self._ws.project().relocate(id, path)
        self._projects.refresh()
        self._ws.session.update(problem=None)
        self._projects.select_image(id)

    @property
    def busy(self) -> bool:
        """Whether pictures are on their way."""
        return self.worker.busy

    def cancel(self) -> None:
        """Add nothing of what is not entered yet."""
        if self._running is not None:
            self._running.stop.set()
            self._ws.session.update(status="Stopping after the current picture...")

    def finish(self) -> None:
        """Wait for what is on its way."""
        self.worker.wait()
        self.follow()

    def follow(self) -> None:
        """Called by the clock: say how far it is, where nothing else does, and take what is done."""
        running, session = self._running, self._ws.session
        if running is not None and (running.shown or (running.long and session.progress is None)):
            running.shown = True
            session.update(progress=running.progress)
        self.worker.collect()

    def close(self) -> None:
        """End the thread."""
        if self._running is not None:
            self._running.stop.set()
        self.worker.close()

    # --- inside ---------------------------------------------------------------------------------

    def _place(self, folder: str | Path | None, *, anyway: bool = False) -> Place:
        session = self._ws.session
        if session.project is None or folder is not None:
            return Place(None, _path(folder), author=self._projects.author)
        kinds: frozenset[Kind] = frozenset((r.n_channels, len(r.shape)) for r in session.images)
        return Place(session.project.path, kinds=frozenset() if anyway else kinds, author=self._projects.author)

    def _begin(self, total: int, work: Callable[[Told], Brought], after: Callable[[], None] | None = None) -> None:
        """Let the thread work; `after` is done when the first image is open."""
        session = self._ws.session
        if self._running is not None:
            raise CellsegError("Pictures are being added already.", "Wait until they are there, or cancel it.")
        running = self._running = _Running(total, self._here())
        session.update(status="Reading the picture..." if total == 1 else f"Reading {total} pictures...")

        def done(brought: Brought) -> None:
            self._end(running)
            self._ws.turns.run(self._taking(running, brought, after))

        def failed(error: CellsegError) -> None:
            self._end(running)
            if isinstance(error, Cancelled):
                session.update(status=error.message)
            else:
                session.update(status="")
                self._ws.fail(error)

        self.worker.later(lambda: work(running.told), done, failed)

    def _end(self, running: _Running) -> None:
        self._running = None
        if running.shown:
            self._ws.session.update(progress=None)

    def _here(self) -> tuple[Path | None, str, int]:
        """What the person is at: the project, the image, and its newest edit."""
        session = self._ws.session
        return session.folder, session.image, session.store.n if session.store is not None else 0

    def _taking(self, running: _Running, brought: Brought, after: Callable[[], None] | None) -> Steps[None]:
        """Open what was added, unless the person works on something else by now."""
        session, first = self._ws.session, brought.ids[0]
        here = self._here()
        if session.folder is not None and here[0] != running.here[0]:
            session.update(status=f"Added {_names(brought.ids)} to {brought.project.stem}.")
            return
        if session.folder is None or session.folder.resolve() != brought.project.resolve():
            yield from self._projects.using(Project.open(brought.project), first)
        else:
            self._projects.refresh()
            if here != running.here and running.shown:
                session.update(status=f"Added {_names(brought.ids)}: the list in the step Image opens it.")
                return
            yield from self._projects.opening(first)
        if brought.notices:
            session.update(notice="\n".join([*filter(None, [session.notice]), *brought.notices]))
        if after is not None:
            try:
                yield None
            finally:  # also where the next thing is opened at once
                after()

    def _take_away(self, layer: Any, path: Path | None) -> None:
        """Layers that showed the picture of our image so far."""
        layers = self._ws.viewer.layers
        for shown in [x for x in layers if x is layer or (path and str(path) == x.source.path)]:
            if not is_ours(shown):
                layers.remove(shown)


def _path(folder: str | Path | None) -> Path | None:
    return Path(folder) if folder is not None else None


def _names(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids)} images"
