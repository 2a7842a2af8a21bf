"""Files of microscopes through bioio: a CZI that Zeiss's own library has written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pylibCZIrw import czi

from napari_cellseg import images
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project


def expected(shape: tuple[int, ...] = (2, 3, 60, 80)) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, shape).astype(np.uint16)


@pytest.fixture
def zeiss(tmp_path) -> Path:
    """Two channels of three slices, 2 x 0.5 x 0.25 um."""
    path, pixels = tmp_path / "cells.czi", expected()
    with czi.create_czi(str(path)) as file:
        for c, z in np.ndindex(2, 3):
            file.write(np.ascontiguousarray(pixels[c, z, ..., None]), plane={"C": c, "Z": z, "T": 0})
        names = {0: "DAPI", 1: "GFP"}
        file.write_metadata("cells", channel_names=names, scale_x=2.5e-7, scale_y=5e-7, scale_z=2e-6)
    return path


def test_czi_keeps_pixels_axes_sizes_and_names(zeiss):
    image = images.read(zeiss)
    assert image.axes == "CZYX"
    assert image.spacing_um == pytest.approx((2.0, 0.5, 0.25))
    assert image.channels == ("DAPI", "GFP")
    assert image.data.npartitions > 1  # read in parts
    np.testing.assert_array_equal(image.load(), expected())
    (series,) = images.series_in(zeiss)
    assert series.key == "0"
    assert {".czi", ".nd2", ".lif"} <= set(images.endings())


def test_a_project_of_czi(zeiss, tmp_path):
    project = str(tmp_path / "p.cellseg")
    assert main(["new", project]) == 0
    assert main(["add", project, str(zeiss)]) == 0
    with Project.open(project) as own:
        np.testing.assert_array_equal(own.read_image("cells").load(), expected())


def test_without_bioio_the_line_that_installs_it_is_told(zeiss, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(CellsegError, match="read by bioio, which is not installed") as told:
        images.read(zeiss)
    assert 'pip install "napari-cellseg[bioio]"' in told.value.hint


def test_without_the_plugin_the_line_that_installs_it_is_told(tmp_path):
    (tmp_path / "x.vsi").write_bytes(b"no picture")
    with pytest.raises(CellsegError, match="plugins of bioio") as told:
        images.read(tmp_path / "x.vsi")
    assert "pip install bioio-bioformats" in told.value.hint


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_damaged_czi_says_so(zeiss):
    zeiss.write_bytes(zeiss.read_bytes()[:300])
    with pytest.raises(CellsegError, match=r"cells\.czi cannot be read"):
        images.read(zeiss)
