"""Other ways to begin: every method with its settings, from the dock."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.drafts import DRAFTS, OtsuWatershed, draft
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.qt.panel_drafts import DraftPanel
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture
def nuclei(tmp_path, opened):
    """An image of nuclei, open, without any model."""
    tifffile.imwrite(tmp_path / "cells.tif", synthetic_cells((200, 260), 30, radius=11, seed=1)[0])
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "cells.tif")
    return opened(tmp_path / "p.cellseg", engine=False)


@pytest.fixture
def panel(nuclei, qtbot):
    made = DraftPanel(nuclei)
    qtbot.addWidget(made)
    made.show_view(resolve(nuclei.session))
    return made


def choose(panel: DraftPanel, kind: str) -> None:
    panel.method.setCurrentIndex(panel.method.findData(kind))


def test_a_draft_with_its_settings_is_what_the_core_drafts(panel, nuclei):
    choose(panel, "otsu")
    panel.form.setValue(OtsuWatershed(threshold="li", min_size=80))
    panel.draft.click()
    spin(nuclei, lambda: not nuclei.busy)
    image = nuclei.session.project.read_image("cells")
    config = nuclei.session.config
    expected = draft(OtsuWatershed(threshold="li", min_size=80), image.load(), recipe=config.recipe).labels
    np.testing.assert_array_equal(nuclei.store().labels > 0, expected > 0)
    assert expected.any()


def test_settings_are_kept_while_others_are_looked_at(panel):
    choose(panel, "blobs")
    panel.form.setValue(DRAFTS["blobs"](smallest=4))
    choose(panel, "otsu")
    assert "threshold" in panel.form.names()
    choose(panel, "blobs")
    assert panel.form.value().smallest == 4
    assert [form.isHidden() for form in panel._forms.values()].count(False) == 1


def test_every_method_of_the_project_is_offered(panel):
    offered = {panel.method.itemData(n) for n in range(panel.method.count())}
    assert offered == {kind for kind in DRAFTS if kind != "hela"}  # which gives classes
    for kind in offered:
        choose(panel, kind)
        assert panel.about.text() == DRAFTS[kind].summary()


def test_where_another_program_is_missing_the_line_that_installs_it_is_shown(panel, nuclei, monkeypatch, tmp_path):
    choose(panel, "otsu")
    assert panel.place.isHidden()
    choose(panel, "cellpose")
    assert not panel.place.isHidden()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "model.pt"), ""))
    panel._find_model()
    assert panel.form.value().model == str(tmp_path / "model.pt")
    panel.draft.click()
    spin(nuclei, lambda: not nuclei.busy)
    assert "Cellpose is not installed" in nuclei.session.problem.message
    assert "pip install cellpose" in nuclei.session.problem.hint
    assert nuclei.session.progress is None


def test_the_forest_waits_for_corrections(panel):
    choose(panel, "forest")
    assert not panel.draft.isEnabled()
    choose(panel, "otsu")
    assert panel.draft.isEnabled()
