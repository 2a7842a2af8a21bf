"""The projects that were open last: remembered, marked where they are gone, and never a reason to fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QToolButton

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.preferences import Preferences
from napari_cellseg.gui.app.recent import MOST, Recent, read_recent, recent_file, write_recent
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project

from .engines import Here
from .waiting import spin


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CELLSEG_CONFIG", str(tmp_path / "config"))
    return recent_file()


@pytest.fixture
def controller(file) -> Controller:
    made = Controller(ViewerModel(), engine=Here(lambda job, stop: iter(())))
    made.start(Preferences(recent=file))
    yield made
    made.close()


def test_the_last_five_are_listed_the_newest_first(controller, file, tmp_path, picture):
    for n in range(MOST + 2):
        with Project.create(tmp_path / f"p{n}") as project:
            project.add_image(picture[0])
        controller.open_project(tmp_path / f"p{n}.cellseg")
    spin(controller, lambda: not controller.busy)
    items = resolve(controller.session).recent
    assert [i.text for i in items] == ["p6", "p5", "p4", "p3", "p2"]
    assert items[0].detail.startswith("1 image, ")
    assert Path(items[0].mark).name == "thumbnail.png"
    assert len(read_recent(file)) == MOST


def test_what_is_gone_is_marked_and_can_be_taken_off(controller, file, tmp_path, qtbot, project, picture):
    from napari_cellseg.gui.qt.recent_list import RecentList

    project.close()
    controller.open_project(project.path)
    spin(controller, lambda: not controller.busy)
    controller.projects.leave()
    controller.session.update(project=None, images=())
    moved = tmp_path / "elsewhere"
    shutil.move(project.path, moved)
    controller.recent.show()
    spin(controller, lambda: not controller.busy)
    listed = RecentList(controller)
    qtbot.addWidget(listed)
    listed.show_view(resolve(controller.session))
    opener, forget = listed.findChildren(QToolButton)
    assert not opener.isEnabled()
    assert "not found" in opener.text()
    assert str(project.path) in opener.toolTip()
    forget.click()
    spin(controller, lambda: not controller.busy)
    assert resolve(controller.session).recent == ()
    assert read_recent(file) == []
    assert moved.is_dir()


def test_a_click_opens_it(controller, qtbot, project):
    from napari_cellseg.gui.qt.recent_list import RecentList

    project.close()
    write_recent(controller.recent.file, [Recent(str(project.path), 1.0, 1)])
    controller.recent.show()
    spin(controller, lambda: not controller.busy)
    listed = RecentList(controller)
    qtbot.addWidget(listed)
    listed.show_view(resolve(controller.session))
    listed.findChildren(QToolButton)[0].click()
    assert controller.session.image == "cells"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '[{"path": 3}]', '{"path": "x"}'])
def test_a_file_that_cannot_be_read_is_an_empty_list(file, text):
    file.parent.mkdir()
    file.write_text(text)
    assert read_recent(file) == []


def test_a_place_that_cannot_be_written_stops_nothing(controller, file, project):
    file.parent.write_text("a file where a folder should be")
    project.close()
    controller.open_project(project.path)
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None
    assert controller.session.image == "cells"
    assert [i.text for i in resolve(controller.session).recent] == ["p"]


def test_nothing_is_wrong_at_the_first_start():
    """Every part follows every tick, also before there is a project."""
    controller = Controller(ViewerModel())
    for _ in range(3):
        controller.tick()
    assert controller.session.problem is None
    controller.close()
