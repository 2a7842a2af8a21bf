"""Adding pictures: all of a command or none of it, and none twice."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Addition, Project, difference
from napari_cellseg.samples import synthetic_cells


@pytest.fixture
def pictures(tmp_path):
    """Three different pictures with their masks, and a fourth that cannot be used."""
    for k, name in enumerate("abc"):
        image, labels = synthetic_cells((64, 80), 5, radius=8, seed=k)
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
        tifffile.imwrite(tmp_path / f"{name}_masks.tif", labels.astype(np.uint16))
    tifffile.imwrite(tmp_path / "bad.tif", np.zeros((64, 80), np.uint8))
    return tmp_path


@pytest.fixture
def path(tmp_path):
    """An empty project."""
    Project.create(tmp_path / "p").close()
    return tmp_path / "p.cellseg"


def ids(path):
    with Project.open(path) as project:
        return [r.id for r in project.images()]


def add(path, folder, names, *options, labels=False):
    masks = ["--labels", *(str(folder / f"{n}_masks.tif") for n in names)] if labels else []
    return main(["add", str(path), *(str(folder / f"{n}.tif") for n in names), *masks, *options])


def test_a_bad_picture_in_the_middle_leaves_nothing(path, pictures, capsys):
    assert add(path, pictures, ["a", "bad", "c"]) == 2
    assert ids(path) == []
    assert list((path / "images").iterdir()) == []
    assert "Added" not in capsys.readouterr().out


def test_masks_that_do_not_fit_leave_nothing(path, pictures):
    tifffile.imwrite(pictures / "b_masks.tif", np.ones((64, 79), np.uint16))
    assert add(path, pictures, "abc", labels=True) == 2
    assert ids(path) == []


def test_the_same_command_again_changes_nothing_and_says_so(path, pictures, capsys):
    assert add(path, pictures, "abc", labels=True) == 0
    capsys.readouterr()
    assert add(path, pictures, "abc", labels=True) == 0
    assert "a.tif is in the project already, as a; nothing was changed." in capsys.readouterr().out
    with Project.open(path) as project:
        assert [r.id for r in project.images()] == ["a", "b", "c"]
        assert len(project.store("a").rows()) == 1


def test_a_copy_is_recognised_so_that_it_cannot_judge_what_was_learnt(path, pictures, capsys):
    shutil.copyfile(pictures / "a.tif", pictures / "copy.tif")
    assert add(path, pictures, ["a"]) == 0
    assert add(path, pictures, ["copy"], "--split", "val") == 0
    assert "copy.tif is in the project already, as a" in capsys.readouterr().out
    assert ids(path) == ["a"]
    shutil.copyfile(pictures / "b.tif", pictures / "b2.tif")
    assert add(path, pictures, ["b", "b2"]) == 0
    assert ids(path) == ["a", "b"]


def test_a_copy_of_a_folder_is_recognised_and_another_of_its_size_is_not(path, tmp_path):
    for name, seed in (("x", 1), ("y", 2)):
        values = np.random.default_rng(seed).integers(0, 255, (64, 64), np.uint8)
        zarr.create_array(str(tmp_path / f"{name}.zarr"), data=values, compressors=None)
    shutil.copytree(tmp_path / "x.zarr", tmp_path / "z.zarr")
    assert main(["add", str(path), *(str(tmp_path / f"{n}.zarr") for n in "xyz"), "--axes", "YX"]) == 0
    assert ids(path) == ["x", "y"]


def test_of_a_series_only_the_frames_that_are_missing_are_added(path, tmp_path):
    series = np.random.default_rng(0).integers(0, 255, (3, 40, 40), np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", series, metadata={"axes": "TYX"})
    with Project.open(path) as project:
        project.add_image(tmp_path / "t.tif", axes="TYX", frame=1, split="val")
        assert len(project.add_image(tmp_path / "t.tif", axes="TYX")) == 3
        assert sorted((r.frame, r.split) for r in project.images()) == [(0, "train"), (1, "val"), (2, "train")]


def test_other_axes_make_another_image(path, tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", np.random.default_rng(0).integers(0, 255, (9, 40, 40), np.uint8))
    assert main(["add", str(path), str(tmp_path / "s.tif"), "--axes", "ZYX"]) == 0
    assert main(["add", str(path), str(tmp_path / "s.tif"), "--axes", "CYX"]) == 0
    assert ids(path) == ["s", "s-2"]


def test_masks_for_a_picture_that_is_there_are_taken(path, pictures, capsys):
    assert add(path, pictures, "ab") == 0
    assert add(path, pictures, "abc", labels=True) == 0
    assert "a.tif is in the project already, as a; it has approved labels now." in capsys.readouterr().out
    with Project.open(path) as project:
        assert (project.load_labels("b")[1] == 2).all()
        assert ids(path) == ["a", "b", "c"]


def test_masks_never_write_over_corrections(path, pictures, capsys):
    assert add(path, pictures, "ab") == 0
    with Project.open(path) as project:
        store, box = project.store("b"), (slice(0, 5), slice(0, 5))
        state = np.ones((5, 5), np.uint8)
        store.apply(difference("brush", store.labels, store.state, box, np.full((5, 5), 3, np.uint32), state))
        corrected = store.labels.copy()
    assert add(path, pictures, "abc", labels=True) == 2
    assert "with labels that differ" in capsys.readouterr().err
    assert ids(path) == ["a", "b"]
    with Project.open(path) as project:
        assert not project.load_labels("a")[1].any()  # nothing of the command was done
        np.testing.assert_array_equal(project.load_labels("b")[0], corrected)


def test_the_dock_adds_several_or_none(path, pictures):
    with Project.open(path) as project:
        with pytest.raises(CellsegError):
            project.add_images([Addition(pictures / "a.tif"), Addition(pictures / "bad.tif")])
        assert project.images() == []
        assert [a.ids for a in project.add_images(Addition(pictures / f"{n}.tif") for n in "aba")] == [
            ("a",), ("b",), ("a",)]  # fmt: skip


KILLED = """
import os, sys
import napari_cellseg.project._import as importing
from napari_cellseg.cli import main
from napari_cellseg.project import Project
name, at = sys.argv[1], int(sys.argv[2])
home = importing if name in ("_plan", "_keep", "write_snapshot") else type(Project.open(sys.argv[3]).db)
calls, function = [0], getattr(home, name)
def call(*a, **k):
    calls[0] += 1
    if calls[0] == at:
        os._exit(9)
    return function(*a, **k)
