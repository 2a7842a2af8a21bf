"""What one change of the session costs while docks are open, and how long a tick takes while a network learns.

usage: xvfb-run -a python benchmarks/docks.py [--json FILE] [--seconds 30]

Updates: a real viewer with the Workbench, then with every step's own dock beside it; twelve images, a curve of 2000
steps, as a step of a training makes it, a hundred times. Only the call is timed, not the repainting that follows in the
event loop. Ticks: the same viewer with all docks while the engine trains on three images; every tick of the timer, and
apart from them those that had something to take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from event_loop import EventLoop

STEPS = ("1 Image", "2 Preprocess", "3 Predict", "4 Correct", "5 Fine-tune", "6 Rounds", "Guidelines")
UPDATES = 100


def measure(docks: tuple[str, ...]) -> dict[str, float]:
    """Median and slowest tenth of an update (ms)."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_cellseg.gui.app.session import Curve, Progress
    from napari_cellseg.project import Project
    from napari_cellseg.samples import synthetic_cells

    with tempfile.TemporaryDirectory() as folder:
        with Project.create(Path(folder) / "p") as project:
            for n in range(12):
                np.save(Path(folder) / f"{n}.npy", synthetic_cells((256, 256), 40, radius=9, seed=n)[0])
                project.add_image(Path(folder) / f"{n}.npy")
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        dock: Any = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")[1]
        for name in docks:
            viewer.window.add_plugin_dock_widget("napari-cellseg", name)
        dock.controller.open_project(Path(folder) / "p.cellseg")
        dock.open_step("Fine-tune")
        points = tuple((n * 0.1, 1 / (n + 1)) for n in range(2000))
        moments = []
        for n in range(-5, UPDATES):
            curve = Curve((*points[-1999:], (300.0 + n, 0.5)))
            progress = Progress("train", f"Fine-tuning: step {n}", abs(n) / 1000, 50 - n / 10)
            start = time.perf_counter()
            dock.controller.session.update(curve=curve, progress=progress)
            if n >= 0:
                moments.append((time.perf_counter() - start) * 1e3)
            if n % 5 == 0:
                QApplication.processEvents()
        viewer.close()
        QApplication.processEvents()
    return {"median_ms": statistics.median(moments), "slowest_tenth_ms": sorted(moments)[UPDATES * 9 // 10]}


def ticks(seconds: float) -> dict[str, float]:
    """Ticks while the engine trains, all docks open (ms)."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_cellseg.project import new_project
    from napari_cellseg.samples import synthetic_cells

    with tempfile.TemporaryDirectory() as folder:
        with new_project(Path(folder) / "p") as project:
            for n in range(3):
                image, labels = synthetic_cells((256, 256), 40, radius=9, seed=n)
                np.save(Path(folder) / f"{n}.npy", image)
                project.add_image(Path(folder) / f"{n}.npy", labels=labels)
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        dock: Any = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")[1]
        for name in STEPS:
            viewer.window.add_plugin_dock_widget("napari-cellseg", name)
        control = dock.controller
        control.open_project(Path(folder) / "p.cellseg")
        dock.open_step("Fine-tune")
        control.configure(control.session.config.with_values(
            [f"train.seconds={seconds}", "train.extend=1", "train.least=10", "train.trial=never"]
        ))  # fmt: skip
        every, working = [], []
        do = control.tick

        def timed() -> None:
            start, before = time.perf_counter(), control.views.newest
            do()
            took = (time.perf_counter() - start) * 1e3
            if control.session.curve.training:
                every.append(took)
                if control.views.newest is not before:
                    working.append(took)

        control.tick = timed
        control.training.fine_tune()
        EventLoop().wait(lambda: not control.busy, 600 + seconds)
        viewer.close()
        QApplication.processEvents()
    return {
        "ticks": len(every),
        "median_ms": statistics.median(every),
        "longest_ms": max(every),
        "busy_ticks": len(working),
        "busy_median_ms": statistics.median(working),
        "busy_slowest_tenth_ms": sorted(working)[len(working) * 9 // 10],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "docks.json")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the engine trains")
    options = parser.parse_args()
    results = {"workbench": measure(()), "all docks": measure(STEPS), "training": ticks(options.seconds)}
    print(json.dumps(results, indent=1))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
