"""How large objects are in an image: as a person said or corrected, it or an image of its kind, else as estimated.

Data flow: a person's figure -> setting ``size:<image>``; what corrected objects measure, where estimates are far off
-> setting ``corrected:<kind>``; what a network saw an image with -> setting ``seen:<image>``. `object_size` looks at
the first, of the image and of others of its kind, then at the second, the third, and into the picture.

The estimate knows the kinds it was learnt from. In electron microscopy it takes texture for objects: 9 pixels instead
of 30, so that everything was enlarged by the most that is allowed.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ..base import diameters, estimate_size
from ..config import Config
from ..errors import CellsegError
from ..zoom import Zoom
from ._folder import Project
from ._grids import islands
from ._kinds import kinds_of_images

_SETTING, _SEEN, _CORRECTED = "size:", "seen:", "corrected:"
SEVERAL, FAR = 5, 2.0
"""So many corrected objects of a kind speak against its estimates, if these differ by more than this factor.

Seen with 10 and 100 corrected objects, three seeds: 0.9 to 1.6 in fluorescence, stained tissue and phase contrast, 0.5
to 1.0 in smears (overestimated), 2.9 to 4.5 in neurites.
"""
ROUND = 256
"""Pixels round what was touched in which its objects end, in images that are not looked at as a whole."""
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
    """What a person said or corrected, of an image or one of its kind; 0: nothing, or the estimate was asked for."""
    return given_sizes(project).get(image, 0.0)


def given_sizes(project: Project) -> dict[str, float]:
    """What a person said or corrected, of every image of which or of whose kind something is known."""
    said = {id: float(text) for id, text in project.db.settings(_SETTING).items()}
    corrected = {kind: float(text) for kind, text in project.db.settings(_CORRECTED).items()}
    if not said and not any(corrected.values()):
        return {}
    kinds = kinds_of_images(project)
    of_kind = corrected | {kinds[id]: size for id, size in said.items() if size and id in kinds}
    return {id: said.get(id, of_kind.get(kind, 0.0)) for id, kind in kinds.items()}


def measure_sizes(project: Project) -> None:
    """Remember how large corrected objects are, of every kind whose estimates are far from it.

    For the process that owns the project, before a training. Estimates that are about right stay: they are each
    image's own, and what a person corrects first may be smaller or larger than the rest.
    """
    kinds = kinds_of_images(project)
    found: dict[str, list[float]] = defaultdict(list)
    estimates: dict[str, list[float]] = defaultdict(list)
    for record in project.images():
        if record.split != "test" and (sizes := _corrected(project, record.id)):
            found[kinds[record.id]] += sizes
            estimates[kinds[record.id]].append(estimate_size(project.read_image(record.id).channels_first()))
    kept = project.db.settings(_CORRECTED)
    changed = {}
    for kind in found.keys() | kept.keys():
        true, seen = (float(np.median(sizes[kind])) if sizes[kind] else 0.0 for sizes in (found, estimates))
        wrong = len(found[kind]) >= SEVERAL and seen > 0 and max(true / seen, seen / true) > FAR
        text = repr(round(true, 1)) if wrong else "0.0"
        if text != kept.get(kind, "0.0"):
            changed[_CORRECTED + kind] = text
    project.db.put_settings(changed)


def _corrected(project: Project, image: str) -> list[float]:
    """Diameters (pixels) of the objects that a person touched, in every slice."""
    labels, state = project.open_labels(image)
    sizes: list[float] = []
    for box in islands(state, ROUND):
        planes, known = (a[box].reshape(-1, *a[box].shape[-2:]) for a in (labels, state))
        for plane, there in zip(planes, known, strict=True):
            if there.any():
                sizes += diameters(np.where(np.isin(plane, plane[there > 0]), plane, 0)).tolist()
    return sizes


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
