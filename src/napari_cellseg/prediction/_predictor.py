"""A network that is ready to predict, in torch or in OpenVINO; it halves what does not fit into memory.

torch is imported when it is needed, which it is not where a processor predicts and the export is in the cache.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from .._types import Float
from ..config import Config
from ..errors import CellsegError
from ..models import frozen_network
from ..nets.place import Device, out_of_memory, processor
from ..project import ModelCard, member_paths, read_card, read_model_config
from ._file_network import FileExport, FileNetwork, Session
from ._runtime import Export, obstacle
from ._tiles import spans

if TYPE_CHECKING:
    from torch import nn

_TRIAL = 256
_MIRRORS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((), (-2,), (-1,), (-2, -1)),
    3: ((), (-3,), (-2,), (-1,)),
}


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model that is ready to predict.

    Attributes
    ----------
    source
        The network, or the model folder from which it is built when torch is needed.
    limits
        What was learnt about memory: ``side``, the largest tile that fitted after one did not.
    export
        The network in OpenVINO, of models from folders. A copy (`dataclasses.replace`) has none and predicts with
        torch: it may be of another device.
    """

    id: str
    source: nn.Module | Path
    config: Config
    card: ModelCard
    device: Device
    limits: dict[str, int] = field(default_factory=dict)
    export: Export | FileExport | None = field(default=None, init=False, repr=False)
    _told: set[str] = field(default_factory=set, init=False, repr=False)

    @property
    def dimensions(self) -> int:
        """2 or 3: what one tile of the network is."""
        return self.config.model.dimensions

    @property
    def stride(self) -> tuple[int, int, int]:
        """Tiles begin at multiples of this along (Z, Y, X)."""
        return self.config.model.stride

    @cached_property
    def network(self) -> nn.Module:
        """The network in torch."""
        if not isinstance(self.source, Path):
            return self.source
        if reason := frozen_network(self.source):
            raise CellsegError(reason, "For that, take the model it was made from, or train a new one.")
        from ._model import build

        return build(self.source, self.card, self.config, self.device)

    @cached_property
    def runtime(self) -> Session | None:
        """The network in OpenVINO, made at the first question, or in its own file; None where torch predicts."""
        if self.export is None:
            return None
        if self.export.runtime is not None or isinstance(self.export, FileExport):
            return self.export.runtime
        from ._export import export

        return self.export.make(lambda p: export(self.network, self.card, self.config, self.device, p))

    @cached_property
    def plain(self) -> Predictor:
        """The same model in torch."""
        return replace(self, source=self.network)

    def through(self, runtime: Literal["auto", "torch", "openvino"]) -> Predictor:
        """The same model in torch, in OpenVINO, or in what is faster and says the same (auto).

        Raises
        ------
        CellsegError
            When OpenVINO was asked for and cannot predict.
        """
        if runtime == "torch":
            return self.plain
        if runtime == "openvino" and self.runtime is None:
            reason = obstacle(self.device) or (self.export and self.export.reason) or "it was not read from a folder"
            raise CellsegError(
                f"Model {self.id} cannot predict in OpenVINO: {reason}.", "Set predict.runtime to auto or torch."
            )
        return self

    def notice(self) -> str:
        """Once, why torch predicts although OpenVINO could have been faster; else empty."""
        reason = self.export.reason if self.export is not None and self.runtime is None else ""
        if not reason or reason in self._told:
            return ""
        self._told.add(reason)
        return f"Model {self.id} predicts with torch, not in OpenVINO: {reason}."

    @cached_property
    def speed(self) -> float:
        """Seconds per voxel, from a small trial."""
        side = self.limits.get("side", _TRIAL)
        shape = (min(side, _TRIAL),) * 2 if self.dimensions == 2 else (16, 64, 64)
        pixels = np.zeros((1, self.card.in_channels, *shape), np.float32)
        self._run(pixels)
        start = time.perf_counter()
        self._run(pixels)
        return float((time.perf_counter() - start) / np.prod(shape))

    @cached_property
    def bytes_per_voxel(self) -> float:
        """Memory that a tile needs at most at any time, per voxel."""
        if self.runtime is not None:
            return self.runtime.facts.bytes_per_voxel
        from ._model import bytes_per_voxel

        return bytes_per_voxel(self._run, self.card.in_channels, self.dimensions)

    @cached_property
    def reach(self) -> int:
        """How far the output depends noticeably on the input (pixels in the plane): 99 % of the gradient's size."""
        if self.runtime is not None:
            return self.runtime.facts.reach
        from ._model import reach

        return reach(self.network, self.device, self.card.in_channels, self.dimensions)

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
        mirrored = self.config.target.mirrored
        views = ((m, np.flip(self._fitting(np.flip(stack, m)), m)) for m in _MIRRORS[self.dimensions])
        return np.asarray(np.mean([mirrored(view, m) for m, view in views], axis=0))

    def rest(self) -> None:
        """Give back memory that waits for the next tile."""
        if self.export is not None and self.export.runtime is not None:
            self.export.runtime.rest()

    # --- inside ---------------------------------------------------------------------------------

    def _fitting(self, stack: Float) -> Float:
        side = max(stack.shape[-2:])
        if side <= self.limits.get("side", side):
            try:
                return self._run(stack)
            except (MemoryError, RuntimeError) as error:  # torch's errors on GPUs are RuntimeErrors, too
                if not out_of_memory(error):
                    raise
            if self.device.kind == "cuda":
                sys.modules["torch"].cuda.empty_cache()
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

    def _run(self, stack: Float) -> Float:
        if self.runtime is not None:
            return self.runtime(stack)
        from ._model import run

        return run(self.network, self.device, stack, self.config.target.exclusive)


