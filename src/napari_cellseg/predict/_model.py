"""A network that is ready to predict: loaded, fused, measured; it halves what does not fit into memory."""

from __future__ import annotations

import math
import time
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..config import Config
from ..errors import CellsegError
from ..models import load_weights
from ..nets.device import Device, choose, fused, out_of_memory
from ..project import ModelCard, member_paths, read_card, read_model_config
from ._tiles import spans

Float = NDArray[np.float32]
_TRIAL = 256
_CASTS = (torch.ops.aten.to, torch.ops.aten._to_copy)
_MIRRORS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((), (-2,), (-1,), (-2, -1)),
    3: ((), (-3,), (-2,), (-1,)),
}


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model that is ready to predict."""

    id: str
    network: nn.Module
    config: Config
    card: ModelCard
    device: Device
    limits: dict[str, int] = field(default_factory=dict)
    """What was learnt about memory: ``side``, the largest tile that fitted after one did not."""

    @property
    def dimensions(self) -> int:
        """2 or 3: what one tile of the network is."""
        return self.config.model.dimensions

    @property
    def stride(self) -> tuple[int, int, int]:
        """Tiles begin at multiples of this along (Z, Y, X)."""
        return self.config.model.stride

    @cached_property
    def speed(self) -> float:
        """Seconds per voxel, from a small trial."""
        shape = (_TRIAL,) * 2 if self.dimensions == 2 else (16, 64, 64)
        pixels = np.zeros((1, self.card.in_channels, *shape), np.float32)
        self._run(pixels)
        start = time.perf_counter()
        self._run(pixels)
        return float((time.perf_counter() - start) / np.prod(shape))

    @cached_property
    def bytes_per_voxel(self) -> float:
        """Memory that a tile needs at most at any time, per voxel: counted on a small trial."""
        shape = (_TRIAL // 2,) * 2 if self.dimensions == 2 else (16, 64, 64)
        with _LiveBytes() as live:
            self._run(np.zeros((1, self.card.in_channels, *shape), np.float32))
        return float(live.peak / np.prod(shape) * 1.2)  # what the convolutions need beside tensors

    @cached_property
    def reach(self) -> int:
        """How far the output depends noticeably on the input (pixels in the plane): 99 % of the gradient's size."""
        shape = (_TRIAL,) * 2 if self.dimensions == 2 else (16, 96, 96)
        generator = torch.Generator().manual_seed(0)
        pixels = torch.rand((1, self.card.in_channels, *shape), generator=generator).to(self.device.torch)
        middle = tuple(n // 2 for n in shape)
        with torch.enable_grad():
            pixels.requires_grad_(True)
            self.network(pixels)[(0, slice(None), *middle)].sum().backward()
        size = pixels.grad.abs().sum((0, 1)).cpu().numpy()  # type: ignore[union-attr]
        size = size if self.dimensions == 2 else size.sum(0)
        away = np.abs(np.indices(size.shape) - np.reshape(middle[-2:], (2, 1, 1))).max(0)
        share = np.bincount(away.ravel(), size.ravel()).cumsum()
        return int(np.searchsorted(share, 0.99 * share[-1])) + 1

    def probabilities(self, stack: Float, *, flips: bool = False, budget: float = math.inf) -> Float:
        """(N, C, [Z], Y, X) float32 -> (N, K, [Z], Y, X) float32 in [0, 1].

        Planes go through the network together as far as `budget` (bytes) holds them. What does not fit into memory
        is halved until it does; `limits` remembers that.

        Raises
        ------
        CellsegError
            When not even the smallest tile fits.
        """
        at_once = max(1, int(min(budget / (self.bytes_per_voxel * np.prod(stack.shape[2:])), len(stack))))
        if at_once < len(stack):
            parts = [stack[k : k + at_once] for k in range(0, len(stack), at_once)]
            return np.concatenate([self.probabilities(part, flips=flips) for part in parts])
        if not flips:
            return self._fitting(stack)
        mirrors = _MIRRORS[self.dimensions]
        return np.asarray(np.mean([np.flip(self._fitting(np.flip(stack, m)), m) for m in mirrors], axis=0))

    # --- inside ---------------------------------------------------------------------------------

    def _fitting(self, stack: Float) -> Float:
        side = max(stack.shape[-2:])
        if side <= self.limits.get("side", side):
            try:
                return self._run(stack)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            if self.device.torch.type == "cuda":
                torch.cuda.empty_cache()
            if len(stack) > 1:
                return np.concatenate([self._fitting(half) for half in np.array_split(stack, 2)])
            smaller = side // 2 // 32 * 32
            if smaller < max(64, 3 * self.stride[-1]):
                raise CellsegError(
                    f"Not even a tile of {side} pixels fits into memory.", "Close other programs, or lower the batch."
                )
            self.limits["side"] = smaller
        return self._in_parts(stack)

    def _in_parts(self, stack: Float) -> Float:
        """A tile that does not fit, from smaller ones that overlap."""
        height, width = stack.shape[-2:]
        side, stride = self.limits["side"], self.stride[-1]
        out: Float | None = None
        for y in spans(height, side, min(64, side // 4), stride):
            for x in spans(width, side, min(64, side // 4), stride):
                part = self._fitting(np.ascontiguousarray(stack[..., y.start : y.stop, x.start : x.stop]))
                if out is None:
                    out = np.zeros((*part.shape[:-2], height, width), np.float32)
                weight = y.weight()[:, None] * x.weight()[None, :]
                out[..., y.start : y.stop, x.start : x.stop] += part * weight
        assert out is not None
        return out

    @torch.inference_mode()
    def _run(self, stack: Float) -> Float:
        memory = torch.channels_last if stack.ndim == 4 else torch.channels_last_3d
        tensor = torch.from_numpy(np.ascontiguousarray(stack)).to(self.device.torch).contiguous(memory_format=memory)
        with self.device.autocast():
            logits: torch.Tensor = self.network(tensor).float()
        p = logits.softmax(1) if self.config.target.exclusive else logits.sigmoid()
        return np.asarray(p.cpu().numpy())


def load_model(path: Path) -> list[Predictor]:
    """Build a model folder's network and fill it; an ensemble's members come together.

    Raises
    ------
    CellsegError
        When the folder is not a model or its weights do not fit.
    """
    return [_load(member) for member in member_paths(path, read_card(path).members)]


def _load(path: Path) -> Predictor:
    card, config = read_card(path), read_model_config(path)
    device = choose(config.precision)
    network = config.model.build(card.in_channels, card.out_channels)
    load_weights(path / "weights.safetensors", network)
    network = device.place(fused(network.eval()))
    return Predictor(card.id, network, config, card, device)


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
