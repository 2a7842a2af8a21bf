"""Loss maths on logits, with an explicit map of what is known.

Every loss takes logits (N, C, ...), a target (N, C, ...) in [0, 1] and `known` (N, 1, ...), 1 where the target may be
learnt from; it is a scalar whose gradient is zero wherever nothing is known. Channels are probabilities that sum to
one (softmax) where `exclusive`, else independent (sigmoid).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


class MaskedLoss(nn.Module):
    """What losses have in common.

    Parameters
    ----------
    exclusive
        Whether channels sum to one.
    class_weights
        One per channel; their scale does not matter. Empty: all the same.
    """

    def __init__(self, exclusive: bool, class_weights: Sequence[float] = ()) -> None:
        super().__init__()
        self.exclusive = exclusive
        weights = torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("weights", weights / weights.mean().clamp_min(1e-12) if len(class_weights) else None)

    def forward(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss; see the module."""
        return self.of(output.float(), target.float(), known.to(torch.float32))

    @abstractmethod
    def of(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """The loss in float32."""

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) in [0, 1]."""
        return output.softmax(1) if self.exclusive else output.sigmoid()

    def entropies(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Cross entropy of every channel (N, C, ...); summed over channels where they exclude each other."""
        if self.exclusive:
            return -target * output.log_softmax(1)
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")

    def per_channel(self, values: torch.Tensor) -> torch.Tensor:
        """Weighted mean of (C,) values."""
        weights = self._weights(values.shape[0], values)
        return (values * weights).mean()

    def voxel_weights(self, output: torch.Tensor) -> torch.Tensor:
        """Class weights as (1, C, 1, ...)."""
        return self._weights(output.shape[1], output).reshape(1, -1, *(1,) * (output.ndim - 2))

    def _weights(self, channels: int, like: torch.Tensor) -> torch.Tensor:
        weights = self.get_buffer("weights") if self.weights is not None else None
        if weights is None:
            return torch.ones(channels, device=like.device)
        if len(weights) != channels:
            raise ValueError(f"{len(weights)} class weights were given, the target has {channels} channels")
        return weights.to(like.device)


