"""Opening the step Measure prepares the first measurement in a thread, once, and says so while it lasts."""

from __future__ import annotations

import threading

import pytest

from napari_cellseg.gui.app import measure_ready
from napari_cellseg.gui.app.measure_ready import SAID
from napari_cellseg.gui.qt.page_measure import MeasurePage

from .waiting import spin


@pytest.fixture
def compiling(monkeypatch):
    """A compiler that works as long as the test wants, and what it was asked for."""
    asked, go_on = [], threading.Event()

    def work(ndim: int, dtype: str) -> None:
        asked.append((ndim, dtype))
        go_on.wait(60)

    monkeypatch.setattr(measure_ready, "warm_up", work)
    monkeypatch.setattr(measure_ready, "SAID_AFTER_S", 0.05)
    yield asked, go_on
    go_on.set()


def test_it_is_said_while_it_lasts_and_done_once(opened, project, compiling, qtbot):
    asked, go_on = compiling
    path = project.path
    project.close()
    controller = opened(path, engine=False)
    spin(controller, lambda: not controller.busy)
    before = controller.session.status
    page = MeasurePage(controller)
    qtbot.addWidget(page)
    assert asked == []
    page.show()
    spin(controller, lambda: controller.session.status == SAID)
    assert asked == [(2, controller.session.record.dtype)]
    controller.measuring.measure()
    assert "as soon as its loops are compiled" in controller.session.progress.text
    spin(controller, lambda: controller.session.measured.table is not None)
    assert controller.session.status.startswith("Measured")
    go_on.set()
    spin(controller, lambda: not controller.measuring.ready.working)
    page.hide()
    page.show()
    assert len(asked) == 1
    assert controller.session.status.startswith("Measured") or controller.session.status == before


def test_where_nothing_else_was_said_the_line_before_comes_back(opened, project, compiling):
    asked, go_on = compiling
    path = project.path
    project.close()
    controller = opened(path, engine=False)
    spin(controller, lambda: not controller.busy)
    controller.session.update(status="Before.")
    controller.measuring.ready.prepare()
    spin(controller, lambda: controller.session.status == SAID)
    go_on.set()
    spin(controller, lambda: controller.session.status != SAID)
    assert controller.session.status == "Before."
    assert len(asked) == 1
