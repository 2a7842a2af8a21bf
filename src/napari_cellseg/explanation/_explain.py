"""Why a model says what it says: one image, one method, one map, and the numbers that go with it.

Data flow: image -> window (recipe, zoom) -> the network's own answer -> pixels whose score is asked about -> method ->
map on the image's grid.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Float, Labels, Mask, Span
from ..config import Config
from ..errors import CellsegError
from ..events import Event, Explaining
from ..images import Image
from ..project import ModelCard, read_card, read_model_config
from ..zoom import Zoom
from ._methods import MethodBase
from ._subject import Output, Seen, Subject, What
from ._window import Window, ready, window_for

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, eq=False)
class Learnt:
    """A model that is to be explained: its network as it was trained, in float32."""

    id: str
    network: nn.Module
    config: Config
    card: ModelCard


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in the image the prediction comes from.

    Attributes
    ----------
    map
        float32 on the grid of the labels, (Z, Y, X) or (Y, X); 0 outside `box`. Grad-CAM: weighted activation, 0 and
        above; LRP: relevance, positive for and negative against; occlusion: drop of the score.
    method
        With its parameters.
    of
        What was asked about, in words.
    box
        The part that was looked at, (start, stop) per axis.
    layer
        The layer that Grad-CAM looked at; "" of other methods.
    score
        Sum of the foreground logits over the pixels asked about.
    mean_inside, mean_outside
        Mean of the map inside and outside of objects, as a share of its greatest magnitude.
    positive
        How many pixels (voxels) of the map are above 0.
    confidence
        Mean probability over the predicted foreground; 0 where nothing is predicted.
    conservation
        Of LRP: relevance that arrived at the image over that of the score; None of other methods.
    """

    image: str
    model: str
    method: MethodBase
    of: str
    map: Float
    box: Span
    layer: str
    score: float
    mean_inside: float
    mean_outside: float
    positive: int
    confidence: float
    conservation: float | None

    @property
    def numbers(self) -> dict[str, Any]:
        """All but the map, as plain values."""
        named = ("image", "model", "of", "layer", "score", "mean_inside", "mean_outside", "positive", "confidence")
        plain: dict[str, Any] = {name: getattr(self, name) for name in named}
        box = [list(span) for span in self.box]
        return plain | {
            "conservation": self.conservation, "box": box, "method": self.method.model_dump(mode="json"),
        }  # fmt: skip


def learnt(path: Path) -> Learnt:
    """A model folder's network.

    Raises
    ------
    CellsegError
        When it is an ensemble, or its weights do not fit.
    """
    from ..models import load_weights
    from ..nets.device import choose

    card, config = read_card(path), read_model_config(path)
    if card.members:
        raise CellsegError(
            f"{card.id} is an ensemble; a single network can be explained.",
            f"Name one of its members: {', '.join(card.members)}.",
        )
    network = config.model.build(card.in_channels, card.out_channels)
    load_weights(path / "weights.safetensors", network)
    return Learnt(card.id, network.eval().to(choose("fp32").torch), config, card)


def explain(
    image: Image, model: Learnt, method: MethodBase, what: What, labels: Labels | None, seen_as: tuple[str, Zoom]
) -> Generator[Event, None, Explanation]:
    """Explain what a model predicts in an image without a time axis.

    Parameters
    ----------
    labels
        On the image's grid, for `what.object`, and to tell the inside of objects from the outside; None or empty: what
        the network itself predicts is inside.
    seen_as
        The image's name, and how its objects are brought to the size that the network knows.

    Yields
    ------
    Event
        Explaining, for every pass or so.

    Raises
    ------
    CellsegError
        When image and model do not fit, what is asked about is not there, or the method cannot explain this network.
    """
    name, zoom = seen_as
    _check(image, model, what)
    window = window_for(image, what, labels, (model.config, zoom, method.tile))
    pixels = window.pixels(image, model.config)
    output = Output(model.config.target.exclusive, what.channel, getattr(model.config.target, "threshold", 0.5))
    given = what.object is not None or bool(what.point or what.box)
    wanted = window.chosen(what, labels) if given else None
    subject, answer = subject_of(model.network, pixels, output, wanted)
    work = method(subject)
    try:
        while True:
            done, total = next(work)
            yield Explaining(name, done, total)
    except StopIteration as end:
        seen: Seen = end.value
    yield Explaining(name, 1, 1)
    return _told(image, (name, model.id, method, what), window, (seen, answer, pixels.shape[1:]), labels)


