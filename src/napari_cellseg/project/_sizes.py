"""How large objects are in an image: as a person said, of it or of an image of its kind, else as estimated.

Data flow: a person's figure -> setting ``size:<image>``; what a network saw an image with -> setting ``seen:<image>``;
`object_size` looks at the first, of the image and of others of its kind, then at the second, then into the picture.
"""

from __future__ import annotations

from ..base import estimate_size
from ..config import Config
from ..errors import CellsegError
from ..zoom import Zoom
from ._folder import Project
from ._kinds import kinds_of_images

_SETTING, _SEEN = "size:", "seen:"
LARGEST = 2000.0
"""A greater diameter is a mistake."""


def object_size(project: Project, image: str) -> float:
    """Diameter of typical objects of an image (pixels); 0 where the picture says nothing."""
    return known_size(project, image) or estimate_size(project.read_image(image).channels_first())


def zoom_of(project: Project, image: str, config: Config) -> Zoom:
    """How a network sees an image of a project."""
    if config.model.dimensions != 2 or not config.object_size:
        return Zoom()
    return Zoom.between(object_size(project, image), config.object_size)


def known_size(project: Project, image: str) -> float:
    """What a person said, else what a network saw the image with before; 0 where neither is known."""
    return known_sizes(project).get(image, 0.0)


def known_sizes(project: Project) -> dict[str, float]:
    """The same of every image of which something is known."""
    seen = {id: float(text) for id, text in project.db.settings(_SEEN).items()}
    return seen | {id: size for id, size in given_sizes(project).items() if size}


def note_size(project: Project, image: str, size: float) -> None:
    """Remember what a network saw an image with, so that it is seen so again: when learning, live, the next time."""
    if size and known_size(project, image) != size:
        project.db.put_setting(_SEEN + image, repr(float(size)))


def given_size(project: Project, image: str) -> float:
    """What a person said of an image, or of an image of its kind; 0 where nobody did, or asked for the estimate."""
    return given_sizes(project).get(image, 0.0)


def given_sizes(project: Project) -> dict[str, float]:
    """What a person said, of every image of which or of whose kind something was said."""
    said = {id: float(text) for id, text in project.db.settings(_SETTING).items()}
    if not said:
        return {}
    kinds = kinds_of_images(project)
    of_kind = {kinds[id]: size for id, size in said.items() if size and id in kinds}
    return {id: said.get(id, of_kind.get(kind, 0.0)) for id, kind in kinds.items()}


def said_size(project: Project, image: str) -> float:
    """What a person said of this very image; 0 where nobody did, or asked for the estimate."""
    return float(project.db.setting(_SETTING + image) or 0)


def put_size(project: Project, image: str, size: float) -> None:
    """Remember what a person says of an image; 0: to be estimated.

    Raises
    ------
    CellsegError
        When there is no such image, or it is no diameter.
    """
    project.image(image)
    if not 0 <= size <= LARGEST:
        raise CellsegError(f"{size:g} pixels is no diameter.", f"Give 0 (estimate it) to {LARGEST:g}.")
    project.db.put_settings({_SETTING + image: repr(float(size)), _SEEN + image: "0.0"})
