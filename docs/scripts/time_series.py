"""Make docs/images/time.png: tracks of a synthetic movie in the step Measure.

usage: python docs/scripts/time_series.py       (starts Xvfb where there is no display)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from screen import live, on_screen
from screenshots import IMAGES


def main() -> None:
    """Add a movie, track it, go to a frame with daughters, take a picture."""
    import napari
    import tifffile

    import napari_cellseg as cs

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until, lambda: f"{control.session.status} {control.session.problem}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures, labels, _ = cs.samples.moving_cells((256, 256), 16, 22, radius=9, speed=3, dividing=5, seed=3)
        about = {"axes": "TYX", "TimeIncrement": 15, "TimeIncrementUnit": "min", "PhysicalSizeX": 0.5}
        tifffile.imwrite(folder / "run1.ome.tif", pictures, ome=True, metadata=about | {"PhysicalSizeY": 0.5})
        with cs.new(folder / "cells", model="none") as project:
            project.add(folder / "run1.ome.tif", [labels], draft=True)
            path = project.path
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control = dock.controller
        control.open_project(path)
        spin(60, lambda: control.session.store is not None and not control.busy)
        dock.open_step("Measure")
        dock.page("Measure").time.expand()
        control.tracking.track()
        spin(60, lambda: control.tracking.state.tracks is not None and not control.busy)
        control.time.go(9)
        spin(60, lambda: control.session.image == "run1_t0009" and not control.busy)
        tracks = control.tracking.state.tracks
        daughters = [label for label, number in tracks.at(9).items() if number in tracks.parents]
        control.family.labels.selected_label = daughters[0]
        spin(2)
        viewer.window.screenshot(str(IMAGES / "time.png"), canvas_only=False)
        print(IMAGES / "time.png")


if __name__ == "__main__":
    on_screen()
    main()
    os._exit(0)  # no drawing while the interpreter goes
