"""The first minute: pictures are opened, dropped, asked about. No engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers._source import layer_source
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.session import Offer
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.qt.page_image import ImagePage
from napari_cellseg.images import write_map

from ..test_remote_images import Served
from .waiting import settle


@pytest.fixture
def controller() -> Iterator[Controller]:
    made = Controller(ViewerModel())
    yield made
    made.close()


def picture(path: Path, *shape: int) -> Path:
    np.save(path, np.random.default_rng(ord(path.stem[0])).integers(0, 255, shape).astype(np.uint8))
    return path


def test_one_picture_begins_a_project_beside_it(controller, tmp_path):
    controller.open_images([picture(tmp_path / "nuclei.npy", 64, 80)])
    settle(controller)
    assert controller.project().path == tmp_path / "nuclei.cellseg"
    assert controller.session.image == "nuclei"
    assert controller.session.problem is None


def test_several_pictures_begin_one_project_named_after_their_folder(controller, tmp_path):
    folder = tmp_path / "day 1"
    folder.mkdir()
    paths = [picture(folder / f"{name}.npy", 64, 80) for name in "abc"]
    controller.open_images(paths)
    settle(controller)
    assert controller.project().path == folder / "day 1.cellseg"
    assert [r.id for r in controller.session.images] == ["a", "b", "c"]
    controller.open_images(paths[:1])  # it is there already
    settle(controller)
    assert len(controller.session.images) == 3


def test_a_project_folder_is_opened(controller, tmp_path):
    controller.open_images([picture(tmp_path / "a.npy", 64, 80)])
    settle(controller)
    path = controller.project().path
    other = Controller(ViewerModel())
    other.open_images([path])
    settle(other)
    assert other.session.image == "a"
    other.close()


def test_a_picture_that_cannot_be_read_leaves_no_project(controller, tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"no picture")
    controller.open_images([picture(tmp_path / "a.npy", 64, 80), tmp_path / "bad.tif"])
    settle(controller)
    assert controller.session.problem is not None
    assert not list(tmp_path.glob("*.cellseg"))


def test_a_picture_of_another_kind_is_asked_about(controller, tmp_path):
    controller.open_images([picture(tmp_path / "grey.npy", 64, 80)])
    settle(controller)
    colour = picture(tmp_path / "stack.npy", 5, 64, 80)
    controller.open_images([colour])
    settle(controller)
    assert "a grey volume" in controller.session.problem.message
    assert controller.session.problem.offers == (
        Offer("own project", (str(colour),)), Offer("add anyway", (str(colour),))
    )  # fmt: skip
    assert len(controller.session.images) == 1
    home = tmp_path / "other"
    home.mkdir()
    controller.open_images([colour], home)
    settle(controller)
    assert controller.project().path == home / "stack.cellseg"
    controller.open_project(tmp_path / "grey.cellseg")
    controller.open_images([colour], anyway=True)
    settle(controller)
    assert [r.id for r in controller.session.images] == ["grey", "stack"]


def test_where_nothing_can_be_written_another_folder_is_asked_for(controller, tmp_path, monkeypatch):
    path = picture(tmp_path / "a.npy", 64, 80)
    monkeypatch.setattr(os, "access", lambda *_: False)
    controller.open_images([path])
    settle(controller)
    assert controller.session.problem.offers == (Offer("folder", (str(path),)),)
    assert not list(tmp_path.glob("*.cellseg"))
    monkeypatch.undo()
    (tmp_path / "mine").mkdir()
    controller.open_images(controller.session.problem.offers[0].of, tmp_path / "mine")
    settle(controller)
    assert controller.project().path == tmp_path / "mine" / "a.cellseg"


def test_layers_come_without_taking_the_selection(controller, tmp_path):
    """To select a layer costs the window a third of the time that it stands still for it."""
    active: list[object] = []
    controller.viewer.layers.selection.events.active.connect(lambda event: active.append(event.value))
    controller.open_images([picture(tmp_path / "nuclei.npy", 64, 80)])
    settle(controller)
    family = controller.family
    assert active == [family.labels]
    family.overlays.show_outlines((slice(0, 64), slice(0, 80)), np.ones((64, 80), np.uint32))
    assert family.overlays.outlines in controller.viewer.layers
    assert active == [family.labels]
    mine = controller.viewer.add_image(np.zeros((8, 8)))
    assert active[-1] is mine, "other people's layers are selected as ever"


def test_every_image_is_seen_as_a_whole(controller, tmp_path):
    controller.open_images([picture(tmp_path / "a.npy", 64, 80), picture(tmp_path / "b.npy", 400, 500)])
    settle(controller)
    camera = controller.viewer.scene.camera if hasattr(controller.viewer, "scene") else controller.viewer.camera
    first = camera.zoom
    controller.step_image(1)
    assert camera.zoom == pytest.approx(first * 64 / 400, rel=0.3)


def test_the_dropped_layer_does_not_stay_beside_ours(controller, tmp_path):
    path = picture(tmp_path / "a.npy", 64, 80)
    with layer_source(path=str(path)):  # as napari opens it
        controller.viewer.add_image(np.load(path), name="a")
    assert controller.session.open_images == ("a",)
    controller.use_layer("a")
    settle(controller)
    assert controller.session.open_images == ()
    assert len(controller.viewer.layers) == 4
    noise = np.random.default_rng(9).integers(0, 255, (64, 80)).astype(np.uint8)
    controller.viewer.add_image(noise, name="from a script")
    controller.use_layer("from a script")
    settle(controller)
    assert controller.session.open_images == ()
    assert (controller.project().path / "sources" / "from_a_script.ome.tif").exists()
    assert controller.session.problem is None


def test_pictures_are_dropped_on_the_page(controller, qtbot, tmp_path):
    page = ImagePage(controller)
    qtbot.addWidget(page)
    page.show_view(controller.views.newest)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picture(tmp_path / "a.npy", 64, 80)))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    page.drop.dropEvent(event)
    settle(controller)
    assert controller.session.image == "a"
    page.show_view(controller.views.newest)
    assert page.begin.isHidden()


def test_an_address_is_dropped_on_the_page(controller, qtbot, tmp_path):
    (tmp_path / "www").mkdir()
    write_map(tmp_path / "www" / "far.ome.zarr", np.load(picture(tmp_path / "a.npy", 64, 80)))
    served = Served(tmp_path / "www")
    page = ImagePage(controller)
    qtbot.addWidget(page)
    data = QMimeData()
    data.setUrls([QUrl(served.address("far.ome.zarr")), QUrl("mailto:anna@example.org")])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    page.drop.dropEvent(event)
    settle(controller)
    assert "Choose a folder" in controller.session.problem.hint  # nothing is written beside an address
    (tmp_path / "here").mkdir()
    controller.open_images([served.address("far.ome.zarr")], tmp_path / "here")
    settle(controller)
    assert controller.session.problem is None
    assert controller.session.image == "far"
    assert controller.session.images[0].source == served.address("far.ome.zarr")
    served.close()


def test_a_project_of_classes_is_made_from_the_page(controller, qtbot, tmp_path, monkeypatch):
    page = ImagePage(controller)
    qtbot.addWidget(page)
    monkeypatch.setattr(
        "napari_cellseg.gui.qt.page_image.QFileDialog.getSaveFileName", lambda *_: (str(tmp_path / "c"), "")
    )
    page.task.setCurrentIndex(1)
    page.classes.setText("nucleus, envelope")
    page.new.click()
    assert controller.project().classes == ("nucleus", "envelope")


def test_steps_say_how_far_they_are(controller, tmp_path):
    view = resolve(controller.session)
    assert view.steps["Image"].state == "next"
    assert {view.steps[s].state for s in ("Preprocess", "Predict", "Correct", "Fine-tune", "Rounds")} == {"locked"}
    assert all(step.reason for step in view.steps.values() if step.state == "locked")
    controller.open_images([picture(tmp_path / "a.npy", 64, 80)])
    settle(controller)
    view = resolve(controller.session)
    assert (view.steps["Image"].state, view.steps["Predict"].state) == ("done", "next")
    assert "compares old and new" in view.steps["Rounds"].reason
    controller.family.labels.data_setitem((np.array([3, 4]), np.array([4, 4])), 1)
    controller.workspace.count()
    view = resolve(controller.session)
    assert (view.steps["Correct"].state, view.steps["Fine-tune"].state) == ("done", "next")
    assert view.steps["Rounds"].state == ""  # labels can be reviewed