setattr(home, name, staticmethod(call) if home is not importing else call)
sys.exit(main(["add", *sys.argv[3:]]))
"""


@pytest.mark.parametrize(
    ("where", "at"), [("_plan", 2), ("enter_images", 1), ("append", 2), ("_keep", 1), ("write_snapshot", 4)]
)
def test_a_killed_command_has_added_all_or_nothing(path, pictures, where, at):
    command = [str(path), *(str(pictures / f"{n}.tif") for n in "abc")]
    command += ["--labels", *(str(pictures / f"{n}_masks.tif") for n in "abc")]
    killed = subprocess.run([sys.executable, "-c", KILLED, where, str(at), *command], check=False)
    assert killed.returncode == 9
    expected = ["a", "b", "c"] if where in ("_keep", "write_snapshot") else []
    assert ids(path) == expected
    assert main(["add", *command]) == 0
    with Project.recover(path) as project:  # nor does what was left behind come back as images
        assert [r.id for r in project.images()] == ["a", "b", "c"]
        for r in project.images():
            np.testing.assert_array_equal(project.load_labels(r.id)[0], tifffile.imread(pictures / f"{r.id}_masks.tif"))
            assert (project.load_labels(r.id)[1] == 2).all()


def test_a_folder_of_pictures_is_added_with_a_folder_of_masks_by_their_names(tmp_path, capsys):
    for kind in ("pictures", "masks"):
        (tmp_path / kind).mkdir()
    for k, name in enumerate(("b", "a", "c")):
        image, labels = synthetic_cells((40, 50), 3, radius=6, seed=k)
        tifffile.imwrite(tmp_path / "pictures" / f"{name}.tif", image)
        if name != "c":
            tifffile.imwrite(tmp_path / "masks" / f"{name}.tif", labels.astype(np.uint16))
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    folder = tmp_path / "p.cellseg"
    command = ["add", str(folder), str(tmp_path / "pictures"), "--labels", str(tmp_path / "masks")]
    assert main(["new", str(folder)]) == 0
    assert main(command) == 0
    with Project.open(folder) as project:
        assert [r.id for r in project.images()] == ["a", "b", "c"]
        np.testing.assert_array_equal(
            project.load_labels("a")[0] > 0, synthetic_cells((40, 50), 3, radius=6, seed=1)[1] > 0
        )
        assert not project.load_labels("c")[0].any()
    tifffile.imwrite(tmp_path / "masks" / "d.tif", labels.astype(np.uint16))
    assert main(["new", str(tmp_path / "q")]) == 0
    assert main(["add", str(tmp_path / "q.cellseg"), *command[2:]]) == 2
    assert "no picture for the masks d" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["add", str(tmp_path / "q.cellseg"), str(tmp_path / "empty")]) == 2
    assert "no pictures" in capsys.readouterr().err
    with Project.open(tmp_path / "q.cellseg") as project:
        assert not project.images()
