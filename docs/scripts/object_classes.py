"""Make docs/images/step_classes.png: classes of objects in the step Measure, learnt from a few clicks.

usage: python docs/scripts/object_classes.py [--time]       (starts Xvfb where there is no display)

With ``--time``, how long it takes from a click on a class until 5,000 objects have their colours, instead.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from screen import live, on_screen
from screenshots import IMAGES


def cells(shape: tuple[int, int], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of which every fourth is small and bright, like dying ones."""
    import napari_cellseg as cs

    image, labels = cs.samples.synthetic_cells(shape, n, radius=13, touching=0.2, seed=seed)
    small = image.astype(np.float32)
    rows, columns = np.indices(shape)
    for id in range(4, int(labels.max()) + 1, 4):
        inside = labels == id
        if not inside.any():
            continue
        y, x = rows[inside].mean(), columns[inside].mean()
        core = inside & ((rows - y) ** 2 + (columns - x) ** 2 < 0.3 * inside.sum() / np.pi * 1.2)
        small[inside & ~core] = np.percentile(image, 20)
        small[core] = small[core] * 1.6
        labels[inside & ~core] = 0
    return small.clip(0, np.iinfo(image.dtype).max).astype(image.dtype), labels


def main() -> None:
    """Say six objects, step to the least sure one, take a picture."""
    import napari
    import tifffile

    import napari_cellseg as cs

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until, lambda: f"{control.session.status} {control.session.problem}")

    timed = "--time" in sys.argv
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cs.new(folder / "cells", model="none") as project:
            for k in range(1 if timed else 2):
                image, labels = cells((620, 820), 190, k)
                if timed:
                    image, labels = _many(image, labels)
                tifffile.imwrite(folder / f"plate_{k}.tif", image)
                project.add(folder / f"plate_{k}.tif", labels)
            project.add_object_classes(["living", "dying"])
            path = project.path
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control = dock.controller
        control.open_project(path)
        dock.open_step("Measure")
        spin(120, lambda: not control.busy)
        page, classes = dock.page("Measure"), control.measuring.classes
        page.classes.folded.expand()
        ids, counts = np.unique(control.store().labels, return_counts=True)
        order = ids[1:][np.argsort(counts[1:])]
        said = {**{int(i): "dying" for i in order[10:14]}, **{int(i): "living" for i in order[-14:-10]}}
        for label, kind in said.items():
            control.measuring.choose_object(label)
            start = time.perf_counter()
            page.classes.list.lines[kind].button.click()
            pressed = time.perf_counter() - start
            spin(120, lambda: not classes.state.working)
            if timed:
                print(f"{len(ids) - 1} objects: {1000 * pressed:.0f} ms in the window, colours after "
                      f"{1000 * (time.perf_counter() - start):.0f} ms")  # fmt: skip
            spin(120, lambda: not control.busy)
        if timed:
            return
        classes.tell_all()
        spin(120, lambda: not control.busy)
        classes.go_to_unsure()
        spin(60, lambda: not control.busy)
        control.family.state.visible = False
        viewer.reset_view()
        area = page.parent().parent()
        area.ensureWidgetVisible(page.classes)
        spin(1.5)
        viewer.window.screenshot(str(IMAGES / "step_classes.png"), canvas_only=False)
        print(IMAGES / "step_classes.png")


def _many(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """So many copies side by side that there are 5,000 objects."""
    n = int(labels.max())
    across = int(np.ceil(np.sqrt(5000 / len(np.unique(labels)))))
    here = labels > 0
    rows = [[labels + here * np.uint32(n * (across * r + c)) for c in range(across)] for r in range(across)]
    tiles = np.block(rows)
    return np.tile(image, (across, across)), tiles.astype(np.uint32)


if __name__ == "__main__":
    on_screen()
    main()
    os._exit(0)  # no drawing while the interpreter goes
