"""Make docs/images/step_measure.png: the step Measure on real nuclei (or the synthetic specimen), coloured by a column.

usage: python docs/scripts/measuring.py       (starts Xvfb where there is no display)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from screen import live, on_screen
from screenshots import IMAGES, specimen


def main() -> None:
    """Measure, colour, choose a row, take a picture."""
    import napari

    import napari_cellseg as cs

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until, lambda: f"{control.session.status} {control.session.problem}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cs.new(folder / "nuclei", model="none") as project:
            for picture, labels in specimen(folder):
                project.add(picture, labels)
            path = project.path
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control = dock.controller
        control.open_project(path)
        spin(60, lambda: control.session.store is not None)
        dock.open_step("Measure")
        spin(2)
        measuring = control.measuring
        measuring.measure()
        spin(300, lambda: measuring.state.table is not None)
        control.family.state.visible = False
        measuring.choose_column("solidity")
        measuring.colour(True)
        spin(60, lambda: not measuring.worker.busy)
        measuring.choose_object(int(measuring.state.table.frame.sort_values("solidity")["label"].iloc[0]), look=True)
        control.family.look_at(measuring.state.table.box(measuring.state.object))
        spin(1.5)
        viewer.window.screenshot(str(IMAGES / "step_measure.png"), canvas_only=False)
        print(IMAGES / "step_measure.png")


if __name__ == "__main__":
    on_screen()
    main()
    os._exit(0)  # no drawing while the interpreter goes
