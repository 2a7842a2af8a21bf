"""Full collections of garbage wait until a person rests; leaving at any moment saves what was painted."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.gui.app.background import Helper
from napari_cellseg.gui.app.garbage import MUCH, REST_S, Garbage
from napari_cellseg.gui.app.session import Session
from napari_cellseg.project import Project


class Circle:
    """Holds itself, as layers do: only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def garbage():
    found = Garbage()
    yield found
    found.close()
    assert gc.get_freeze_count() == 0


def dead() -> weakref.ref[Circle]:
    return weakref.ref(Circle())


def looked_at(one: Circle) -> bool:
    return any(each is one for each in gc.get_objects())


def test_a_full_collection_looks_only_at_what_is_new(garbage):
    old = dead()
    garbage.start()
    new = dead()
    gc.collect()
    assert old() is not None
    assert new() is None
    assert gc.get_freeze_count() > len(gc.get_objects())


def test_what_a_layer_leaves_behind_is_freed_when_the_person_rests(garbage):
    garbage.start()
    kept = dead()
    garbage.image_opened()
    garbage.layer_gone()
    garbage.rest(REST_S / 2)
    gc.collect()
    assert kept() is not None
    garbage.rest(REST_S)
    assert kept() is None
    assert gc.get_freeze_count() > 0, "set aside again"


def test_a_rest_without_garbage_costs_nothing(garbage):
    garbage.start()
    before = gc.get_stats()[2]["collections"]
    for _ in range(100):
        garbage.rest(REST_S * 10)
    assert gc.get_stats()[2]["collections"] == before


def test_many_new_objects_are_looked_at_in_a_rest_without_a_layer_gone(garbage):
    kept = dead()
    garbage.start()
    for _ in range(MUCH):
        gc.collect(1)
    garbage.rest(REST_S)
    assert kept() is None


def test_what_libraries_bring_is_set_aside_when_they_are_loaded(garbage):
    go = threading.Event()
    garbage.loading = threading.Thread(target=go.wait)
    garbage.loading.start()
    garbage.start()
    brought = Circle()
    garbage.rest(0)
    assert looked_at(brought)
    go.set()
    garbage.loading.join()
    garbage.rest(0)
    assert not looked_at(brought)


def test_without_a_window_nothing_is_set_aside():
    garbage = Garbage()
    garbage.image_opened()
    garbage.rest(REST_S)
    garbage.close()
    assert gc.get_freeze_count() == 0


def test_a_helper_that_is_closed_takes_nothing_more():
    helper = Helper(Session())
    helper.close()
    helper.later(lambda: 1, lambda _: pytest.fail("nobody is left to see this"))
    assert not helper.busy


LEAVING = """
import sys, time, napari, numpy as np
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=True)
_, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
control = dock.controller
def spin(until):
    while not until():
        QApplication.processEvents()
        time.sleep(0.002)
viewer.open(sys.argv[1], plugin="napari")
control.use_layer(viewer.layers[0].name)
spin(lambda: control.family is not None and not control.busy)
control.family.labels.data_setitem((np.array([20, 21]), np.array([20, 20])), 7)
raise SystemExit(3)
"""


@pytest.mark.timeout(600)
def test_a_script_that_exits_with_a_project_open_ends_quietly_and_loses_nothing(tmp_path, qapp):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, str(path)], capture_output=True, text=True, timeout=1500, env=dict(os.environ)
    )
    assert done.returncode == 3, done.stderr[-4000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    (folder,) = Path(tmp_path).glob("*.cellseg")
    with Project.open(folder) as project:
        (record,) = project.images()
        assert project.store(record.id).labels[20, 20] == 7
