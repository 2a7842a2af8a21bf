"""Opens and closes projects and images, and reads of them what views show. No Qt.

Data flow: a folder -> `Project` -> lists in the session -> an image -> `ImageLayers` in the viewer -> `image_opened`;
closing goes the other way: `image_closing`, then the layers, then the snapshot of labels and state.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Image
from psygnal import EmitLoopError

from ... import images
from ...config import Config
from ...engine import unjudged_models
from ...errors import CellsegError
from ...files import write_text
from ...project import (
    SUFFIX,
    Addition,
    Project,
    adopt_model,
    new_project,
    put_size,
    removed_images,
    save_elsewhere,
    unfinished_runs,
)
from ..layers.image_layers import ImageLayers
from ..layers.overlays import is_ours
from ..layers.save_pixels import holds_file, save_pixels
from .all_images import AllImages
from .items import Item
from .report_errors import mistake, report_errors
from .session import Curve, Offer
from .strokes import Strokes
from .window_state import WindowState
from .workspace import Offering, Workspace

READ_ONLY = (
    "This project is open in another window, so this one only looks. Close the other window and open the project again "
    "to edit here."
)


class Projects:
    """Takes and leaves projects and images."""

    def __init__(self, workspace: Workspace, strokes: Strokes, window: WindowState, all_images: AllImages) -> None:
        self._ws, self._strokes, self._window, self._all_images = workspace, strokes, window, all_images
        self.author = ""
        """Who the history says made an edit; "" for the name of the account."""

    # --- projects -----------------------------------------------------------------------------------

    def use(self, project: Project) -> None:
        """Close what is open and take another project: views see the one or the other, never parts of both."""
        session = self._ws.session
        try:
            lists = _lists(project)
            notice = _unusual(project, lists)
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
            status=f"Opened {project.name}." if lists["images"] else "Now add an image.", **lists,
        )  # fmt: skip
        self._ws.project_opened.emit()
        if session.images:
            self.select_image(self._window.image())
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
        self.use(Project.open(saved))
        self._ws.session.update(notice="", problem=None, status=f"Saved as {saved}. You go on there.")

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
        self._ws.session.update(**_lists(self._ws.project()))
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
            self.use(Project.open(folders[0]))
        if pictures := [path for path in given if path.suffix != SUFFIX]:
            if self._ws.session.project is None or folder is not None:
                self.use(self._project_for(pictures, folder))
            elif not anyway:
                self._refuse_another_kind(pictures)
            self.add_images(pictures)

    def _project_for(self, pictures: list[Path], folder: str | Path | None) -> Project:
        """The project of pictures that have none: beside the first of them, or in a folder; it may be there already."""
        for picture in pictures:
            images.check_content(images.read(picture))  # before a project is made for it
        home = Path(folder) if folder else pictures[0].resolve().parent
        if not os.access(home, os.W_OK):
            raise Offering(
                f"Nothing can be written to {home}, where the pictures are.", "Choose a folder for the project.",
                Offer("folder", tuple(map(str, pictures))),
            )  # fmt: skip
        base = home / (pictures[0].name.split(".")[0] if len(pictures) == 1 else home.name)
        return _made_or_new(base)

    def _refuse_another_kind(self, pictures: list[Path]) -> None:
        """Pictures with other channels or axes than those of the project are asked about."""
        known = {(r.n_channels, len(r.shape)) for r in self._ws.session.images}
        for picture in pictures:
            image = images.read(picture)
            kind = image.n_channels, len(image.spatial_shape)
            if known and kind not in known:
                raise Offering(
                    f"{picture.name} is {_kind(*kind)}, those of this project: {_kind(*min(known))}.",
                    "One network learns best from one kind of image.",
                    Offer("own project", tuple(map(str, pictures))), Offer("add anyway", tuple(map(str, pictures))),
                )  # fmt: skip

    def add_images(self, paths: Sequence[str | Path]) -> None:
        """Add picture files to the project and open the first of them."""
        done = self._ws.project().add_images(Addition(Path(path)) for path in paths)
        added = [id for each in done for id in each.ids]
        self.refresh()
        if added:
            self.select_image(added[0])

    def use_layer(self, name: str, folder: str | Path | None = None) -> None:
        """Work on an image that is open in napari, making a project beside its file where there is none.

        Pixels that come from no file, or from several opened as one stack, are written once into the project
        (``sources/``), since a project must be able to read them again. Of a pyramid it is the finest level.
        """
        layer = self._ws.viewer.layers[name]
        path = Path(str(layer.source.path)) if layer.source.path else None
        if path is not None and holds_file(layer, images.read(path)):
            self.open_images([path], folder)
        else:
            if self._ws.session.project is None:
                home = Path(folder) if folder else path.parent if path else Path.cwd()
                self.use(_made_or_new(home / name.split(" ")[0].split(".")[0]))
            self.add_images([save_pixels(layer, self._ws.project().path / "sources")])
        for shown in [x for x in self._ws.viewer.layers if x is layer or (path and str(path) == x.source.path)]:
            if not is_ours(shown):  # its picture is shown by a layer of ours now
                self._ws.viewer.layers.remove(shown)

    def relocate(self, id: str, path: str | Path) -> None:
        """Say where a moved picture is now."""
        self._ws.project().relocate(id, path)
        self.refresh()
        self._ws.session.update(problem=None)
        self.select_image(id)

    def select_image(self, id: str) -> None:
        """Close the open image (its labels are saved) and open another."""
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
        self.close_image()
        self._show(id, picture)
        ws.session.update(
            image=id, store=ws.layers().store, channel=0, tool="", status=f"Opened {id}.", preview=False,
            held_shown=False, user_edits=project.db.has_user_edits(),
        )  # fmt: skip
        ws.image_opened.emit()
        self.look_for_images()
        ws.count()
        if project.notices:
            ws.session.update(notice="\n".join([*filter(None, [ws.session.notice]), *taken(project.notices)]))

    def _show(self, id: str, picture: images.Image) -> None:
        """Make the layers of an image."""
        ws, project = self._ws, self._ws.project()
        record, store = project.image(id), project.store(id)
        store.read_only = ws.session.read_only
        ws.family = ImageLayers(
            ws.viewer, record, picture, store, ws.session.config.train.margin, self._strokes.painted,
            self._strokes.undo, self._strokes.redo,
        )  # fmt: skip
        ws.viewer.reset_view()
        ws.family.labels.editable = not ws.session.read_only
        ws.family.labels.preserve_labels = ws.session.choices.over == "background"

    def step_image(self, by: int) -> None:
        """Open the next or the previous image."""
        session = self._ws.session
        ids = [r.id for r in session.images]
        if session.image in ids:
            self.select_image(ids[(ids.index(session.image) + by) % len(ids)])

    def select_channel(self, channel: int) -> None:
        """Show another channel of the open image."""
        if self._ws.family is not None:
            self._ws.family.show_channel(channel)
            self._ws.session.update(channel=channel)

    def set_object_size(self, size: float) -> None:
        """Say how large typical objects of the open image are (pixels); 0: let it be estimated."""
        self._ws.store()
        put_size(self._ws.project(), self._ws.session.image, size)
        self._ws.session.update(given_size=size)

    def close_image(self) -> None:
        """Close the open image; what could not be saved is said."""
        ws = self._ws
        self._strokes.finish()
        ws.image_closing.emit()
        if ws.family is not None:
            ws.family.remove()
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

    def _told(self, closing: Callable[[], None]) -> None:
        """Close something; what could not be kept is said and stops nothing, since the log holds every edit."""
        try:
            closing()
        except (CellsegError, EmitLoopError) as error:
            if (cause := mistake(error)) is None:
                raise
            text = f"{cause.message} {cause.hint}"
            self._ws.session.update(notice=f"{self._ws.session.notice}\n{text}".strip())


def _made_or_new(base: Path) -> Project:
    """The project that is there already, or a new one."""
    made = base.with_name(base.name + SUFFIX)
    return Project.open(made) if made.exists() else new_project(base)


def _kind(channels: int, ndim: int) -> str:
    """``a volume of 3 channels``."""
    shape = "volume" if ndim == 3 else "picture"
    return f"a grey {shape}" if channels == 1 else f"a {shape} of {channels} channels (colours)"


def taken(notices: list[str]) -> list[str]:
    """What was noted, once."""
    found = list(notices)
    notices.clear()
    return found


def interrupted_in(project: Project) -> str:
    """The training of a project that was interrupted last, "" where a later one has ended."""
    runs = unfinished_runs(project.runs_folder)
    trained = [m.id.lstrip("v") for m in project.models() if not m.members]
    numbers = [int(n) for n in trained if n.isdigit()]
    return runs[-1] if runs and int(runs[-1].lstrip("v")) >= max(numbers, default=0) else ""


def _lists(project: Project) -> dict[str, Any]:
    """What the session knows of a project: read here, so that no view needs to read the disk."""
    current = project.current_model
    return {
        "images": tuple(project.images()),
        "removed": tuple(Item(one.key, one.id, one.text) for one in removed_images(project)),
        "models": tuple(project.models()),
        "left_out": tuple(project.left_out()),
        "current_model": current,
        "own": project.model_config(current).target if current else None,
        "rounds": tuple(project.db.rounds()),
        "unfinished": interrupted_in(project),
        "unjudged": tuple(unjudged_models(project)),
        "user_edits": project.db.has_user_edits(),
        "holdouts": project.db.holdouts(),
        "guidelines": _guidelines(project)[0],
    }


def _unusual(project: Project, lists: dict[str, Any]) -> str:
    """What a person should know who opens a project with these lists: what is left out of it."""
    lines = [f"{one.name} cannot be used: {one.reason}." for one in lists["left_out"]]
    lines += taken(project.notices)
    set_model = project.db.setting("current_model")
    if set_model and lists["current_model"] is None:
        lines.append(f"The model in use was {set_model}. Choose another one below, or mend its folder.")
    lines += [f"{id} was trained, but not judged before the window closed: see Rounds." for id in lists["unjudged"]]
    return "\n".join([*lines, *filter(None, [_guidelines(project)[1]])])


def _guidelines(project: Project) -> tuple[str, str]:
    """The project's annotation rules, or why they cannot be read."""
    try:
        return project.guidelines(), ""
    except CellsegError as error:
        return "", f"{error.message} {error.hint}"
