"""What the window survives: odd pictures, broken folders, full disks, layers taken away."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source

from napari_cellseg.gui.controller import Controller
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .conftest import Opening


@pytest.fixture
def controller(project: Project, opened: Opening) -> Controller:
    """A viewer with an open project of one image and no engine."""
    path = project.path
    project.close()
    return opened(path, engine=False)


# --- odd pictures ---------------------------------------------------------------------------------


def test_a_picture_of_one_bit_opens_and_can_be_drafted(tmp_path, opened):
    bits = synthetic_cells((64, 64), 5)[1] > 0
    tifffile.imwrite(tmp_path / "bits.tif", bits)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "bits.tif")
    controller = opened(tmp_path / "p.cellseg", engine=False)
    assert controller.session.problem is None
    np.testing.assert_array_equal(controller.family.image.data, bits)
    layer = controller.viewer.add_image(bits[::2], name="of no file")
    controller.use_layer(layer.name)
    assert controller.session.problem is None
    np.testing.assert_array_equal(controller.family.image.data, bits[::2])


def test_after_the_largest_id_the_next_one_is_free(controller):
    labels = controller.family.labels
    labels.mode = "paint"
    labels.selected_label = 2**32 - 1
    labels.paint((20, 20), 2**32 - 1)
    controller.new_label()
    assert controller.session.problem is None
    assert labels.selected_label not in (0, *np.unique(controller.canvas().labels))


@pytest.fixture
def alone(opened: Opening) -> Controller:
    """A viewer without a project."""
    return Controller(ViewerModel())


def test_files_opened_as_one_stack_are_all_used(tmp_path, alone):
    slices = synthetic_cells((4, 40, 50), 5)[0]
    for n, plane in enumerate(slices):
        tifffile.imwrite(tmp_path / f"z{n}.tif", plane)
    with layer_source(path=str(tmp_path / "z0.tif")):  # as napari does when it opens files as one stack
        layer = alone.viewer.add_image(slices)
    alone.use_layer(layer.name, tmp_path)
    assert alone.session.problem is None
    assert [r.shape for r in alone.session.images] == [(4, 40, 50)]
    np.testing.assert_array_equal(alone.project().read_image(alone.session.image).load()[0], slices)
    alone.close()


def test_one_file_is_used_as_it_is(tmp_path, alone):
    slices = synthetic_cells((4, 40, 50), 5)[0]
    tifffile.imwrite(tmp_path / "v.tif", slices)
    with layer_source(path=str(tmp_path / "v.tif")):
        layer = alone.viewer.add_image(slices)
    alone.use_layer(layer.name, tmp_path)
    assert alone.project().source(alone.session.images[0]) == tmp_path / "v.tif"
    alone.close()


def test_of_a_pyramid_the_finest_level_is_used(tmp_path, alone):
    pixels = synthetic_cells((96, 128), 9)[0]
    layer = alone.viewer.add_image([pixels, pixels[::2, ::2], pixels[::4, ::4]], name="pyramid", scale=(0.5, 0.5))
    alone.use_layer(layer.name, tmp_path)
    assert alone.session.problem is None
    np.testing.assert_array_equal(alone.project().read_image(alone.session.image).load()[0], pixels)
    assert alone.session.record.spacing_um == (0.5, 0.5)
    alone.close()


def test_a_stack_too_large_to_keep_is_refused_with_the_way_out(tmp_path, alone, monkeypatch):
    monkeypatch.setattr("napari_cellseg.gui.layers.MOST_BYTES", 1000)
    layer = alone.viewer.add_image(synthetic_cells((64, 64), 5)[0], name="big")
    alone.use_layer(layer.name, tmp_path)
    assert "OME-Zarr" in alone.session.problem.hint
    assert not alone.session.images
    alone.close()
