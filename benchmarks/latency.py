"""How long a correction takes until the screen shows it, beside napari's own brush and undo in the same run.

usage: xvfb-run -a python benchmarks/latency.py [--json FILE] [--small]

A real viewer (software OpenGL where there is no GPU). Every figure is the median of repetitions, from the call to the
end of the event loop's work, so that repainting is in it. "Bare" is a labels layer of the same array that nobody
listens to.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {"8192x8192": (8192, 8192), "64x2048x2048": (64, 2048, 2048)}
PITCH = 64


def specimen(shape: tuple[int, ...]) -> np.ndarray:
    """Disks (columns in a volume) on a lattice, two and two touching."""
    y, x = (np.arange(n, dtype=np.int32) for n in shape[-2:])
    centre = np.where((x // PITCH) % 2 == 0, 40, 23)  # towards each other
    distance = ((y % PITCH - 32) ** 2)[:, None] + ((x % PITCH - centre) ** 2)[None]
    ids = (y // PITCH)[:, None] * (shape[-1] // PITCH) + (x // PITCH)[None] + 1
    plane = np.where(distance < 23**2, ids, 0).astype(np.uint32)
    if len(shape) == 2:
        return plane
    volume = np.zeros(shape, np.uint32)
    volume[8:24] = plane
    volume[36:56] = np.where(plane > 0, plane + plane.max(), 0)
    return volume


def measure(name: str, repeats: int) -> dict[str, float]:
    """All figures of one size, in milliseconds."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_cellseg.gui.app.controller import Controller
    from napari_cellseg.project import Project

    shape = SHAPES[name]
    truth = specimen(shape)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    rng, fresh = np.random.default_rng(0), iter(range(1_000_000, 2_000_000))

    def settle() -> None:
        for _ in range(3):
            QApplication.processEvents()

    def times(what: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> float:
        found = []
        for _ in range(repeats):
            before()
            settle()
            start = time.perf_counter()
            what()
            settle()
            found.append(time.perf_counter() - start)
        return statistics.median(found) * 1e3

    def stroke(layer: Any) -> None:
        """A second of painting: 40 dabs of 20 pixels."""
        y, x = (int(rng.integers(300, n - 500)) for n in shape[-2:])
        front = (45,) if len(shape) == 3 else ()
        value = next(fresh)  # a new object, as the key N gives it
        with layer.block_history():
            for k in range(40):
                layer.paint((*front, y + 3 * k, x + k), value)

    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        viewer.add_image(((truth > 0) * 200).astype(np.uint8))
        bare = viewer.add_labels(truth.copy())
        bare.brush_size = 20
        if len(shape) == 3:
            viewer.dims.set_point(0, 45)
        settle()
        stroke(bare)
        out["bare_stroke"] = times(lambda: stroke(bare))
        out["bare_undo"] = times(bare.undo, lambda: stroke(bare))
        viewer.layers.clear()
        picture = np.lib.format.open_memmap(Path(folder) / "a.npy", "w+", np.uint8, shape)
        picture[...] = (truth > 0) * 200
        picture.flush()
        with Project.create(Path(folder) / "p") as project:
            project.add_image(Path(folder) / "a.npy", labels=truth, draft=True)
        control = Controller(viewer)
        start = time.perf_counter()
        control.open_project(Path(folder) / "p.cellseg")
        settle()
        out["open"] = (time.perf_counter() - start) * 1e3
        labels = control.family.labels
        labels.brush_size = 20
        if len(shape) == 3:
            control.family.go_to_slice(45)
        settle()
        control.store().objects.ids()
        stroke(labels)
        out["stroke"] = times(lambda: stroke(labels))
        out["undo_stroke"] = times(control.strokes.undo, lambda: stroke(labels))
        columns = shape[-1] // PITCH

        def point(k: int, side: int = 0) -> tuple[int, ...]:
            cell = 40 + 2 * k
            y = (cell // columns * 7 % (shape[-2] // PITCH)) * PITCH + 32
            x = cell % columns * PITCH + (40 if side == 0 else PITCH + 23)
            return (45, y, x) if len(shape) == 3 else (y, x)

        turn = iter(range(10_000))

        def line(k: int) -> np.ndarray:
            p = np.array(point(k), float)
            ends = np.stack([p, p])
            ends[0, -2] -= 30
            ends[1, -2] += 30
            return ends

        def merge() -> None:
            k = next(turn)
            control.correct_at("merge", point(k))
            control.correct_at("merge", point(k, 1))
            control.actions.forget()

        out["merge"] = times(merge)
        out["undo_merge"] = times(control.strokes.undo, merge)
        out["split"] = times(lambda: control.correct_along("split", line(next(turn))))
        out["delete"] = times(lambda: control.correct_at("delete", point(next(turn))))
        out["undo_delete"] = times(control.strokes.undo, lambda: control.correct_at("delete", point(next(turn))))
        out["approve"] = times(lambda: control.correct_at("approve", point(next(turn))))
        out["grow"] = times(lambda: control.correct_at("grow", point(next(turn))))
        control.writer.cut(
            control.session.image, tuple(slice(0, n) for n in shape), np.zeros(shape, np.uint32), "predict-0"
        )
        for name, begin in (
            ("write_prediction", lambda: None),  # of nothing: everything goes
            ("undo_prediction", control.strokes.undo),
            ("approve_image", control.actions.approve_image),
            ("undo_approval", control.strokes.undo),
        ):
            moments = bit_by_bit(control, begin, settle)
            out[name], out[f"{name}_longest"] = sum(moments) * 1e3, max(moments) * 1e3
        out["prediction_edits"] = next(e.pieces for e in control.store().history() if e.tool == "predict")
        assert control.session.problem is None, control.session.problem
        control.close()
    viewer.close()
    out["stroke_over_bare"] = out["stroke"] / out["bare_stroke"]
    out["undo_over_bare"] = out["undo_stroke"] / out["bare_undo"]
    return out


def bit_by_bit(control: Any, begin: Callable[[], None], settle: Callable[[], None]) -> list[float]:
    """Begin something long and let the clock do it: seconds in which the viewer did nothing else, one by one."""
    moments = []
    do = begin
    while do is begin or control.busy:
        start = time.perf_counter()
        do()
        settle()
        moments.append(time.perf_counter() - start)
        do = control.tick
    return moments


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "latency.json")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", choices=SHAPES)
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name in SHAPES:
        if options.only in (None, name):
            results[name] = measure(name, options.repeats)
            print(name)
            for key, value in results[name].items():
                print(f"  {key:<18} {value:8.2f}" + ("" if key.endswith(("bare", "edits")) else " ms"))
            options.json.parent.mkdir(exist_ok=True)
            options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
