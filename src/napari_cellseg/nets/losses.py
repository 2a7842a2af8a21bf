"""Loss maths on logits, with an explicit map of what is known."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class DiceFocalLoss(nn.Module):
    """Soft Dice plus focal loss over known voxels, for hard and soft targets.

    Dice is 1 - (2 sum py + s) / (sum p^2 + sum y^2 + s) per channel over the batch (Milletari et al. 2016). The
    focal term is |y - p|^gamma times the cross entropy, which for hard targets is the focal loss of Lin et al.
    2017 and for soft ones the quality focal loss of Li et al. 2020. Channels are probabilities that sum to one
    (softmax) where `exclusive`, else independent (sigmoid).
    """

    def __init__(self, gamma: float, dice_weight: float, focal_weight: float, exclusive: bool) -> None:
        super().__init__()
        self.gamma, self.dice_weight, self.focal_weight, self.exclusive = gamma, dice_weight, focal_weight, exclusive

    def forward(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss.

        Parameters
        ----------
        output
            Logits (N, C, ...).
        target
            (N, C, ...) in [0, 1].
        known
            (N, 1, ...), 1 where the target may be learnt from, 0 elsewhere.
        """
        output, target = output.float(), target.float()
        known = known.to(output.dtype)
        if self.exclusive:
            p = output.softmax(1)
            entropy = -target * output.log_softmax(1)
        else:
            p = output.sigmoid()
            entropy = F.binary_cross_entropy_with_logits(output, target, reduction="none")
        known_voxels = known.sum().clamp_min(1.0)
        focal = ((target - p).abs() ** self.gamma * entropy * known).sum() / (known_voxels * output.shape[1])
        axes = (0, *range(2, output.ndim))
        overlap = (p * target * known).sum(axes)
        total = ((p * p + target * target) * known).sum(axes)
        dice = 1 - (2 * overlap + 1) / (total + 1)
        return self.dice_weight * dice.mean() + self.focal_weight * focal


class CrossEntropyLoss(nn.Module):
    """Mean cross entropy over known voxels, for hard and soft targets."""

    def __init__(self, exclusive: bool) -> None:
        super().__init__()
        self.exclusive = exclusive

    def forward(self, output: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Scalar loss; arguments as for `DiceFocalLoss.forward`."""
        output, target = output.float(), target.float()
        if self.exclusive:
            entropy = -(target * output.log_softmax(1)).sum(1, keepdim=True)
        else:
            entropy = F.binary_cross_entropy_with_logits(output, target, reduction="none").mean(1, keepdim=True)
        return (entropy * known).sum() / known.sum().clamp_min(1.0)
