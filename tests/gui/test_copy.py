"""What a step does, copied as a command and as Python, gives what the dock gives."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.copy_text import calls
from napari_cellseg.gui.qt.page_predict import PredictPage
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells


@pytest.fixture
def controller(trained, tmp_path) -> Iterator[Controller]:
    for file in trained.parent.glob("*.npy"):
        shutil.copy(file, tmp_path)
    folder = shutil.copytree(trained, tmp_path / "a project.cellseg")
    np.save(tmp_path / "new.npy", synthetic_cells((96, 128), 10, radius=11, seed=5)[0])
    with Project.open(folder) as project:
        project.add_image(tmp_path / "new.npy")
    made = Controller(ViewerModel())
    made.open_project(folder)
    made.select_image("new")
    yield made
    made.close()


def labels(project: Path) -> np.ndarray:
    with Project.open(project) as opened:
        return opened.load_labels("new")[0]


def test_the_command_and_the_script_do_the_same(controller, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    controller.retarget(controller.session.own.model_copy(update={"threshold": 0.4}))
    call = calls(controller.session)["Predict"]
    path = controller.project().path
    assert "--set target.threshold=0.4" in call.command
    controller.close()
    both = []
    for name in ("typed", "scripted"):
        copy = shutil.copytree(path, tmp_path / f"{name}.cellseg")
        if name == "typed":
            assert main(shlex.split(call.command.replace(str(path), str(copy)))[1:]) == 0
        else:
            exec(call.python.replace(str(path), str(copy)), {})
        both.append(labels(copy))
    assert both[0].any()
    np.testing.assert_array_equal(both[0], both[1])


def test_every_command_is_one_that_the_command_line_knows(controller):
    from napari_cellseg.cli._parser import parser

    found = calls(controller.session)
    assert set(found) == {"Image", "Predict", "Correct", "Fine-tune", "Rounds", "Measure"}
    for call in found.values():
        parser().parse_args(shlex.split(call.command)[1:])
        compile(call.python, "copied", "exec")


def test_the_button_copies(controller, qtbot):
    page = PredictPage(controller)
    qtbot.addWidget(page)
    page.copy.command.trigger()
    assert QApplication.clipboard().text() == calls(controller.session)["Predict"].command
    page.copy.python.trigger()
    assert "cs.open(" in QApplication.clipboard().text()


def test_without_a_project_there_is_nothing_to_copy(qtbot):
    controller = Controller(ViewerModel())
    page = PredictPage(controller)
    qtbot.addWidget(page)
    page.copy.menu().aboutToShow.emit()
    assert not page.copy.command.isEnabled()
    controller.close()
