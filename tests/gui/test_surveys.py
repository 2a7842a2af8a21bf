"""Surveys of the data set in the dock: the same tables and pictures as the command line writes."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.qt.panel_survey import BoxesPanel, DescribePanel, PlatePanel, SelectPanel
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two wells at three time points, with more and more cells; the last image has no labels."""
    with Project.create(tmp_path / "p") as project:
        for k, name in enumerate(f"{well}_t{t}" for well in ("B03", "C04") for t in range(3)):
            pixels, labels = synthetic_cells((96, 112), 3 + 3 * (k % 3) + k // 3, radius=8, seed=k)
            np.save(tmp_path / f"{name}.npy", pixels)
            project.add_image(tmp_path / f"{name}.npy", labels=labels if k < 5 else None)
        return project.path


@pytest.fixture
def controller(opened, folder) -> Controller:
    made = opened(folder, engine=False)
    spin(made, lambda: not made.busy)
    return made


def found(controller: Controller, kind: str):
    spin(controller, lambda: kind in controller.session.surveys and not controller.surveys.busy)
    assert controller.session.problem is None
    assert controller.session.progress is None
    return controller.session.surveys[kind]


def same(one: Path, other: Path, *pairs: tuple[str, str]) -> None:
    """The dock's files are those of the command line, byte for byte."""
    assert len(list(one.iterdir())) == len(pairs)
    for a, b in pairs:
        assert (one / a).read_bytes() == (other / b).read_bytes(), a


def test_a_description_is_that_of_the_command_line(controller, folder, tmp_path):
    controller.surveys.describe()
    assert "Describing" in controller.session.progress.text
    survey = found(controller, "describe")
    assert survey.title.startswith("6 images: 96 x 112")
    assert {r[0] for r in survey.rows} >= {"objects", "contrast", "circularity"}
    (tmp_path / "a").mkdir()
    controller.surveys.save("describe", tmp_path / "a" / "set.csv")
    files = ["--csv", str(tmp_path / "b" / "x.csv"), "--markdown", str(tmp_path / "b" / "x.md")]
    assert main(["describe", str(folder), *files]) == 0
    names = {"set.csv": "x.csv", "set_summary.csv": "x_summary.csv", "set_sizes.csv": "x_sizes.csv", "set.md": "x.md"}
    same(tmp_path / "a", tmp_path / "b", *names.items())


def test_box_plots_are_those_of_the_command_line(qtbot, controller, folder, tmp_path):
    panel = BoxesPanel(controller)
    qtbot.addWidget(panel)
    panel.show_view(controller.views.newest)
    names = [panel.column.itemData(n) for n in range(panel.column.count())]
    assert names[0] == ""
    assert {"area", "circularity", "intensity_mean", "neighbour_count"} <= set(names)
    assert not {"volume", "centroid_y", "label"} & set(names)
    panel.column.setCurrentIndex(names.index("area"))
    panel.groups.setText("^[A-P][0-9]+")
    panel.button.click()
    survey = found(controller, "boxes")
    panel.show_view(controller.views.newest)
    assert [r[0] for r in survey.rows] == ["group", "B03", "C04"]
    assert "of 2 groups" in panel.said.text()
    assert not panel.picture.pixmap().isNull()
    (tmp_path / "a").mkdir()
    controller.surveys.save("boxes", tmp_path / "a" / "g.csv")
    files = {"--csv": "x.csv", "--summary": "x_summary.csv", "--boxes": "x.png"}
    typed = [x for flag, file in files.items() for x in (flag, str(tmp_path / "b" / file))]
    assert main(["measure", str(folder), "--columns", "area", "--group-by", "^[A-P][0-9]+", *typed]) == 0
    same(tmp_path / "a", tmp_path / "b", ("g.csv", "x.csv"), ("g_summary.csv", "x_summary.csv"), ("g.png", "x.png"))


def test_a_choice_of_images_is_that_of_the_command_line(controller, folder, tmp_path):
    controller.surveys.select(3)
    survey = found(controller, "select")
    assert survey.title == "3 of 6 images to label (confluency by draft, labels)."
    assert [i.mark for i in survey.images] == [""] * 3 + ["left"] * 3
    assert survey.picture is not None
    (tmp_path / "a").mkdir()
    controller.surveys.save("select", tmp_path / "a" / "chosen.csv")
    files = {"--csv": "x.csv", "--list": "x.txt", "--figure": "x.png"}
    typed = [x for flag, file in files.items() for x in (flag, str(tmp_path / "b" / file))]
    assert main(["select", str(folder), "-n", "3", "--by", "quick", *typed]) == 0
    same(tmp_path / "a", tmp_path / "b", ("chosen.csv", "x.csv"), ("chosen.txt", "x.txt"), ("chosen.png", "x.png"))


def test_a_plate_with_growth_is_that_of_the_command_line(controller, folder, tmp_path):
    controller.surveys.plate("growth_rate", "12h", "^[A-P][0-9]+")
    survey = found(controller, "plate")
    assert "2 wells, coloured by growth rate" in survey.title
    assert [r[0] for r in survey.rows] == ["group", "B03", "C04"]
    (tmp_path / "a").mkdir()
    controller.surveys.save("plate", tmp_path / "a" / "p.csv")
    out = [str(tmp_path / "b" / name) for name in ("x_plate.csv", "x_plate.png", "x_growth.csv", "x_growth.png")]
    (tmp_path / "b").mkdir()
    command = ["measure", str(folder), "--columns", "pixels", "--group-by", "^[A-P][0-9]+", "--interval", "12h",
               "--plate", *out[:2], "--plate-value", "growth_rate", "--growth", *out[2:]]  # fmt: skip
    assert main(command) == 0
    same(tmp_path / "a", tmp_path / "b", *((f"p{Path(o).name[1:]}", Path(o).name) for o in out))


def test_panels_ask_show_and_lead_to_images(controller, tmp_path, qtbot, monkeypatch):
    kinds = {"describe": DescribePanel, "select": SelectPanel, "plate": PlatePanel}
    panels = {kind: panel(controller) for kind, panel in kinds.items()}
    for panel in panels.values():
        qtbot.addWidget(panel)
        panel.show_view(controller.views.newest)
        assert panel.button.isEnabled()
        assert panel.save.isHidden()
    panels["select"].n.setValue(2)
    for kind, panel in panels.items():
        panel.button.click()
        found(controller, kind)
        panel.show_view(controller.views.newest)
        assert not panel.save.isHidden()
    assert "circularity" in panels["describe"].table.text()
    assert not panels["select"].picture.pixmap().isNull()
    assert panels["select"].list.count() == 6
    assert panels["plate"].value.findData("doubling_time") >= 0
    last = panels["select"].list.item(5)
    panels["select"].list.itemClicked.emit(last)
    image = last.data(Qt.ItemDataRole.UserRole)
    spin(controller, lambda: controller.session.image == image and not controller.busy)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / "saved" / "plate.csv"), ""))
    panels["plate"].save.click()
    assert (tmp_path / "saved" / "plate_growth.png").is_file()


