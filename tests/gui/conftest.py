"""A project on an image that the base model does not see, and controllers that close themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.gui.app import parts
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.project import Project, adopt_model
from napari_cellseg.samples import synthetic_cells

from .engines import Kept
from .waiting import spin

Opening = Callable[..., Controller]


@pytest.fixture(scope="session")
def children() -> Iterator[None]:
    yield
    Kept.end()


@pytest.fixture(autouse=True)
def kept(children, monkeypatch) -> None:
    """Children of controllers serve one test after another."""
    monkeypatch.setattr(parts, "Engine", Kept)


@pytest.fixture
def opened() -> Iterator[Opening]:
    """Open a project in a controller of its own; with `engine`, wait until the child is ready."""
    made: list[Controller] = []

    def open_project(path: Path, *, engine: bool = True) -> Controller:
        controller = Controller(ViewerModel())
        made.append(controller)
        controller.open_project(path)
        if engine:
            controller.start()
            spin(controller, lambda: controller.engine.ready is not None)
        return controller

    yield open_project
    for controller in made:
        controller.close()


@pytest.fixture(scope="session")
def rough_truth() -> np.ndarray:
    return synthetic_cells((256, 256), 40, radius=13, touching=0.0, seed=4)[1]


@pytest.fixture
def rough(tmp_path: Path, rough_truth: np.ndarray) -> Path:
    """Smooth objects on a rough ground, and the base model, which does not see them."""
    rng = np.random.default_rng(0)
    noise = rng.normal(120, np.where(rough_truth > 0, 8, 35))
    np.save(tmp_path / "rough.npy", noise.clip(0, 255).astype(np.uint8))
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "rough.npy")
        return project.path
