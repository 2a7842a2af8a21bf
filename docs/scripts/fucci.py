"""Make docs/images/step_fucci.png (states of a synthetic spheroid in the step Measure) and fucci.png (``--figure``).

usage: python docs/scripts/fucci.py       (starts Xvfb where there is no display)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from screen import live, on_screen
from screenshots import IMAGES


def main() -> None:
    """Tell states, drag a line, say a state, take a picture."""
    import napari
    import tifffile

    import napari_cellseg as cs

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until, lambda: f"{control.session.status} {control.session.problem}")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cs.new(folder / "spheroids", model="none") as project:
            for k in range(4):
                image, labels, _ = cs.samples.synthetic_spheroid((20, 220, 220), 230, radius=10, seed=k)
                path = folder / f"{'dmso' if k < 2 else 'drug'}_t{k % 2:02d}.tif"
                tifffile.imwrite(path, np.moveaxis(image, 0, 1), imagej=True, metadata={"axes": "ZCYX"})
                project.add(path, labels, spacing=(2.0, 0.5, 0.5))
            done = project.fucci(red="1", green="2", nuclear="3", group_by="dmso|drug", figure=IMAGES / "fucci.png")
            print(done.summary.iloc[-1].to_dict())
            path = project.path
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control = dock.controller
        control.open_project(path)
        dock.open_step("Measure")
        spin(30, lambda: bool(control.session.measured.fucci.channels))
        page = dock.page("Measure")
        page.cycle.expand()
        fucci = control.measuring.fucci
        fucci.tell()
        spin(300, lambda: fucci.state.points is not None and not control.busy)
        control.family.state.visible = False
        viewer.dims.set_point(0, 20.0)
        points = fucci.state.points
        label = int(points.labels[points.mine & (points.states == 2)][8])
        control.measuring.choose_object(label, look=True)
        fucci.say(label, "G1 to S")
        spin(60, lambda: not control.busy)
        viewer.reset_view()
        area = page.parent().parent()
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
        spin(1.5)
        viewer.window.screenshot(str(IMAGES / "step_fucci.png"), canvas_only=False)
        print(IMAGES / "step_fucci.png")


if __name__ == "__main__":
    on_screen()
    main()
    os._exit(0)  # no drawing while the interpreter goes
