"""Losses as declarations; every built loss is called with (output, target, known)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .errors import CellsegError
from .settings import Settings, members

if TYPE_CHECKING:
    from torch import nn


class LossBase(Settings):
    """What losses have in common."""

    weight: float = Field(1.0, ge=0, le=100, description="Its share in a sum of losses.")
    class_weights: tuple[float, ...] = Field(
        (), description="One weight per channel of the target, for example 1, 2, 1.5; none: all count the same."
    )

    @abstractmethod
    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss; `exclusive` where the target's channels sum to one."""

    def check(self, channels: int) -> None:
        """Refuse class weights that do not fit a target of so many channels.

        Raises
        ------
        CellsegError
            When their number differs.
        """
        if len(self.class_weights) not in (0, channels):
            raise CellsegError(
                f"The loss {self.label()} has {len(self.class_weights)} class weights, the target {channels} channels.",
                "Give one weight per channel (background first), or none.",
            )


class DiceFocal(LossBase):
    """Dice plus focal loss: balances small objects and looks hardest at what is still wrong.

    With `linear`, and alpha 0.25, it is that of Aziz et al. 2026.
    """

    title: ClassVar[str] = "Dice + focal"
    kind: Literal["dice_focal"] = "dice_focal"
    gamma: float = Field(2.0, ge=0, le=10, description="Higher values look past voxels that are nearly right.")
    alpha: float = Field(
        0.0, ge=0, lt=1, description="Focal: weight of the inside, the outside has 1 - alpha; 0: both have 1."
    )
    linear: bool = Field(False, description="Dice with plain sums in the denominator, not sums of squares.")
    dice: float = Field(1.0, ge=0, le=10, description="Weight of the Dice term.")
    focal: float = Field(1.0, ge=0, le=10, description="Weight of the focal term.")

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import DiceFocalLoss

        return DiceFocalLoss(
            exclusive, self.class_weights, self.gamma, self.dice, self.focal, alpha=self.alpha, linear=self.linear
        )


class CrossEntropy(LossBase):
    """Cross entropy: every known voxel counts the same, or (balanced) every class does."""

    title: ClassVar[str] = "Cross entropy"
    kind: Literal["cross_entropy"] = "cross_entropy"
    balanced: bool = Field(False, description="Classes weigh the same in sum, however many voxels they have.")
    inside: float = Field(
        1.0, gt=0, le=1000, description="Weight of the inside where channels are independent; the outside has 1."
    )

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import CrossEntropyLoss

        return CrossEntropyLoss(exclusive, self.class_weights, self.balanced, self.inside)


class Focal(LossBase):
    """Focal loss: looks hardest at what is still wrong (Lin et al. 2017)."""

    title: ClassVar[str] = "Focal"
    kind: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0, le=10, description="Higher values look past voxels that are nearly right.")
    alpha: float = Field(
        0.25, ge=0, lt=1, description="Weight of the inside, the outside has 1 - alpha; 0: both have 1."
    )

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import FocalLoss

        return FocalLoss(exclusive, self.class_weights, self.gamma, self.alpha)


class Dice(LossBase):
    """Dice loss of segmentation-models-pytorch: the overlap of the whole batch, small objects and large alike."""

    title: ClassVar[str] = "Dice"
    kind: Literal["dice"] = "dice"

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import OverlapLoss

        return OverlapLoss(exclusive, self.class_weights, "DiceLoss")


class IoU(LossBase):
    """Intersection-over-union (Jaccard) loss of segmentation-models-pytorch.

    Class weights are normalised: taken literally, Eq. 8 of Tiling 2024 gives a perfect prediction with weights 1, 2,
    1.5 a loss of -0.5.
    """

    title: ClassVar[str] = "IoU"
    kind: Literal["iou"] = "iou"

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import OverlapLoss

        return OverlapLoss(exclusive, self.class_weights, "JaccardLoss")


class Tversky(LossBase):
    """Tversky loss of segmentation-models-pytorch: Dice that weighs false voxels and missed ones differently."""

    title: ClassVar[str] = "Tversky"
    kind: Literal["tversky"] = "tversky"
    alpha: float = Field(0.3, ge=0, le=1, description="Weight of false voxels.")
    beta: float = Field(0.7, ge=0, le=1, description="Weight of missed voxels.")

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import OverlapLoss

        return OverlapLoss(exclusive, self.class_weights, "TverskyLoss", alpha=self.alpha, beta=self.beta)


class Edges(LossBase):
    """Boundary loss: the edges (Laplacian) of the prediction must be those of the target (Das et al. 2025)."""

    title: ClassVar[str] = "Boundary (edges)"
    kind: Literal["edges"] = "edges"

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import BoundaryLoss

        return BoundaryLoss(exclusive, self.class_weights)


Term = Annotated[
    DiceFocal | CrossEntropy | Focal | Dice | IoU | Tversky | Edges,
    Field(discriminator="kind"),
]


class Sum(LossBase):
    """Several losses added, each by its own weight."""

    title: ClassVar[str] = "Sum of losses"
    kind: Literal["sum"] = "sum"
    terms: tuple[Term, ...] = Field(
        (CrossEntropy(), Dice()), min_length=1, description="The losses; their weight is their share."
    )

    @model_validator(mode="after")
    def _weights_are_the_terms(self) -> Sum:
        if self.class_weights:
            raise ValueError("class weights belong to the terms of a sum")
        return self

    def build(self, *, exclusive: bool) -> nn.Module:
        """The loss."""
        from .nets.losses import SumLoss

        return SumLoss([(term.weight, term.build(exclusive=exclusive)) for term in self.terms])

    def check(self, channels: int) -> None:
        """Check every term."""
        for term in self.terms:
            term.check(channels)


Loss = Annotated[Term | Sum, Field(discriminator="kind")]
LOSSES: tuple[type[LossBase], ...] = members(Loss)
