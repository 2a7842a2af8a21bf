"""What the manifest offers besides docks: sample data, a reader for project folders, commands in layer menus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..samples import synthetic_cells

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels

LayerData = tuple[Any, dict[str, Any], str]


def cells_2d() -> list[LayerData]:
    """Synthetic cells in 2D, (512, 512), with their exact labels."""
    image, labels = synthetic_cells((512, 512), 60)
    return [(image, {"name": "cells_2d"}, "image"), (labels, {"name": "cells_2d truth", "visible": False}, "labels")]


def cells_3d() -> list[LayerData]:
    """Synthetic cells in 3D, (32, 256, 256), at 2 x 1 x 1 um, with their exact labels."""
    image, labels = synthetic_cells((32, 256, 256), 50, radius=13)
    common = {"scale": (2.0, 1.0, 1.0), "units": ("um",) * 3}
    return [
        (image, {"name": "cells_3d", **common}, "image"),
        (labels, {"name": "cells_3d truth", "visible": False, **common}, "labels"),
    ]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A reader for one ``*.cellseg`` folder: it opens in the Workbench."""
    if isinstance(path, str) and (Path(path) / "project.toml").is_file():
        return read_project
    return None


def read_project(path: str | list[str]) -> list[LayerData]:
    """Open the folder in the current viewer's Workbench; without a viewer, return its first image's layers."""
    import napari

    viewer = napari.current_viewer()
    folder = path if isinstance(path, str) else path[0]
    if viewer is not None and getattr(viewer, "window", None) is not None:
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        dock.controller.open_project(folder)
        return [(None,)]  # type: ignore[list-item]  # npe2's sign for "read, nothing to add"
    return _first_image(Path(folder))


def use_layer(layer: Image) -> None:
    """Work on the selected image layer in the Workbench (layer menu)."""
    viewer = _viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    dock.open_step("Image")
    dock.controller.use_layer(layer.name, wait=False)


def approve_labels(layer: Any) -> None:
    """Approve the whole open image (layer menu)."""
    from .qt.workbench import controller_of

    controller_of(_viewer()).actions.approve_image()


def measure_layer(layer: Labels) -> None:
    """Measure the objects of the selected labels layer, whoever made it (layer menu)."""
    _, dock = _viewer().window.add_plugin_dock_widget("napari-cellseg", "7 Measure")
    dock.controller.measuring.measure_layer(layer)


def export_all() -> None:
    """Bring the step from which the labels of all images are exported to the front (File > IO utilities)."""
    _, dock = _viewer().window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    dock.open_step("Image")


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer in the format of the name's ending, with its voxel size where the units are lengths.

    Parameters
    ----------
    data
        (Z, Y, X) or (Y, X) integers, none below zero.

    Raises
    ------
    CellsegError
        When the format cannot hold them, or the file cannot be written.
    """
    import numpy as np

    from ..errors import CellsegError
    from ..images import write_labels as write
    from .layers.units import spacing_um

    if np.min(data, initial=0) < 0:
        raise CellsegError("Labels below zero cannot be written.", "Number objects from 1; 0 is background.")
    spacing = spacing_um(attributes.get("scale", ()), attributes.get("units") or (), np.ndim(data))
    return [str(write(Path(path), np.asarray(data).astype(np.uint32), spacing))]


def _viewer() -> napari.Viewer:
    import napari

    from ..errors import CellsegError

    viewer = napari.current_viewer()
    if viewer is None:
        raise CellsegError("There is no napari window.", "Open napari first.")
    return viewer


def _first_image(folder: Path) -> list[LayerData]:
    from ..project import Project

    with Project.open(folder) as project:
        layers: list[LayerData] = []
        for record in project.images()[:1]:
            labels, _ = project.load_labels(record.id)
            scale = {"scale": record.spacing_um} if record.spacing_um else {}
            layers.append((project.read_image(record.id).load()[0], {"name": record.id, **scale}, "image"))
            layers.append((labels, {"name": f"{record.id} [labels]", **scale}, "labels"))
        return layers
