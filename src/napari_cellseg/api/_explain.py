"""Explanations: what is asked about, checked; a map and its numbers, and their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from .._types import Labels, Span
from ..config import Config, Values, assigned
from ..errors import CellsegError
from ..events import Stopped
from ..files import whole, write_text
from ..images import Image
from ..project import Project, find_model, known_size, read_card, read_model_config
from ..settings import validated
from ..zoom import Zoom
from ._work import Stop, Work

if TYPE_CHECKING:
    from ..explanation import Explanation, Learnt, MethodBase, What


@dataclass(frozen=True)
class Asking:
    """What is to be explained, and how: see `OpenProject.explain`.

    Attributes
    ----------
    method
        ``"gradcam"``, ``"lrp"`` or ``"occlusion"``.
    class_
        Name or number of a class.
    filters
        Number of the convolution whose filters are written, too; 0: none.
    out
        A folder; None: nothing is written.
    """

    method: str = "gradcam"
    object: int | None = None
    point: tuple[int, ...] = ()
    box: Span = ()
    class_: str | int | None = None
    layer: str = ""
    filters: int = 0
    settings: Values = ()
    out: Path | None = None


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
    from ..explanation import learnt

    record = project.image(image)
    id = model or project.current_model
    if not id:
        raise CellsegError(f"{project.name} has no model yet.", "Train one, or name a base model in cs.explain.")
    method = method_of(how)
    chosen = learnt(project.model_path(id))
    what = _what(how, chosen, project.classes)
    picture, labels = project.read_image(record.id), project.load_labels(record.id)[0]
    zoom = _zoom(picture, project.model_path(id), known_size(project, record.id))
    return (yield from explained(picture, chosen, (method, what, how), labels, (record.id, zoom), stop))


def explain_picture(
    picture: Image, model: str | Path, how: Asking, labels: Labels | None, seen: tuple[str, float], stop: Stop
) -> Work[Explained]:
    """Explain what a model predicts in a picture without a project; `seen` is its name and the size of objects."""
    from ..explanation import learnt

    method, path = method_of(how), find_model(model)
    chosen = learnt(path)
    what = _what(how, chosen, ())
    name, size = seen
    if picture.n_frames > 1:
        raise CellsegError(f"{name} has {picture.n_frames} time points.", "Give one of them.")
    if labels is not None and labels.shape != picture.spatial_shape:
        raise CellsegError(
            f"The labels have shape {labels.shape}, the picture {picture.spatial_shape}.", "Give labels of its grid."
        )
    zoom = _zoom(picture, path, size)
    return (yield from explained(picture, chosen, (method, what, how), labels, (name, zoom), stop))


def explained(
    picture: Image, model: Learnt, asked: tuple[MethodBase, What, Asking], labels: Labels | None,
    seen: tuple[str, Zoom], stop: Stop,
) -> Work[Explained]:  # fmt: skip
    """The explanation, and its files where a folder was named."""
    from ..explanation import explain

    method, what, how = asked
    work = explain(picture, model, method, what, labels, seen)
    try:
        while True:
            event = next(work)
            if stop():
                yield Stopped("cancelled")
                raise CellsegError(f"Explaining {seen[0]} was stopped before it was complete.")
            yield event
    except StopIteration as end:
        found: Explanation = end.value
    if how.out is None:
        return Explained(found)
    grids = _filter_grids(picture, model, (how, what, method), labels, seen[1])
    return Explained(found, _write(how.out, found, picture, labels, grids))


def method_of(how: Asking) -> MethodBase:
    """A method by name, with its settings.

    Raises
    ------
    CellsegError
        When there is no such method, it has no layer to choose, or a value does not fit.
    """
    from ..explanation import METHODS

    kinds = {str(m.model_fields["kind"].default): m for m in METHODS}
    if how.method not in kinds:
        raise CellsegError(f"There is no method {how.method!r}.", f"Use one of {', '.join(kinds)}.")
    cls, values = kinds[how.method], dict(assigned(how.settings, "tile=256"))
    if how.layer:
        if "layer" not in cls.model_fields:
            raise CellsegError(f"{cls.label()} looks at no single layer.", "Leave the layer out, or use gradcam.")
        values["layer"] = how.layer
    return validated(cls, values)


# --- inside ---------------------------------------------------------------------------------------


def _what(how: Asking, model: Learnt, names: Sequence[str]) -> What:
    from ..explanation import What

    if how.object is not None and how.object < 1:
        raise CellsegError(f"There is no object {how.object}.", "Objects are numbered from 1.")
    channel, name = _channel(how.class_, model, names)
    return What(how.object, tuple(how.point), tuple(how.box), channel, name)


def _channel(given: str | int | None, model: Learnt, names: Sequence[str]) -> tuple[int | None, str]:
    """Output channel of a class, and its name."""
    if given is None:
        return None, ""
    if model.config.target.instances:
        raise CellsegError(f"Model {model.id} tells objects, not classes.", "Leave the class out.")
    known = [*names] or [f"class {k + 1}" for k in range(model.card.n_classes)]
    text = str(given)
    number = known.index(text) + 1 if text in known else int(text) if text.isdigit() else 0
    if not 1 <= number <= len(known):
        raise CellsegError(f"There is no class {given!r}.", f"Classes: {', '.join(known)} (or their numbers from 1).")
    return number if model.config.target.exclusive else number - 1, known[number - 1]


def _zoom(picture: Image, path: Path, size: float) -> Zoom:
    """How the model sees the picture: as it would be predicted, with a size that is known, given or estimated."""
    config: Config = read_model_config(path)
    if config.model.dimensions != 2 or not config.object_size:
        return Zoom()
    if not size:
        from ..prediction import Request, load_model, plan_for

        size = plan_for(picture.frame(0), load_model(path.resolve()), read_card(path).id, Request()).size
    return Zoom.between(size, config.object_size)


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
