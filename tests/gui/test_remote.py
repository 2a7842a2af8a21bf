"""A window whose networks run on another machine: it says where, and goes on alone when the other is away."""

from __future__ import annotations

import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.engine import Engine
from napari_cellseg.engine.remote.tokens import client_file, read_token, read_tokens
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.session import Offer
from napari_cellseg.gui.qt.panel_engine import EnginePanel
from napari_cellseg.gui.qt.widgets import StatusBar
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from ..test_engine_remote import Running, start
from .waiting import spin


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained.parent, tmp_path / "own")
    np.save(tmp_path / "own" / "fresh.npy", synthetic_cells((96, 128), 10, radius=11, seed=7)[0])
    with Project.open(tmp_path / "own" / trained.name) as project:
        project.add_image(tmp_path / "own" / "fresh.npy")
    return tmp_path / "own" / trained.name


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    made = start(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def controller(own: Path) -> Iterator[Controller]:
    made = Controller(ViewerModel())
    made.open_project(own)
    made.select_image("fresh")
    spin(made, lambda: made.session.image == "fresh" and made.session.store is not None)
    yield made
    made.close()


def test_a_window_computes_there_and_goes_on_here_when_the_server_dies(controller, server, qtbot):
    panel, status = EnginePanel(controller), StatusBar()
    for widget in (panel, status):
        qtbot.addWidget(widget)
        controller.views.changed.connect(widget.show_view)
    panel.address.setText(f"127.0.0.1:{server.port}")
    panel.secret.setText(read_tokens(server.tokens)["anna"])
    panel.there.click()
    assert read_token(client_file()) == read_tokens(server.tokens)["anna"]
    assert stat.S_IMODE(client_file().stat().st_mode) == 0o600
    assert not panel.secret.text()
    spin(controller, lambda: controller.engine.ready is not None)
    assert f"on 127.0.0.1:{server.port}" in controller.session.engine
    controller.predict()
    spin(controller, lambda: not controller.busy)
    there = controller.store().labels.copy()
    assert there.any()
    assert controller.session.kept
    server.kill()
    spin(controller, lambda: controller.session.problem is not None)
    assert controller.session.engine == "engine: away"
    assert controller.session.problem.offers == (Offer("here"),)
    assert "away" in controller.session.problem.message
    controller.compute_on("")  # what the button does
    assert controller.session.problem is None
    spin(controller, lambda: controller.engine.ready is not None and not controller.engine.ready.device.count(" on "))
    controller.predict()
    spin(controller, lambda: not controller.busy)
    np.testing.assert_array_equal(controller.store().labels, there)
    assert "run here" in panel.where.text()


def test_an_address_that_is_none_changes_nothing(controller):
    controller.compute_on("nowhere")
    assert "HOST:PORT" in controller.session.problem.hint
    assert not controller.session.server


def test_a_server_that_is_not_there_is_told_of_with_a_way_out(controller, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    controller.compute_on(f"127.0.0.1:{port}", secret="x" * 20)
    spin(controller, lambda: controller.session.problem is not None)
    assert controller.session.problem.offers
    assert isinstance(controller.engine, Engine)
