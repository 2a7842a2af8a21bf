"""Networks over encoders of segmentation-models-pytorch, which may come with pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..base import base_models
from ..extensions import ModelBase
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
    """A decoder over an encoder that keeps its pretrained weights (Das et al. 2025).

    Layout 0.4 is what that version of ours built under the same name; its models load and predict as they did.
    """

    frozen: bool = Field(True, description="The encoder keeps its weights and its batch-norm statistics.")
    layout: Literal["published", "0.4"] = Field(
        "published", description="The published decoder, or that of version 0.4, whose models are loaded with it."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, values: Any) -> Any:
        """What was written in full by version 0.4 has all its fields, and no layout."""
        written = {"kind", "encoder", "weights", "frozen"}
        if isinstance(values, dict) and "layout" not in values and written <= set(values):
            return values | {"layout": "0.4"}
        return values

    def pretrain(self, network: nn.Module) -> str:
        """As for any encoder; one without pretrained weights is not frozen: random features would stay random."""
        from ..nets.base import freeze

        notice = super().pretrain(network)
        if notice and self.frozen:
            freeze(network.backbone, False)  # type: ignore[arg-type]
            notice += " The encoder is not frozen, since random weights would stay random."
        return notice

    def _decoder(
        self,
        parts: Parts,
        sizes: tuple[int, int],
        features: tuple[int, ...],
        taken: tuple[int, ...],
        pooled: bool = False,
    ) -> nn.Module:
        """Our builder's decoder: features of its blocks and of the encoder it takes, deepest first."""
        from ..nets.smp import encoder_unet

        return encoder_unet(parts, self.encoder, sizes, features, taken, frozen=self.frozen, pooled=pooled)


class FrozenEncoderUNet(FrozenBase):
    """Frozen encoders under one decoder, the comparison of Das et al. 2025.

    Theirs were DenseNet121, InceptionV3, VGG16, MobileNetV2, ResNet50 and EfficientNetB0. The paper does not describe
    the decoder; its numbers of parameters do for VGG16 and ResNet50 (5.53 M, 31.05 M): transposed convolutions of 3 x 3
    to as many channels as the skip has, and one of 3 x 3 to 64 channels at the end. For DenseNet121 it is that of
    MODEL-1 (15.65 M). The same rule gives 19.43 M for InceptionV3 (stated: 19.86), 1.20 M for MobileNetV2 (1.39) and
    1.44 M for EfficientNetB0 (2.04).
    """

    title: ClassVar[str] = "U-Net over a frozen encoder"
    source: ClassVar[str] = "Das et al. 2025"
    kind: Literal["frozen_encoder_unet"] = "frozen_encoder_unet"
    encoder: str = Field(
        "densenet121", description="densenet121, inceptionv3, vgg16, mobilenet_v2, resnet50, efficientnet-b0..."
    )

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`."""
        from ..nets.das import Shape
        from ..nets.smp import transposed_unet
        from ..nets.unet import Parts

        sizes = (in_channels, out_channels)
        if self.layout == "0.4":
            return self._decoder(Parts(), sizes, (256, 128, 64, 32, 16), (5, 4, 3, 2, 1, 0))
        if self.encoder.startswith("densenet"):
            return DenseNetUNet(frozen=self.frozen).build(*sizes)
        # a VGG has features at the full resolution, the deepest ones before its last pooling
        taken = (4, 3, 2, 1, 0) if self.encoder.startswith("vgg") else (5, 4, 3, 2, 1)
        return transposed_unet(Shape(taken), self.encoder, sizes, frozen=self.frozen)


class DenseNetUNet(FrozenBase):
    """MODEL-1 of Das et al. 2025: DenseNet121 under transposed convolutions, dropout rising towards shallow layers.

    Block: transposed convolution, batch norm, ReLU, dropout, resized bilinearly to the skip, joined, refined by 3 x 3.
    """

    title: ClassVar[str] = "DenseNet U-Net"
    source: ClassVar[str] = "Das et al. 2025, MODEL-1 (with L2 of 1e-4 on convolution kernels)"
    kind: Literal["densenet_unet"] = "densenet_unet"
    encoder: Literal["densenet121"] = Field("densenet121", description="The encoder.")

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`."""
        from ..nets.das import Shape
        from ..nets.smp import transposed_unet
        from ..nets.unet import Parts

        sizes = (in_channels, out_channels)
        if self.layout == "0.4":
            parts = Parts(dropout=(0.25, 0.3125, 0.375, 0.4375, 0.5))
            return self._decoder(parts, sizes, (512, 256, 128, 64, 32), (5, 4, 3, 2, 1))
        shape = Shape((5, 4, 3, 2, 1), (512, 256, 128, 64), 32, True, (0.25, 1 / 3, 5 / 12, 0.5))
        return transposed_unet(shape, self.encoder, sizes, frozen=self.frozen)


class AttentionVGGUNet(FrozenBase):
    """MODEL-2 of Das et al. 2025: VGG16 to block5_conv3 with additive attention gates on the skips."""

    title: ClassVar[str] = "Attention VGG U-Net"
    source: ClassVar[str] = "Das et al. 2025, MODEL-2; gates: Oktay et al. 2018"
    kind: Literal["attention_vgg_unet"] = "attention_vgg_unet"
    encoder: Literal["vgg16"] = Field("vgg16", description="The encoder.")

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`; gates are as wide as their block, and a dropout of 0.1."""
        from ..nets.unet import Parts

        parts = Parts(gates=True, dropout=(0.1,), gate_share=0.5 if self.layout == "0.4" else 1.0)
        return self._decoder(parts, (in_channels, out_channels), (256, 128, 64, 32), (4, 3, 2, 1, 0))


class InstanceActivationUNet(FrozenBase):
    """MODEL-3 of Das et al. 2025: pooled VGG16 features, attention gates, residual and Instance Activation modules.

    Block: transposed convolution, gate, residual block of two 3 x 3, Instance Activation, dropout of whole channels.
    """

    title: ClassVar[str] = "Instance Activation U-Net"
    source: ClassVar[str] = "Das et al. 2025, MODEL-3"
    kind: Literal["instance_activation_unet"] = "instance_activation_unet"
    encoder: Literal["vgg16"] = Field("vgg16", description="The encoder.")
    norm: Literal["batch", "instance"] = Field("batch", description="Normalisation after each convolution.")

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network, see `ModelBase.build`; dropout from 0.2 to 0.4 with depth."""
        from ..nets.unet import Parts

        old = self.layout == "0.4"
        parts = Parts(
            block="plain" if old else "residual", norm=self.norm, dropout=(0.2, 0.25, 0.3, 0.35, 0.4), spatial=True,
            kernel=3, gates=True, activations=True, drop_last=not old,
        )  # fmt: skip
        features = (512, 256, 128, 64, 32 if old else 64)
        return self._decoder(parts, (in_channels, out_channels), features, (5, 4, 3, 2, 1), pooled=True)
