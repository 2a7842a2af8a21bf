"""What every network of ours does: take any size, and keep still what does not learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F


class Network(nn.Module):
    """Pads its input to what it can halve, crops its output back; frozen parts stay in evaluation mode.

    A part is frozen where none of its parameters asks for a gradient: its batch norms then keep their statistics and
    its dropout is off, whatever `train` says.

    Attributes
    ----------
    strides
        The sides along ([Z], Y, X) must be multiples of these.
    """

    strides: tuple[int, ...]

    @property
    def backbone(self) -> nn.Module | None:
        """The encoder: it may come with pretrained weights and may be frozen. None where there is no such part."""
        return None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, [Z], Y, X) -> (N, classes, [Z], Y, X) logits, any size."""
        sizes = x.shape[2:]
        out = self.logits(padded(x, self.strides))
        for axis, n in enumerate(sizes, 2):
            out = out.narrow(axis, 0, n)
        return out

    @abstractmethod
    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The same for sides that are multiples of `strides`."""

    def train(self, mode: bool = True) -> Network:
        """Training mode for what learns."""
        super().train(mode)
        if mode:
            for part in _frozen(self):
                part.eval()
        return self


class Probabilities(nn.Module):
    """What is converted for other programs: a network with its last function; padding and cutting stay outside."""

    def __init__(self, network: nn.Module, exclusive: bool) -> None:
        super().__init__()
        self.network, self.exclusive = network, exclusive

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, [Z], Y, X), sides multiples of the strides -> (N, K, [Z], Y, X) in [0, 1]."""
        logits: torch.Tensor = self.network.logits(x) if isinstance(self.network, Network) else self.network(x)
        return logits.softmax(1) if self.exclusive else logits.sigmoid()


def freeze(part: nn.Module, frozen: bool = True) -> None:
    """Let a part of a network learn no more (or again); call the network's `train` afterwards."""
    part.requires_grad_(not frozen)


def padded(x: torch.Tensor, strides: tuple[int, ...]) -> torch.Tensor:
    """Mirror (N, C, ..., Y, X) at its far ends up to multiples of `strides`; repeat the edge where it is too short."""
    sizes = x.shape[2:]
    missing = [-n % s for n, s in zip(sizes, strides, strict=True)]
    if not any(missing):
        return x
    mode = "reflect" if all(m < n for m, n in zip(missing, sizes, strict=True)) else "replicate"
    pad = [k for m in reversed(missing) for k in (0, m)]
    return F.pad(x, pad, mode=mode)


def resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Of the size of another one along ([Z], Y, X), interpolated linearly; as it is where they are equal."""
    size = like.shape[2:]
    if x.shape[2:] == size:
        return x
    return F.interpolate(x, size=size, mode="trilinear" if len(size) == 3 else "bilinear", align_corners=False)


def _frozen(module: nn.Module) -> Iterator[nn.Module]:
    """The largest parts that have parameters, all of them frozen."""
    for child in module.children():
        parameters = list(child.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            yield child
        else:
            yield from _frozen(child)
