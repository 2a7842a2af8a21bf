"""What moves the weights: optimiser, learning rate, freezing, running average."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from ..config import Config, Optimiser
from ..errors import CellsegError
from ..nets.base import freeze


def make_optimiser(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters; frozen ones have no gradient and stay."""
    cls = torch.optim.AdamW if config.optimiser.method == "adamw" else torch.optim.Adam
    return cls(network.parameters(), lr=config.train.learning_rate, weight_decay=config.train.weight_decay)


def rate(step: int, progress: float, options: Optimiser | None = None, falls: int = 0) -> float:
    """Share of the peak learning rate: linear warm-up, then as the schedule says.

    Parameters
    ----------
    progress
        Share of the training that is over; cosine falls with it to 2 %.
    falls
        How often validation stopped improving (plateau).
    """
    options = options or Optimiser()
    warm = min(1.0, step / options.warm_up) if options.warm_up else 1.0
    if options.schedule == "cosine":
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    if options.schedule == "exponential":
        return warm * float(options.factor ** (step / options.every))
    if options.schedule == "staircase":
        return warm * float(options.factor ** ((step - 1) // options.every))
    return warm * (float(options.factor**falls) if options.schedule == "plateau" else 1.0)


def kernels(network: nn.Module) -> list[torch.Tensor]:
    """Weights of all convolutions that learn."""
    kinds = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    return [m.weight for m in network.modules() if isinstance(m, kinds) and m.weight.requires_grad]


class Freezing:
    """A frozen encoder that may learn again, stage by stage, the deepest first (Howard & Ruder 2018).

    Raises
    ------
    CellsegError
        When the encoder is to be frozen and the network has none.
    """

    def __init__(self, network: nn.Module, options: Optimiser) -> None:
        self._network, self._share = network, options.unfreeze
        self._stages: list[nn.Module] = []
        self._frozen = -1
        if options.freeze == "nothing":
            return
        backbone: nn.Module | None = getattr(network, "backbone", None)
        if backbone is None:
            raise CellsegError(
                "This network has no encoder of its own that could be frozen.", "Set optimiser.freeze to nothing."
            )
        # what the network itself keeps frozen stays so
        self._stages = [s for s in backbone.children() if any(p.requires_grad for p in s.parameters())]

    def apply(self, progress: float) -> None:
        """Freeze what is to be frozen after this share of the training."""
        thawed = 0
        if self._share:
            thawed = int(len(self._stages) * min(progress / self._share, 1.0))
        frozen = len(self._stages) - thawed
        if frozen == self._frozen:
            return
        self._frozen = frozen
        for n, stage in enumerate(self._stages):
            freeze(stage, n < frozen)
        self._network.train()


class Average:
    """An exponential running average of the weights (Polyak & Juditsky 1992), quick at first."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay
        self._now = list(network.state_dict().values())
        self._mean = list(self.network.state_dict().values())

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move towards the network after a step."""
        decay = min(self._decay, (1 + step) / (10 + step))
        pairs = list(zip(self._mean, self._now, strict=True))
        means = [m for m, _ in pairs if m.is_floating_point()]
        torch._foreach_lerp_(means, [n for m, n in pairs if m.is_floating_point()], 1 - decay)
        for mean, now in pairs:
            if not mean.is_floating_point():
                mean.copy_(now)
