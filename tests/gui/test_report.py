"""The button *Write report...* and the command line write the same file."""

from __future__ import annotations

import shutil
from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from napari_cellseg.cli import main
from napari_cellseg.gui.qt.page_rounds import RoundsPage

from .waiting import spin


def copy_of(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.parent, tmp_path / "work")) / trained.name


def test_the_button_and_the_command_write_the_same(opened, trained, tmp_path, qtbot, monkeypatch):
    """With the worst cases, for which the engine predicts."""
    folder = copy_of(trained, tmp_path)
    controller = opened(folder)
    page = RoundsPage(controller)
    qtbot.addWidget(page)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / "seen"), ""))
    page.report.write.click()
    assert controller.session.progress is not None  # asked, and nobody waits for it
    assert not (tmp_path / "seen.html").exists()
    spin(controller, lambda: (tmp_path / "seen.html").is_file() and not controller.busy)
    assert controller.session.problem is None
    assert controller.session.status == f"Report written: {tmp_path / 'seen.html'}"
    assert controller.session.progress is None
    controller.close()
    assert main(["report", str(folder), "--out", str(tmp_path / "typed.html")]) == 0
    page_seen, page_typed = ((tmp_path / f"{name}.html").read_text() for name in ("seen", "typed"))
    assert "Worst cases" in page_seen
    assert page_seen == page_typed


def test_a_cancelled_report_is_written_without_the_worst_cases(opened, trained, tmp_path):
    folder = copy_of(trained, tmp_path)
    controller = opened(folder)
    controller.report.write(tmp_path / "r.html")
    controller.cancel()
    spin(controller, lambda: (tmp_path / "r.html").is_file() and not controller.busy)
    assert "without the worst cases" in controller.session.status
    assert "Worst cases" not in (tmp_path / "r.html").read_text()
    controller.report.write(tmp_path / "again.html")
    spin(controller, lambda: (tmp_path / "again.html").is_file() and not controller.busy)
    assert "Worst cases" in (tmp_path / "again.html").read_text()


def test_a_project_without_a_round_needs_no_engine(opened, project, tmp_path):
    path = project.path
    project.close()
    controller = opened(path, engine=False)
    controller.report.write(tmp_path / "r.html")
    spin(controller, lambda: (tmp_path / "r.html").is_file() and not controller.busy)
    assert not controller.engine.pid


def test_a_folder_that_cannot_be_written_is_told(opened, trained, tmp_path):
    controller = opened(copy_of(trained, tmp_path))
    (tmp_path / "file").write_text("in the way")
    controller.report.write(tmp_path / "file" / "r.html")
    spin(controller, lambda: controller.session.problem is not None)
    assert "cannot be written" in controller.session.problem.message
    assert controller.session.progress is None


def test_the_report_is_looked_at_in_the_window(opened, trained, tmp_path, qtbot):
    controller = opened(copy_of(trained, tmp_path))
    page = RoundsPage(controller)
    qtbot.addWidget(page)
    page.show_view(controller.views.newest)
    assert not page.report.look.isVisibleTo(page)
    controller.report.write(tmp_path / "r.html")
    spin(controller, lambda: controller.session.report_written is not None and not controller.busy)
    page.show_view(controller.views.newest)
    page.report.look.click()
    shown = page.report.window_
    text = (tmp_path / "r.html").read_text()
    assert "Methods, to paste" in shown.toPlainText()
    assert len(shown._pictures) == text.count("data:image/png") > 0
    assert not any(picture.isNull() for picture in shown._pictures)
    assert "data:image" not in shown.toHtml()
    shown.close()
    (tmp_path / "r.html").unlink()
    page.report.look.click()
    assert "cannot be read" in controller.session.problem.message
