"""The napari side: a session, a controller without Qt, layers as a view, one file per dock."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


def launch(project: Path | None = None, engine: str | None = None, token: Path | None = None) -> None:
    """Open napari with the Workbench, and a project if given; returns when the window is closed.

    Parameters
    ----------
    engine, token
        ``HOST:PORT`` of an engine on another machine, and the file with the token for it; None: as the person's
        preferences say.
    """
    import napari

    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    if engine is not None:
        dock.controller.compute_on(engine, token)
    if project is not None:
        dock.controller.open_project(project)
    napari.run()


def __getattr__(name: str) -> Any:
    if name in ("Workbench", "controller_of"):
        return getattr(import_module(".qt.workbench", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
