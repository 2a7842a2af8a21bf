"""Models out and in: ONNX, 8 bit, TorchScript and bioimage.io packages, each checked against the network in torch.

Needs torch to export, and the extras ``onnx`` and ``bioimageio``, which are imported when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._agreement import Agreement
from ._incoming import Asked, import_package
from ._wanted import FORMS, ExportedModel, Form, Statement, Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def export_folder(path: Path, wanted: Wanted) -> ExportedModel:
    """Export a model folder.

    Raises
    ------
    CellsegError
        When the target is there already, a package is missing, the model cannot be converted, or what came out says
        something else than the network in torch; nothing is left behind.
    """
    from ._folder import export_folder as export  # which needs torch

    return export(path, wanted)


def build_network(model: dict[str, Any], exclusive: bool, in_channels: int, out_channels: int) -> nn.Module:
    """The network of a state dict in a bioimage.io package, with its last function; random weights.

    Parameters
    ----------
    model
        The declaration of the network, as ``config.toml`` has it.
    exclusive
        Whether channels are probabilities that add up to one (softmax), or each for itself (sigmoid).
    """
    from pydantic import TypeAdapter

    from ..models import Model, ModelBase
    from ..nets.base import Probabilities

    declared: ModelBase = TypeAdapter(Model).validate_python(model)
    return Probabilities(declared.build(in_channels, out_channels), exclusive)


__all__ = [
    "FORMS",
    "Agreement",
    "Asked",
    "ExportedModel",
    "Form",
    "Statement",
    "Wanted",
    "build_network",
    "export_folder",
    "import_package",
]
