"""Weights in safetensors files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CellsegError

if TYPE_CHECKING:
    import torch
    from torch import nn


NETWORK = "network.json"
"""In the folder of a model whose network is a file that runs as it is (ONNX, TorchScript); it names that file."""


def frozen_network(folder: Path) -> str:
    """Why a model cannot learn, be explained or tried live: its network is a file that runs as it is; else empty."""
    if (folder / "weights.safetensors").is_file() or not (folder / NETWORK).is_file():
        return ""
    return f"The model {folder.name} is a network in a file that predicts as it is; it has no weights to change."


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's parameters and buffers as safetensors; see `write_tensors`."""
    write_tensors(path, network.state_dict())


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written, as with a full disk (for which the library has an exception of its own).
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part = path.with_suffix(".part")
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part, metadata)
        os.replace(part, path)
    except (SafetensorError, OSError) as error:
        part.unlink(missing_ok=True)
        raise OSError(str(error)) from error


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
        if reason := frozen_network(path.parent):
            raise CellsegError(reason, "For this, take the model it was made from, or train a new one.")
        raise CellsegError(f"There is no weights file {path}.", "Check the path.")
    with path.open("rb") as file:
        head = file.read(9)
    # a safetensors file begins with the length of its header, which may be any bytes, and the header with a brace
    if head[8:] != b"{" and (head[:2] == b"PK" or head[:1] == b"\x80"):
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
