"""Networks as declarations: parameters and `build`; weights in safetensors files.

A network is described by one class of the `Model` union; building it is the only moment at which torch is
imported. What a saved model is (network + recipe + target + weights + card) is `project`'s matter.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..settings import members
from ._base import ModelBase
from ._encoders import AttentionVGGUNet, DenseNetUNet, FrozenEncoderUNet, InstanceActivationUNet, Smp
from ._unets import MSUNet, UNet, UNet3D
from ._weights import load_weights, read_weights, save_weights, write_tensors

Model = Annotated[
    Smp | UNet | MSUNet | UNet3D | FrozenEncoderUNet | DenseNetUNet | AttentionVGGUNet | InstanceActivationUNet,
    Field(discriminator="kind"),
]
MODELS: tuple[type[ModelBase], ...] = members(Model)

__all__ = [
    "MODELS",
    "AttentionVGGUNet",
    "DenseNetUNet",
    "FrozenEncoderUNet",
    "InstanceActivationUNet",
    "MSUNet",
    "Model",
    "ModelBase",
    "Smp",
    "UNet",
    "UNet3D",
    "load_weights",
    "read_weights",
    "save_weights",
    "write_tensors",
]
