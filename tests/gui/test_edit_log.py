"""The log becomes shorter by a button that says first what becomes of it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.qt.page_image import ImagePage
from napari_cellseg.project import APPROVED, difference

from .waiting import settle


def stroke(store, n: int) -> None:
    box = (slice(n % 100, n % 100 + 3), slice(n % 80, n % 80 + 3))
    labels, state = np.full((3, 3), n + 1, np.uint32), np.full((3, 3), APPROVED, np.uint8)
    store.apply(difference("brush", store.labels, store.state, box, labels, state))


@pytest.fixture
def controller(opened, project) -> Controller:
    store = project.store("cells")
    for n in range(1010):
        stroke(store, n)
    project.close()
    return opened(project.path, engine=False)


def test_the_button_says_what_it_would_do_and_does_it(controller, qtbot, capsys):
    page = ImagePage(controller)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    assert not page.shorten.isEnabled()
    page.log_box.expand(animate=False)
    settle(controller)
    assert "1,010 edits" in page.log.text()
    assert "the 10 oldest" in page.log.text()
    assert main(["compact", str(controller.project().path), "--dry-run"]) == 0
    assert "1010 edits" in (said := capsys.readouterr().out)
    assert "10 would be folded" in said
    labels = controller.store().labels.copy()
    page.shorten.click()
    settle(controller)
    assert controller.session.problem is None
    assert controller.session.image == "cells"
    assert controller.session.status.startswith("10 old edits became one")
    np.testing.assert_array_equal(controller.store().labels, labels)
    assert len(controller.store().rows()) == 1001
    assert len(list(controller.store().history())) == 1010
    assert not page.shorten.isEnabled()
    assert "nothing to shorten" in page.log.text()
    controller.strokes.undo()
    assert len(controller.store().rows()) == 1002
    controller.views.changed.disconnect(page.show_view)


def test_what_goes_wrong_leaves_the_log_and_the_image_open(controller, monkeypatch):
    import sqlite3

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("napari_cellseg.project._db.Database.fold", full)
    controller.log.shorten()
    settle(controller)
    assert "disk is full" in controller.session.problem.message
    assert controller.session.image == "cells"
    assert len(controller.store().rows()) == 1010


def test_nothing_is_known_of_another_project(controller, tmp_path):
    controller.log.look()
    settle(controller)
    assert controller.session.log.old == 10
    controller.new_project(tmp_path / "other")
    assert resolve(controller.session).log.text == ""
