"""Heads on disk: in the project's cache, since they can be fitted again from the corrections."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ..errors import CellsegError
from ..models import read_weights, write_tensors
from ..project import head_path
from ._fit import Head

_FIGURES = ("objects", "before", "after")


def save_head(project: Path, model: str, head: Head | None) -> None:
    """Keep a model's head, or (None) forget the one that was kept."""
    path = head_path(project, model)
    if head is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)}
    figures = json.dumps({name: getattr(head, name) for name in _FIGURES})
    write_tensors(path, tensors, {"figures": figures})


def load_head(project: Path, model: str) -> Head | None:
    """The head that was kept of a model; None where there is none that can be read."""
    from safetensors import SafetensorError, safe_open

    path = head_path(project, model)
    if not path.is_file():
        return None
    try:
        tensors = read_weights(path)
        with safe_open(str(path), "np") as file:
            figures = json.loads((file.metadata() or {})["figures"])
        weight, bias = (np.asarray(tensors[name], np.float32) for name in ("weight", "bias"))
        return Head(weight, bias, int(figures["objects"]), float(figures["before"]), float(figures["after"]))
    except (CellsegError, SafetensorError, OSError, ValueError, KeyError):
        return None
