"""The list of places where the model disagrees with what it learnt: found, looked at, crossed out."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.engine import run
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.qt.page_rounds import RoundsPage

from .engines import Here
from .waiting import spin


@pytest.fixture
def controller(trained, tmp_path):
    folder = shutil.copytree(trained.parent, tmp_path / "work") / trained.name
    made = Controller(ViewerModel(), engine=Here(run))
    made.open_project(folder)
    yield made
    made.close()


def test_the_dock_finds_what_python_finds_and_goes_there(controller, qtbot):
    page = RoundsPage(controller)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    panel = page.places
    assert not panel.list.isVisibleTo(page)
    panel.search.click()
    spin(controller, lambda: bool(controller.session.places) and not controller.busy)
    with cs.open(controller.project().path) as project:
        assert project.training_places().places == controller.session.places
    assert panel.list.count() == len(controller.session.places)
    place = next(p for p in controller.session.places if p.objects)
    panel.list.setCurrentRow(controller.session.places.index(place))
    assert controller.session.image == place.image
    assert controller.family.labels.selected_label in place.objects
    outlines = controller.family.overlays.outlines
    assert outlines.name.endswith(f"[seen by {controller.session.current_model}]")
    assert all(n >= b - a for n, (a, b) in zip(outlines.data.shape, place.box, strict=True))
    assert set(np.unique(outlines.data)) <= {0, 1}
    context = replace(edits.EditContext.on(controller.store()), locked=False)
    controller.workspace.apply(edits.delete(context, context.piece(place.objects[0])))
    assert "(edited)" in panel.list.item(panel.list.currentRow()).text()
    folder = controller.project().path
    controller.open_project(folder)  # the list is kept, with what was edited
    again = next(p for p in controller.session.places if (p.image, p.box) == (place.image, place.box))
    assert again.changed
    controller.places.go(controller.session.places.index(again))  # without a cut of what the model sees


def test_cancelling_keeps_no_half_of_a_list(controller):
    controller.places.find()
    controller.cancel()
    spin(controller, lambda: not controller.busy and controller.job is None)
    assert controller.session.places == ()


def test_without_a_model_that_learnt_here_it_is_off(opened, project):
    project.close()
    controller = opened(project.path, engine=False)
    assert "Fine-tune" in controller.views.newest.find_places.reason
    controller.places.find()
    assert controller.session.problem is not None
    assert np.count_nonzero(controller.store().labels) == 0
