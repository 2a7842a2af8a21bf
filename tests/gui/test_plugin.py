"""What napari sees of the plugin besides docks: writers, preferences, what runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.task_status import TaskStatusManager
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_cellseg
from napari_cellseg.errors import CellsegError
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.preferences import Preferences, preferences
from napari_cellseg.gui.app.recent import recent_file
from napari_cellseg.gui.app.session import Progress
from napari_cellseg.gui.contributions import write_labels
from napari_cellseg.gui.qt.task_status import TaskStatus
from napari_cellseg.images import read, read_labels
from napari_cellseg.nets.place import processor
from napari_cellseg.project import Project

from .waiting import settle

ENDINGS = (
    ".ome.tif", ".ome.zarr", ".v0.4.ome.zarr", ".tif", ".npy", "_seg.npy", ".roi.zip", ".geojson", ".coco.json",
)  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_napari_writes_labels_in_our_formats(tmp_path, ending):
    labels = np.zeros((40, 50), np.int64)
    labels[5:15, 5:15], labels[20:30, 25:40] = 1, 2
    attributes = {"scale": (0.5, 0.5), "units": ("micrometer", "micrometer")}
    (path,) = write_labels(str(tmp_path / f"a{ending}"), labels, attributes)
    if ending in (".ome.tif", ".ome.zarr", ".v0.4.ome.zarr"):
        assert read(path).spacing_um == pytest.approx((0.5, 0.5))
    if ending not in (".roi.zip", ".geojson", ".coco.json"):
        np.testing.assert_array_equal(read_labels(path), labels)


def test_pixels_are_no_length(tmp_path):
    (path,) = write_labels(
        str(tmp_path / "a.ome.tif"), np.ones((4, 4), int), {"scale": (1, 1), "units": ("pixel",) * 2}
    )
    assert read(path).spacing_um is None


def test_labels_below_zero_are_refused(tmp_path):
    with pytest.raises(CellsegError, match="below zero"):
        write_labels(str(tmp_path / "a.tif"), np.full((4, 4), -1), {})
    assert not list(tmp_path.iterdir())


def test_every_command_of_the_manifest_is_there_and_reads_alone():
    manifest = PluginManifest.from_file(Path(napari_cellseg.__file__).with_name("napari.yaml"))
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name))
        assert "ellseg" in command.title  # in the palette of commands nothing else says whose it is


def test_preferences_reach_the_history_and_the_engine(tmp_path):
    assert preferences() == Preferences(recent=recent_file())
    controller = Controller(ViewerModel())
    controller.projects.author = "Ada"
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 255, (32, 32)).astype(np.uint8))
    controller.open_images([tmp_path / "a.npy"])
    settle(controller)
    labels = controller.family.labels
    labels.data_setitem((np.array([3]), np.array([4])), 5)
    path = controller.project().path
    controller.close()
    with Project.open(path) as project:
        assert [e.author for e in project.store("a").history()] == ["Ada"]


def test_an_author_may_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLSEG_AUTHOR", " Grace ")
    with Project.create(tmp_path / "p") as project:
        assert project.author == "Grace"


def test_the_device_may_be_the_processor_whatever_there_is(monkeypatch):
    from napari_cellseg.nets.device import choose

    monkeypatch.setattr("torch.cuda.is_available", lambda: pytest.fail("nobody asked for a GPU"))
    monkeypatch.setenv("CELLSEG_DEVICE", "cpu")
    assert choose().kind == "cpu"
    assert processor() is None or processor().kind == "cpu"


def test_napari_knows_what_runs_and_may_cancel_it():
    controller = Controller(ViewerModel())
    tasks = TaskStatusManager()
    viewer = SimpleNamespace(window=SimpleNamespace(_task_status_manager=tasks))
    status = TaskStatus(viewer, controller)
    assert not tasks.is_busy()
    controller.session.update(progress=Progress("train", "Fine-tuning: step 3, loss 0.4"))
    assert tasks.get_status() == ["Cellseg: Fine-tuning"]
    cancelled = []
    controller.workspace.cancelling.connect(lambda: cancelled.append(True))
    tasks.cancel_all()
    assert cancelled == [True]
    controller.session.update(progress=None)
    assert not tasks.is_busy()
    assert status is not None
    controller.close()


def test_preferences_for_memory_and_snapshots_reach_the_open_image(tmp_path):
    manifest = PluginManifest.from_file(Path(napari_cellseg.__file__).with_name("napari.yaml"))
    page = manifest.contributions.configurations["workbench"]
    for name, kept in (("memory", Preferences().memory), ("autosave", Preferences().autosave)):
        assert page.properties[name].default == kept
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 255, (32, 32)).astype(np.uint8))
    for memory, lazy in ((0.5, False), (0.0, True)):
        controller = Controller(ViewerModel())
        controller.projects.in_memory, controller.projects.snapshot_every = int(memory * 1e9), 2
        controller.open_images([tmp_path / "a.npy"], tmp_path)
        settle(controller)
        assert isinstance(controller.family.source(), np.ndarray) != lazy
        store = controller.store()
        due = []
        for n in (1, 2):
            controller.family.labels.data_setitem((np.array([n]), np.array([4])), store.next_id())
            due.append(store.snapshot_due)
        assert due == [False, True]
        controller.close()
