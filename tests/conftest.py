"""Small real data and small real networks, shared by all tests."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

from napari_cellseg.processes import OURS

os.environ.update(OURS | os.environ)  # before anything reads it: a training beside other work took ten times as long

import numpy as np
import pytest
from hypothesis import settings

from napari_cellseg.config import Config
from napari_cellseg.engine import TrainJob, decide, open_round, record_round, run
from napari_cellseg.events import Judged
from napari_cellseg.images import read_labels
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

# CI checks the same examples every time, people's machines look for new ones; neither must be fast
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("people", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "people")

if binding := os.environ.get("QT_API"):  # qtpy's choice is pytest-qt's, too
    os.environ.setdefault("PYTEST_QT_API", binding)
os.environ["CELLSEG_CONFIG"] = tempfile.mkdtemp()  # tests leave no traces in the person's own list of projects
SHARED = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))
SMALL = [
    "model.encoder=tu-test_resnet", "model.weights=none", "model.width=4", "train.patch=64", "train.batch=4",
    "train.steps=60", "train.checks=2", "train.trial=never",  # else every child would have a rival
]  # fmt: skip


@pytest.fixture
def small_config() -> Config:
    """A network that trains in seconds."""
    return Config().with_values(SMALL)


@pytest.fixture(scope="session")
def nuclei() -> list[tuple[Path, np.ndarray]]:
    """Real fluorescence nuclei of the 2018 Data Science Bowl: (picture, labels)."""
    folder = SHARED / "dsb2018"
    if not (folder / "index.csv").is_file():
        pytest.skip(f"the real nuclei images are not at {folder.name}: set CELLSEG_DATA")
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == "fluo_small"]
    pairs = [(folder / "images" / f"{r['name']}.tif", folder / "labels" / f"{r['name']}.tif") for r in rows[:4]]
    return [(image, read_labels(labels)) for image, labels in pairs]


@pytest.fixture
def picture(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A synthetic picture on disk and its exact labels."""
    image, labels = synthetic_cells((128, 160), 14, radius=11, seed=3)
    path = tmp_path / "cells.npy"
    np.save(path, image)
    return path, labels


@pytest.fixture
def project(tmp_path: Path, picture: tuple[Path, np.ndarray]) -> Project:
    """A project with one unlabelled image."""
    with Project.create(tmp_path / "p") as made:
        made.add_image(picture[0])
        yield made


def train_once(project: Project, config: Config) -> str:
    """One round; the child is kept."""
    open_round(project)
    for event in run(TrainJob(project.path, config)):
        if isinstance(event, Judged):
            record_round(project, event)
            decide(project, "keep")
    assert project.current_model
    return project.current_model


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with two approved images and a model; read only (copy it to change it)."""
    folder = tmp_path_factory.mktemp("trained")
    with Project.create(folder / "t") as project:
        for seed in (1, 2):
            image, labels = synthetic_cells((96, 128), 10, radius=11, seed=seed)
            np.save(folder / f"cells{seed}.npy", image)
            project.add_image(folder / f"cells{seed}.npy", labels=labels)
        train_once(project, Config().with_values(SMALL))
        return project.path
