"""What one change of the session costs while docks are open: as a step of a training makes it, a hundred times.

usage: xvfb-run -a python benchmarks/docks.py [--json FILE]

A real viewer with the Workbench, then with every step's own dock beside it; twelve images, a curve of 2000 steps. Only
the call is timed, not the repainting that follows in the event loop.
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
        np.save(Path(folder) / "a.npy", synthetic_cells((256, 256), 40, radius=9, seed=1)[0])
        with Project.create(Path(folder) / "p") as project:
            for n in range(12):
                project.add_image(Path(folder) / "a.npy", id=f"image{n}")
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


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "docks.json")
    options = parser.parse_args()
    results = {"workbench": measure(()), "all docks": measure(STEPS)}
    print(json.dumps(results, indent=1))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
