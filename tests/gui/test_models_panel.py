"""Models out and in, from the dock: the subcommands, in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.errors import CellsegError
from napari_cellseg.gui.app import model_exchange
from napari_cellseg.gui.app.model_exchange import run_command
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.qt.panel_models import FORMS, READINGS, ModelsPanel
from napari_cellseg.prediction import KINDS, FileNetwork
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .waiting import said, spin


@pytest.fixture
def controller(tmp_path, opened):
    """An image and the base model, open, without an engine."""
    np.save(tmp_path / "cells.npy", synthetic_cells((96, 96), 8, radius=11, seed=1)[0])
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "cells.npy")
    made = opened(tmp_path / "p.cellseg", engine=False)
    made.start_from("cells")
    return made


@pytest.fixture
def panel(controller, qtbot):
    made = ModelsPanel(controller)
    qtbot.addWidget(made)
    made.show_view(resolve(controller.session))
    return made


def test_the_panel_offers_what_the_verbs_take(panel):
    from napari_cellseg.exchange import FORMS as forms

    assert tuple(FORMS) == forms
    assert tuple(READINGS)[1:] == KINDS
    assert panel.authors.isHidden()
    panel.form.setCurrentIndex(panel.form.findData("bioimageio"))
    assert not panel.authors.isHidden()
    assert "licence" in panel.about.text()


@pytest.mark.slow
def test_out_and_in_again(panel, controller, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    panel.export.click()
    assert controller.models.busy
    spin(controller, lambda: not controller.models.busy)
    assert controller.session.status.startswith("Exported to out. Compared with torch: labels agree on 100.000%")
    assert FileNetwork.read(out).check["differs"] < 1e-3
    controller.start_from(out)
    assert controller.session.current_model == "v1"
    controller.live.opened()
    assert "no weights to change" in controller.session.live_reason
    panel.export.click()
    spin(controller, lambda: not controller.models.busy)
    assert "is there already" in said(controller)


def test_a_mistake_is_shown_in_the_dock(panel, controller, tmp_path, monkeypatch):
    (tmp_path / "package.zip").write_text("no zip file")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "package.zip"), ""))
    panel.bring_in.click()
    spin(controller, lambda: not controller.models.busy)
    assert "is not a bioimage.io package" in said(controller)
    assert controller.session.current_model == "cells"


@pytest.mark.parametrize("heard", [True, False])
def test_a_process_can_be_ended(tmp_path, heard):
    """Whether this process hears interrupts or ignores them, as in the background of a shell script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler if heard else signal.SIG_IGN)
    try:
        end_a_process(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def end_a_process(tmp_path):
    assert run_command(["model", "export", "cells", "--out", str(tmp_path / "out")], lambda: True) == ""
    assert not list(tmp_path.iterdir())
    with pytest.raises(CellsegError, match="holds no"):
        run_command(["model", "import", str(tmp_path), "--out", str(tmp_path / "out")], lambda: False)


DEAF = """
import signal, time
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1) if not asked else exit(3))
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking")
def test_a_process_that_has_not_heard_is_asked_again(monkeypatch):
    """Python ignores an interrupt that comes while a callback runs."""
    monkeypatch.setattr(model_exchange, "AGAIN_S", 0.2)
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    model_exchange._end(process)
    assert process.returncode == 3
