"""Networks as declarations: parameters and `build`; weights in safetensors files.

A network is described by one class of the `Model` union; building it is the only moment at which torch is
imported. What a saved model is (network + recipe + target + weights + card) is `project`'s matter. Other packages add
networks: see `extensions`.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..extensions import ModelBase, declarations
from ..settings import members
from ._encoders import AttentionVGGUNet, DenseNetUNet, FrozenEncoderUNet, InstanceActivationUNet, Smp
from ._unets import MSUNet, UNet, UNet3D
from ._weights import load_weights, read_weights, save_weights, write_tensors

_Own = Smp | UNet | MSUNet | UNet3D | FrozenEncoderUNet | DenseNetUNet | AttentionVGGUNet | InstanceActivationUNet
MODELS: tuple[type[ModelBase], ...] = declarations("networks", members(_Own), ModelBase)
if TYPE_CHECKING:
    Model = _Own
else:
    Model = Annotated[reduce(or_, MODELS), Field(discriminator="kind")]

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
