"""Prediction: an image is cut into overlapping tiles, the network sees each once, the seams are blended.

Data flow: recipe on the whole image -> planes -> tiles, nearest to the centre of view first -> probabilities
added with smooth weights into fixed-point accumulators (so that the order of the tiles cannot matter) -> labels
of the tile for the screen, labels of the whole image at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .config import Config
from .errors import CellsegError
from .events import Event, Predicted, Stopped, TileDone
from .images import Image
from .matching import join_slices
from .models import load_weights
from .nets.device import Device, choose
from .project import ModelCard, read_card, read_model_config

_UNIT = 1 << 16
"""Probabilities are added in fixed point with this resolution."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model that is ready to predict."""

    id: str
    network: nn.Module
    config: Config
    card: ModelCard
    device: Device


def load_model(path: Path) -> Predictor:
    """Build a model folder's network and fill it.

    Raises
    ------
    CellsegError
        When the folder is not a model or its weights do not fit.
    """
    card, config = read_card(path), read_model_config(path)
    device = choose(config.precision)
    network = config.model.build(card.in_channels, card.out_channels)
    load_weights(path / "weights.safetensors", network)
    network = device.place(network).eval()
    return Predictor(card.id, network, config, card, device)


def predict(
    image: Image,
    model: Predictor,
    name: str = "",
    *,
    centre: tuple[float, ...] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Label one image.

    Parameters
    ----------
    image
        Any image with the number of channels that the model has learnt; volumes go slice by slice.
    centre
        Where the person looks, in voxels (Z, Y, X) or (Y, X); tiles near it come first.
    stop
        Asked before every tile.

    Yields
    ------
    Event
        TileDone for every tile, then Predicted, or Stopped.

    Raises
    ------
    CellsegError
        When the image does not fit the model.
    """
    start = time.monotonic()
    if image.n_channels != model.card.in_channels:
        raise CellsegError(
            f"The image has {image.n_channels} channels, model {model.id} has learnt {model.card.in_channels}.",
            "Use a model trained on images of this kind, or start a project of its own for them.",
        )
    pixels = model.config.recipe(image.load())
    volume = pixels.reshape(pixels.shape[0], -1, *pixels.shape[-2:])
    middle = tuple(n / 2 for n in image.spatial_shape) if centre is None else centre
    z_middle = middle[0] if len(image.spatial_shape) == 3 else 0
    out = np.zeros(volume.shape[1:], np.uint32)
    tiles = plan(volume.shape[-2:], model.config.predict.tile, model.config.predict.overlap, middle[-2:])
    total, done = volume.shape[1] * len(tiles), 0
    for z in sorted(range(volume.shape[1]), key=lambda k: (abs(k - z_middle), k)):
        blend = Blend(volume.shape[-2:], model.card.out_channels)
        for tile in tiles:
            if stop():
                yield Stopped("cancelled")
                return
            blend.add(tile, mean_over_flips(model, volume[:, z, *tile.box]))
            done += 1
            box = (((z, z + 1),) if "Z" in image.spatial_axes else ()) + tile.span
            labels = model.config.target.decode(blend.read(tile.box), image.spacing_um and image.spacing_um[-2:])
            if total > 1:
                labels = labels.reshape((1,) * (len(box) - 2) + labels.shape)
                yield TileDone(name, box, labels, done, total, time.monotonic() - start)
        whole = blend.read((slice(None), slice(None)))
        out[z] = model.config.target.decode(whole, image.spacing_um and image.spacing_um[-2:])
    if len(out) > 1 and model.config.target.kind != "semantic":
        out = join_slices(out, model.config.predict.join_overlap)
    yield Predicted(name, model.id, out.reshape(image.spatial_shape), time.monotonic() - start)


def mean_over_flips(model: Predictor, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `probabilities`, averaged over mirror images where the configuration asks for it."""
    if not model.config.predict.flips:
        return probabilities(model, pixels)
    mirrors: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))
    return np.asarray(np.mean([np.flip(probabilities(model, np.flip(pixels, m)), m) for m in mirrors], axis=0))


