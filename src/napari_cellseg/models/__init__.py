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
from ._imported import Imported, Imported3D
from ._unets import MSUNet, UNet, UNet3D
from ._weights import NETWORK, frozen_network, load_weights, read_weights, save_weights, write_tensors

_Own = Smp | UNet | MSUNet | UNet3D | FrozenEncoderUNet | DenseNetUNet | AttentionVGGUNet | InstanceActivationUNet
MODELS: tuple[type[ModelBase], ...] = declarations("networks", members(_Own), ModelBase)
"""What can be built and trained."""
if TYPE_CHECKING:
    Model = _Own | Imported | Imported3D
else:
    Model = Annotated[reduce(or_, (*MODELS, Imported, Imported3D)), Field(discriminator="kind")]

__all__ = [
    "MODELS",
    "NETWORK",
    "AttentionVGGUNet",
    "DenseNetUNet",
    "FrozenEncoderUNet",
    "Imported",
    "Imported3D",
    "InstanceActivationUNet",
    "MSUNet",
    "Model",
    "ModelBase",
    "Smp",
    "UNet",
    "UNet3D",
    "frozen_network",
    "load_weights",
    "read_weights",
    "save_weights",
    "write_tensors",
]
