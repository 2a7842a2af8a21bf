"""What a training would be: the network in numbers, and patches as it would see them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .._types import Float
from ..augmentation import Cut, Patch, Unchanged
from ..config import Config
from ..data import TrainingSet
from ..events import TrainingShown
from ..project import Project
from ._initial import begin

ROWS, COLUMNS, SIDE, GAP = 3, 4, 76, 4


def show_training(project: Project, config: Config) -> TrainingShown:
    """Describe the network and lay out patches: a place per row, first as it is, then augmented three times.

    Raises
    ------
    CellsegError
        When there is nothing to learn from, or the network cannot be built.
    """
    _, config, _, patches, channels = begin(project, config, None)
    network = config.model.build(patches.n_channels, channels)
    parameters = [p.numel() for p in network.parameters()]
    learning = [p.numel() for p in network.parameters() if p.requires_grad]
    model = config.model
    return TrainingShown(
        model.label(), model.source, sum(parameters), sum(learning), _bytes(network, patches), _sheet(patches)
    )


def _bytes(network: nn.Module, patches: TrainingSet) -> int:
    """Memory of a step: what backward needs of one patch, times the batch, and weights, gradients and two moments."""
    train, kept = patches.config.train, 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    side = min(train.patch, 128)
    shape = (patches.depth, side, side) if patches.volumes else (side, side)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        network.train()(torch.zeros(2, patches.n_channels, *shape))
    per_patch = kept / 2 * (train.patch / side) ** 2
    weights = sum(p.numel() * p.element_size() * (4 if p.requires_grad else 1) for p in network.parameters())
    return int(per_patch * train.batch + 2 * weights)  # the running average and the best are kept, too


def _sheet(patches: TrainingSet) -> NDArray[np.uint8]:
    """(Y, X, 3) uint8."""
    tile = SIDE + GAP
    out = np.full((ROWS * tile - GAP, COLUMNS * tile - GAP, 3), 40, np.uint8)
    config = patches.config
    for row, draw in enumerate(d for step in range(1, ROWS + 1) for d in patches.draw(step)[:1]):
        plane = patches.planes[draw.plane]
        centre = (float(draw.centre[2]), float(draw.centre[1]))
        cut = Cut(
            np.array([draw.centre[0]]),
            np.zeros(1, bool),
            centre,
            config.train.patch,
            config.target.exclusive,
            config.sampling.places == "every",
        )
        for column in range(COLUMNS):
            change: Any = config.augmentation if column else Unchanged()
            patch = change(plane.patch, cut, np.random.default_rng((*draw.seed, column)))
            y, x = row * tile, column * tile
            out[y : y + SIDE, x : x + SIDE] = _picture(patch, config.target.exclusive)
    return out


def _picture(patch: Patch, exclusive: bool) -> NDArray[np.uint8]:
    """A patch in grey (or colour), objects outlined, dark where nothing is known."""
    pixels = np.clip(patch.pixels[:, 0], 0, 1)
    colours = pixels[:3] if len(pixels) == 3 else np.repeat(pixels.mean(0, keepdims=True), 3, axis=0)
    inside = _foreground(patch.target[:, 0], exclusive)
    small = [cv2.resize(np.ascontiguousarray(c), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for c in colours]
    picture = np.stack(small, axis=-1)
    mask = cv2.resize(inside.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    known = cv2.resize(patch.known[0].astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    picture = picture**0.6  # so that dim objects show
    picture[known == 0] = 0.3 * picture[known == 0] + 0.1
    edge = (mask - cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0) & (known > 0)
    picture[edge] = 0.4 * picture[edge] + 0.6 * np.array((1.0, 0.75, 0.2))
    return np.asarray(picture * 255, np.uint8)


def _foreground(target: Float, exclusive: bool) -> NDArray[np.bool_]:
    return np.asarray(target.argmax(0) > 0 if exclusive else target[0] > 0.5)
