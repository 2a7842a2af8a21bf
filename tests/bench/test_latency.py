"""Latencies of the napari process; run with ``make bench``. Figures go into docs/benchmarks.md."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from ..conftest import train_once

SIDE = 1024


@pytest.fixture(scope="module")
def controller(tmp_path_factory) -> Controller:
    folder = tmp_path_factory.mktemp("bench")
    image, labels = synthetic_cells((SIDE, SIDE), 250, seed=1)
    np.save(folder / "big.npy", image)
    np.save(folder / "truth.npy", image)
    with Project.create(folder / "p") as project:
        project.add_image(folder / "big.npy")
        project.add_image(folder / "truth.npy", labels=labels)
        config = project.config.with_values(
            ["model.weights=none", "train.steps=6", "train.batch=4", "predict.tile=512"]
        )
        train_once(project, config)
        project.save_config(config.with_values(["train.steps=100000", "train.seconds=12"]))
    made = Controller(ViewerModel())
    made.start()
    made.open_project(Path(folder / "p.cellseg"))
    yield made
    made.close()


def stroke(controller: Controller, rng: np.random.Generator) -> None:
    labels = controller.family.labels
    start = rng.integers(50, SIDE - 150, 2)
    labels.brush_size = 12
    with labels.block_history():
        for k in range(20):
            labels.paint((int(start[0]) + 4 * k, int(start[1])), int(rng.integers(1, 999)))


def test_a_logged_stroke(benchmark, controller):
    rng = np.random.default_rng(0)
    benchmark(lambda: stroke(controller, rng))


def test_a_bare_napari_stroke(benchmark):
    viewer = ViewerModel()
    labels = viewer.add_labels(np.zeros((SIDE, SIDE), np.uint32))
    labels.brush_size = 12
    rng = np.random.default_rng(0)

    def bare() -> None:
        start = rng.integers(50, SIDE - 150, 2)
        with labels.block_history():
            for k in range(20):
                labels.paint((int(start[0]) + 4 * k, int(start[1])), int(rng.integers(1, 999)))

    benchmark(bare)


@pytest.mark.parametrize("work", ["predict", "fine_tune"])
def test_the_longest_tick_while_the_child_works(benchmark, controller, work):
    """A heartbeat: the longest time that one tick of ours held the event loop."""

    def beat() -> float:
        getattr(controller, work)()
        longest = 0.0
        while controller.busy:
            start = time.perf_counter()
            controller.tick()
            longest = max(longest, time.perf_counter() - start)
            time.sleep(0.01)
        assert controller.session.problem is None
        return longest

    longest = benchmark.pedantic(beat, rounds=2, iterations=1)
    benchmark.extra_info["longest_tick_ms"] = round(longest * 1000, 1)
    print(f"\n{work}: longest tick {longest * 1000:.1f} ms")
