"""Brings pictures into a project, for a helper thread: a connection of its own, no session, no layers changed. No Qt.

Data flow: files, or pixels of a layer -> checked -> the project (made, where there is none) -> its images. All or
nothing: what fails or is cancelled leaves no image, no file and no new project behind.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image

from ... import images
from ...errors import CellsegError
from ...project import SUFFIX, Addition, Project, new_project
from ..layers.save_pixels import holds_file, save_pixels
from .session import Offer
from .workspace import Offering

Kind = tuple[int, int]
"""Channels and spatial axes of a picture."""
Told = Callable[[int, str], None]
"""Gets the number of pictures that are read, and the name of the next; raises where the person has cancelled."""


@dataclass(frozen=True)
class Place:
    """Where pictures go.

    Attributes
    ----------
    project
        The open project; None: the one beside the pictures, which is made where there is none.
    folder
        Where that one goes instead.
    kinds
        Those of the project's pictures: another kind is asked about. Empty: any will do.
    author
        Who the history says added them; "" for the name of the account.
    """

    project: Path | None
    folder: Path | None = None
    kinds: frozenset[Kind] = frozenset()
    author: str = ""


@dataclass(frozen=True)
class Brought:
    """What came of it: the project, its images (new ones or known), and what a person should know."""

    project: Path
    ids: tuple[str, ...]
    notices: tuple[str, ...] = ()


def bring_files(pictures: Sequence[Path], place: Place, told: Told) -> Brought:
    """Add picture files.

    Raises
    ------
    CellsegError
        Before anything is written: when one cannot be read, is of another kind, or there is no place for a project.
    """
    project = place.project
    if project is None:
        for n, picture in enumerate(pictures):
            told(n, picture.name)
            images.read(picture)
        project = _beside(pictures, place.folder)
    elif place.kinds:
        _refuse_another_kind(pictures, place.kinds)
    return _into(project, place, lambda _: list(pictures), told)


def bring_layer(layer: Image, path: Path | None, place: Place, told: Told) -> Brought:
    """Add what a layer shows: its file where it has one, else its pixels, which the project keeps (``sources/``)."""
    if path is not None and holds_file(layer, images.read(path)):
        return bring_files([path], place, told)
    home = place.folder or (path.parent if path else Path.cwd())
    project = place.project or _named(home / layer.name.split(" ")[0].split(".")[0])
    return _into(project, place, lambda folder: [save_pixels(layer, folder / "sources")], told, made=True)


def _into(
    folder: Path, place: Place, pictures: Callable[[Path], list[Path]], told: Told, *, made: bool = False
) -> Brought:
    """Add pictures to a project; where they cannot be, it is as before. `made`: pictures are files of ours."""
    new = not folder.exists()
    (new_project(folder) if new else Project.open(folder)).close()
    sources: list[Path] = []
    try:
        sources += pictures(folder)
        with Project.open(folder) as own:  # this thread's own connection
            own.author = place.author or own.author
            done = own.add_images(_one_by_one(sources, told))
            return Brought(folder, tuple(id for each in done for id in each.ids), tuple(own.notices))
    except BaseException:
        for source in sources if made else ():
            source.unlink(missing_ok=True)
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _one_by_one(sources: Sequence[Path], told: Told) -> Iterator[Addition]:
    for n, source in enumerate(sources):
        told(n, source.name)
        yield Addition(source)
    told(len(sources), "")  # the last moment to cancel: what follows is written


def _beside(pictures: Sequence[Path], folder: Path | None) -> Path:
    """The project of pictures that have none: beside the first of them, or in a folder; it may be there already."""
    home = folder or images.absolute(pictures[0]).parent
    if not os.access(home, os.W_OK):
        raise Offering(
            f"Nothing can be written to {home}, where the pictures are.", "Choose a folder for the project.",
            Offer("folder", tuple(map(str, pictures))),
        )  # fmt: skip
    return _named(home / (pictures[0].name.split(".")[0] if len(pictures) == 1 else home.name))


def _named(base: Path) -> Path:
    return base.with_name(base.name + SUFFIX)


def _refuse_another_kind(pictures: Sequence[Path], known: frozenset[Kind]) -> None:
    """Pictures with other channels or axes than those of the project are asked about."""
    for picture in pictures:
        image = images.read(picture)
        kind = image.n_channels, len(image.spatial_shape)
        if kind not in known:
            raise Offering(
                f"{picture.name} is {_words(*kind)}, those of this project: {_words(*min(known))}.",
                "One network learns best from one kind of image.",
                Offer("own project", tuple(map(str, pictures))), Offer("add anyway", tuple(map(str, pictures))),
            )  # fmt: skip


def _words(channels: int, ndim: int) -> str:
    """``a volume of 3 channels``."""
    shape = "volume" if ndim == 3 else "picture"
    return f"a grey {shape}" if channels == 1 else f"a {shape} of {channels} channels (colours)"


class Cancelled(CellsegError):
    """The person has changed their mind; nothing was added."""

    def __init__(self) -> None:
        super().__init__("Cancelled: nothing was added.", "")
