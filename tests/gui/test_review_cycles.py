"""Review cycles in the dock: the same marks and figures as in Python and on the command line."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.qt.panel_review_cycles import ReviewCyclesPanel
from napari_cellseg.project import Project, labels_of_cycle, review_cycles
from napari_cellseg.report import sentence, told_cycles
from napari_cellseg.samples import synthetic_cells

from .drawing import draw
from .waiting import said, spin


@pytest.fixture
def folder(tmp_path):
    """Two drafted images."""
    with Project.create(tmp_path / "p") as project:
        for k in range(2):
            pixels, labels = synthetic_cells((96, 112), 10, radius=9, seed=k)
            np.save(tmp_path / f"cells{k}.npy", pixels)
            project.add_image(tmp_path / f"cells{k}.npy", labels=labels, draft=True)
        return project.path


def close(controller: Controller) -> None:
    controller.cycles.close()
    spin(controller, lambda: not controller.busy and controller.session.progress is None)


def test_a_cycle_is_opened_painted_in_and_closed(opened, folder, tmp_path):
    controller = opened(folder, engine=False)
    spin(controller, lambda: not controller.busy)
    controller.cycles.begin("  Ada ")
    assert "Review cycle 1 of Ada begins" in controller.session.status
    spin(controller, lambda: controller.session.cycles.open == 1)
    before = controller.store().labels.copy()
    draw(controller, synthetic_cells((96, 112), 10, radius=9, seed=5)[1], [1, 2, 3])
    after = controller.store().labels.copy()
    assert (before != after).any()
    close(controller)
    assert controller.session.problem is None, said(controller)
    state = controller.session.cycles
    assert (state.open, state.reviewer, len(state.lines)) == (0, "Ada", 1)
    project = controller.project()
    assert np.array_equal(labels_of_cycle(project, "cells0", 1)[0], after)
    (told,) = told_cycles(project)
    assert state.lines[0][1] == sentence(told)
    assert told.result.images["cells0"].changed == ((before > 0) != (after > 0)).sum() > 0
    assert told.result.images["cells1"].changed == 0
    assert main(["review-cycle", str(folder), "--json", str(tmp_path / "c.json")]) == 0
    row = json.loads((tmp_path / "c.json").read_text())["review_cycles"][0]
    assert (row["reviewer"], row["changed"]) == ("Ada", told.result.pooled.changed)
    controller.cycles.begin("")
    spin(controller, lambda: controller.session.cycles.open == 2)
    assert review_cycles(project.db)[1].reviewer == "Ada"


def test_a_close_that_is_cancelled_leaves_it_open(opened, folder):
    controller = opened(folder, engine=False)
    controller.cycles.begin("Ada")
    spin(controller, lambda: controller.session.cycles.open == 1)
    free = threading.Event()
    controller.helper.later(free.wait, lambda _: None)  # so that it has not begun yet
    controller.cycles.close()
    controller.cancel()
    free.set()
    spin(controller, lambda: not controller.busy)
    assert review_cycles(controller.project().db)[0].closed is None
    assert controller.session.problem is None
    assert "still open" in controller.session.status
    close(controller)
    assert review_cycles(controller.project().db)[0].closed is not None


def test_the_panel_shows_one_button_at_a_time(opened, folder, qtbot):
    controller = opened(folder, engine=False)
    panel = ReviewCyclesPanel(controller)
    qtbot.addWidget(panel)
    spin(controller, lambda: not controller.busy)
    panel.show_view(controller.views.newest)
    assert panel.reviewer.text() == controller.project().author
    panel.reviewer.setText("Grace")
    panel.begin.click()
    spin(controller, lambda: controller.session.cycles.open == 1)
    panel.show_view(controller.views.newest)
    assert (panel.who.isHidden(), panel.close_cycle.isHidden(), panel.close_cycle.text()) == (
        True,
        False,
        "Close cycle 1",
    )
    panel.close_cycle.click()
    spin(controller, lambda: not controller.busy and controller.session.cycles.open == 0)
    panel.show_view(controller.views.newest)
    assert (panel.who.isHidden(), panel.close_cycle.isHidden(), panel.reviewer.text()) == (False, True, "Grace")
    assert "kappa 1.000 to the labels at its opening" in panel.told.text()


def test_the_step_is_open_where_there_are_labels_to_review(opened, folder, tmp_path):
    with Project.create(tmp_path / "empty") as project:
        empty = project.path
    assert "review cycle" in opened(empty, engine=False).views.newest.steps["Rounds"].reason
    controller = opened(folder, engine=False)
    spin(controller, lambda: controller.session.counts.objects > 0)
    assert controller.views.newest.steps["Rounds"].state != "locked"
