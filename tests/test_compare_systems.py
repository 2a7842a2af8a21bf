"""Masks of any tool against truth: arrays, files, projects; Python and the command line give the same tables."""

from __future__ import annotations

import csv
import json
import math
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from scipy import ndimage as ndi

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.evaluation import FN, FP, TN, TP, error_map, measure
from napari_cellseg.evaluation._measure import Judging
from napari_cellseg.events import Evaluated, Skipped
from napari_cellseg.images import masks_by_name
from napari_cellseg.samples import synthetic_cells


def picture(seed):
    return synthetic_cells((64, 80), 9, radius=8, seed=seed)


def worse(labels, seed=0):
    """Eroded, one object missing, two merged."""
    thin = np.where(ndi.binary_erosion(labels > 0), labels, 0)
    thin[thin == 1 + seed % 3] = 0
    thin[thin == 5] = 6
    return thin.astype(np.uint32)


NAMES = ("ctrl_1", "ctrl_2", "drug_1")


@pytest.fixture
def folders(tmp_path):
    """Truth and two systems, each named and saved as its tool does."""
    for n, name in enumerate(NAMES):
        image, truth = picture(n)
        for folder in ("truth", "cellpose", "stardist", "pictures"):
            (tmp_path / folder).mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "pictures" / f"{name}.tif", image)
        tifffile.imwrite(tmp_path / "truth" / f"{name}_masks.tif", truth.astype(np.uint16))
        iio.imwrite(tmp_path / "cellpose" / f"{name}_cp_masks.png", worse(truth, n).astype(np.uint16))
        np.save(tmp_path / "stardist" / f"{name}_labels.npy", np.roll(truth, 1, 0).astype(np.int32))
    return tmp_path


def arrays(truth=lambda t, n: t):
    return {name: truth(picture(n)[1], n) for n, name in enumerate(NAMES)}


SYSTEMS = {"cellpose": arrays(worse), "stardist": arrays(lambda t, n: np.roll(t, 1, 0))}


