"""Opens and closes projects and images. No Qt.

Data flow: a folder -> `Project` -> lists in the session -> an image -> `ImageLayers` in the viewer -> `image_opened`;
closing goes the other way: `image_closing`, then the layers, then the snapshot of labels and state.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Image
from psygnal import EmitLoopError

from ... import images
from ...config import Config
from ...errors import CellsegError
from ...files import write_text
from ...project import (
    Project,
    adopt_model,
    put_size,
    save_elsewhere,
)
from ..layers.channels import ALL, IN_MEMORY, prepare
from ..layers.image_layers import ImageLayers
from ..layers.looks import Look, give, look_of
from ..layers.overlays import is_ours
from .all_images import AllImages
from .project_lists import lists, taken, unusual
from .report_errors import mistake, report_errors
from .session import Curve, Offer
from .strokes import Strokes
from .time_line import series_of
from .turns import Steps
from .window_state import WindowState
from .workspace import Workspace

READ_ONLY = (
    "This project is open in another window, so this one only looks. Close the other window and open the project again "
    "to edit here."
)


class Projects:
    """Takes and leaves projects and images."""

    def __init__(self, workspace: Workspace, strokes: Strokes, window: WindowState, all_images: AllImages) -> None:
        self._ws, self._strokes, self._window, self._all_images = workspace, strokes, window, all_images
        self._leaving: list[ImageLayers] = []
        """Layers of an image that is closed, on screen until those of the next one are."""
        self.author = ""
        """Who the history says made an edit; "" for the name of the account."""
        self.in_memory = IN_MEMORY
        """Pictures of fewer bytes are read as a whole."""
        self.snapshot_every: int | None = None
        """Edits between snapshots while an image stays open; None: as the store has it."""

    # --- projects -----------------------------------------------------------------------------------

    def use(self, project: Project) -> None:
        """Close what is open and take another project: views see the one or the other, never parts of both."""
        self._ws.turns.run(self.using(project))

    def using(self, project: Project, image: str = "") -> Steps[None]:
        """The steps of `use`; `image` is opened, "" for the one that was open when the project was closed."""
        session = self._ws.session
        try:
            found = lists(project)
            notice = unusual(project, found)
        except CellsegError:
            project.close()
            raise
        self.leave()
        project.author = self.author or project.author
        read_only = not project.claim()
        notices = (READ_ONLY if read_only else "", notice, session.notice)
        session.update(
            project=project, config=project.config, image="", store=None, problem=None, curve=Curve(), together=(),
            field_only=False, gone=False, read_only=read_only, notice="\n".join(n for n in notices if n), fitted=None,
            target=None,
            status=f"Opened {project.name}." if found["images"] else "Now add an image.", **found,
        )  # fmt: skip
        self._ws.project_opened.emit()
        if session.images:
            yield from self.opening(image or self._window.image())
            self._window.return_there()

    def recover(self, path: str | Path) -> None:
        """Put a damaged project together again and open it; where it is open, close it first."""
        project = self._ws.session.project
        if project is not None and project.path.resolve() == Path(path).resolve():
            self.leave()
            self._ws.session.update(project=None, images=(), models=(), current_model=None, rounds=())
        self.use(Project.recover(path))

    def save_elsewhere(self, path: str | Path) -> None:
        """Write what is open as another project and go on with that one."""
        self._ws.settle()
        saved = save_elsewhere(self._ws.project(), path)

        def steps() -> Steps[None]:
            yield from self.using(Project.open(saved))
            self._ws.session.update(notice="", problem=None, status=f"Saved as {saved}. You go on there.")

        self._ws.turns.run(steps())

    def leave(self) -> None:
        """Close the open project."""
        ws = self._ws
        ws.session.update(notice="")
        self._window.remember(at_once=True)
        ws.cancel()
        ws.job = None  # events of a job of another project must not reach this one
        ws.session.update(progress=None)
        self.close_image()
        if ws.session.project is not None:
            self._told(ws.session.project.close)

    def close(self) -> None:
        """Close the open project for good."""
        if self._ws.session.project is not None:
            self._told(self._ws.session.project.close)
            self._ws.session.update(project=None)

    def refresh(self) -> None:
        """Read the lists of images, models and rounds again."""
        self._ws.session.update(**lists(self._ws.project()))
        self._all_images.count()

    @report_errors
    def configure(self, config: Config) -> None:
        """Use another configuration from now on, and remember it in the project."""
        ws = self._ws
        if config == ws.session.config:
            return
        ws.session.update(config=config)
        if ws.family is not None:
            ws.family.set_margin(config.train.margin)
        if ws.session.project is not None:
            ws.session.project.save_config(config)

    @report_errors
    def save_recipe(self, path: Path) -> None:
        """Write the preprocessing steps as a configuration file that `train --config` takes, too."""
        write_text(path, Config(recipe=self._ws.session.config.recipe).to_toml())

    def use_model(self, id: str) -> None:
        """Predict and train from another model from now on."""
        project = self._ws.project()
        project.model_path(id)
        project.db.put_setting("current_model", id)
        self.refresh()
        self._ws.model_changed.emit()

    def start_from(self, model: str | Path) -> None:
        """Copy a model into the project (a base model, a model folder, another project's) and go on with it."""
        id = adopt_model(self._ws.project(), model)
        self.refresh()
        self._ws.model_changed.emit()
        self._ws.session.update(status=f"The current model is {id}. Press Predict to see what it finds.")

    # --- images -------------------------------------------------------------------------------------

    def select_image(self, id: str) -> None:
        """Close the open image (its labels are saved) and open another."""
        self._ws.turns.run(self.opening(id))

    def opening(self, id: str) -> Steps[None]:
        """The steps of `select_image`: until the last one no image is open."""
        ws = self._ws
        project = ws.project()
        if self._all_images.holds(id):
            return
        try:
            picture = project.read_image(id)
        except CellsegError as error:
            ws.fail(error, Offer("locate", (id,)))
            return
        self._window.remember(at_once=True)
        series = series_of(ws.session, id)
        same = ws.family is not None and series is not None and ws.session.image in series.ids
        look = look_of(ws.family) if same and ws.family is not None else None
        self._leave_image()
        ws.session.update(status=f"Opening {id}...")
        yield None
        try:
            yield from self._show(id, picture, look)
        except Exception:
            self._clear()
            raise
        ws.session.update(
            image=id, store=ws.layers().store, tool="", status=f"Opened {id}.", preview=False,
            channel=max(0, ws.layers().channels.channel),
            held_shown=False, user_edits=project.db.has_user_edits(),
        )  # fmt: skip
        ws.image_opened.emit()
        self.look_for_images()
        ws.count()
        if project.notices:
            ws.session.update(notice="\n".join([*filter(None, [ws.session.notice]), *taken(project.notices)]))
        if self._leaving:
            yield None
            self._clear()

    def _show(self, id: str, picture: images.Image, look: Look | None) -> Steps[None]:
        """Make the layers of an image and put them into the viewer, one in a turn; they are seen all at once.

        With the `look` of another frame of its series they look so, and the view stays where it is.
        """
        ws, project = self._ws, self._ws.project()
        prepared = yield from ws.turns.away(lambda: prepare(picture, self.in_memory))
        record, store = project.image(id), project.store(id)
        store.read_only = ws.session.read_only
        store.snapshot_every = self.snapshot_every or store.snapshot_every
        family = ImageLayers(
            ws.viewer, record, prepared, store, ws.session.config.train.margin, self._strokes.painted,
            self._strokes.undo, self._strokes.redo,
        )  # fmt: skip
        try:
            for _ in family.come():
                yield None
        except BaseException:  # something else is opened first
            family.leave()
            self._leaving.append(family)
            self._told(lambda: project.release(id))
            raise
        for other in self._leaving:
            other.hide()
        ws.family = family
        if look is not None:
            give(look, family)
        together, shown = family.channels.together, family.channels.channel
        ws.session.update(channel_names=prepared.names, channels_together=together, together_shown=shown == ALL)
        if look is None:
            ws.viewer.reset_view()
        family.labels.editable = not ws.session.read_only
        family.labels.preserve_labels = ws.session.choices.over == "background"

    def select_channel(self, channel: int) -> None:
        """Show one channel of the open image, or `ALL` of them in colour; tools and preview look at the last one."""
        ws = self._ws
        if ws.family is not None:
            shown = ws.family.channels.show(channel)
            ws.session.update(together_shown=shown == ALL, channel=ws.session.channel if shown == ALL else shown)

    def set_object_size(self, size: float) -> None:
        """Say how large typical objects of the open image are (pixels); 0: let it be estimated."""
        self._ws.store()
        put_size(self._ws.project(), self._ws.session.image, size)
        self._ws.session.update(given_size=size)

    def close_image(self, *, window_gone: bool = False) -> None:
        """Close the open image; what could not be saved is said. Layers whose window is gone are not touched."""
        self._ws.turns.stop()
        self._leave_image(window_gone=window_gone)
        self._clear()

    def _leave_image(self, *, window_gone: bool = False) -> None:
        """Close the open image, but let its layers be seen until `_clear`: drawing none, or some, would flicker."""
        ws = self._ws
        self._strokes.finish()
        ws.image_closing.emit()
        if ws.family is not None:
            if not window_gone:
                ws.family.leave()
                self._leaving.append(ws.family)
            ws.family = None
        project, image = ws.session.project, ws.session.image
        ws.session.update(image="", store=None)
        if project is not None and image:
            self._told(lambda: project.release(image))

    # --- layers that come and go --------------------------------------------------------------------

    def keep_together(self) -> None:
        """Layers of the open image that were removed come back; without image and labels, the image is closed."""
        session, family = self._ws.session, self._ws.family
        if family is None or not (missing := family.missing):
            return
        if family.gone:
            id = session.image
            self.close_image()
            session.update(status=f"Closed {id}; its labels are saved. The step Image opens it again.")
            return
        family.bring_back()
        names = ", ".join(layer.name for layer in missing)
        session.update(
            status=f"{names} came back: the layers of an image stay together. The eye hides one; removing the image "
            "and its labels together closes it."
        )

    def look_for_images(self, event: Any = None) -> None:
        """Which image layers of the viewer are not ours."""
        ws = self._ws
        own = ws.family.image if ws.family else None
        found = (x for x in ws.viewer.layers if isinstance(x, Image) and not is_ours(x) and x is not own)
        ws.session.update(open_images=tuple(x.name for x in found))

    # --- inside ---------------------------------------------------------------------------------

    def _clear(self) -> None:
        """Take layers of closed images out of the viewer."""
        while self._leaving:
            self._leaving.pop().remove()

    def _told(self, closing: Callable[[], None]) -> None:
        """Close something; what could not be kept is said and stops nothing, since the log holds every edit."""
        try:
            closing()
        except (CellsegError, EmitLoopError) as error:
            if (cause := mistake(error)) is None:
                raise
            text = f"{cause.message} {cause.hint}"
            self._ws.session.update(notice=f"{self._ws.session.notice}\n{text}".strip())
