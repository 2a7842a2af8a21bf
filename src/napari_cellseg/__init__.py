"""Look at a segmentation in napari, correct it with the brush, retrain the network with one click.

The public verbs are imported on first use; importing the package loads neither torch nor napari.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config, read_config
    from .engine import Engine
    from .errors import CellsegError
    from .experiments import simulate
    from .images import Image, read, read_labels, write_labels
    from .project import Edit, Project

_WHERE = {
    "CellsegError": "errors",
    "Config": "config",
    "Edit": "project",
    "Engine": "engine",
    "Image": "images",
    "Project": "project",
    "read": "images",
    "read_config": "config",
    "read_labels": "images",
    "simulate": "experiments",
    "write_labels": "images",
}
__all__ = [
    "CellsegError",
    "Config",
    "Edit",
    "Engine",
    "Image",
    "Project",
    "read",
    "read_config",
    "read_labels",
    "simulate",
    "write_labels",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