def close(a, b):
    """Whether two tables are the same, numbers that are not there alike."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


# --- Python -------------------------------------------------------------------------------------


def test_two_arrays_give_a_plain_dictionary():
    truth = picture(0)[1]
    found = cs.evaluate(truth, worse(truth))
    assert set(found) == {m["name"] for m in cs.metrics()} - {"seconds", "loss"}
    assert all(type(v) is float for v in found.values())
    counts = measure(truth, worse(truth), Judging()).by_class[0]
    assert found["tp"] == counts["tp"]
    assert set(cs.evaluate(truth, truth, metrics=["dice", "nuclei"]).values()) == {1.0}
    assert cs.evaluate(truth.astype(np.int64), truth, metrics=["ap"])["ap"] == 1
    far = cs.evaluate(truth, worse(truth), spacing_um=(2, 0.5))["hausdorff"]
    assert far != found["hausdorff"]


def test_classes_are_told_apart():
    truth = np.kron([[0, 1], [2, 2]], np.ones((9, 9))).astype(np.uint8)
    predicted = np.kron([[0, 1], [1, 2]], np.ones((9, 9))).astype(np.uint8)
    found = cs.evaluate(truth, predicted, classes=("a", "b"))
    assert (found["iou/a"], found["iou/b"]) == (0.5, 0.5)
    assert found["iou"] == 0.5
    assert "ap50" not in found


def test_folders_and_arrays_give_the_same_tables(folders):
    from_files = cs.compare_systems(
        folders / "truth", {"cellpose": folders / "cellpose", "stardist": folders / "stardist"}
    )
    from_arrays = cs.compare_systems(arrays(), SYSTEMS)
    assert close(from_files.tables.to_dict(), from_arrays.tables.to_dict())
    assert from_files.left_out == ()
    frame = from_files.tables.frame()
    assert list(frame["image"]) == [n for n in NAMES for _ in range(2)]
    assert frame.groupby("system")["dice"].mean()["stardist"] == pytest.approx(
        np.mean([cs.evaluate(t, np.roll(t, 1, 0))["dice"] for t in arrays().values()])
    )
    objects = from_files.tables.frame("objects")
    assert set(objects["found"]) <= {"matched", "missed", "false"}
    with pytest.raises(cs.CellsegError, match="no table"):
        from_files.tables.frame("nothing")


def test_several_truths_groups_and_what_is_left_out():
    only_one = arrays(lambda t, n: np.where(t == 2, t, 0).astype(np.uint32))
    done = cs.compare_systems(
        {"all nuclei": arrays(), "single": only_one}, SYSTEMS, exclude=["ctrl_2"], settings={"group_by": "^[a-z]+"}
    )
    rows = done.tables.images
    assert {(r["truth"], r["image"]) for r in rows} == {
        (t, i) for t in ("all nuclei", "single") for i in ("ctrl_1", "drug_1")
    }
    assert {r["group"] for r in done.tables.pooled} == {"all", "ctrl", "drug"}
    tests = [r for r in done.tables.comparisons if r["metric"] == "dice" and r["group"] == "all"]
    assert [(r["truth"], r["one"], r["other"], r["n"]) for r in tests] == [
        ("all nuclei", "cellpose", "stardist", 2), ("single", "cellpose", "stardist", 2),
    ]  # fmt: skip
    with pytest.raises(cs.CellsegError, match="no image 'ctrl_9'"):
        cs.compare_systems(arrays(), SYSTEMS, exclude=["ctrl_9"])


def test_what_cannot_be_measured_is_left_out_with_the_reason(folders):
    (folders / "cellpose" / "drug_1_cp_masks.png").unlink()
    np.save(folders / "stardist" / "ctrl_1_labels.npy", np.zeros((5, 5), np.int32))
    heard = []
    done = cs.compare_systems(
        folders / "truth", {n: folders / n for n in ("cellpose", "stardist")}, on_event=heard.append
    )
    assert {s.image for s in done.left_out} == {"drug_1 of cellpose", "ctrl_1 of stardist"}
    assert [e for e in heard if isinstance(e, Skipped)] == list(done.left_out)
    assert len([e for e in heard if isinstance(e, Evaluated)]) == 4
    with pytest.raises(cs.CellsegError, match="both truth and a prediction"):
        cs.compare_systems(arrays(), {"x": {"other": picture(0)[1], "another": picture(1)[1]}})
    with pytest.raises(cs.CellsegError, match="No predictions"):
        cs.compare_systems(arrays(), {})


def test_it_stops_when_asked_to():
    asked = iter([False, True, True, True])
    done = cs.compare_systems(arrays(), SYSTEMS, stop=lambda: next(asked))
    assert done.stopped
    assert len(done.tables.images) == 2


def test_one_file_against_one_may_be_called_anything(tmp_path):
    truth = picture(0)[1]
    tifffile.imwrite(tmp_path / "gold standard.tif", truth.astype(np.uint16))
    tifffile.imwrite(tmp_path / "out.tif", truth.astype(np.uint16))
    done = cs.compare_systems(tmp_path / "gold standard.tif", {"me": tmp_path / "out.tif"})
    assert done.tables.images[0]["dice"] == 1
    np.save(tmp_path / "small.npy", truth[:20])
    with pytest.raises(cs.CellsegError, match="same image"):
        cs.compare_systems(tmp_path / "gold standard.tif", {"me": tmp_path / "small.npy"})


def test_series_are_measured_frame_by_frame(tmp_path):
    frames = np.stack([picture(n)[1] for n in range(3)]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "series.tif", frames, imagej=True, metadata={"axes": "TYX"})
    np.save(tmp_path / "found.npy", np.roll(frames, 1, 1))
    done = cs.compare_systems(tmp_path / "series.tif", {"me": tmp_path / "found.npy"})
    assert [r["image"] for r in done.tables.images] == [f"series_t{t:04d}" for t in range(3)]
    assert done.tables.images[1]["dice"] == pytest.approx(cs.evaluate(frames[1], np.roll(frames[1], 1, 0))["dice"])


def test_voxel_sizes_come_with_the_pictures(tmp_path):
    truth = np.zeros((8, 30, 30), np.uint16)
    truth[2:6, 5:20, 5:20] = 1
    moved = np.roll(truth, 1, 0)
    for folder, data in (("truth", truth), ("me", moved), ("pictures", truth * 9)):
        (tmp_path / folder).mkdir()
        size = {"spacing": 2.0, "unit": "um"} if folder == "pictures" else {}
        tifffile.imwrite(
            tmp_path / folder / "a.tif", data, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", **size}
        )
    given = cs.compare_systems(tmp_path / "truth", {"me": tmp_path / "me"}, pictures=tmp_path / "pictures")
    assert given.tables.images[0]["hausdorff"] == pytest.approx(2.0)
    told = cs.compare_systems(tmp_path / "truth", {"me": tmp_path / "me"}, spacing_um=(3.0, 0.5, 0.5))
    assert told.tables.images[0]["hausdorff"] == pytest.approx(3.0)
    assert [r["slice"] for r in told.tables.slices] == list(range(1, 9))
    part = cs.compare_systems(tmp_path / "truth", {"me": tmp_path / "me"}, settings={"slices": (3, 4)})
    assert [r["slice"] for r in part.tables.slices] == [3, 4]
    arguments = [
        "evaluate",
        "--truth",
        str(tmp_path / "truth"),
        "--predictions",
        f"me={tmp_path / 'me'}",
        "--slices",
        "3:4",
    ]
    assert main([*arguments, "--spacing", "3,0.5,0.5", "--json", str(tmp_path / "o.json")]) == 0
    tables = json.loads((tmp_path / "o.json").read_text())["tables"]
    assert [r["dice"] for r in tables["slices"]] == [r["dice"] for r in part.tables.slices]


# --- files by name ------------------------------------------------------------------------------


def test_masks_are_called_like_their_pictures_whatever_tools_add(tmp_path):
    for name in ("a_cp_masks.png", "b_labels.ome.tif", "c_seg.npy", "d.tif", "e-mask.tif", "f_gt.roi.zip", ".g.tif"):
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "h" / "masks").mkdir(parents=True)
    found = masks_by_name([tmp_path])
    assert sorted(found) == ["a", "b", "c", "d", "e", "f", "h"]
    assert found["h"] == tmp_path / "h" / "masks"
    (tmp_path / "d_masks.png").touch()
    with pytest.raises(cs.CellsegError, match="both masks of d"):
        masks_by_name([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(cs.CellsegError, match="holds no masks"):
        masks_by_name([tmp_path / "empty"])
    with pytest.raises(cs.CellsegError, match="no file"):
        masks_by_name([tmp_path / "nowhere"])


# --- the command line ---------------------------------------------------------------------------


def run(folders, *more):
    return main(
        ["evaluate", "--truth", str(folders / "truth"), "--predictions", f"cellpose={folders / 'cellpose'}",
         f"stardist={folders / 'stardist'}", *map(str, more)]
    )  # fmt: skip


def test_the_command_line_gives_the_tables_of_python(folders, capsys):
    (folders / "out.txt").write_text("ctrl_2  # out of focus\n\n")
    status = run(
        folders, "--json", folders / "o.json", "--csv", folders / "t.csv", "--markdown", folders / "o.md",
        "--figures", folders / "strips", "--pictures", folders / "pictures", "--group-by", "^[a-z]+", "--exclude",
        folders / "out.txt", "--threshold", "0.6", "--empty", "zero", "--tolerance", "1.5", "--against", "0.8",
    )  # fmt: skip
    assert status == 0
    settings = {"group_by": "^[a-z]+", "threshold": 0.6, "empty": "zero", "tolerance": 1.5, "against": 0.8}
    same = cs.compare_systems(
        folders / "truth", {n: folders / n for n in ("cellpose", "stardist")}, pictures=folders / "pictures",
        exclude=["ctrl_2"], settings=settings,
    )  # fmt: skip
    assert close(json.loads((folders / "o.json").read_text())["tables"], same.tables.to_dict())
    with (folders / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["dice"]) for r in rows] == [r["dice"] for r in same.tables.images]
    with (folders / "t_objects.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(same.tables.objects)
    text = (folders / "o.md").read_text()
    assert "| | cellpose | stardist |" in text
    assert "cellpose minus stardist" in text
    strips = sorted(p.name for p in (folders / "strips").iterdir())
    assert strips == ["ctrl_1_errors.png", "drug_1_errors.png"]
    shown = capsys.readouterr().out
    assert "cellpose" in shown
    assert "ap50" in shown


def test_metrics_and_several_truths_on_the_command_line(folders, capsys):
    assert run(folders, "--metrics", "dice,nuclei", "--json", folders / "o.json") == 0
    row = json.loads((folders / "o.json").read_text())["tables"]["images"][0]
    assert [k for k in row if k not in ("truth", "system", "image")] == ["dice", "sub", "full", "score"]
    assert "score" in capsys.readouterr().out
    shutil.copytree(folders / "truth", folders / "other")
    arguments = ["--truth", f"a={folders / 'truth'}", "--truth", f"b={folders / 'other'}", "--predictions"]
    assert main(["evaluate", *arguments, str(folders / "cellpose"), "--json", str(folders / "o.json")]) == 0
    rows = json.loads((folders / "o.json").read_text())["tables"]["images"]
    assert {(r["truth"], r["system"]) for r in rows} == {("a", "cellpose"), ("b", "cellpose")}


MISTAKES = {
    "nothing": ((), "nothing to measure"),
    "both": (("P", "--truth", "T", "--predictions", "x=S"), "Both a project"),
    "no predictions": (("--truth", "T"), "No predictions"),
    "no folder": (("--truth", "nowhere", "--predictions", "x=S"), "no file or folder"),
    "metric": (("--truth", "T", "--predictions", "x=S", "--metrics", "jaccard"), "no metric 'jaccard'"),
    "threshold": (("--truth", "T", "--predictions", "x=S", "--threshold", "2"), "threshold"),
    "expression": (("--truth", "T", "--predictions", "x=S", "--group-by", "("), "regular expression"),
    "names": (("--truth", "T", "--truth", "T", "--predictions", "x=S"), "need names"),
    "twice": (("--truth", "T", "--predictions", "x=S", "x=T"), "Two predictions"),
    "exclude": (("--truth", "T", "--predictions", "x=S", "--exclude", "nowhere.txt"), "cannot be read"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_say_what_to_do_and_write_nothing(folders, capsys, arguments, words):
    places = {"T": folders / "truth", "S": folders / "stardist", "x=S": f"x={folders / 'stardist'}",
              "x=T": f"x={folders / 'truth'}"}  # fmt: skip
    out = folders / "new.json"
    assert main(["evaluate", *(str(places.get(a, a)) for a in arguments), "--json", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_slices_that_make_no_sense_are_refused_by_the_parser(capsys):
    for text in ("0:3", "5:2", "a", "3"):
        with pytest.raises(SystemExit):
            main(["evaluate", "--truth", "x", "--predictions", "y=z", "--slices", text])
    assert "counted from 1" in capsys.readouterr().err


# --- projects -----------------------------------------------------------------------------------


@pytest.fixture
def measured(trained, tmp_path):
    """A project with a model and folders of masks of its two images."""
    path = shutil.copytree(trained.parent, tmp_path / "copy") / trained.name
    with cs.open(path) as project:
        for id in ("cells1", "cells2"):
            (tmp_path / "others").mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / "others" / f"{id}.tif", worse(project.labels(id)).astype(np.uint16))
    return path


def test_a_project_measures_models_and_masks_of_other_tools_alike(measured, tmp_path, capsys):
    systems = {"ours": "v1", "other": tmp_path / "others"}
    with cs.open(measured) as project:
        done = project.evaluate("train", systems=systems, figures=tmp_path / "strips", settings={"seed": 1})
        alone = project.evaluate("train", "v1")
        truth = {id: project.labels(id) for id in ("cells1", "cells2")}
    assert {(r["system"], r["image"]) for r in done.tables.images} == {
        (s, i) for s in systems for i in ("cells1", "cells2")
    }
    loose = cs.compare_systems(truth, {"other": tmp_path / "others"})
    mine = [{**r, "truth": "truth"} for r in done.tables.to_dict()["images"] if r["system"] == "other"]
    theirs = loose.tables.to_dict()["images"]
    assert close([r | {"seconds": None} for r in mine], [r | {"seconds": None} for r in theirs])
    ours = [r for r in done.tables.images if r["system"] == "ours"]
    assert [r["iou"] for r in ours] == pytest.approx([m["iou"] for m in alone.images.values()])
    assert [r["ap50"] for r in ours] == pytest.approx([m["ap50"] for m in alone.images.values()])
    assert all(r["seconds"] > 0 for r in ours)
    assert all(math.isnan(r["seconds"]) for r in done.tables.images if r["system"] == "other")
    assert len(done.files) == 2
    arguments = ["evaluate", str(measured), "--split", "train", "--predictions", "ours=v1",
                 f"other={tmp_path / 'others'}", "--json", str(tmp_path / "o.json"), "--seed", "1"]  # fmt: skip
    assert main(arguments) == 0
    tables = json.loads((tmp_path / "o.json").read_text())["tables"]
    same = done.tables.to_dict()
    for name in ("classes", "slices", "objects", "pooled", "confusion"):
        assert close(tables[name], same[name]), name


def test_an_image_of_a_project_can_be_left_out(measured):
    with cs.open(measured) as project:
        done = project.evaluate("train", exclude=["cells2"])
        assert set(done.images) == {"cells1"}
        with pytest.raises(cs.CellsegError, match="no train image 'nobody'"):
            project.evaluate("train", exclude=["nobody"])
        with pytest.raises(cs.CellsegError, match="no model 'v9'"):
            project.evaluate("train", systems={"x": "v9"})


# --- errors as pictures -------------------------------------------------------------------------


def test_errors_of_objects_are_those_of_their_partners():
    truth, predicted = np.zeros((2, 6, 12), np.uint32)
    truth[1:5, 1:5], truth[1:5, 5:7], truth[1:3, 9:11] = 1, 2, 3
    predicted[1:5, 1:4], predicted[1:5, 4:8] = 7, 9
    errors = error_map(truth, predicted)
    assert (errors[1:5, 1:4] == TP).all()
    assert (errors[1:5, 4] == FN).all()  # of object 1, taken by the partner of 2
    assert (errors[1:5, 5:7] == TP).all()
    assert (errors[1:5, 7] == FP).all()
    assert (errors[1:3, 9:11] == FN).all()
    assert (errors[0] == TN).all()
    known = np.zeros(truth.shape, bool)
    known[:3] = True
    assert (error_map(truth, predicted, known)[3:] == TN).all()


def test_errors_of_classes_one_by_one_and_together():
    truth = np.array([[0, 0, 1, 1, 2, 2]], np.uint32)
    predicted = np.array([[0, 1, 1, 2, 2, 0]], np.uint32)
    assert error_map(truth, predicted, instances=False, number=1).tolist() == [[TN, FP, TP, FN, TN, TN]]
    assert error_map(truth, predicted, instances=False).tolist() == [[TN, FP, TP, FP, TP, FN]]
    counts = measure(truth, predicted, Judging(classes=("a", "b"))).by_class[0]
    one = error_map(truth, predicted, instances=False, number=1)
    assert {k: int((one == v).sum()) for k, v in (("tp", TP), ("fp", FP), ("fn", FN), ("tn", TN))} == {
        k: counts[k] for k in ("tp", "fp", "fn", "tn")
    }


def test_of_volumes_a_curve_over_the_slices_has_a_line_for_each_system(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 3, (6, 5, 5)), np.ones((1, 4, 4), int)).astype(np.uint32)
    systems = {"me": {"a": truth}, "you": {"a": np.roll(truth, 2, 1)}, "flat": {"b": truth[0]}}
    done = cs.compare_systems(
        {"a": truth}, {k: v for k, v in systems.items() if k != "flat"}, figures=tmp_path / "v",
        settings={"classes": ["x", "y"]},
    )  # fmt: skip
    assert [p.name for p in done.files] == ["a_errors.png", "a_slices.png"]
    pixels = iio.imread(done.files[1])[..., :3].reshape(-1, 3)
    lines = [np.abs(pixels.astype(int) - colour).max(1) < 12 for colour in ((31, 119, 180), (255, 127, 14))]
    assert all(line.sum() > 100 for line in lines)
    flat = cs.compare_systems({"b": truth[0]}, {"flat": systems["flat"]}, figures=tmp_path / "p")
    assert [p.name for p in flat.files] == ["b_errors.png"]
    few = cs.compare_systems(
        {"a": truth}, {"me": systems["me"]}, figures=tmp_path / "f", settings={"metrics": ["ap50"]}
    )
    assert [p.name for p in few.files] == ["a_errors.png"]


@pytest.mark.parametrize("classes", [(), ("a", "b")], ids=["objects", "classes"])
def test_strips_of_volumes_show_the_fullest_slice(tmp_path, classes):
    truth = np.zeros((5, 24, 30), np.uint32)
    truth[1, 3:8, 3:8], truth[3, 3:20, 3:20], truth[3, 4:9, 22:28] = 1, 1, 2
    done = cs.compare_systems(
        {"a": truth}, {"me": {"a": np.roll(truth, 2, 1)}}, pictures={"a": (truth * 60).astype(np.uint8)},
        figures=tmp_path, settings={"classes": list(classes)},
    )  # fmt: skip
    pixels = iio.imread(done.files[0])
    assert pixels.shape[1] > pixels.shape[0] or classes
    colours = {tuple(c) for c in pixels.reshape(-1, pixels.shape[-1])[:, :3].tolist()}
    wanted = (
        {(211, 211, 211), (0, 0, 0), (255, 255, 255)} if classes else {(255, 217, 47), (199, 125, 255), (123, 31, 162)}
    )
    assert wanted <= colours
