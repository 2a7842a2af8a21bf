"""The filters of a convolution, and what they make of a picture, as grids (Gautam & Gautam 2025 show the 13th)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from .._types import Float
from ..errors import CellsegError

if TYPE_CHECKING:
    import torch
    from torch import nn

KERNEL_CELL, MAP_CELL = 40, 96
"""Sides of one filter and of one feature map in the grids (pixels)."""


@dataclass(frozen=True, eq=False)
class FilterGrid:
    """The filters of one convolution.

    Attributes
    ----------
    layer
        Its name.
    kernels
        (Y, X) uint8: each filter, averaged over its input channels (of volumes: the middle plane); 128 is zero.
    maps
        (Y, X) uint8: each filter's feature map, from its least to its greatest value.
    """

    layer: str
    kernels: NDArray[np.uint8]
    maps: NDArray[np.uint8]


def filters(network: nn.Module, n: int, pixels: torch.Tensor) -> FilterGrid:
    """The n-th convolution that is computed (from 1) for pixels (1, C, [Z], Y, X).

    Raises
    ------
    CellsegError
        When there are fewer.
    """
    from torch import nn

    from ._layers import calls, convolutions

    found = convolutions(calls(network, pixels))
    if not 1 <= n <= len(found):
        raise CellsegError(f"There is no convolution {n}.", f"This network computes {len(found)}, counted from 1.")
    call = found[n - 1]
    weight = call.layer.weight.detach().float().cpu().numpy()  # type: ignore[operator]
    if isinstance(call.layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
        weight = weight.swapaxes(0, 1)
    kernels, maps = _planes(weight.mean(1)), _planes(call.output[0].float().cpu().numpy())
    return FilterGrid(call.name, _grid([_signed(k) for k in kernels], KERNEL_CELL, cv2.INTER_NEAREST),
                      _grid([_stretched(m) for m in maps], MAP_CELL, cv2.INTER_AREA))  # fmt: skip


def _planes(stack: Float) -> Float:
    """(N, [Z], Y, X) -> (N, Y, X): the middle plane of each."""
    return np.asarray(stack[:, stack.shape[1] // 2] if stack.ndim == 4 else stack)


def _signed(kernel: Float) -> NDArray[np.uint8]:
    return np.asarray(np.rint(128 + 127 * kernel / max(float(np.abs(kernel).max()), 1e-12)), np.uint8)


def _stretched(values: Float) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.rint(255 * (values - low) / max(high - low, 1e-12)), np.uint8)


def _grid(pictures: list[NDArray[np.uint8]], side: int, how: int) -> NDArray[np.uint8]:
    """Pictures in rows from the upper left, each `side` high, with white lines between them."""
    height, width = pictures[0].shape
    cell = (side, max(1, round(side * width / height)))
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    out = np.full((rows * (cell[0] + 2) + 2, columns * (cell[1] + 2) + 2), 255, np.uint8)
    for k, picture in enumerate(pictures):
        y, x = (2 + k // columns * (cell[0] + 2), 2 + k % columns * (cell[1] + 2))
        small = cv2.resize(picture, (cell[1], cell[0]), interpolation=how)
        out[y : y + cell[0], x : x + cell[1]] = small
    return out
