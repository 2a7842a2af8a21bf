"""Pictures without a project: an array or a file to labels in memory, many files to files of labels."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from .._types import Labels, Span
from ..config import Config, Values
from ..engine import Asking, Stop, decoded_with, load_folder, loaded_models, method_of, options_of
from ..errors import CellsegError
from ..events import Predicted, Stopped
from ..project import Project, find_model, read_card, read_model_config
from ._explain import Explained, explain_picture
from ._predict import Predicting, check_request, check_size, for_prediction, write_probabilities
from ._work import OnEvent, Work, never, verb

if TYPE_CHECKING:
    from ..exchange import ExportedModel
    from ..prediction import Predictor

Source = str | Path


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model in memory, which any number of pictures may be predicted with.

    Attributes
    ----------
    name
        Its id: ``cells``, ``v3``.
    config
        Its recipe, target (with its thresholds), network and prediction settings.
    classes
        Names of the classes 1, 2, ... of its labels; empty where labels are objects.
    networks
        What predicts: one, or the members of an ensemble.
    path
        Its folder.
    """

    name: str
    config: Config
    classes: tuple[str, ...]
    networks: tuple[Predictor, ...]
    path: Path

    def export(self, out: Source, form: str = "onnx", **options: Any) -> ExportedModel:
        """Export it (as it was trained), see `export_model`."""
        from ._exchange import export_model

        return export_model(self.path, out, form, **options)


Model = Source | LoadedModel


def load_model(model: Model) -> LoadedModel:
    """Load a model once, to predict with it often; `predict` takes whatever this takes.

    Parameters
    ----------
    model : str, Path or LoadedModel
        Name of a base model (``"cells"``), a model folder, or a project, whose current model is meant, with what was
        learnt live there.

    Returns
    -------
    LoadedModel

    Raises
    ------
    CellsegError
        When there is no such model, or its weights do not fit.
    """
    if isinstance(model, LoadedModel):
        return model
    path = find_model(model)
    card, config = read_card(path), read_model_config(path)
    named = () if config.target.instances else tuple(f"class {k + 1}" for k in range(card.n_classes))
    if not (Path(model) / "project.toml").is_file():
        return LoadedModel(card.id, config, named, tuple(load_folder(path.resolve())), path)
    with Project.open(model) as project:
        single = (card.id,)
        own = {
            "predict": options_of(project, single, project.config.predict),
            "target": decoded_with(project, single, None, live=True),
        }
        networks = tuple(loaded_models(project, single, live=True))
        return LoadedModel(card.id, config.model_copy(update=own), project.meanings, networks, path)


@verb
def predict(
    picture: Any,
    model: Model | Sequence[Model] = "cells",
    *,
    axes: str | None = None,
    spacing: tuple[float, ...] | None = None,
    series: str | None = None,
    channels: Sequence[int] | None = None,
    object_size: float = 0.0,
    region: Span = (),
    settings: Values = (),
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Labels]:
    """Label a picture with a model that exists, without a project.

    Parameters
    ----------
    picture : array, str or Path
        Intensities of any dtype and axes ``TCZYX`` (numpy, dask, zarr), or a file that can be read.
    model : str, Path or LoadedModel, or a list of them
        Name of a base model, a model folder, a project, or what `load_model` gives; several predict together.
    axes : str
        One letter of ``TCZYX`` per dimension; told by the file or guessed from the shape, where that is safe.
    spacing : tuple of float
        Voxel size in um, in the order (Z, Y, X); told by the file where not given.
    series : str
        Which image of a file that holds several: its number from 0, or its name.
    channels : list of int
        Only these channels, counted from 0.
    object_size : float
        Diameter of typical objects in pixels; 0: estimated from the picture.
    region : tuple of (int, int)
        Only this box: (start, stop) in voxels for each spatial axis.
    settings : dict or list of str
        Instead of the model's own: ``{"predict.mode": "three axes", "target.threshold": 0.4}``.
    on_event : callable
        Called with every event (`napari_cellseg.events`).
    stop : callable
        Asked before every tile whether to end.

    Returns
    -------
    numpy.ndarray
        uint32 of the picture's spatial axes, (Z, Y, X) or (Y, X), with a leading T for a time series: ids of objects
        from 1, or classes; 0 is background.

    Raises
    ------
    CellsegError
        When the picture or the model cannot be used, they do not fit each other, or it was stopped.
    """
    how = Predicting(region, check_size(object_size), settings)
    image = _image(picture, axes, spacing, series)
    name = image.source.name if image.source else "The array"
    image = _with_channels(image, channels, name)
    check_request(how, image.spatial_shape, name)
    images.check_labels_fit(name, image.spatial_shape)
    frames: list[Labels] = []
    with tempfile.TemporaryDirectory(prefix="cellseg-") as scratch:
        labelling = Labelling(several(model), how, Path(scratch))
        for t in range(image.n_frames):
            for event in labelling.events(image.frame(t), name, stop):
                if isinstance(event, Predicted):
                    frames.append(np.asarray(event.labels))
                yield event
                if isinstance(event, Stopped):
                    raise CellsegError(f"Labelling {name} was stopped before it was complete.")
    return np.stack(frames) if image.n_frames > 1 else frames[0]


