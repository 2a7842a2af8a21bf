"""U-Nets with an encoder of their own: all made by the builder in `nets.unet`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..extensions import ModelBase

if TYPE_CHECKING:
    from torch import nn


class UNetBase(ModelBase):
    """The parameters that U-Nets share."""

    width: int = Field(16, ge=2, le=128, description="Features of the first level; more is slower and finer.")
    levels: int = Field(4, ge=1, le=6, description="How often the image is halved; features double each time.")
    block: Literal["plain", "residual", "multiscale"] = Field(
        "plain",
        description="Two convolutions; with the first's output added to the second's; or streams of 3 x 3 and 5 x 5.",
    )
    norm: Literal["batch", "instance", "none"] = Field("batch", description="Normalisation after each convolution.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout inside every block.")
    gates: bool = Field(False, description="Attention gates on the skips.")
    deep_dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout after the deepest level of the encoder and after the bottom only."
    )
    rectify: bool = Field(False, description="ReLU after each transposed convolution.")

    @property
    def stride(self) -> tuple[int, int, int]:
        """How often each axis is halved."""
        return (2**self.levels,) * 3

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`."""
        from ..nets.unet import Parts, UNet

        dropout = (self.dropout,) if self.dropout else ()
        parts = Parts(
            self.dimensions, self.block, self.norm, dropout=dropout, gates=self.gates, deep_dropout=self.deep_dropout,
            rectify=self.rectify,
        )  # fmt: skip
        features = [self.width << level for level in range(self.levels + 1)]
        return UNet(parts, in_channels, out_channels, features, getattr(self, "flat", 0))


class UNet(UNetBase):
    """The U-Net of Gautam & Gautam 2025: residual blocks, batch norm, transposed convolutions, 16 to 256 features.

    With plain blocks, width 64 and no norm it is that of Ronneberger et al. 2015; with three levels, ReLU after
    transposed convolutions and deep dropout of 0.5 besides, that of Karabag et al. 2023.
    """

    title: ClassVar[str] = "U-Net"
    source: ClassVar[str] = "Gautam & Gautam 2025; plain: Ronneberger et al. 2015; three levels: Karabag et al. 2023"
    kind: Literal["unet"] = "unet"
    block: Literal["plain", "residual", "multiscale"] = Field(
        "residual",
        description="Two convolutions; with the first's output added to the second's; or streams of 3 x 3 and 5 x 5.",
    )


class MSUNet(UNetBase):
    """The multi-scale U-Net of Aziz et al. 2026: every block looks with 3 x 3 and with 5 x 5 convolutions.

    Dropout is on each stream's output, before they are joined. Its rate, batch norm and two convolutions per stream are
    ours: the paper does not state them.
    """

    title: ClassVar[str] = "Multi-scale U-Net"
    source: ClassVar[str] = "Aziz et al. 2026, after Shamhan et al. 2023"
    kind: Literal["msunet"] = "msunet"
    block: Literal["plain", "residual", "multiscale"] = Field(
        "multiscale",
        description="Two convolutions; with the first's output added to the second's; or streams of 3 x 3 and 5 x 5.",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout inside every block.")


class UNet3D(UNetBase):
    """The 3D U-Net of Tiling 2024: four levels, double convolutions, batch norm, transposed convolutions.

    With width 64 and flat 0 it is the published network (22,396,739 parameters for one channel and three classes);
    narrower ones run without a GPU.
    """

    title: ClassVar[str] = "3D U-Net"
    dimensions: ClassVar[int] = 3
    source: ClassVar[str] = "Tiling 2024, after Cicek et al. 2016"
    kind: Literal["unet3d"] = "unet3d"
    levels: int = Field(3, ge=1, le=6, description="How often the image is halved; features double each time.")
    flat: int = Field(1, ge=0, le=6, description="Levels that halve only Y and X, for few or thick slices.")

    @property
    def stride(self) -> tuple[int, int, int]:
        """How often each axis is halved."""
        return (2 ** max(0, self.levels - self.flat), 2**self.levels, 2**self.levels)
