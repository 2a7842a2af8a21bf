"""A volume whose labels fit into no memory, in the real window: opened, corrected, predicted, learnt from, reopened.

usage: xvfb-run -a python benchmarks/huge.py [--shape 64,8192,8192] [--json FILE] [--no-training]

The picture is OME-Zarr-like zarr of cells with noise: one block of it is made, all the others are the same file under
other names, so that it takes no room but is read and decoded like any other. Labels and states of 64 x 8192 x 8192
voxels are 21 GB. Memory is what the processes hold themselves (anonymous pages); pages of mapped files are the
system's, which takes them away whenever somebody needs them, and are told apart. A stroke is timed from napari's event
until it is logged and shown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from event_loop import EventLoop

BLOCK = (8, 512, 512)
STROKES = 10
FIELD = (768, 1024)
HERE = Path(__file__).parent


def make_picture(path: Path, shape: tuple[int, int, int]) -> None:
    """A zarr array of a shape, of which only one block is stored."""
    import zarr

    from napari_cellseg.samples import synthetic_cells

    array = zarr.create_array(str(path), shape=shape, dtype="uint8", chunks=BLOCK, fill_value=0)
    plane = synthetic_cells(BLOCK[1:], 120, radius=12, seed=0)[0]
    noise = np.random.default_rng(0).normal(0, 3, BLOCK)
    array[: BLOCK[0], : BLOCK[1], : BLOCK[2]] = np.clip(plane / plane.max() * 200 + noise + 10, 0, 255).astype(np.uint8)
    first = path / "c" / "0" / "0" / "0"
    for z, y, x in np.ndindex(*(-(-n // b) for n, b in zip(shape, BLOCK, strict=True))):
        target = path / "c" / str(z) / str(y) / str(x)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target != first:
            os.link(first, target)


class Memory:
    """The most anonymous and file pages that this process and its children held."""

    def __init__(self) -> None:
        self.window, self.child, self.mapped = 0.0, 0.0, 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        import psutil

        me = psutil.Process()
        while True:
            anonymous, files = pages(me.pid)
            self.window, self.mapped = max(self.window, anonymous), max(self.mapped, files)
            for child in me.children(recursive=True):
                self.child = max(self.child, pages(child.pid)[0])
            time.sleep(0.1)


def pages(pid: int) -> tuple[float, float]:
    """Gigabytes of anonymous pages, and of pages of files, that a process holds now."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return int(values.get("RssAnon", 0)) / 1e6, int(values.get("RssFile", 0)) / 1e6


def measure(shape: tuple[int, int, int], train: bool) -> dict[str, Any]:
    """Seconds of every step and gigabytes."""
    import napari

    memory, found, events = Memory(), {}, EventLoop()

    def waited(until: Callable[[], bool], seconds: float = 1500) -> float:
        try:
            took = events.wait(lambda: until() or control.session.problem is not None, seconds)
        except TimeoutError as error:
            raise SystemExit(f"{error}: {control.session.status}") from error
        if control.session.problem is not None:
            raise SystemExit(f"{control.session.problem}")
        return took

    def tell(name: str, seconds: float) -> None:
        found[name] = round(seconds, 2)
        print(f"{name}: {seconds:.2f} s, longest pause {events.longest:.2f} s; window {memory.window:.2f} GB, child "
              f"{memory.child:.2f} GB, file pages {memory.mapped:.2f} GB", flush=True)  # fmt: skip
        found[f"{name}: longest pause"], events.longest = round(events.longest, 2), 0.0

    from napari_cellseg.project import new_project

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        make_picture(Path(folder) / "huge.zarr", shape)
        print(f"picture made in {time.perf_counter() - start:.0f} s", flush=True)
        start = time.perf_counter()
        with new_project(Path(folder) / "p") as project:
            project.add_image(Path(folder) / "huge.zarr", axes="ZYX")
        found["add"] = round(time.perf_counter() - start, 2)
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1600, 1000)
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        control = dock.controller
        ready = lambda: control.session.store is not None and not control.busy  # noqa: E731
        start = time.perf_counter()
        control.open_project(Path(folder) / "p.cellseg")
        waited(ready)
        tell("open", time.perf_counter() - start)
        dock.open_step("Correct")
        middle = [n // 2 for n in shape]
        viewer.scene.camera.center = (middle[1], middle[2])
        viewer.scene.camera.zoom = 1000 / FIELD[1]
        waited(lambda: control.engine.ready is not None)
        top, left = (m - f // 2 for m, f in zip(middle[1:], FIELD, strict=True))
        start = time.perf_counter()
        control.prediction.predict_region(((middle[0], middle[0] + 1), (top, top + FIELD[0]), (left, left + FIELD[1])))
        waited(lambda: not control.busy and not control.writer.pieces)
        tell("predict a field", time.perf_counter() - start)
        found["objects"] = len(control.session.store.objects)
        found["strokes"] = strokes(control, middle, waited)
        tell("corrected", sum(found["strokes"]))
        if train:
            control.configure(control.session.config.with_values(
                ["train.seconds=20", "train.least=10", "train.extend=1", "train.trial=never"]
            ))  # fmt: skip
            start = time.perf_counter()
            control.training.fine_tune()
            waited(lambda: not control.busy)
            tell("learnt", time.perf_counter() - start)
            found["models"] = len(control.session.project.models())
        expected = control.session.store.labels[middle[0]].copy()
        start = time.perf_counter()
        control.projects.leave()
        tell("close", time.perf_counter() - start)
        start = time.perf_counter()
        control.open_project(Path(folder) / "p.cellseg")
        waited(ready)
        tell("reopen", time.perf_counter() - start)
        found["as before"] = bool(np.array_equal(control.session.store.labels[middle[0]], expected))
        control.close()
        viewer.close()
    found |= {"window_gb": memory.window, "child_gb": memory.child, "file_pages_gb": memory.mapped}
    return found


def strokes(control: Any, middle: list[int], waited: Callable[..., float]) -> list[float]:
    """Seconds of brush strokes, each a new object of another slice, until it is logged and nothing waits."""
    found, layer = [], control.family.labels
    for n in range(STROKES):
        z = middle[0] + n % 3
        control.viewer.dims.set_current_step(0, z)
        waited(lambda: not control.busy)
        before = control.session.store.n
        layer.selected_label, layer.brush_size = control.session.store.next_id(), 24
        start = time.perf_counter()
        layer.paint((z, middle[1] - 300 + 60 * n, middle[2] - 300 + 60 * n), layer.selected_label)
        waited(lambda before=before: control.session.store.n > before)
        found.append(round(time.perf_counter() - start, 4))
    print(f"median stroke {statistics.median(found):.3f} s", flush=True)
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="64,8192,8192")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "huge.json")
    parser.add_argument("--no-training", action="store_true")
    options = parser.parse_args()
    shape = tuple(int(n) for n in options.shape.split(","))
    result = measure(shape, not options.no_training)  # type: ignore[arg-type]
    kept = json.loads(options.json.read_text()) if options.json.is_file() else {}
    options.json.write_text(json.dumps(kept | {options.shape: result}, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
