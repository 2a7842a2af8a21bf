"""Images measured by other processes, several at a time: the tables of one process, to the bit."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_cellseg as cs
from napari_cellseg.api import _each_image
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import ObjectsMeasured, Skipped
from napari_cellseg.measurement import Cover, Objects, measure_objects, packed, unpacked
from napari_cellseg.samples import synthetic_cells

from .test_cluster import Shuffled
from .test_measure import CASES, measured


@pytest.fixture
def shuffled(monkeypatch) -> Shuffled:
    """Who does the work: here, in a random order, each image after a journey through pickle."""
    who = Shuffled(5)
    monkeypatch.setattr(_each_image, "scheduler", lambda name, folder, options: who)
    return who


@pytest.fixture
def four(tmp_path):
    """A project of four images with labels, of one of which the picture is gone, and a fifth that nobody labelled."""
    with cs.new(tmp_path / "m", model="none") as project:
        for k in range(5):
            image, labels = synthetic_cells((64, 80), 7 + k, radius=8, seed=k)
            tifffile.imwrite(tmp_path / f"day{k % 2}_{k}.tif", image)
            project.add(tmp_path / f"day{k % 2}_{k}.tif", labels if k < 4 else None, spacing=(0.5, 0.5))
        (tmp_path / "day1_3.tif").unlink()
        return project.path


def same(found: cs.Measurements, alone: cs.Measurements) -> None:
    pd.testing.assert_frame_equal(found.table, alone.table, check_exact=True)
    pd.testing.assert_frame_equal(found.summary, alone.summary, check_exact=True)
    assert found.left_out == alone.left_out


def stored(arrays):
    """As they come from a file, in which nothing may be an object."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


@pytest.mark.parametrize("name", CASES)
def test_objects_come_back_as_they_were(name):
    objects = measure_objects(measured(name))
    (back,) = unpacked(stored(packed({name: objects}))).values()
    pd.testing.assert_frame_equal(back.table, objects.table, check_exact=True)
    np.testing.assert_array_equal(back.sizes, objects.sizes)
    for what in ("valid", "covered", "unit", "ndim", "cover"):
        assert getattr(back, what) == getattr(objects, what)


def test_the_cover_and_time_points_come_back():
    table = pd.DataFrame({"label": [1], "unit": np.array(["px"], object)})
    parts = {
        f"細胞_t{t}": Objects(table, 9.0, 4.0, np.array([4.0]), "px", 2, cover)
        for t, cover in enumerate([None, Cover(3, 1), Cover(0, 4, (0.9, 1.25))])
    }
    back = unpacked(stored(packed(parts)))
    assert list(back) == list(parts)
    assert [o.cover for o in back.values()] == [o.cover for o in parts.values()]
    assert unpacked(stored(packed({}))) == {}


def test_a_project_is_measured_as_by_one_process(four, shuffled, tmp_path):
    events, again = [], []
    with cs.open(four) as project:
        alone = project.measure(group_by="day.", on_event=events.append)
        found = project.measure(group_by="day.", scheduler="processes:2", on_event=again.append)
    same(found, alone)
    assert found.table["image"].unique().tolist() == [f"day{k % 2}_{k}" for k in range(4)]
    counts = [{e.image: e.objects for e in es if isinstance(e, ObjectsMeasured)} for es in (events, again)]
    assert counts[0] == counts[1]
    assert list(counts[0]) != list(counts[1]), "they are done in another order"
    assert not (four / "cache" / "measured").exists()


def test_a_project_of_classes_and_classes_of_objects(shuffled, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "i.tif", image)
    classes = np.zeros((40, 50), np.uint32)
    classes[5:15, 5:20], classes[20:30, 5:9], classes[20:35, 30:45] = 1, 1, 2
    with cs.new(tmp_path / "c", "semantic", ["nucleus", "debris"], model="none") as project:
        project.add(tmp_path / "i.tif", classes)
        same(project.measure(scheduler="processes:2"), project.measure())
    with cs.new(tmp_path / "o", model="none") as project:
        project.add(tmp_path / "i.tif", np.where(classes > 0, classes + 3, 0).astype(np.uint32))
        project.classify(rules=["small: area < 210", "large: area >= 210"])
        columns = ("area", "class")
        same(project.measure(columns=columns, scheduler="processes:2"), project.measure(columns=columns))


def test_files_that_cannot_be_read_are_left_out(shuffled, tmp_path):
    labels = CASES["cells"][0]
    tifffile.imwrite(tmp_path / "t.ome.tif", np.stack([labels, labels * 2]).astype(np.uint16), metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "a.tif", labels.astype(np.uint16))
    for name in ("bad", "worse"):
        (tmp_path / f"{name}.tif").write_bytes(b"no picture")
    files = [tmp_path / f for f in ("bad.tif", "t.ome.tif", "worse.tif", "a.tif")]
    alone, found = cs.measure_files(files), cs.measure_files(files, scheduler="processes:2", csv=tmp_path / "t.csv")
    same(found, alone)
    assert not (tmp_path / ".cellseg").exists()
    assert [s.image for s in found.left_out] == ["bad", "worse"]
    assert isinstance(found.left_out[0], Skipped)
    with pytest.raises(CellsegError, match=r"bad\.tif"):
        cs.measure_files(tmp_path / "bad.tif", scheduler="processes:2")


def test_other_machines_need_a_folder_that_they_see(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", CASES["cells"][0].astype(np.uint16))
    with pytest.raises(CellsegError) as caught:
        cs.measure_files(tmp_path / "a.tif", scheduler="tcp://nowhere:8786")
    assert "--csv" in caught.value.hint


def test_it_can_be_stopped(four, shuffled, tmp_path):
    seen = []

    def stop() -> bool:
        return any(isinstance(event, ObjectsMeasured) for event in seen)

    with cs.open(four) as project:
        done = project.measure(csv=tmp_path / "t.csv", scheduler="processes:2", on_event=seen.append, stop=stop)
    assert done.stopped
    assert not (tmp_path / "t.csv").exists()
    assert done.table["image"].nunique() == 1
    assert not (four / "cache" / "measured").exists()


def test_real_processes_write_the_same_files(four, tmp_path, capsys):
    written = []
    for how in ([], ["--jobs", "2"]):
        files = [tmp_path / f"{name}{len(how)}.csv" for name in ("objects", "summary")]
        words = ["measure", str(four), "--csv", str(files[0]), "--summary", str(files[1]), *how]
        assert main(words) == 0, capsys.readouterr().err
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert main(["measure", str(four), "--jobs", "2", "--scheduler", "local:2"]) == 2
    assert "both say who does the work" in capsys.readouterr().err