def load_model(path: Path) -> list[Predictor]:
    """A model folder's network, ready to predict; an ensemble's members come together.

    Raises
    ------
    CellsegError
        When the folder is not a model or its weights do not fit.
    """
    return [_load(member) for member in member_paths(path, read_card(path).members)]


def is_exported(path: Path) -> bool:
    """Whether a single model's folder can predict without torch: its export is in a cache and whole."""
    if frozen_network(path):
        return FileNetwork.read(path).form != "torchscript"
    return read_export(path) is not None


def read_export(path: Path) -> Export | None:
    """The network of a single model's folder without torch, where a cache has it whole.

    While somebody keeps it, whoever loads the model has the same, and nothing is compiled again.
    """
    card, config = read_card(path), read_model_config(path)
    export = _exported(path, card, config, processor(config.precision))
    return export if export is not None and export.runtime is not None else None


def make_exports(models: Sequence[Predictor]) -> None:
    """Make what their first prediction would make: nothing where they predict with torch anyway."""
    for model in models:
        if model.config.predict.runtime != "torch":
            _ = model.runtime


def _load(path: Path) -> Predictor:
    """From the export in the cache, without torch; else the network in torch, which is exported when it is used."""
    card, config = read_card(path), read_model_config(path)
    if frozen_network(path):
        return _from_file(path, card, config)
    device = processor(config.precision)
    export = _exported(path, card, config, device)
    if device is None or export is None or export.runtime is None:
        from ..nets.device import choose

        if (sure := choose(config.precision)) != device:
            device, export = sure, _exported(path, card, config, sure)
    source: nn.Module | Path = path
    if export is None or export.runtime is None:
        from ._model import build

        source = build(path, card, config, device)
    predictor = Predictor(card.id, source, config, card, device)
    object.__setattr__(predictor, "export", export)
    return predictor


def _from_file(path: Path, card: ModelCard, config: Config) -> Predictor:
    """A network in a file, which runs on the processor as it is."""
    network = FileNetwork.read(path)
    limits = {"side": network.side} if network.side else {}
    predictor = Predictor(card.id, path, config, card, Device("cpu", False), limits)
    export = FileExport(path, network)
    _ = export.runtime  # what cannot be run is said now
    object.__setattr__(predictor, "export", export)
    return predictor


def _exported(path: Path, card: ModelCard, config: Config, device: Device | None) -> Export | None:
    """What the cache has for a device; None where OpenVINO cannot predict."""
    if device is None or obstacle(device):
        return None
    try:
        export = Export(path, card, config, device)
    except OSError:  # no weights: building the network says so
        return None
    export.read()
    return export
