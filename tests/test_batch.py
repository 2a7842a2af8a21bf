"""Folders and plates in, labels and a summary out: what is done again, what is left out, and what is said."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

import napari_cellseg as cs
from napari_cellseg import api
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells


@pytest.fixture(scope="module")
def model(trained) -> Path:
    with Project.open(trained) as project:
        return project.model_path(project.current_model).resolve()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures and one that cannot be read."""
    made = tmp_path / "in"
    made.mkdir()
    for k in range(3):
        np.save(made / f"a{k}.npy", synthetic_cells((96, 128), 10, radius=11, seed=k)[0])
    (made / "bad.png").write_bytes(b"no picture")
    (made / "notes.txt").write_text("no picture either")
    (made / ".hidden.npy").write_bytes(b"of some file system")
    return made


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return {Path(row["image"]).name: row for row in csv.DictReader(file)}


def marks(out: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in out.glob("*_labels.*")}


def test_a_folder_in_a_folder_out_and_what_is_bad_is_said(folder, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["predict", str(folder), "--model", str(model), "--out", str(out)]) == 2
    assert "bad.png was left out" in capsys.readouterr().err
    assert {p.name for p in out.iterdir() if p.name[0] != "."} == {
        "a0_labels.tif", "a1_labels.tif", "a2_labels.tif", "summary.csv", "summary.html",
    }  # fmt: skip
    said = rows(out)
    assert next(iter(said)) == "bad.png"
    assert (said["bad.png"]["status"], said["a1"]["status"]) == ("failed", "done")
    assert int(said["a1"]["objects"]) == len(np.unique(api_labels(out / "a1_labels.tif"))) - 1
    page = (out / "summary.html").read_text(encoding="utf-8")
    assert "3 of 4 pictures labelled" in page
    assert "bad.png" in page


def api_labels(path: Path) -> np.ndarray:
    from napari_cellseg.images import read_labels

    return read_labels(path)


def test_resume_does_what_is_missing_or_has_changed(folder, model, tmp_path, capsys):
    (folder / "bad.png").unlink()
    out = tmp_path / "out"
    line = ["predict", str(folder), "--model", str(model), "--out", str(out), "--resume"]
    assert main(line) == 0
    first = marks(out)
    assert main(line) == 0
    assert "3 of 3 pictures were done before" in capsys.readouterr().out
    assert marks(out) == first
    np.save(folder / "a0.npy", synthetic_cells((96, 128), 4, radius=11, seed=9)[0])
    os.utime(folder / "a0.npy", (1, 1))
    (out / "a1_labels.tif").unlink()
    np.save(folder / "new.npy", synthetic_cells((96, 128), 4, radius=11, seed=8)[0])
    assert main(line) == 0
    second = marks(out)
    assert {name for name in second if second[name] != first.get(name)} == {
        "a0_labels.tif", "a1_labels.tif", "new_labels.tif",
    }  # fmt: skip
    assert main([*line, "--set", "target.threshold=0.7"]) == 0
    assert all(marks(out)[name] != second[name] for name in second)
    assert {row["status"] for row in rows(out).values()} == {"done"}


