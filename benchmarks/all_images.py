"""How long *Predict all images* and *Export all* hold the viewer up: gaps in the event loop while labels are written.

usage: xvfb-run -a python benchmarks/all_images.py [--images N] [--side PIXELS] [--json FILE]

A real viewer (software OpenGL where there is no GPU). A heart beats in the event loop; the longest pause between two
beats is the longest time for which the viewer did not answer. Labels come as fast as they are taken, from this process:
no network is needed, and its time is not counted. "Idle" is the same loop with nothing to do, in the same run. "cpu" is
the longest time that the main thread itself worked between two beats: other programs do not change that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

PITCH = 48


def cells(side: int, shift: int = 0) -> np.ndarray:
    """Disks on a lattice."""
    y, x = (np.arange(side, dtype=np.int32) + shift for _ in range(2))
    distance = ((y % PITCH - 24) ** 2)[:, None] + ((x % PITCH - 24) ** 2)[None]
    ids = (y // PITCH)[:, None] * (side // PITCH + 2) + (x // PITCH)[None] + 1
    return np.where(distance < 18**2, ids, 0).astype(np.uint32)


def make_project(folder: Path, n: int, side: int) -> Path:
    """Pictures, and a model that nobody loads."""
    from napari_cellseg.config import Config
    from napari_cellseg.project import ModelCard, Project, write_model

    with Project.create(folder / "p") as project:
        for k in range(n):
            np.save(folder / f"i{k}.npy", ((cells(side, k) > 0) * 200).astype(np.uint8))
            project.add_image(folder / f"i{k}.npy")
        card = ModelCard("m", None, 0.0, 1, 2, 1, 0)
        write_model(project.models_folder, card, Config(), lambda _: None)
        project.db.put_setting("current_model", "m")
        return project.path


def instant_engine(side: int) -> Any:
    """An engine that answers at once with disks."""
    from napari_cellseg.engine import Engine, Reply
    from napari_cellseg.events import Finished, Predicted, Ready

    class Instant(Engine):
        def __init__(self) -> None:
            super().__init__()
            self.ready = Ready("none", "none", 0.0)
            self._events: Iterator[Reply] = iter(())
            self.labels = cells(side, 7)

        def start(self) -> None:
            pass

        def submit(self, job: Any) -> int:
            number, self._next = self._next, self._next + 1
            image = getattr(job, "images", ("",))[0]
            box = ((0, side), (0, side))
            found = [Predicted(image, "m", self.labels, 0.1, box, 1)] if image else []
            self._events = iter([Reply(number, e) for e in [*found, Finished(number)]])
            return number

        def poll(self, limit: int = 64) -> list[Reply]:
            return [r for r in [next(self._events, None)] if r is not None]

    return Instant()


def measure(n: int, side: int) -> dict[str, float]:
    """Pauses in milliseconds, and seconds per image."""
    import napari
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    from napari_cellseg.gui.app.controller import Controller
    from napari_cellseg.gui.qt.ticker import Ticker

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    beats: list[tuple[float, float]] = []
    heart = QTimer()
    heart.setInterval(2)
    heart.timeout.connect(lambda: beats.append((time.perf_counter(), time.thread_time())))

    def pauses(name: str, until: Callable[[], bool], also: Callable[[], None] = lambda: None) -> None:
        beats.clear()
        heart.start()
        end = time.monotonic() + 600
        while not until() and time.monotonic() < end:
            QApplication.processEvents()
            also()
        heart.stop()
        gaps, worked = np.diff(np.array(beats), axis=0).T * 1e3
        out[f"{name}_longest_ms"], out[f"{name}_99_ms"] = float(gaps.max()), float(np.percentile(gaps, 99))
        out[f"{name}_longest_cpu_ms"] = float(worked.max())

    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        control = Controller(viewer, engine=instant_engine(side))
        control.open_project(make_project(folder, n, side))
        ticker = Ticker(control)
        labels = control.family.labels  # type: ignore[union-attr]
        labels.brush_size = 20
        control.store().objects.ids()
        rng = np.random.default_rng(0)

        def stroke() -> None:
            y, x = (int(v) for v in rng.integers(100, side - 200, 2))
            with labels.block_history():
                for k in range(20):
                    labels.paint((y + 3 * k, x + k), 900_000)

        for _ in range(5):
            stroke()  # compiled now
        strokes: list[float] = []
        due = [0.0]

        def paint_now_and_then() -> None:
            if time.monotonic() > due[0]:
                due[0] = time.monotonic() + 0.4
                start = time.perf_counter()
                stroke()
                strokes.append((time.perf_counter() - start) * 1e3)

        start = time.monotonic()
        pauses("idle", lambda: time.monotonic() - start > 4)
        start = time.monotonic()
        pauses("idle_painting", lambda: time.monotonic() - start > 4, paint_now_and_then)
        out["stroke_idle_ms"] = float(np.median(strokes))
        control.predict_all()
        start = time.monotonic()
        pauses("predict", lambda: control.session.progress is None)
        out["predict_s_per_image"] = (time.monotonic() - start) / n
        strokes.clear()
        control.predict_all(again=True)
        pauses("predict_painting", lambda: control.session.progress is None, paint_now_and_then)
        out["stroke_predict_ms"], out["stroke_predict_longest_ms"] = float(np.median(strokes)), max(strokes)
        control.export_all(folder / "out")
        start = time.monotonic()
        pauses("export", lambda: control.session.progress is None)
        out["export_s_per_image"] = (time.monotonic() - start) / n
        assert control.session.problem is None, control.session.problem
        ticker.stop()
        control.close()
        viewer.close()
    return out


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--images", type=int, default=6)
    options.add_argument("--side", type=int, default=2048)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    found = measure(given.images, given.side)
    for key, value in found.items():
        print(f"{key:28} {value:8.1f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
