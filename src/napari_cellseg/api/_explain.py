"""Explanations: what is asked about, checked; a map and its numbers, and their files."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .._types import Labels
from ..engine import (
    Asking,
    asked_of,
    filter_grids,
    method_of,
    reasons_in,
    stoppable,
    what_of,
    write_explanation,
    zoom_of_picture,
)
from ..errors import CellsegError
from ..events import Event
from ..images import Image
from ..project import Project, find_model
from ..zoom import Zoom
from ._work import Stop, Work

if TYPE_CHECKING:
    from ..explanation import Explanation, Learnt, MethodBase, Reasons, What


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Explained:
    """An explanation, and the files that were written: map, overlay, numbers, filters."""

    explanation: Explanation
    files: tuple[Path, ...] = ()


def explain_image(project: Project, image: str, model: str | None, how: Asking, stop: Stop) -> Work[Explained]:
    """Explain what a model of a project predicts in one of its images.

    Raises
    ------
    CellsegError
        Before anything is written: see `OpenProject.explain`.
    """
    picture, chosen, (method, what), labels, seen = asked_of(project, image, model, how)
    return (yield from explained(picture, chosen, (method, what, how), labels, seen, stop))


def why_there(project: Project, image: str, model: str | None, point: tuple[int, ...], stop: Stop) -> Work[Reasons]:
    """Why a model of a project found or missed something at a voxel of one of its images.

    Raises
    ------
    CellsegError
        See `OpenProject.why`.
    """
    return (yield from _whole(reasons_in(project, image, model, point), image, stop))


def explain_picture(
    picture: Image, model: str | Path, how: Asking, labels: Labels | None, seen: tuple[str, float], stop: Stop
) -> Work[Explained]:
    """Explain what a model predicts in a picture without a project; `seen` is its name and the size of objects."""
    from ..explanation import learnt

    method, path = method_of(how), find_model(model)
    chosen = learnt(path)
    what = what_of(how, chosen, ())
    name, size = seen
    if picture.n_frames > 1:
        raise CellsegError(f"{name} has {picture.n_frames} time points.", "Give one of them.")
    if labels is not None and labels.shape != picture.spatial_shape:
        raise CellsegError(
            f"The labels have shape {labels.shape}, the picture {picture.spatial_shape}.", "Give labels of its grid."
        )
    zoom = zoom_of_picture(picture, path, size)
    return (yield from explained(picture, chosen, (method, what, how), labels, (name, zoom), stop))


def explained(
    picture: Image, model: Learnt, asked: tuple[MethodBase, What, Asking], labels: Labels | None,
    seen: tuple[str, Zoom], stop: Stop,
) -> Work[Explained]:  # fmt: skip
    """The explanation, and its files where a folder was named."""
    from ..explanation import explain

    method, what, how = asked
    work = explain(picture, model, method, what, labels, seen)
    found = yield from _whole(work, seen[0], stop)
    if how.out is None:
        return Explained(found)
    grids = filter_grids(picture, model, (how.filters, what, method), labels, seen[1])
    return Explained(found, write_explanation(how.out, found, picture, labels, grids))


# --- inside ---------------------------------------------------------------------------------------


def _whole(work: Generator[Event, None, T], name: str, stop: Stop) -> Work[T]:
    """All of a work; stopped before its end, it has no answer."""
    found = yield from stoppable(work, stop)
    if found is None:
        raise CellsegError(f"Explaining {name} was stopped before it was complete.")
    return found
