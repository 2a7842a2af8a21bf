"""A network in torch: built, filled, fused, run, measured."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .._types import Float
from ..config import Config
from ..models import load_weights
from ..nets.device import choose, fused
from ..nets.place import Device
from ..project import ModelCard

_TRIAL = 256
_CASTS = (torch.ops.aten.to, torch.ops.aten._to_copy)


def build(path: Path, card: ModelCard, config: Config, device: Device) -> nn.Module:
    """A model folder's network, filled, fused and on the device.

    Raises
    ------
    CellsegError
        When the weights do not fit.
    """
    choose()  # torch may have been waiting for its number of threads until now
    network = config.model.build(card.in_channels, card.out_channels)
    load_weights(path / "weights.safetensors", network)
    return device.place(fused(network.eval()))


@torch.inference_mode()
def run(network: nn.Module, device: Device, stack: Float, exclusive: bool) -> Float:
    """(N, C, [Z], Y, X) float32 -> (N, K, [Z], Y, X) float32 probabilities."""
    memory = torch.channels_last if stack.ndim == 4 else torch.channels_last_3d
    tensor = torch.from_numpy(np.ascontiguousarray(stack)).to(device.torch).contiguous(memory_format=memory)
    with device.autocast():
        logits: torch.Tensor = network(tensor).float()
    p = logits.softmax(1) if exclusive else logits.sigmoid()
    return np.asarray(p.cpu().numpy())


def bytes_per_voxel(forward: Callable[[Float], object], channels: int, dimensions: int) -> float:
    """Memory that a tile needs at most at any time, per voxel: counted on a small trial."""
    shape = (_TRIAL // 2,) * 2 if dimensions == 2 else (16, 64, 64)
    with _LiveBytes() as live:
        forward(np.zeros((1, channels, *shape), np.float32))
    return float(live.peak / np.prod(shape) * 1.2)  # what the convolutions need beside tensors


def reach(network: nn.Module, device: Device, channels: int, dimensions: int) -> int:
    """How far the output depends noticeably on the input (pixels in the plane): 99 % of the gradient's size."""
    shape = (_TRIAL,) * 2 if dimensions == 2 else (16, 96, 96)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((1, channels, *shape), generator=generator).to(device.torch)
    middle = tuple(n // 2 for n in shape)
    with torch.enable_grad():
        pixels.requires_grad_(True)
        network(pixels)[(0, slice(None), *middle)].sum().backward()
    size = pixels.grad.abs().sum((0, 1)).cpu().numpy()  # type: ignore[union-attr]
    size = size if dimensions == 2 else size.sum(0)
    away = np.abs(np.indices(size.shape) - np.reshape(middle[-2:], (2, 1, 1))).max(0)
    share = np.bincount(away.ravel(), size.ravel()).cumsum()
    return int(np.searchsorted(share, 0.99 * share[-1])) + 1


class _LiveBytes(TorchDispatchMode):  # type: ignore[misc,unused-ignore]
    """Follows which tensors are alive and how large they are together at most.

    Weights in a lower precision, which come and go layer by layer, are left out: they do not grow with the tile, and
    in a small trial they would be most of it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.now = self.peak = 0
        self._counts: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in _CASTS and isinstance(args[0], nn.Parameter):
            return out
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor)
        return out

    def _follow(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = int(storage._cdata), int(storage.nbytes())
        if key not in self._counts:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._counts[key] = self._counts.get(key, 0) + 1
        weakref.finalize(tensor, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
            self.now -= size
