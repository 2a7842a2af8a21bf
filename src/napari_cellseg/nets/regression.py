"""Errors of channels that hold directions or lengths, beside a loss of probabilities.

Channels are learnt through a sigmoid like all others, so that whatever computes, blends and keeps probabilities takes
them as they are.
"""

from __future__ import annotations

import torch
from torch import nn

_LONGEST = 6.0
"""Logits of lengths are cut here: a length of 400 scales."""


class WithRegression(nn.Module):
    """A loss of the first channel, a probability, plus a weighted error of the others.

    The error takes their logits and targets (N, C, ...), the probability that is to be learnt and `known`
    (N, 1, ...), and has no gradient where nothing is known.
    """

    def __init__(self, loss: nn.Module, error: nn.Module, weight: float) -> None:
        super().__init__()
        self.loss, self.error, self.weight = loss, error, weight

    def forward(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        output, target, known = output.float(), target.float(), known.float()
        loss: torch.Tensor = self.loss(output[:, :1], target[:, :1], known)
        error: torch.Tensor = self.error(output[:, 1:], target[:, 1:], target[:, :1], known)
        return loss + self.weight * error


class FlowError(nn.Module):
    """Mean squared difference of flows over known voxels, inside and outside objects (Stringer et al. 2021)."""

    def forward(
        self, output: torch.Tensor, target: torch.Tensor, inside: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """Scalar error; flows are in [-1, 1]."""
        squares = (2 * (output.sigmoid() - target)) ** 2
        return (squares.mean(1, keepdim=True) * known).sum() / known.sum().clamp_min(1.0)


class RayError(nn.Module):
    """Mean difference of lengths (pixels), weighted by the probability (Schmidt et al. 2018).

    What is no object weighs `outside` with a length of 0, as in the authors' program.
    """

    def __init__(self, scale: float, outside: float = 1e-4) -> None:
        super().__init__()
        self.scale, self.outside = scale, outside

    def forward(
        self, output: torch.Tensor, target: torch.Tensor, inside: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """Scalar error."""
        # the sigmoid of log(r / scale) is r / (r + scale)
        lengths = output.clamp(-_LONGEST, _LONGEST).exp()
        wanted = target / (1 - target).clamp_min(1e-3)
        weight = inside * known
        error = ((lengths - wanted).abs().mean(1, keepdim=True) * weight).sum() / weight.sum().clamp_min(1.0)
        rest = (lengths.mean(1, keepdim=True) * (1 - inside) * known).sum() / known.sum().clamp_min(1.0)
        return self.scale * (error + self.outside * rest)
