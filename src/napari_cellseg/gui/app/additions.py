"""How pictures come into a project: files, layers that are open in napari, pictures that have moved. No Qt.

Data flow: paths or a layer -> the project that they belong to (made beside them, where there is none) -> images of the
project -> the first of them is opened.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ... import images
from ...project import SUFFIX, Addition, Project, new_project
from ..layers.overlays import is_ours
from ..layers.save_pixels import holds_file, save_pixels
from .session import Offer
from .workspace import Offering

if TYPE_CHECKING:
    from .projects import Projects
    from .workspace import Workspace


class Additions:
    """Brings pictures into the open project, or into one that is made for them."""

    def __init__(self, workspace: Workspace, projects: Projects) -> None:
        self._ws, self._projects = workspace, projects

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
            if self._ws.session.project is None or folder is not None:
                self._projects.use(self._project_for(pictures, folder))
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
        self._projects.refresh()
        if added:
            self._projects.select_image(added[0])

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
                self._projects.use(_made_or_new(home / name.split(" ")[0].split(".")[0]))
            self.add_images([save_pixels(layer, self._ws.project().path / "sources")])
        for shown in [x for x in self._ws.viewer.layers if x is layer or (path and str(path) == x.source.path)]:
            if not is_ours(shown):  # its picture is shown by a layer of ours now
                self._ws.viewer.layers.remove(shown)

    def relocate(self, id: str, path: str | Path) -> None:
        """Say where a moved picture is now."""
        self._ws.project().relocate(id, path)
        self._projects.refresh()
        self._ws.session.update(problem=None)
        self._projects.select_image(id)


def _made_or_new(base: Path) -> Project:
    """The project that is there already, or a new one."""
    made = base.with_name(base.name + SUFFIX)
    return Project.open(made) if made.exists() else new_project(base)


def _kind(channels: int, ndim: int) -> str:
    """``a volume of 3 channels``."""
    shape = "volume" if ndim == 3 else "picture"
    return f"a grey {shape}" if channels == 1 else f"a {shape} of {channels} channels (colours)"