class CrossEntropyLoss(MaskedLoss):
    """Mean cross entropy over known voxels, for hard and soft targets.

    `inside` weighs the inside of independent channels. With `balanced`, the classes of exclusive channels, or both
    sides of every independent channel, weigh the same in sum however many voxels they have (Xie & Tu 2015).
    """

    def __init__(
        self, exclusive: bool, class_weights: Sequence[float] = (), balanced: bool = False, inside: float = 1.0
    ) -> None:
        super().__init__(exclusive, class_weights)
        self.balanced, self.inside = balanced, inside

    def of(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        entropy = self.entropies(output, target) * self.voxel_weights(output)
        if self.balanced:
            entropy = entropy * _balance(target, known, self.exclusive)
        if self.inside != 1 and not self.exclusive:
            entropy = entropy * (1 + (self.inside - 1) * target)
        entropy = entropy.sum(1, keepdim=True) if self.exclusive else entropy.mean(1, keepdim=True)
        return (entropy * known).sum() / known.sum().clamp_min(1.0)


class FocalLoss(MaskedLoss):
    """alpha_t |y - p|^gamma times the cross entropy.

    For hard targets that is the focal loss of Lin et al. 2017, for soft ones the quality focal loss of Li et al.
    2020. `alpha` weighs what is inside a channel, 1 - alpha what is outside; 0 leaves both as they are. Exclusive
    channels have no outside and ignore it unless there are two. Channels are averaged.
    """

    def __init__(
        self, exclusive: bool, class_weights: Sequence[float] = (), gamma: float = 2.0, alpha: float = 0.0
    ) -> None:
        super().__init__(exclusive, class_weights)
        self.gamma, self.alpha = gamma, alpha

    def of(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        p, entropy = self.probabilities(output), self.entropies(output, target)
        # the slope of |x|^gamma at 0 is infinite where gamma < 1
        focal = (target - p).abs().clamp_min(1e-6) ** self.gamma * entropy * self.voxel_weights(output)
        if self.alpha and not self.exclusive:
            focal = focal * (self.alpha * target + (1 - self.alpha) * (1 - target))
        elif self.alpha and output.shape[1] == 2:
            sides = torch.tensor([1 - self.alpha, self.alpha], device=output.device)
            focal = focal * sides.reshape(1, 2, *(1,) * (output.ndim - 2))
        return (focal * known).sum() / (known.sum().clamp_min(1.0) * output.shape[1])


class OverlapLoss(MaskedLoss):
    """Dice, IoU or Tversky loss of segmentation-models-pytorch, over known voxels of the whole batch.

    Channels without a voxel of their class in the batch do not count (as in the library).
    """

    def __init__(self, exclusive: bool, class_weights: Sequence[float], name: str, **options: float) -> None:
        super().__init__(exclusive, class_weights)
        from .smp import library

        cls = getattr(library().losses, name)
        weights = list(class_weights) or None
        self._loss = cls(mode="multilabel", from_logits=False, smooth=1.0, class_weights=weights, **options)

    def of(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        loss: torch.Tensor = self._loss(self.probabilities(output) * known, target * known)
        return loss


class DiceFocalLoss(MaskedLoss):
    """Soft Dice plus focal loss over known voxels, for hard and soft targets.

    Dice is 1 - (2 sum py + 1) / (sum p^2 + sum y^2 + 1) per channel over the batch (Milletari et al. 2016), or, where
    `linear`, 1 - (2 sum py + 1) / (sum p + sum y + 1) (Aziz et al. 2026); the focal term is that of `FocalLoss`.
    """

    def __init__(
        self,
        exclusive: bool,
        class_weights: Sequence[float] = (),
        gamma: float = 2.0,
        dice_weight: float = 1.0,
        focal_weight: float = 1.0,
        *,
        alpha: float = 0.0,
        linear: bool = False,
    ) -> None:
        super().__init__(exclusive, class_weights)
        self.focal, self.linear = FocalLoss(exclusive, class_weights, gamma, alpha), linear
        self.dice_weight, self.focal_weight = dice_weight, focal_weight

    def of(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        p = self.probabilities(output)
        axes = (0, *range(2, output.ndim))
        overlap = (p * target * known).sum(axes)
        total = ((p + target if self.linear else p * p + target * target) * known).sum(axes)
        dice = self.per_channel(1 - (2 * overlap + 1) / (total + 1))
        return self.dice_weight * dice + self.focal_weight * self.focal.of(output, target, known)


class BoundaryLoss(MaskedLoss):
    """Mean squared difference of the Laplacians of prediction and target (edges), as in Das et al. 2025.

    Counted where the whole 3^n neighbourhood is known, since the Laplacian of a voxel looks at its neighbours.
    """

    def of(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        dimensions = output.ndim - 2
        pool = F.max_pool3d if dimensions == 3 else F.max_pool2d
        inner = 1 - pool(1 - known, 3, 1, 1)
        edges = _laplacian(self.probabilities(output) - target) ** 2 * self.voxel_weights(output)
        return (edges * inner).sum() / (inner.sum().clamp_min(1.0) * output.shape[1])


class SumLoss(nn.Module):
    """Losses added by weight."""

    def __init__(self, terms: Sequence[tuple[float, nn.Module]]) -> None:
        super().__init__()
        self.shares = [share for share, _ in terms]
        self.terms = nn.ModuleList(term for _, term in terms)

    def forward(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss."""
        losses = [share * term(output, target, known) for share, term in zip(self.shares, self.terms, strict=True)]
        return torch.stack(losses).sum()


def _balance(target: torch.Tensor, known: torch.Tensor, exclusive: bool) -> torch.Tensor:
    """Voxel weights, on average one, that give all classes (or both sides of a channel) the same sum."""
    axes = (0, *range(2, target.ndim))
    n = known.sum().clamp_min(1.0)
    inside = (target * known).sum(axes, keepdim=True)
    if exclusive:
        return n / (inside.clamp_min(1.0) * (inside > 0).sum().clamp_min(1))
    outside = n - inside
    return n * 0.5 * (target / inside.clamp_min(1.0) + (1 - target) / outside.clamp_min(1.0))


def _laplacian(x: torch.Tensor) -> torch.Tensor:
    """The sum of all neighbours less their number times the voxel, divided by that number; channel by channel."""
    dimensions = x.ndim - 2
    kernel = x.new_full((3,) * dimensions, 1.0 / (3**dimensions - 1))
    kernel[(1,) * dimensions] = -1.0
    convolve = F.conv3d if dimensions == 3 else F.conv2d
    flat = F.pad(x.reshape(-1, 1, *x.shape[2:]), (1, 1) * dimensions, mode="replicate")
    return convolve(flat, kernel[None, None]).reshape(x.shape)