def test_what_was_not_saved_goes_with_the_window_and_another_project_knows_nothing(controller, folder, tmp_path):
    controller.surveys.describe()
    files = found(controller, "describe").files
    assert all(f.is_file() for f in files)
    with Project.create(tmp_path / "other") as other:
        path = other.path
    controller.open_project(path)
    assert controller.session.surveys == {}
    assert controller.views.newest.surveys.ask.reason == "Add images first."
    controller.close()
    assert not files[0].parent.parent.exists()


def test_cancelling_finds_nothing_out(controller):
    free = threading.Event()
    controller.surveys.worker.later(free.wait, lambda _: None)  # so that it has not begun yet
    controller.surveys.select(3)
    controller.cancel()
    free.set()
    spin(controller, lambda: not controller.surveys.busy)
    assert controller.session.surveys == {}
    assert controller.session.status == "Cancelled; nothing was found out."
    assert controller.session.progress is None


def test_a_plate_needs_names_that_tell_something(opened, project):
    path = project.path
    project.close()
    controller = opened(path, engine=False)
    spin(controller, lambda: not controller.busy)
    view = controller.views.newest.surveys
    assert view.ask.enabled
    assert "No name of an image tells its well" in view.plate.reason
    controller.surveys.plate("confluency")
    assert "No name of an image tells its well" in controller.session.problem.message
    controller.surveys.save("select", path / "x.csv")
    assert "Nothing was found out yet" in controller.session.problem.message
