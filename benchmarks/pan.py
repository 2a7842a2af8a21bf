"""Opening, panning and zooming a large picture in the Workbench, with and without a pyramid.

usage: xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/pan.py [--json FILE] [--side 8192]

A tiled TIFF of side x side pixels of 16 bit, plain or with a pyramid, is opened from disk or held in memory, with its
labels (64 pixels from one to the next) and states over it. Opening ends with the first frame. A frame is the move of
the camera, all that napari does about it, and the repainting of the canvas; 40 moves each with the whole picture in
view, at one pixel of the screen for a pixel, and at four. Every case runs in a process of its own, all of them twice,
in turn; the better median counts. First of each pair is processor time, which other work on the machine does not
change. The renderer is named, since it decides a good part of this.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CASES = ("memory", "memory, pyramid", "disk", "disk, pyramid")
ZOOMS = {"whole": None, "1:1": 1.0, "4:1": 4.0}
MOVES = 40


def halved(pixels: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels."""
    height, width = (n // 2 * 2 for n in pixels.shape)
    four = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2)
    return np.asarray(four.mean((1, 3)).astype(pixels.dtype))


def levels_of(pixels: np.ndarray) -> list[np.ndarray]:
    """A pyramid down to 1024 pixels."""
    found = [pixels]
    while max(found[-1].shape) > 1024:
        found.append(halved(found[-1]))
    return found


def write(path: Path, side: int, *, pyramid: bool) -> None:
    """A picture with objects and noise."""
    import tifffile

    rng = np.random.default_rng(0)
    y, x = np.ogrid[:side, :side]
    cells = (np.hypot(y % 64 - 32, x % 64 - 32) < 22) * np.uint16(2000)
    pixels = cells + rng.integers(0, 500, (side, side), np.uint16)
    levels = levels_of(pixels) if pyramid else [pixels]
    with tifffile.TiffWriter(path) as file:
        for n, level in enumerate(levels):
            file.write(level, tile=(256, 256), subifds=len(levels) - 1 if not n else None, subfiletype=1 if n else 0)


def measure(case: str, side: int, folder: Path) -> dict[str, Any]:
    """One case, in this process."""
    import napari
    from qtpy.QtWidgets import QApplication
    from vispy.gloo import gl

    from napari_cellseg.gui.layers import channels

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock: Any = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")[1]
    control, canvas = dock.controller, viewer.window._qt_viewer.canvas
    control.projects.in_memory = 1 << 40 if case.startswith("memory") else 0
    channels.WIDEST = 0  # else one texture is drawn

    def frame() -> None:
        QApplication.processEvents()
        canvas.native.repaint()
        QApplication.processEvents()

    start, began = time.perf_counter(), time.process_time()
    control.open_project(folder / f"{'pyramid' if 'pyramid' in case else 'plain'}.cellseg")
    while control.session.store is None:
        frame()
    frame()
    found: dict[str, Any] = {"case": case, "open_s": time.perf_counter() - start, "levels": 1}
    found["open_cpu_s"] = time.process_time() - began
    found["renderer"] = gl.glGetParameter(gl.GL_RENDERER)
    if control.family.image.multiscale:
        found["levels"] = len(control.family.image.data)
    for name, zoom in ZOOMS.items():
        if zoom is not None:
            viewer.camera.zoom = zoom
        for _ in range(5):
            frame()
        step, moments = 30 / viewer.camera.zoom, []
        for n in range(MOVES):
            start, began = time.process_time(), time.perf_counter()
            viewer.camera.center = (0, side / 2 + n * step, side / 2 + n * step)
            frame()
            moments.append(((time.process_time() - start) * 1e3, (time.perf_counter() - began) * 1e3))
        cpu, clock = zip(*moments, strict=True)
        found[name] = {
            "cpu_ms": statistics.median(cpu),
            "median_ms": statistics.median(clock),
            "longest_ms": max(clock),
        }
    return found


def projects(folder: Path, side: int) -> None:
    """Both pictures, each in a project, with labels."""
    from napari_cellseg.project import Project

    labels = np.zeros((side, side), np.uint32)
    tiles = labels[: side // 64 * 64, : side // 64 * 64].reshape(side // 64, 64, side // 64, 64)
    tiles[:, 12:52, :, 12:52] = np.arange(1, (side // 64) ** 2 + 1).reshape(side // 64, 1, side // 64, 1)
    for name in ("plain", "pyramid"):
        write(folder / f"{name}.tif", side, pyramid=name == "pyramid")
        with Project.create(folder / name) as project:
            project.add_image(folder / f"{name}.tif", labels=labels, draft=True)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "pan.json")
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        case, folder = options.one
        print("RESULT " + json.dumps(measure(case, options.side, Path(folder))), flush=True)
        os._exit(0)
    results: dict[str, Any] = {"side": options.side}
    with tempfile.TemporaryDirectory() as folder:
        projects(Path(folder), options.side)
        for case in CASES * 2:
            command = [sys.executable, __file__, "--side", str(options.side), "--one", case, folder]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            row = json.loads(done.stdout.rsplit("RESULT ", 1)[1])
            before = results.setdefault(case, row)
            for name in ("open_s", "open_cpu_s"):
                before[name] = min(before[name], row[name])
            for zoom in ZOOMS:
                before[zoom] = min(before[zoom], row[zoom], key=lambda r: r["cpu_ms"])
            times = "  ".join(f"{z} {row[z]['cpu_ms']:.0f}, {row[z]['median_ms']:.0f} ms" for z in ZOOMS)
            print(
                f"{case:16} open {row['open_cpu_s']:.1f}, {row['open_s']:.1f} s  {times}  {row['levels']}", flush=True
            )
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
