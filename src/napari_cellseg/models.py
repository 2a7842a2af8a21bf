"""Networks as declarations: parameters and `build`; weights in safetensors files.

A network is described by one class of the `Model` union; building it is the only moment at which torch is
imported. What a saved model is (network + recipe + target + weights + card) is `project`'s matter.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from .errors import CellsegError
from .settings import Settings

if TYPE_CHECKING:
    from torch import nn


class Smp(Settings):
    """Any architecture and encoder of segmentation-models-pytorch (2D)."""

    title: ClassVar[str] = "segmentation-models-pytorch"
    dimensions: ClassVar[int] = 2
    kind: Literal["smp"] = "smp"
    architecture: str = Field("Unet", description="Unet, UnetPlusPlus, FPN, DeepLabV3Plus, Segformer...")
    encoder: str = Field("resnet18", description="Name of the encoder, for example resnet18 or efficientnet-b0.")
    weights: str = Field("imagenet", description="imagenet, none, or the path of a safetensors file for the encoder.")
    width: int = Field(16, ge=4, le=64, description="Channels of the decoder's last stage; more is slower and finer.")
    detail: int = Field(
        16, ge=0, le=64, description="Channels of a branch at full resolution that sharpens outlines; 0 leaves it out."
    )

    @property
    def stride(self) -> tuple[int, int, int]:
        """Tiles that begin at multiples of this along (Z, Y, X) see the grid that the whole image sees."""
        return (32, 32, 32)

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network: (N, in_channels, Y, X) float -> (N, out_channels, Y, X) logits, any Y and X.

        Random weights: loading pretrained ones is `pretrain`.
        """
        from .nets.smp import build

        return build(self.architecture, self.encoder, in_channels, out_channels, (self.width, self.detail))

    def pretrain(self, network: nn.Module) -> str:
        """Load encoder weights where they are to be had; return a notice for the person ("" if all is well).

        Raises
        ------
        CellsegError
            When a weights file was named and does not fit.
        """
        from .nets import smp

        if self.weights == "none":
            return ""
        if self.weights == "imagenet":
            return smp.load_imagenet(network, self.encoder)
        smp.load_encoder(network, read_weights(Path(self.weights)), self.weights)
        return ""


class UNet3D(Settings):
    """The 3D U-Net of Tiling 2024: four levels, double convolutions, batch norm, transposed convolutions.

    With width 64 and flat 0 it is the published network (22,396,739 parameters for one channel and three classes);
    narrower ones run without a GPU.
    """

    title: ClassVar[str] = "3D U-Net"
    dimensions: ClassVar[int] = 3
    kind: Literal["unet3d"] = "unet3d"
    width: int = Field(16, ge=2, le=128, description="Features of the first level; more is slower and finer.")
    flat: int = Field(1, ge=0, le=3, description="Levels that halve only Y and X, for few or thick slices.")

    @property
    def stride(self) -> tuple[int, int, int]:
        """How often each axis is halved."""
        return (2 ** (3 - self.flat), 8, 8)

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network: (N, in_channels, Z, Y, X) float -> (N, out_channels, Z, Y, X) logits, any size."""
        from .nets.unet3d import UNet3D as Network

        return Network(in_channels, out_channels, self.width, self.flat)

    def pretrain(self, network: nn.Module) -> str:
        """There are no pretrained weights for it."""
        return ""


MODELS: tuple[type[Settings], ...] = (Smp, UNet3D)
Model = Annotated[Smp | UNet3D, Field(discriminator="kind")]


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's parameters and buffers as safetensors."""
    from safetensors.torch import save_file

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    temporary = path.with_suffix(".part")
    save_file(state, temporary)
    os.replace(temporary, path)


def read_weights(path: Path) -> dict[str, object]:
    """Read a safetensors file.

    Raises
    ------
    CellsegError
        When the file is missing, damaged, or a pickle posing as weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CellsegError(f"There is no weights file {path}.", "Check the path.")
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"PK" or head[:1] == b"\x80":
        raise CellsegError(
            f"{path.name} is a pickle, which can run any code when it is opened; it was not opened.",
            "Only safetensors files are accepted. Convert it where you trust it: "
            "safetensors.torch.save_file(torch.load(file, weights_only=True), name).",
        )
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CellsegError(
            f"The weights {path.name} cannot be read: {error}.", "The file is damaged; take it from a backup."
        ) from error


def load_weights(path: Path, network: nn.Module) -> None:
    """Fill a network from a safetensors file; every name and shape must match.

    Raises
    ------
    CellsegError
        When anything is missing, left over or of another shape.
    """
    weights = read_weights(path)
    own = network.state_dict()
    wrong = sorted(set(own) ^ set(weights))
    wrong += [n for n in own if n in weights and own[n].shape != getattr(weights[n], "shape", None)]
    if wrong:
        raise CellsegError(
            f"The weights {path.name} do not fit this network: {len(wrong)} tensors differ, first {wrong[0]}.",
            "The weights belong to another architecture or channel count; use the config saved beside them.",
        )
    network.load_state_dict(weights)
