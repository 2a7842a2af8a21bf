"""Cells out of classes in the dock: the same as on the command line, in layers that are nobody's but napari's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cellseg.cli import main
from napari_cellseg.gui.layers.overlays import is_ours
from napari_cellseg.gui.qt.page_measure import MeasurePage
from napari_cellseg.project import Project

from ..test_cells import TOUCHING, picture
from .waiting import spin


@pytest.fixture
def folder(tmp_path):
    classes = picture((60, 104), TOUCHING)
    tifffile.imwrite(tmp_path / "a.tif", (classes * 50 + np.arange(104)).astype(np.uint8))
    with Project.create(tmp_path / "em", "semantic", ("envelope", "nucleus", "cell")) as project:
        (id,) = project.add_image(tmp_path / "a.tif", spacing_um=(0.5, 0.5))
        project.approve_labels(id, np.where(classes == 4, 0, classes).astype(np.uint32))
        return project.path


def test_the_button_and_the_command_line_make_the_same_cells(opened, folder, tmp_path, qtbot):
    controller = opened(folder, engine=False)
    page = MeasurePage(controller)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    page.show()
    assert page.cells.isVisibleTo(page)
    n = controller.session.store.n
    page.cells.click()
    # where this machine has never measured, the line says first that loops are compiled
    spin(controller, lambda: controller.session.status.startswith("2 cells."))
    assert main(["cells", str(folder), "--out", str(tmp_path / "out"), "--csv", str(tmp_path / "t.csv")]) == 0
    for name in ("cells", "nuclei"):
        layer = controller.viewer.layers[f"a {name}"]
        assert not is_ours(layer)
        np.testing.assert_array_equal(layer.data, tifffile.imread(tmp_path / "out" / f"a_{name}.tif"))
        np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    table = pd.read_csv(tmp_path / "t.csv")
    shown = controller.viewer.layers["a cells"].features
    assert shown["cell_voxels"].tolist() == table["cell_voxels"].tolist()
    assert controller.session.store.n == n, "no label is changed by it"
    assert controller.viewer.layers.selection.active is controller.family.labels
    page.cells.click()
    spin(controller, lambda: not controller.busy)
    assert [x.name for x in controller.viewer.layers].count("a cells") == 1
    controller.measuring.measure_layer(controller.viewer.layers["a cells"])
    spin(controller, lambda: not controller.busy)
    assert controller.session.measured.table.labels.tolist() == [1, 2]


def test_a_project_of_objects_has_no_such_button(opened, tmp_path, qtbot):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(4000, dtype=np.uint16).reshape(50, 80))
    with Project.create(tmp_path / "o") as project:
        project.add_image(tmp_path / "a.tif")
        path = project.path
    controller = opened(path, engine=False)
    page = MeasurePage(controller)
    qtbot.addWidget(page)
    page.show_view(controller.views.newest)
    page.show()
    assert not page.cells.isVisibleTo(page)
    controller.cell_layers.show()
    assert "objects already" in controller.session.problem.message