@dataclass(frozen=True, eq=False)
class _Answer:
    """What the network itself says: foreground probability and mask on its grid, and the score."""

    probability: Float
    predicted: Mask
    score: float


def subject_of(network: nn.Module, pixels: Float, output: Output, wanted: Mask | None) -> tuple[Subject, _Answer]:
    """What methods are given: pixels (C, [Z], Y, X), and the wanted ones among them (None: all that are predicted).

    Raises
    ------
    CellsegError
        When nothing is predicted.
    """
    import torch

    device = next(network.parameters()).device
    tensor = ready(pixels, tuple(network.strides), device)  # type: ignore[arg-type]
    with torch.no_grad():
        logits = network(tensor)
    inner = tuple(slice(0, n) for n in pixels.shape[1:])
    predicted = torch.zeros(tensor.shape[2:], dtype=torch.bool, device=device)
    predicted[inner] = output.predicted(logits)[0][inner]
    chosen = predicted if wanted is None else torch.zeros_like(predicted)
    if wanted is not None:
        chosen[inner] = torch.from_numpy(np.ascontiguousarray(wanted)).to(device)
    if not bool(chosen.any()):
        raise CellsegError(
            "The model predicts nothing here, so there is nothing to explain.",
            "Give an object, a point or a box (--object, --point, --box).",
        )
    subject = Subject(network, tensor, output, chosen)
    probability = output.probability(logits)[0]
    return subject, _Answer(_plain(probability), np.asarray(_plain(predicted), bool), float(subject.score(logits)))


def _told(
    image: Image, about: tuple[str, str, MethodBase, What], window: Window,
    found: tuple[Seen, _Answer, tuple[int, ...]], labels: Labels | None,
) -> Explanation:  # fmt: skip
    seen, answer, sides = found
    inner = tuple(slice(0, n) for n in sides)
    part = window.back(np.ascontiguousarray(seen.map[inner]))
    inside = window.back(np.ascontiguousarray(answer.predicted[inner], np.float32)) > 0.5
    if labels is not None and labels[window.box].any():
        inside = labels[window.box] > 0
    greatest = max(float(np.abs(part).max()), float(np.finfo(np.float32).tiny))
    whole = np.zeros(image.spatial_shape, np.float32)
    whole[window.box] = part
    name, id, method, what = about
    return Explanation(
        name, id, method, str(what), whole, tuple((s.start, s.stop) for s in window.box), seen.layer, answer.score,
        _mean(part[inside]) / greatest, _mean(part[~inside]) / greatest, int((part > 0).sum()),
        _mean(answer.probability[answer.predicted]), seen.conservation,
    )  # fmt: skip


def _check(image: Image, model: Learnt, what: What) -> None:
    channels = model.config.recipe.channels(image.n_channels)
    if channels != model.card.in_channels:
        raise CellsegError(
            f"The image has {channels} channels, model {model.id} has learnt {model.card.in_channels}.",
            "Use a model trained on images of this kind.",
        )
    if sum((what.object is not None, bool(what.point), bool(what.box))) > 1:
        raise CellsegError("Several places were given.", "Give an object, a point or a box.")


def _mean(values: Float) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else 0.0


def _plain(tensor: torch.Tensor) -> Any:
    return tensor.float().cpu().numpy()
