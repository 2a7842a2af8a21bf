"""Opening the step Measure prepares the first measurement beside the window, once, and says so while it lasts."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import Popen

import pytest

from napari_cellseg.gui.app import measure_ready
from napari_cellseg.gui.app.measure_ready import SAID
from napari_cellseg.gui.qt.page_measure import MeasurePage

from .waiting import spin

WAITING = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)"


class Compiler:
    """A process that compiles until the test lets it end."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[int, str]] = []
        self.done: list[tuple[int, str]] = []
        self.processes: list[Popen[bytes]] = []
        self._file = folder / "ended"

    def begin(self, ndim: int, dtype: str) -> Popen[bytes]:
        self.asked.append((ndim, dtype))
        self.processes.append(Popen([sys.executable, "-c", WAITING, str(self._file)]))
        return self.processes[-1]

    def end(self) -> None:
        self._file.touch()


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    made = Compiler(tmp_path)
    monkeypatch.setattr(measure_ready, "compiled_apart", made.begin)
    monkeypatch.setattr(measure_ready, "note_compiled", lambda *kind: made.done.append(kind))
    monkeypatch.setattr(measure_ready, "SAID_AFTER_S", 0.05)
    yield made
    made.end()
    for process in made.processes:
        process.wait(600)


@pytest.fixture
def controller(opened, project):
    path = project.path
    project.close()
    made = opened(path, engine=False)
    spin(made, lambda: not made.busy)
    return made


def test_it_is_said_while_it_lasts_and_a_measurement_waits_for_it(controller, compiler, qtbot):
    page = MeasurePage(controller)
    qtbot.addWidget(page)
    assert compiler.asked == []
    page.show()
    spin(controller, lambda: controller.session.status == SAID)
    kind = (2, controller.session.record.dtype)
    assert compiler.asked == [kind]
    controller.measuring.measure()
    assert "as soon as its loops are compiled" in controller.session.progress.text
    for _ in range(50):
        controller.tick()
    assert controller.session.measured.table is None
    compiler.end()
    spin(controller, lambda: controller.session.measured.table is not None)
    assert compiler.done == [kind]
    assert not controller.measuring.ready.working
    page.hide()
    page.show()
    assert compiler.asked == [kind]


def test_the_line_before_comes_back_where_nothing_else_was_said(controller, compiler):
    controller.session.update(status="Before.")
    controller.measuring.ready.prepare()
    spin(controller, lambda: controller.session.status == SAID)
    compiler.end()
    spin(controller, lambda: controller.session.status != SAID)
    assert controller.session.status == "Before."


def test_a_measurement_that_waits_can_be_cancelled(controller, compiler):
    controller.measuring.ready.prepare()
    spin(controller, lambda: bool(compiler.asked))
    controller.measuring.measure()
    controller.cancel()
    spin(controller, lambda: not controller.measuring.busy)
    assert controller.session.measured.table is None
    assert controller.session.progress is None


def test_a_closed_window_ends_it(controller, compiler):
    controller.measuring.ready.prepare()
    spin(controller, lambda: bool(compiler.processes))
    controller.close()
    assert compiler.processes[0].wait(600) != 0
    assert compiler.done == []