def test_a_dry_run_says_what_it_takes_and_writes_nothing(folder, model, tmp_path, capsys):
    (folder / "bad.png").unlink()
    before = sorted(tmp_path.rglob("*"))
    assert main(["predict", str(folder), "--model", str(model), "--dry-run", "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("Planned") == 3
    assert "In all 3 pictures, 3 tiles" in said
    assert "with 2 processes" in said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_several_processes_write_what_one_writes(folder, model, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    done = cs.predict_files(folder, str(model), out=one)
    assert [s.image.rpartition("/")[2] for s in done.left_out] == ["bad.png"]
    both = cs.predict_files(folder, str(model), out=two, scheduler="processes:2", summary=True)
    assert both.objects == done.objects
    assert set(rows(two)) == {"a0", "a1", "a2", "bad.png"}
    for path in one.glob("*.tif"):
        assert path.read_bytes() == (two / path.name).read_bytes()
    assert sorted(p.name for p in (two / ".cellseg").iterdir()) == ["a0.json", "a1.json", "a2.json"]


@pytest.mark.slow
@pytest.mark.parametrize("format", ["ome.zarr", "tif"])
def test_one_picture_alone_goes_by_blocks(folder, model, tmp_path, format):
    picture, found = folder / "a0.npy", {}
    for name, scheduler in (("one", ""), ("many", "processes:2")):
        cs.predict_files(
            picture, str(model), out=tmp_path / name, format=format, probabilities=True, scheduler=scheduler,
            scheduler_options={"voxels": 3000} if scheduler else {}, settings=["predict.tile=96"],
        )  # fmt: skip
        found[name] = [api_labels(tmp_path / name / f"a0_labels.{format}")]
        found[name].append(cs_read(tmp_path / name / f"a0_probabilities.{format}"))
    np.testing.assert_array_equal(found["one"][0], found["many"][0])
    np.testing.assert_array_equal(found["one"][1], found["many"][1])
    assert sorted(p.name for p in (tmp_path / "many" / ".cellseg").iterdir()) == ["a0.json"]


def cs_read(path: Path) -> np.ndarray:
    from napari_cellseg.images import read

    return np.asarray(read(path).data)


@pytest.mark.slow
def test_a_project_is_predicted_by_blocks_and_what_was_corrected_stays(trained, tmp_path):
    found = {}
    for name in ("one", "many"):
        shutil.copytree(trained.parent, tmp_path / name)
        with cs.open(tmp_path / name / trained.name) as project:
            project.add(str(fresh(tmp_path / name)))
            project.predict(["fresh", "cells1"], scheduler="processes:2" if name == "many" else "")
            found[name] = [np.array(project.project.store(id).labels) for id in ("fresh", "cells1")]
            assert not (project.project.path / "cache" / "blocks" / "fresh").exists()
    for one, many in zip(*found.values(), strict=True):
        assert one.any()
        np.testing.assert_array_equal(one, many)


def fresh(folder: Path) -> Path:
    np.save(folder / "fresh.npy", synthetic_cells((140, 180), 14, radius=11, seed=6)[0])
    return folder / "fresh.npy"


def test_a_plate_is_taken_whole(model, tmp_path):
    plate = zarr.open_group(str(tmp_path / "plate.ome.zarr"), mode="w", zarr_format=3)
    wells = [{"path": f"A/{c}", "rowIndex": 0, "columnIndex": c - 1} for c in (1, 2)]
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": wells, "columns": [], "rows": []}}
    for well in wells:
        group = plate.create_group(well["path"])
        group.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}, {"path": "1"}]}}
        for field in "01":
            image = group.create_group(field)
            pixels, _ = synthetic_cells((96, 128), 8, radius=11, seed=int(field))
            image.create_array("0", data=pixels)
            axes = [{"name": a, "type": "space"} for a in "yx"]
            scale = [{"type": "scale", "scale": [1.0, 1.0]}]
            image.attrs["ome"] = {
                "version": "0.5",
                "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}],
            }
    done = cs.predict_files(tmp_path / "plate.ome.zarr", str(model), out=tmp_path / "out")
    names = [f"plate_A_{c}_{f}" for c in (1, 2) for f in (0, 1)]
    assert list(done.objects) == names
    assert done.objects[names[0]] == done.objects[names[2]]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{n}_labels.tif" for n in names]


def test_labels_do_not_go_among_the_pictures(folder, model):
    with pytest.raises(CellsegError, match="folder of the pictures"):
        cs.predict_files(folder, str(model), out=folder)


def test_an_empty_folder_is_said(model, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(CellsegError, match="holds no pictures"):
        cs.predict_files(tmp_path / "in", str(model), out=tmp_path / "out")


def test_a_model_in_memory_is_not_sent(folder, model, tmp_path):
    with pytest.raises(CellsegError, match="in memory cannot be sent"):
        cs.predict_files(folder, cs.load_model(str(model)), out=tmp_path / "out", scheduler="processes:1")


def test_a_watched_folder_is_labelled_when_pictures_are_complete(folder, model, tmp_path):
    """Between looks a picture comes, is half written, then whole."""
    (folder / "bad.png").unlink()
    source = np.load(folder / "a0.npy")
    looks, seen = [], []

    def go() -> cs.Predictions:
        done = cs.predict_files(folder, str(model), out=tmp_path / "out", resume=True)
        seen.append((len(looks), sorted(done.objects)))
        return done

    def pause() -> None:
        looks.append(1)
        if len(looks) == 3:
            (folder / "late.npy").write_bytes(b"half")
        if len(looks) == 4:
            np.save(folder / "late.npy", source)

    done = api.watch(folder, go, stop=lambda: len(looks) > 7, pause=pause)
    assert seen == [(1, ["a0", "a1", "a2"]), (5, ["late"])]
    assert set(done.objects) == {"a0", "a1", "a2", "late"}
