"""Losses as declarations; every built loss is called with (output, target, known)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from .settings import Settings

if TYPE_CHECKING:
    from torch import nn


class DiceFocal(Settings):
    """Dice plus focal loss: balances small objects and looks hardest at what is still wrong."""

    title: ClassVar[str] = "Dice + focal"
    kind: Literal["dice_focal"] = "dice_focal"
    gamma: float = Field(2.0, ge=0, le=5, description="Higher values look past voxels that are nearly right.")
    dice: float = Field(1.0, ge=0, le=10, description="Weight of the Dice term.")
    focal: float = Field(1.0, ge=0, le=10, description="Weight of the focal term.")

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss; `exclusive` where the target's channels sum to one."""
        from .nets.losses import DiceFocalLoss

        return DiceFocalLoss(self.gamma, self.dice, self.focal, exclusive)


class CrossEntropy(Settings):
    """Cross entropy: every known voxel counts the same."""

    title: ClassVar[str] = "Cross entropy"
    kind: Literal["cross_entropy"] = "cross_entropy"

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss; `exclusive` where the target's channels sum to one."""
        from .nets.losses import CrossEntropyLoss

        return CrossEntropyLoss(exclusive)


LOSSES: tuple[type[Settings], ...] = (DiceFocal, CrossEntropy)
Loss = Annotated[DiceFocal | CrossEntropy, Field(discriminator="kind")]