@torch.inference_mode()
def probabilities(model: Predictor, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the network on (C, Y, X) float32; returns (K, Y, X) float32 in [0, 1].

    Raises
    ------
    CellsegError
        When the tile does not fit into memory.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))[None].contiguous(memory_format=torch.channels_last)
    try:
        with model.device.autocast():
            logits: torch.Tensor = model.network(tensor.to(model.device.torch)).float()
    except torch.OutOfMemoryError as error:
        raise CellsegError(
            f"A tile of {pixels.shape[-2]} x {pixels.shape[-1]} pixels does not fit into memory.",
            "Lower predict.tile.",
        ) from error
    p = logits.softmax(1) if model.config.target.exclusive else logits.sigmoid()
    return np.asarray(p[0].cpu().numpy())


@dataclass(frozen=True)
class Tile:
    """A tile and how far its overlap reaches: `weight` (Y, X) int64 falls off smoothly inside the image."""

    box: tuple[slice, slice]
    weight: NDArray[np.int64]

    @property
    def span(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The box as (start, stop) pairs."""
        return ((self.box[0].start, self.box[0].stop), (self.box[1].start, self.box[1].stop))


def plan(shape: tuple[int, ...], side: int, overlap: int, centre: tuple[float, ...]) -> list[Tile]:
    """Cover a plane with equal overlapping tiles, those nearest to `centre` first.

    An image that fits a tile and a half is one tile: small tiles with large overlaps are the waste.
    """
    starts = [_starts(n, side, min(overlap, side // 2)) for n in shape]
    tiles = []
    for y, y_stop in starts[0]:
        for x, x_stop in starts[1]:
            weight = np.minimum(
                _ramp(y, y_stop, shape[0], overlap)[:, None], _ramp(x, x_stop, shape[1], overlap)[None, :]
            )
            tiles.append(Tile((slice(y, y_stop), slice(x, x_stop)), weight))

    def distance(tile: Tile) -> float:
        return float(sum(((a + b) / 2 - c) ** 2 for (a, b), c in zip(tile.span, centre, strict=True)))

    return sorted(tiles, key=distance)


class Blend:
    """Weighted means of overlapping tiles, exact whatever their order (integers add associatively)."""

    def __init__(self, shape: tuple[int, ...], channels: int) -> None:
        self._sum = np.zeros((channels, *shape), np.int64)
        self._weight = np.zeros(shape, np.int64)

    def add(self, tile: Tile, values: NDArray[np.float32]) -> None:
        """Add a tile's probabilities (K, Y, X)."""
        self._sum[:, *tile.box] += np.rint(values.astype(np.float64) * _UNIT).astype(np.int64) * tile.weight
        self._weight[tile.box] += tile.weight

    def read(self, box: tuple[slice, slice]) -> NDArray[np.float32]:
        """Means (K, Y, X) float32 of what has been added so far."""
        weight = np.maximum(self._weight[box], 1) * _UNIT
        return np.asarray(self._sum[:, *box] / weight, np.float32)


# --- inside ---------------------------------------------------------------------------------------


def _starts(length: int, side: int, overlap: int) -> list[tuple[int, int]]:
    if length <= side * 3 // 2:
        return [(0, length)]
    count = int(np.ceil((length - overlap) / (side - overlap)))
    return [(int(s), int(s) + side) for s in np.linspace(0, length - side, count).round().astype(int)]


def _ramp(start: int, stop: int, length: int, overlap: int) -> NDArray[np.int64]:
    """Raised-cosine flanks where the tile ends inside the image, flat elsewhere; from 1 to 2**12."""
    position = np.arange(stop - start)
    width = max(overlap, 1)
    left = np.clip((position + 0.5) / width, 0, 1) if start else np.ones(stop - start)
    right = np.clip((stop - start - position - 0.5) / width, 0, 1) if stop < length else np.ones(stop - start)
    weight: NDArray[np.int64] = np.rint(1 + 4095 * np.sin(np.minimum(left, right) * np.pi / 2) ** 2).astype(np.int64)
    return weight
