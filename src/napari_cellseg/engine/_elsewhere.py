"""Images of a project, each labelled block by block by whoever a scheduler has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CellsegError
from ..events import Event, Predicted, Skipped, Stopped
from ..images import Image
from ..parts import Spread, scheduler
from ..project import Project

if TYPE_CHECKING:
    from ..prediction import Predictor, Request

Load = Callable[[Project], "list[Predictor]"]


@dataclass(frozen=True)
class PictureOf:
    """The picture of an image of a project, opened by a worker."""

    project: Path
    image: str

    def __call__(self) -> Image:
        """Open it."""
        with Project.open(self.project) as project:
            return project.read_image(self.image)


def predict_by(
    project: Project,
    networks: Callable[[], list[Predictor]],
    whose: tuple[str, Mapping[str, Any]],
    requests: Mapping[str, Request],
    stop: Callable[[], bool],
) -> Iterator[Event]:
    """Label images one after another, the blocks of each side by side; what cannot be labelled is left out.

    What a block has finished stays in the project's cache until its image is written, so a second start goes on.

    Parameters
    ----------
    networks
        Gives a worker the models; pickled.
    whose
        The scheduler's name, and its options (see `parts.scheduler`).
    requests
        What is wanted of each image.
    """
    from ..prediction import Elsewhere, predict_elsewhere

    own, options = project.path / "cache" / "blocks", dict(whose[1])
    voxels = options.pop("voxels", None)
    who = scheduler(whose[0], own / "jobs", options)
    try:
        for id, request in requests.items():
            picture = PictureOf(project.path.resolve(), id)
            way = Spread(own / id, who, _about(project, networks, id, request), voxels=voxels)
            job = Elsewhere(way, picture, networks, way.folder / f"{id}.ome.zarr", project.meanings)
            try:
                for event in predict_elsewhere(id, job, request, stop=stop):
                    yield event
                    if isinstance(event, Stopped):
                        return
                    if isinstance(event, Predicted):
                        way.forget()  # who asked has written it
            except CellsegError as error:
                yield Skipped(id, error.message, error.hint)
    finally:
        who.close()


def _about(project: Project, networks: Any, id: str, request: Request) -> dict[str, Any]:
    """What decides the labels of an image, as plain values."""
    assert request.target is not None
    options = request.options.model_dump(mode="json") if request.options else {}
    return {
        "image": project.image(id).fingerprint, "models": repr(replace(networks)), "options": options,
        "target": request.target.model_dump(mode="json"), "region": request.region, "size": request.size,
    }  # fmt: skip
