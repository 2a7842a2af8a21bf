"""Why something was found or missed: what the network says there, what it sees there, what it knows that is like it.

Data flow: a place -> window -> probability and encoder features there; objects a person corrected or approved -> their
windows -> the mean features of each -> those most like the place.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Float, Labels, Mask
from ..events import Event, Explaining
from ..images import Image
from ..zoom import Zoom
from ._reasons import Likeness, Reasons, contrast_of
from ._subject import Output, What
from ._window import Window, ready, window_for

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ._explain import Learnt

TILE = 128
"""Side of what is looked at (pixels as the network sees them): a place and what is round it."""
RADIUS = 12.0
"""Of a place, where nobody says how large objects are (pixels as the network sees them)."""
STRIDE = 8
"""Features are taken where the encoder has divided the resolution by so much at most."""
SHOWN = 3
"""Nearest objects that are told."""


@dataclass(frozen=True, eq=False)
class Known:
    """An image with objects that a person corrected or approved; `zoom`: how the network sees it."""

    image: str
    picture: Image
    labels: Labels
    objects: tuple[int, ...]
    zoom: Zoom


def why(
    picture: Image, model: Learnt, point: tuple[int, ...], labels: Labels, seen_as: tuple[str, Zoom],
    known: Iterable[Known] = (),
) -> Generator[Event, None, Reasons]:  # fmt: skip
    """What a model says and sees at a voxel, and which objects it learnt from are like it.

    Yields
    ------
    Event
        Explaining, for every object that is looked at.

    Raises
    ------
    CellsegError
        When the point does not lie in the image.
    """
    name, zoom = seen_as
    objects = [(one, id, _middle(one.labels, id)) for one in known for id in one.objects]
    yield Explaining(name, 0, len(objects) + 1)
    eye = _Eye(model)
    looked = eye.look(picture, point, labels, zoom)
    vectors = [looked.vector]
    for n, (one, _, middle) in enumerate(objects):
        vectors.append(eye.look(one.picture, middle, one.labels, one.zoom).vector)
        yield Explaining(name, n + 1, len(objects) + 1)
    nearest, usual = _compared(vectors, [Likeness(one.image, id, middle, 0.0) for one, id, middle in objects])
    yield Explaining(name, 1, 1)
    return _reasons(looked, (name, model, point, labels), picture, nearest, usual)


def _middle(labels: Labels, id: int) -> tuple[int, ...]:
    """The voxel of an object that is nearest to its centre."""
    places = np.argwhere(labels == id)
    nearest = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
    return tuple(int(p) for p in nearest)


@dataclass(frozen=True, eq=False)
class _Looked:
    """A place as the network sees it.

    `pixels`, `probability` and `label` are (Y, X) of its window; `disc` is as large as a typical object; `vector` holds
    the mean features there.
    """

    window: Window
    pixels: Float
    probability: Float
    labels: Labels
    centre: tuple[int, int]
    disc: Mask
    vector: Float


class _Eye:
    """Looks at places through a network: one pass each, once it is known which layer to look at."""

    def __init__(self, model: Learnt) -> None:
        self._model, self._layer = model, ""
        self.radius = model.config.object_size / 2 or RADIUS
        self.output = Output(model.config.target.exclusive, None, getattr(model.config.target, "threshold", 0.5))

    def look(self, picture: Image, point: tuple[int, ...], labels: Labels, zoom: Zoom) -> _Looked:
        """A place of a picture."""
        model, what = self._model, What(point=point)
        window = window_for(picture, what, labels, (model.config, zoom, TILE))
        pixels = window.pixels(picture, model.config)
        device = next(model.network.parameters()).device
        tensor = ready(pixels, tuple(model.network.strides), device)  # type: ignore[arg-type]
        logits, features = self._passed(tensor)
        probability = self.output.probability(logits)[0][tuple(slice(0, n) for n in pixels.shape[1:])]
        shape = (1, *pixels.shape[1:])[-3:]  # with a Z axis
        z, y, x = (int(round(v.mean())) for v in np.nonzero(window.chosen(what, labels).reshape(shape)))
        disc = _disc(shape, (z, y, x), self.radius)
        vector = _mean_features(features, disc.reshape(pixels.shape[1:]), tuple(tensor.shape))
        here = _on_grid(window, labels).reshape(shape)[z]
        answer = np.asarray(probability.float().cpu().numpy()).reshape(shape)[z]
        return _Looked(window, pixels.mean(0).reshape(shape)[z], answer, here, (y, x), disc[z], vector)

    def _passed(self, tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits, and the last maps on the way down that still have an eighth of the resolution."""
        import torch

        network = self._model.network
        self._layer = self._layer or _way_down(network, tensor)
        kept: list[torch.Tensor] = []
        tap = dict(network.named_modules())[self._layer].register_forward_hook(
            lambda _, __, maps: kept.append(maps.clone())  # what follows may change it in place
        )
        try:
            with torch.no_grad():
                logits = network(tensor)
            return logits, kept[0][0]
        finally:
            tap.remove()