@verb
def explain(
    picture: Any,
    model: Source = "cells",
    method: str = "gradcam",
    *,
    labels: Labels | Source | None = None,
    object: int | None = None,
    point: tuple[int, ...] = (),
    box: Span = (),
    class_: str | int | None = None,
    layer: str = "",
    object_size: float = 0.0,
    settings: Values = (),
    filters: int = 0,
    out: Source | None = None,
    axes: str | None = None,
    series: str | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Explained]:
    """Where in a picture a model's prediction comes from, without a project.

    Parameters
    ----------
    picture : array, str or Path
        Intensities, or a file that can be read; one time point.
    model : str or Path
        Name of a base model, a model folder, or a project, whose current model is meant (as it was trained).
    labels : array, str or Path
        (Z, Y, X) or (Y, X) ids, for `object` and to tell inside from outside; for `object` alone they are predicted.
    method, object, point, box, class_, layer, settings, filters, out, on_event, stop
        As for `OpenProject.explain`.
    object_size : float
        Diameter of typical objects in pixels; 0: estimated from the picture.
    axes, series
        As for `predict`.

    Returns
    -------
    Explained

    Raises
    ------
    CellsegError
        Before anything is written: when picture and model do not fit, or what is asked about is not there.
    """
    how = Asking(method, object, tuple(point), tuple(box), class_, layer, filters, settings, Path(out) if out else None)
    method_of(how)  # what cannot be asked is said before anything is read or predicted
    image = _image(picture, axes, None, series)
    name = image.source.stem if image.source else "picture"
    if isinstance(labels, str | Path):
        labels = images.read_labels(labels)
    if object is not None and labels is None:
        labels = predict(image, model, object_size=object_size, stop=stop)
    return (yield from explain_picture(image, model, how, labels, (name, check_size(object_size)), stop))


# --- inside ---------------------------------------------------------------------------------------


class Labelling:
    """Models and settings, the same for every picture; `scratch` takes what is larger than memory."""

    def __init__(self, models: Sequence[Model], how: Predicting, scratch: Path) -> None:
        from ..prediction import Request

        loaded = [load_model(model) for model in models]
        config = for_prediction(loaded[0].config, how.settings)
        self.names, self.classes, self.how = tuple(m.name for m in loaded), loaded[0].classes, how
        self.networks = [network for model in loaded for network in model.networks]
        self.request = Request(
            config.predict, config.target, how.region, scratch, how.probabilities, show=False,
            size=how.object_size or 0.0,
        )  # fmt: skip

    def events(self, image: images.Image, name: str, stop: Stop) -> Work[None]:
        """Label one picture without a time axis."""
        from ..prediction import predict as run_prediction

        yield from run_prediction(image, self.networks, name, request=self.request, stop=stop)

    def write(self, event: Predicted, image: images.Image) -> Path:
        """Write its labels, and its probabilities if asked for."""
        file = self.path_of(event.image)
        written = images.write_labels(file, event.labels, image.spacing_um, self.classes, image.source)
        self.write_probabilities(event, image)
        return written

    def write_probabilities(self, event: Predicted, image: images.Image) -> None:
        """Write its probabilities, if asked for."""
        write_probabilities(event, image.spacing_um, self.how)

    def path_of(self, name: str) -> Path:
        """Where the labels of a picture are written."""
        assert self.how.out is not None
        return self.how.out / images.label_file(f"{name}_labels", self.how.format)

    def digest(self) -> str:
        """A digest of everything but the picture that decides labels and files."""
        assert self.request.options is not None
        assert self.request.target is not None
        values = [
            version("napari-cellseg"),
            [(n.id, n.card.created) for n in self.networks],
            self.request.options.model_dump(mode="json"),
            self.request.target.model_dump(mode="json"),
            [self.how.region, self.how.object_size, self.how.format, self.how.probabilities],
        ]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def several(model: Model | Sequence[Model]) -> list[Model]:
    models: list[Model] = [model] if isinstance(model, str | Path | LoadedModel) else list(model)
    if not models:
        raise CellsegError("No model was named.", 'Give one, for example the base model "cells".')
    return models


def _image(picture: Any, axes: str | None, spacing: tuple[float, ...] | None, series: str | None) -> images.Image:
    if isinstance(picture, str | Path):
        return images.read(picture, axes, spacing, series=series)
    return picture if isinstance(picture, images.Image) else images.from_array(picture, axes, spacing)


def _with_channels(image: images.Image, channels: Sequence[int] | None, name: str) -> images.Image:
    if channels is None:
        return image
    if not channels or any(not 0 <= c < image.n_channels for c in channels):
        raise CellsegError(
            f"{name} has {image.n_channels} channels, so {list(channels)} cannot be taken.", "Channels count from 0."
        )
    if "C" not in image.axes:
        return image
    data = image.data[(slice(None),) * image.axes.index("C") + (list(channels),)]
    named = tuple(image.channels[c] for c in channels) if image.channels else ()
    return replace(image, data=data, channels=named, rgb=image.rgb and len(channels) == 3, coarser=())
