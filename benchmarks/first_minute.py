"""From a picture in napari to the first masks: how many clicks, how many seconds, how long the window stands still.

usage: xvfb-run -a python benchmarks/first_minute.py [--json FILE] [--wait SECONDS]

A fresh process and a fresh project for every picture (needs ../shared/data): napari, the Workbench, a picture dropped
on the viewer, then the real buttons: *Use this image*, the step *Predict*, *Predict*. The clock runs from the first
click to the last label on screen; between the dock's opening and the first click a person needs `--wait` seconds. The
base model's export is in the cache (it is made once on a machine). "Blocked" is the longest time
that a timer had to wait for its turn.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from event_loop import EventLoop

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
PICTURES = {
    "fluorescence, 520 x 696": DATA / "dsb2018" / "images" / "dsb_4596961c",
    "stained tissue": DATA / "dsb2018" / "images" / "dsb_0c2550a23b8a",
    "phase contrast, 1022 x 1024": DATA / "phase_contrast" / "images" / "usiigaci_set01",
}


def measure(picture: Path, wait: float) -> dict[str, Any]:
    """One picture, in this process."""
    import napari
    import numpy as np
    from qtpy.QtWidgets import QPushButton

    events = EventLoop()

    def waited(until: Callable[[], bool], seconds: float = 120) -> None:
        try:
            events.wait(until, seconds)
        except TimeoutError as error:
            raise SystemExit(f"{error}: {control.session.status} {control.session.problem}") from error

    def click(act: Callable[[], Any], until: Callable[[], bool] = lambda: True) -> float:
        """The longest time the window stands still, from the click until it has settled for half a second."""
        start = time.perf_counter()
        act()
        events.longest = time.perf_counter() - start
        waited(until)
        events.rest(0.5)
        return round(events.longest, 3)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.tif"
        shutil.copy(picture, path)
        start = time.perf_counter()
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        events.wait(lambda: True)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        events.wait(lambda: True)
        opened = time.perf_counter() - start
        control = dock.controller
        viewer.open(str(path), plugin="napari")
        events.rest(wait)

        def button(name: str) -> Any:
            return next(b for b in dock.findChildren(QPushButton) if b.objectName() == name and b.isVisible())

        start = time.perf_counter()
        blocked = {"Use this image": click(button("Use this image").click, lambda: control.session.store is not None)}
        blocked["step Predict"] = click(lambda: dock.open_step("Predict"))
        pressed = time.perf_counter()
        blocked["Predict"] = click(button("Predict").click)
        events.longest = 0.0
        store = control.session.store
        waited(lambda: bool(store.labels.any()))
        first = time.perf_counter()
        waited(lambda: not control.busy)
        done = time.perf_counter()
        blocked["while predicting"] = round(events.longest, 3)
        found = {
            "napari": round(bare, 2), "dock": round(opened, 2), "clicks": 3,
            "first masks": round(first - start, 2), "all masks": round(done - start, 2),
            "after Predict": round(first - pressed, 2), "blocked": blocked,
            "objects": int(len(np.unique(store.labels)) - 1),
        }  # fmt: skip
        viewer.close()
        events.wait(lambda: True)
    return found


def main() -> None:
    """Every picture in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait", type=float, default=5.0)
    parser.add_argument("--one", help="measure this picture in this process")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "first_minute.json")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Path(options.one), options.wait)))
        return
    found = {}
    for name, stem in PICTURES.items():
        path = next(stem.parent.glob(f"{stem.name}*.tif"))
        command = [sys.executable, __file__, "--one", str(path), "--wait", str(options.wait)]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        found[name] = json.loads(lines[-1]) if lines else {"error": done.stderr[-2000:]}
        print(name, json.dumps(found[name]), flush=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
