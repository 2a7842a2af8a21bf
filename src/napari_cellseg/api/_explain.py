"""Explanations: what is asked about, checked; a map and its numbers, and their files."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import images
from .._types import Labels
from ..engine import Asking, asked_of, method_of, reasons_in, stoppable, what_of, zoom_of_picture
from ..errors import CellsegError
from ..events import Event
from ..files import whole, write_text
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
    grids = _filter_grids(picture, model, (how, what, method), labels, seen[1])
    return Explained(found, _write(how.out, found, picture, labels, grids))


# --- inside ---------------------------------------------------------------------------------------


def _whole(work: Generator[Event, None, T], name: str, stop: Stop) -> Work[T]:
    """All of a work; stopped before its end, it has no answer."""
    found = yield from stoppable(work, stop)
    if found is None:
        raise CellsegError(f"Explaining {name} was stopped before it was complete.")
    return found


def _filter_grids(
    picture: Image, model: Learnt, asked: tuple[Asking, What, MethodBase], labels: Labels | None, zoom: Zoom
) -> dict[str, Any]:
    """Pictures by what their names end in."""
    how, what, method = asked
    if not how.filters:
        return {}
    from ..explanation import filters, ready, window_for

    window = window_for(picture, what, labels, (model.config, zoom, method.tile))
    device = next(model.network.parameters()).device
    strides: Any = model.network.strides
    grid = filters(model.network, how.filters, ready(window.pixels(picture, model.config), strides, device))
    return {f"filters{how.filters}": grid.kernels, f"maps{how.filters}": grid.maps}


def _write(
    out: Path, found: Explanation, picture: Image, labels: Labels | None, grids: dict[str, Any]
) -> tuple[Path, ...]:
    import cv2

    stem = f"{found.image}_{found.numbers['method']['kind']}"
    files = [images.write_map(out / f"{stem}.tif", found.map, picture.spacing_um)]
    pictures = {"": _overlaid(found, picture, labels)[..., ::-1]} | {f"_{k}": v for k, v in grids.items()}
    for end, shown in pictures.items():
        files.append(out / f"{stem}{end}.png")
        with whole(files[-1]) as part:
            part.write_bytes(cv2.imencode(".png", np.ascontiguousarray(shown))[1].tobytes())
    files.append(write_text(out / f"{stem}.json", json.dumps(found.numbers, indent=2)))
    return tuple(files)


def _overlaid(found: Explanation, picture: Image, labels: Labels | None) -> Any:
    """The map over the part that was looked at; of volumes the slice with most of it."""
    from ..evaluation import grey
    from ..explanation import overlay

    box = tuple(slice(a, b) for a, b in found.box)
    if len(box) == 3:
        z = box[0].start + int(np.abs(found.map[box]).sum((1, 2)).argmax())
        box = (slice(z, z + 1), *box[1:])
    pixels = np.asarray(picture.channels_first()[(slice(None), *box)], np.float32).mean(0)
    shape = pixels.shape[-2:]
    mine = None if labels is None else labels[box].reshape(shape)
    return overlay(grey(pixels.reshape(shape)), found.map[box].reshape(shape), mine)
