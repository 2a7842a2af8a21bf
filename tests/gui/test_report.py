"""The button *Write report...* and the command line write the same file."""

from __future__ import annotations

import shutil

from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.qt.page_rounds import RoundsPage

from .waiting import spin


def test_the_button_and_the_command_write_the_same(trained, tmp_path, qtbot, monkeypatch):
    folder = shutil.copytree(trained.parent, tmp_path / "work") / trained.name
    controller = Controller(ViewerModel())
    controller.open_project(folder)
    page = RoundsPage(controller)
    qtbot.addWidget(page)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / "seen"), ""))
    page.report.click()
    spin(controller, lambda: (tmp_path / "seen.html").is_file() and not controller.helper.busy)
    assert controller.session.problem is None
    assert controller.session.status == f"Report written: {tmp_path / 'seen.html'}"
    controller.close()
    assert main(["report", str(folder), "--out", str(tmp_path / "typed.html"), "--cases", "0"]) == 0
    assert (tmp_path / "seen.html").read_bytes() == (tmp_path / "typed.html").read_bytes()


def test_a_folder_that_cannot_be_written_is_told(trained, tmp_path):
    folder = shutil.copytree(trained.parent, tmp_path / "work") / trained.name
    controller = Controller(ViewerModel())
    controller.open_project(folder)
    (tmp_path / "file").write_text("in the way")
    controller.report.write(tmp_path / "file" / "r.html")
    spin(controller, lambda: controller.session.problem is not None)
    assert "cannot be written" in controller.session.problem.message
    controller.close()
