"""Clean-up of all objects in the window: what the command line writes, in one undo, and nothing that a person made."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cellseg import edits
from napari_cellseg.api import OpenProject
from napari_cellseg.drafts import CleanUp
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.qt.panels_correct import CleanUpPanel
from napari_cellseg.project import SOURCES, Project, label_sources
from napari_cellseg.samples import synthetic_cells

from .conftest import Opening
from .waiting import spin


@pytest.fixture
def labels() -> np.ndarray:
    _, found = synthetic_cells((400, 560), 90, radius=12, touching=0.4, seed=2)
    return np.where(np.random.default_rng(0).random(found.shape) < 0.08, 0, found).astype(np.uint32)


@pytest.fixture
def drafted(tmp_path, labels, opened: Opening) -> Controller:
    """An image with a rough draft, open in two pieces, of which object 5 is approved."""
    for name in ("p", "same"):
        tifffile.imwrite(tmp_path / "cells.tif", (labels > 0).astype(np.uint8) * 90)
        with Project.create(tmp_path / name) as project:
            project.add_image(tmp_path / "cells.tif", labels=labels, draft=True)
            context = edits.EditContext.on(project.store("cells"))
            project.store("cells").apply(edits.approve_object(context, context.piece(5)))
    return opened(tmp_path / "p.cellseg", engine=False)


def test_the_button_does_what_the_command_does_in_one_undo(drafted, labels, tmp_path, qtbot):
    panel = CleanUpPanel(drafted)
    qtbot.addWidget(panel)
    panel.show_view(resolve(drafted.session))
    panel.settings.setValue(CleanUp(min_size=60))
    panel.clean.click()
    spin(drafted, lambda: not drafted.busy)
    store = drafted.store()
    with Project.open(tmp_path / "same.cellseg") as same:
        OpenProject(same).clean(settings={"min_size": 60})
        expected, state = same.load_labels("cells")
    np.testing.assert_array_equal(store.labels, expected)
    np.testing.assert_array_equal(store.state, state)
    assert "Cleaned up" in drafted.session.status
    spin(drafted, lambda: drafted.session.undo == "clean-up of the whole image")
    changed = store.labels != labels
    assert changed.any()
    assert (label_sources(drafted.session.project, "cells")[changed] == SOURCES.index("automatic")).all()
    drafted.strokes.undo()
    spin(drafted, lambda: not drafted.busy)
    np.testing.assert_array_equal(drafted.store().labels, labels)


def test_a_stroke_meanwhile_stays(drafted, labels):
    drafted.cleaning.clean(CleanUp())
    store, box = drafted.store(), (slice(40, 60), slice(40, 60))
    mask = np.zeros(labels.shape, bool)
    mask[box] = True
    store.apply(edits.paint(edits.EditContext.on(store), np.flatnonzero(mask), 900))
    spin(drafted, lambda: not drafted.busy)
    assert (store.labels[box] == 900).all()
    assert (store.state[box] == 1).all()


def test_where_everything_is_touched_it_says_so(drafted):
    drafted.actions.approve_image()
    spin(drafted, lambda: not drafted.busy)
    drafted.cleaning.clean(CleanUp())
    assert "untouched" in drafted.session.problem.message


def test_the_source_of_a_draft_in_the_window_is_no_network(tmp_path, labels, opened):
    tifffile.imwrite(tmp_path / "cells.tif", np.where(labels > 0, 200, 20).astype(np.uint8))
    with Project.create(tmp_path / "d") as project:
        project.add_image(tmp_path / "cells.tif")
    controller = opened(tmp_path / "d.cellseg", engine=False)
    controller.draft()
    spin(controller, lambda: not controller.busy)
    found = controller.store().labels > 0
    assert found.any()
    assert (label_sources(controller.session.project, "cells")[found] == SOURCES.index("automatic")).all()
    spin(controller, lambda: controller.session.undo == "draft of the whole image")
