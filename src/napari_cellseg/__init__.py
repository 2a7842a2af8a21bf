"""Look at a segmentation in napari, correct it with the brush, retrain the network with one click.

>>> import napari_cellseg as cs
>>> labels = cs.predict("cells.tif")

The public verbs are imported on first use; importing the package loads neither torch nor napari.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import events, samples
    from .api import (
        LoadedModel,
        OpenProject,
        Plating,
        augment,
        classify,
        classify_files,
        compare_systems,
        describe,
        evaluate,
        explain,
        export_model,
        fucci,
        fucci_files,
        import_model,
        load_model,
        measure,
        measure_files,
        metrics,
        model_table,
        new,
        predict,
        predict_files,
        recover,
        select,
    )
    from .api import open as open
    from .config import Config, read_config
    from .engine import Engine
    from .errors import CellsegError
    from .experiments import simulate
    from .images import Image, read, read_labels, write_labels, write_labels_inside
    from .project import Edit, Project

    __version__: str

_WHERE = {
    "CellsegError": "errors",
    "Config": "config",
    "Edit": "project",
    "Engine": "engine",
    "Image": "images",
    "LoadedModel": "api",
    "OpenProject": "api",
    "Plating": "api",
    "Project": "project",
    "augment": "api",
    "compare_systems": "api",
    "describe": "api",
    "evaluate": "api",
    "explain": "api",
    "export_model": "api",
    "classify": "api",
    "classify_files": "api",
    "fucci": "api",
    "fucci_files": "api",
    "import_model": "api",
    "load_model": "api",
    "measure": "api",
    "measure_files": "api",
    "metrics": "api",
    "model_table": "api",
    "new": "api",
    "open": "api",
    "predict": "api",
    "predict_files": "api",
    "read": "images",
    "read_config": "config",
    "read_labels": "images",
    "recover": "api",
    "select": "api",
    "simulate": "experiments",
    "write_labels": "images",
    "write_labels_inside": "images",
}
_MODULES = ("events", "samples")
__all__ = [
    "CellsegError",
    "Config",
    "Edit",
    "Engine",
    "Image",
    "LoadedModel",
    "OpenProject",
    "Plating",
    "Project",
    "augment",
    "classify",
    "classify_files",
    "compare_systems",
    "describe",
    "evaluate",
    "events",
    "explain",
    "export_model",
    "fucci",
    "fucci_files",
    "import_model",
    "load_model",
    "measure",
    "measure_files",
    "metrics",
    "model_table",
    "new",
    "predict",
    "predict_files",
    "read",
    "read_config",
    "read_labels",
    "recover",
    "samples",
    "select",
    "simulate",
    "write_labels",
    "write_labels_inside",
]
"""What ``import *`` takes: all but `open`, which would hide Python's own."""


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-cellseg")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_WHERE, *_MODULES, "__version__"])