def _way_down(network: nn.Module, tensor: torch.Tensor) -> str:
    """The name of the last layer on the way down whose maps still have an eighth of the resolution."""
    from ._layers import calls

    run = [c for c in calls(network, tensor) if c.output.ndim == tensor.ndim]
    sides = [c.output.shape[-1] for c in run]
    down = run[: sides.index(min(sides)) + 1]
    fine = [c for c in down if c.output.shape[-1] * STRIDE >= tensor.shape[-1]]
    return (fine or down)[-1].name


def _on_grid(window: Window, labels: Labels) -> Labels:
    """Labels of a window as the network sees them, ([Z], Y, X)."""
    part = labels[window.box]
    if window.dimensions == 3:
        return part
    return np.asarray(window.zoom.into(part.reshape(1, *part.shape[-2:]), nearest=True)[0])


def _disc(shape: tuple[int, ...], centre: tuple[int, int, int], radius: float) -> Mask:
    """([Z], Y, X) bool."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in (1, *shape)[-3:])]
    disc = (np.hypot(y - centre[1], x - centre[2]) <= radius) & (z == centre[0])
    return np.asarray(disc.reshape(shape))


def _mean_features(features: torch.Tensor, chosen: Mask, padded: tuple[int, ...]) -> Float:
    """(K,): the mean of the maps (K, [Z], Y, X) over a mask, which covers the maps' cells in part."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

    mask = torch.zeros(padded[2:], device=features.device)
    mask[tuple(slice(0, n) for n in chosen.shape)] = torch.from_numpy(chosen.astype(np.float32)).to(features.device)
    pool: Any = adaptive_avg_pool3d if mask.ndim == 3 else adaptive_avg_pool2d
    share = pool(mask[None], features.shape[1:])[0]
    total = (features * share).flatten(1).sum(1) / share.sum()
    return np.asarray(total.float().cpu().numpy())


def _compared(vectors: list[Float], objects: list[Likeness]) -> tuple[tuple[Likeness, ...], float | None]:
    """The objects that are most like the place (the first vector), and how like each other objects are."""
    if not objects:
        return (), None
    table = np.stack(vectors)
    learnt = table[1:]
    table = (table - learnt.mean(0)) / (learnt.std(0) + 1e-3 * (np.abs(learnt).mean() + 1e-12))
    table /= np.linalg.norm(table, axis=1, keepdims=True) + 1e-12
    alike = table[1:] @ table[0]
    nearest = tuple(replace(objects[k], similarity=round(float(alike[k]), 4)) for k in np.argsort(-alike)[:SHOWN])
    if len(objects) < 3:
        return nearest, None
    among = table[1:] @ table[1:].T
    np.fill_diagonal(among, -1)
    return nearest, float(np.median(among.max(1)))


def _reasons(
    looked: _Looked, about: tuple[str, Learnt, tuple[int, ...], Labels], picture: Image,
    nearest: tuple[Likeness, ...], usual: float | None,
) -> Reasons:  # fmt: skip
    name, model, point, labels = about
    (y, x), disc, target = looked.centre, looked.disc, model.config.target
    label, here = int(labels[tuple(point)]), float(looked.pixels[disc].mean())
    same = disc & (looked.labels == looked.labels[y, x])  # not what a neighbour was given
    return Reasons(
        name, model.id, tuple(point), round(float(looked.probability[y, x]), 4),
        round(float(looked.probability[same].max()), 4), float(getattr(target, "threshold", 0.5)),
        label, int(getattr(target, "min_size", 0)),
        np.asarray(looked.probability[y], np.float32), x,
        looked.window.sides[1] / looked.pixels.shape[1],
        round(float((looked.pixels < here).mean()), 4), round(contrast_of(looked.pixels, (y, x), _across(disc)), 3),
        round(_contrast_before(picture, looked), 3), nearest, usual,
    )  # fmt: skip


def _across(disc: Mask) -> float:
    """The radius of a disc; one at the border is not whole, but its longest row is."""
    return max(float(disc.sum(0).max()), float(disc.sum(1).max())) / 2


def _contrast_before(picture: Image, looked: _Looked) -> float:
    """Of the picture itself, in the same window; of several channels, the greatest."""
    raw = np.asarray(picture.channels_first()[(slice(None), *looked.window.box)], np.float32)
    raw = raw.reshape(len(raw), -1, *raw.shape[-2:])
    planes = raw[:, raw.shape[1] // 2]
    scale = planes.shape[-1] / looked.pixels.shape[-1]
    centre = tuple(min(int(c * scale), n - 1) for c, n in zip(looked.centre, planes.shape[1:], strict=True))
    found = [contrast_of(plane, centre, _across(looked.disc) * scale) for plane in planes]
    return max(found, key=abs)
