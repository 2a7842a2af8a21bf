"""Cells out of classes: numbers shared by cell, nucleus and envelope."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.measurement import CellRules, Roles, cells_of_classes
from napari_cellseg.project import Project

ROLES = Roles(nucleus=2, envelope=1, rest=(3,))


def ball(shape, centre, radius, scale=None):
    axes = np.indices(shape)
    scale = scale or (1,) * len(shape)
    return np.sqrt(sum(((a - c) * s) ** 2 for a, c, s in zip(axes, centre, scale, strict=True))) <= radius


def picture(shape, cells):
    """Classes: per cell (centre, radius of cell, radius of nucleus); 4 is background."""
    out = np.full(shape, 4, np.uint32)
    for centre, wide, _ in cells:
        out[ball(shape, centre, wide)] = 3
    for centre, _, core in cells:
        out[ball(shape, centre, core + 2)] = 1
        out[ball(shape, centre, core)] = 2
    return out


TOUCHING = [((30, 30), 24, 9), ((30, 72), 24, 9)]


@pytest.mark.parametrize("shape", [(60, 104), (21, 60, 104)])
def test_touching_cells_part_half_way_and_share_their_number(shape):
    cells = [((10, *c) if len(shape) == 3 else c, w, r) for c, w, r in TOUCHING]
    classes = picture(shape, cells)
    found = cells_of_classes(classes, ROLES, spacing=(0.5,) * len(shape))
    assert found.table["cell"].tolist() == [1, 2]
    assert found.table["nuclei"].tolist() == [1, 1]
    border = 51
    left, right = found.cells[..., :border][classes[..., :border] < 4], found.cells[..., border + 1 :]
    assert (left == 1).mean() > 0.99
    assert (right[classes[..., border + 1 :] < 4] == 2).mean() > 0.99
    np.testing.assert_array_equal(found.nuclei > 0, classes == 2)
    np.testing.assert_array_equal(found.envelopes > 0, classes == 1)
    for part in (found.nuclei, found.envelopes):
        np.testing.assert_array_equal(part[part > 0], found.cells[part > 0])
    row = found.table.iloc[0]
    assert row["nucleus_voxels"] == (found.nuclei == 1).sum()
    unit = "um2" if len(shape) == 2 else "um3"
    assert row[f"cell_{unit}"] == pytest.approx(row["cell_voxels"] * 0.5 ** len(shape))
    assert row["nucleus_share"] == pytest.approx(row["nucleus_voxels"] / row["cell_voxels"])


def test_a_cell_without_a_nucleus_is_marked_and_a_speck_is_nothing():
    classes = picture((60, 160), TOUCHING)
    classes[20:40, 120:140] = 3
    classes[50:52, 150:152] = 3
    found = cells_of_classes(classes, ROLES)
    assert found.table["no_nucleus"].tolist() == [False, False, True]
    assert found.table["nuclei"].tolist() == [1, 1, 0]
    assert (found.cells[20:40, 120:140] == 3).all()
    assert (found.cells[50:52, 150:152] == 0).all()


def disjoint(gap):
    classes = np.full((12 + gap, 40, 40), 3, np.uint32)
    classes[2:5, 10:30, 10:30] = 2
    classes[5 + gap : 9 + gap, 12:28, 12:28] = 2
    return classes


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_parts_over_a_gap_of_slices_are_one_nucleus_where_that_is_wanted(gap):
    classes = disjoint(gap)
    apart = cells_of_classes(classes, ROLES)
    assert apart.table["nuclei"].tolist() == [1, 1]
    for allowed in range(1, 5):
        one = cells_of_classes(classes, ROLES, CellRules(gap=allowed))
        assert one.table["nuclei"].tolist() == ([2] if allowed >= gap else [1, 1]), (gap, allowed)
    assert (cells_of_classes(classes, ROLES, CellRules(gap=gap)).cells == 1).all()


def test_a_person_joins_parts_of_a_nucleus():
    classes = picture((60, 104), TOUCHING)
    found = cells_of_classes(classes, ROLES, together=[[(30, 30), (30, 72)]])
    assert found.table["nuclei"].tolist() == [2]
    assert set(np.unique(found.cells)) == {0, 1}
    with pytest.raises(CellsegError, match="0, 0 of cell 1 lies in no nucleus"):
        cells_of_classes(classes, ROLES, together=[[(30, 30), (0, 0)]])
    with pytest.raises(CellsegError, match="lies in no nucleus"):
        cells_of_classes(classes, ROLES, together=[[(30, 30), (99, 900)]])


@pytest.mark.parametrize("value", [0, 3, 2, 4])
def test_pictures_of_one_class(value):
    found = cells_of_classes(np.full((20, 20), value, np.uint32), ROLES)
    assert len(found.table) == (value in (2, 3))
    assert (found.cells > 0).all() == (value in (2, 3))
    if len(found.table):
        assert bool(found.table["no_nucleus"][0]) == (value == 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000))
def test_nothing_is_lost_and_nothing_invented(seed):
    rng = np.random.default_rng(seed)
    classes = np.kron(rng.integers(0, 5, (6, 8)), np.ones((6, 6), int)).astype(np.uint32)
    found = cells_of_classes(classes, ROLES, CellRules(least=1))
    body = np.isin(classes, (1, 2, 3))
    np.testing.assert_array_equal(found.cells > 0, body)
    np.testing.assert_array_equal(found.nuclei > 0, classes == 2)
    assert found.table["cell_voxels"].sum() == body.sum()
    assert found.table["nucleus_voxels"].sum() == (classes == 2).sum()
    assert found.table["cell"].tolist() == list(range(1, len(found.table) + 1))
    for n in found.table["cell"][~found.table["no_nucleus"]]:
        assert (found.nuclei == n).any()


def test_what_is_too_large_is_said_with_numbers():
    classes = np.broadcast_to(np.uint32(0), (1000, 1000, 1000))
    with pytest.raises(CellsegError, match="25 GB"):
        cells_of_classes(classes, ROLES)


@pytest.fixture
def project(tmp_path):
    classes = picture((60, 104), TOUCHING)
    tifffile.imwrite(tmp_path / "a.tif", (classes * 50 + np.arange(104)).astype(np.uint8))
    with Project.create(tmp_path / "em", "semantic", ("nucleus", "shell", "body")) as project:
        (id,) = project.add_image(tmp_path / "a.tif", spacing_um=(0.5, 0.5))
        project.approve_labels(id, np.array([0, 2, 1, 3, 0], np.uint32)[classes])
    return tmp_path / "em.cellseg"


def test_python_and_the_command_line_write_the_same(project, tmp_path, capsys):
    with cs.open(project) as opened:
        done = opened.cells(envelope="shell", csv=tmp_path / "p.csv", out=tmp_path / "p")
    assert done.table["image"].tolist() == ["a", "a"]
    assert done.table["nucleus_um2"].tolist() == [n * 0.25 for n in done.table["nucleus_voxels"]]
    assert (done.table["envelope_voxels"] > 0).all()
    csv, out = tmp_path / "c.csv", tmp_path / "c"
    assert main(["cells", str(project), "--envelope", "shell", "--csv", str(csv), "--out", str(out)]) == 0
    assert "2 cells." in capsys.readouterr().out
    assert csv.read_text() == (tmp_path / "p.csv").read_text()
    names = ["a_cells.tif", "a_envelopes.tif", "a_nuclei.tif"]
    assert sorted(p.name for p in out.iterdir()) == names
    for name in names:
        np.testing.assert_array_equal(tifffile.imread(out / name), tifffile.imread(tmp_path / "p" / name))
    joined = ["--same-nucleus", "a", "30,30", "30,72"]
    assert main(["cells", str(project), *joined]) == 0
    assert "1 cell." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--nucleus", "mitochondrion"], "no class 'mitochondrion'"),
        (["--same-nucleus", "a", "30,30"], "names no two places"),
        (["--same-nucleus", "a", "30,x", "1,1"], "names no two places"),
        (["--same-nucleus", "b", "30,30", "30,72"], "no image b"),
        (["--format", "docx", "--out", "x"], "docx"),
        (["--csv", "table.docx"], "table.docx"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(project, tmp_path, capsys, options, said):
    assert main(["cells", str(project), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_project_of_objects_has_no_classes(tmp_path, capsys):
    assert main(["new", str(tmp_path / "o")]) == 0
    assert main(["cells", str(tmp_path / "o.cellseg")]) == 2
    assert "objects already" in capsys.readouterr().err


@pytest.fixture
def renamed(tmp_path):
    """Two images whose nuclei are class ``core``."""
    classes = np.array([0, 2, 1, 3, 0], np.uint32)[picture((60, 104), TOUCHING)]
    with Project.create(tmp_path / "em", "semantic", ("core", "shell", "body")) as project:
        for n, name in enumerate(("a", "b")):
            tifffile.imwrite(tmp_path / f"{name}.tif", (classes * (50 - n) + np.arange(104)).astype(np.uint8))
            (id,) = project.add_image(tmp_path / f"{name}.tif", spacing_um=(0.5, 0.5))
            project.approve_labels(id, classes)
    return tmp_path / "em.cellseg"


def test_the_project_keeps_which_classes_are_nuclei(renamed, capsys):
    assert main(["cells", str(renamed)]) == 2
    assert "cells --nucleus CLASS" in capsys.readouterr().err
    assert main(["cells", str(renamed), "--nucleus", "core", "--envelope", "shell"]) == 0
    assert main(["cells", str(renamed), "--nucleus", "nowhere"]) == 2
    with cs.open(renamed) as project:
        assert (project.cells().table["envelope_voxels"] > 0).all(), "neither is asked for again"
        assert project.cells(envelope="none").table["envelope_voxels"].tolist() == [0] * 4


def test_classes_said_elsewhere_are_learnt_from_by_the_same_nuclei(renamed, tmp_path):
    """What was said in an image that nobody asked for needs its cells, too: made by the same class and rules."""
    with cs.open(renamed) as project:
        project.cells(nucleus="core", envelope="shell")
        project.add_object_classes(["left", "right"])
        project.set_object_classes("b", {1: "left", 2: "right"})
        asked = project.cells("a", csv=tmp_path / "a.csv")
        assert asked.table["image"].tolist() == ["a", "a"]
        assert set(asked.table["class"]) <= {"left", "right", ""}
        both = project.cells().table
        assert both.loc[both["image"] == "b", "class"].tolist() == ["left", "right"]
