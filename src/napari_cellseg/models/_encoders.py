"""Networks over encoders of segmentation-models-pytorch, which may come with pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..base import base_models
from ._base import ModelBase
from ._weights import read_weights

if TYPE_CHECKING:
    from torch import nn

    from ..nets.unet import Parts


class EncoderBase(ModelBase):
    """An encoder and its weights."""

    encoder: str = Field("resnet18", description="Name of the encoder, for example resnet18 or efficientnet-b0.")
    weights: str = Field("imagenet", description="imagenet, none, or the path of a safetensors file for the encoder.")

    @property
    def stride(self) -> tuple[int, int, int]:
        """Encoders halve five times."""
        return (32, 32, 32)

    def pretrain(self, network: nn.Module) -> str:
        """Load encoder weights, see `ModelBase.pretrain`."""
        from ..nets import smp

        backbone: nn.Module = network.backbone  # type: ignore[assignment]
        if self.weights == "none":
            return ""
        if self.weights == "imagenet":
            return smp.load_imagenet(backbone, self.encoder)
        smp.load_encoder(backbone, read_weights(Path(self.weights)), self.weights)
        return ""


class Smp(EncoderBase):
    """Any architecture and encoder of segmentation-models-pytorch (2D)."""

    title: ClassVar[str] = "segmentation-models-pytorch"
    source: ClassVar[str] = "Iakubovskii 2019"
    kind: Literal["smp"] = "smp"
    encoder: str = Field(
        "tu-tf_efficientnet_lite0", description="Name of the encoder, for example resnet18 or efficientnet-b0."
    )
    weights: str = Field(
        "base",
        description="base (of the shipped base model, where they fit; else imagenet), imagenet, none, or the path of a "
        "safetensors file for the encoder.",
    )
    architecture: str = Field("Unet", description="Unet, UnetPlusPlus, FPN, DeepLabV3Plus, Segformer...")
    width: int = Field(16, ge=4, le=64, description="Channels of the decoder's last stage; more is slower and finer.")
    detail: int = Field(
        16, ge=0, le=64, description="Channels of a branch at full resolution that sharpens outlines; 0 leaves it out."
    )

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`."""
        from ..nets.smp import build

        return build(self.architecture, self.encoder, in_channels, out_channels, (self.width, self.detail))

    def pretrain(self, network: nn.Module) -> str:
        """Load what the base model knows, or encoder weights, see `ModelBase.pretrain`."""
        if self.weights != "base":
            return super().pretrain(network)
        for folder in base_models().values():
            if f'encoder = "{self.encoder}"' in (folder / "config.toml").read_text(encoding="utf-8"):
                from ..nets import smp

                if smp.load_similar(network, read_weights(folder / "weights.safetensors")):
                    return ""
        return self.model_copy(update={"weights": "imagenet"}).pretrain(network)


class FrozenBase(EncoderBase):
    """Our decoder over an encoder that keeps its pretrained weights (Das et al. 2025)."""

    features: ClassVar[tuple[int, ...]] = (256, 128, 64, 32, 16)
    """Of the decoder's blocks, deepest first."""
    taken: ClassVar[tuple[int, ...]] = (5, 4, 3, 2, 1, 0)
    """Features of the encoder that the decoder takes; 0 is the full resolution."""
    pooled: ClassVar[bool] = False
    frozen: bool = Field(True, description="The encoder keeps its weights and its batch-norm statistics.")

    def parts(self) -> Parts:
        """What the decoder is made of."""
        from ..nets.unet import Parts

        return Parts()

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`."""
        from ..nets.smp import encoder_unet

        sizes = (in_channels, out_channels)
        return encoder_unet(
            self.parts(), self.encoder, sizes, self.features, self.taken, frozen=self.frozen, pooled=self.pooled
        )

    def pretrain(self, network: nn.Module) -> str:
        """As for any encoder; one without pretrained weights is not frozen: random features would stay random."""
        from ..nets.base import freeze

        notice = super().pretrain(network)
        if notice and self.frozen:
            freeze(network.backbone, False)  # type: ignore[arg-type]
            notice += " The encoder is not frozen, since random weights would stay random."
        return notice


class FrozenEncoderUNet(FrozenBase):
    """Frozen encoders under one decoder, the comparison of Das et al. 2025.

    Theirs were DenseNet121, InceptionV3 (the nearest here is inceptionv4), VGG16, MobileNetV2, ResNet50 and
    EfficientNetB0.
    """

    title: ClassVar[str] = "U-Net over a frozen encoder"
    source: ClassVar[str] = "Das et al. 2025"
    kind: Literal["frozen_encoder_unet"] = "frozen_encoder_unet"
    encoder: str = Field(
        "densenet121", description="densenet121, inceptionv4, vgg16, mobilenet_v2, resnet50, efficientnet-b0..."
    )


class DenseNetUNet(FrozenBase):
    """MODEL-1 of Das et al. 2025: DenseNet121 under transposed convolutions with dropout that grows with depth."""

    title: ClassVar[str] = "DenseNet U-Net"
    source: ClassVar[str] = "Das et al. 2025, MODEL-1 (with weight decay 1e-4)"
    features: ClassVar[tuple[int, ...]] = (512, 256, 128, 64, 32)
    taken: ClassVar[tuple[int, ...]] = (5, 4, 3, 2, 1)
    kind: Literal["densenet_unet"] = "densenet_unet"
    encoder: Literal["densenet121"] = Field("densenet121", description="The encoder.")

    def parts(self) -> Parts:
        """Dropout from 0.25 to 0.5."""
        from ..nets.unet import Parts

        return Parts(dropout=(0.25, 0.3125, 0.375, 0.4375, 0.5))


class AttentionVGGUNet(FrozenBase):
    """MODEL-2 of Das et al. 2025: VGG16 with additive attention gates on the skips."""

    title: ClassVar[str] = "Attention VGG U-Net"
    source: ClassVar[str] = "Das et al. 2025, MODEL-2; gates: Oktay et al. 2018"
    features: ClassVar[tuple[int, ...]] = (256, 128, 64, 32)
    taken: ClassVar[tuple[int, ...]] = (4, 3, 2, 1, 0)
    kind: Literal["attention_vgg_unet"] = "attention_vgg_unet"
    encoder: Literal["vgg16"] = Field("vgg16", description="The encoder.")

    def parts(self) -> Parts:
        """Gates and a dropout of 0.1."""
        from ..nets.unet import Parts

        return Parts(gates=True, dropout=(0.1,))


class InstanceActivationUNet(FrozenBase):
    """MODEL-3 of Das et al. 2025: pooled VGG16 features, attention gates, residual Instance Activation modules."""

    title: ClassVar[str] = "Instance Activation U-Net"
    source: ClassVar[str] = "Das et al. 2025, MODEL-3"
    features: ClassVar[tuple[int, ...]] = (512, 256, 128, 64, 32)
    taken: ClassVar[tuple[int, ...]] = (5, 4, 3, 2, 1)
    pooled: ClassVar[bool] = True
    kind: Literal["instance_activation_unet"] = "instance_activation_unet"
    encoder: Literal["vgg16"] = Field("vgg16", description="The encoder.")
    norm: Literal["batch", "instance"] = Field("batch", description="Normalisation after each convolution.")

    def parts(self) -> Parts:
        """Gates, activation modules, a dropout of whole channels from 0.2 to 0.4, overlapping enlargement."""
        from ..nets.unet import Parts

        return Parts(
            norm=self.norm, dropout=(0.2, 0.25, 0.3, 0.35, 0.4), spatial=True, kernel=3, gates=True, activations=True
        )
