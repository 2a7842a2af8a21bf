from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_cellseg import cli
from napari_cellseg.cli import main
from napari_cellseg.project import Project, difference
from napari_cellseg.samples import synthetic_cells

from .conftest import SMALL

SET = [part for value in SMALL for part in ("--set", value)]


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained.parent, tmp_path / "own")
    return tmp_path / "own" / trained.name


def test_the_whole_path(tmp_path, capsys):
    for seed in range(3):
        image, labels = synthetic_cells((96, 96), 8, radius=10, seed=seed)
        tifffile.imwrite(tmp_path / f"c{seed}.tif", image)
        tifffile.imwrite(tmp_path / f"l{seed}.tif", labels.astype("uint16"))
    p = str(tmp_path / "p.cellseg")
    assert main(["new", p]) == 0
    assert main(["add", p, str(tmp_path / "c0.tif"), "--labels", str(tmp_path / "l0.tif")]) == 0
    assert main(["add", p, str(tmp_path / "c1.tif"), "--labels", str(tmp_path / "l1.tif"), "--split", "test"]) == 0
    assert main(["add", p, str(tmp_path / "c2.tif"), "--spacing", "0.5,0.5"]) == 0
    assert main(["train", p, *SET, "--keep", "yes"]) == 0
    assert main(["predict", p, "--image", "c2", "--out", str(tmp_path / "out")]) == 0
    assert main(["evaluate", p, "--json", str(tmp_path / "scores.json")]) == 0
    assert main(["export", p, "--out", str(tmp_path / "export"), "--format", "ome.tif"]) == 0
    assert (
        main(["predict", str(tmp_path / "c2.tif"), "--model", f"{p}/models/v1", "--out", str(tmp_path / "loose")]) == 0
    )
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert 0 <= scores["mean"]["ap50"] <= 1
    assert set(scores["images"]) == {"c1"}
    in_project = tifffile.imread(tmp_path / "out" / "c2_labels.tif")
    loose = tifffile.imread(tmp_path / "loose" / "c2_labels.tif")
    np.testing.assert_array_equal(in_project > 0, loose > 0)
    assert len(list((tmp_path / "export").iterdir())) == 3
    assert "Kept v1" in capsys.readouterr().out


def test_predicting_never_changes_approved_labels(own):
    with Project.open(own) as project:
        before = project.load_labels("cells1")[0]
    assert main(["predict", str(own)]) == 0
    with Project.open(own) as project:
        np.testing.assert_array_equal(project.load_labels("cells1")[0], before)


def test_events_are_json_lines(own, capsys):
    assert main(["predict", str(own), "--events"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"Predicted"} <= {line["event"] for line in lines}


def test_the_data_science_bowl_layout(tmp_path):
    folder = tmp_path / "0a1b"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    image, labels = synthetic_cells((64, 64), 6)
    imageio.imwrite(folder / "images" / "0a1b.png", (image // 256).astype(np.uint8))
    for id in range(1, labels.max() + 1):
        imageio.imwrite(folder / "masks" / f"{id:03d}.png", ((labels == id) * 255).astype(np.uint8))
    p = str(tmp_path / "p.cellseg")
    assert main(["new", p]) == 0
    assert main(["add", p, str(folder)]) == 0
    with Project.open(p) as project:
        np.testing.assert_array_equal(project.load_labels("0a1b")[0], labels)


def test_keep_and_roll_back(own):
    assert main(["train", str(own), *SET, "--set", "train.steps=2", "--keep", "no"]) == 0
    with Project.open(own) as project:
        assert project.current_model == "v1"
        assert [m.id for m in project.models()] == ["v1", "v2"]
        assert project.db.rounds()[-1].decision == "roll back"


MISTAKES = [
    pytest.param(["predict", "{own}", "--model", "v9"], "no model 'v9'", id="unknown-model"),
    pytest.param(["predict", "{own}", "--image", "x"], "no image 'x'", id="unknown-image"),
    pytest.param(["add", "{own}", "nowhere.tif"], "no file", id="missing-file"),
    pytest.param(["add", "{own}", "a", "b", "--labels", "c"], "2 images but 1 labels", id="uneven-labels"),
    pytest.param(["add", "{own}", "a", "--spacing", "x"], "voxel size", id="bad-spacing"),
    pytest.param(["new", "{own}"], "exists already", id="existing"),
    pytest.param(["train", "{own}", "--set", "train.seconds=no"], "train.seconds", id="bad-setting"),
    pytest.param(["train", "{own}", "--config", "nowhere.toml"], "cannot be read", id="no-config"),
    pytest.param(["evaluate", "{own}"], "No test image", id="nothing-to-evaluate"),
    pytest.param(["export", "{tmp}/none.cellseg", "--out", "x"], "not a cellseg project", id="no-project"),
    pytest.param(["predict", "{tmp}/a.tif"], "not a project", id="loose-without-model"),
    pytest.param(["predict", "{tmp}/a.tif", "--model", "m"], "not a project", id="loose-without-out"),
    pytest.param(
        ["predict", "{tmp}/a.tif", "--model", "m", "--out", "o", "--jobs", "2", "--scheduler", "local:2"],
        "both say who",
        id="jobs-and-scheduler",
    ),
    pytest.param(["predict", "{tmp}/a.tif", "--model", "m", "--out", "o", "--watch"], "one folder", id="watch-file"),
    pytest.param(["predict", "{own}", "--dry-run"], "folders of pictures", id="dry-run-project"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_mistakes_exit_2_with_message_and_hint_on_stderr(own, tmp_path, capsys, arguments, words):
    before = sorted(p.relative_to(own) for p in own.rglob("*") if "project.db" not in p.name)
    status = main([a.format(own=own, tmp=tmp_path) for a in arguments])
    captured = capsys.readouterr()
    assert status == 2
    assert words in captured.err
    assert sorted(p.relative_to(own) for p in own.rglob("*") if "project.db" not in p.name) == before


def test_unknown_verbs_exit_2():
    with pytest.raises(SystemExit) as caught:
        main(["dance"])
    assert caught.value.code == 2


def test_recover(own, capsys):
    (own / "project.db").write_bytes(b"x" * 9000)
    assert main(["export", str(own), "--out", "x"]) == 2
    assert "recover" in capsys.readouterr().err
    assert main(["recover", str(own)]) == 0
    with Project.open(own) as project:
        assert [r.id for r in project.images()] == ["cells1", "cells2"]
        assert project.current_model == "v1"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_the_best_and_exits_130(own):
    command = [sys.executable, "-m", "napari_cellseg.cli", "train", str(own), *SET, "--events"]
    command += ["--set", "train.steps=100000", "--set", "train.seconds=500"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if '"step": 5' in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    assert process.wait(600) == 130
    assert '"Saved"' in rest
    with Project.open(own) as project:
        assert len(project.models()) == 2


@pytest.mark.slow
def test_demo_leaves_figures_and_numbers(tmp_path, nuclei):
    from .conftest import SHARED

    header, *rows = (SHARED / "dsb2018" / "index.csv").read_text().splitlines()
    rows = [row for row in rows if ",fluo_small," in row]
    few = [*[row for row in rows if ",train," in row][:5], *[row for row in rows if ",test," in row][:2]]
    data = tmp_path / "data"
    data.mkdir()
    (data / "index.csv").write_text("\n".join([header, *few]))
    for name in ("images", "labels"):
        (data / name).symlink_to(SHARED / "dsb2018" / name)
    out, start = tmp_path / "demo", time.monotonic()
    command = ["demo", "--out", str(out), "--data", str(data), "--seconds", "1", "--rounds", "2", "--objects", "20"]
    quick = ["--set", "train.patch=64", "--set", "train.least=4", "--set", "train.trial=never"]
    assert main([*command, *quick]) == 0
    names = {p.name for p in out.iterdir()}
    assert {"curve.png", "numbers.json", "round_1.png", "round_2.png"} <= names
    numbers = json.loads((out / "numbers.json").read_text())
    assert [s["round"] for s in numbers["scores"]] == [0, 0, 0, 1, 2]
    assert numbers["seconds"] <= time.monotonic() - start + 1


def test_predicting_with_options_writes_what_was_asked_for(own, tmp_path):
    import zarr

    out = tmp_path / "out"
    model = str(own / "models" / "v1")
    np.save(tmp_path / "loose.npy", np.random.default_rng(0).integers(0, 255, (300, 530)).astype(np.uint8))
    picture = str(tmp_path / "loose.npy")
    loose = ["predict", picture, "--model", model, "--model", model, "--out", str(out), "--format", "ome.zarr"]
    assert main([*loose, "--probabilities", "--set", "predict.combine=vote", "--set", "target.min_size=3"]) == 0
    labels = zarr.open_group(str(out / "loose_labels.ome.zarr"), mode="r")
    assert labels["0"].shape == (300, 530)
    assert labels["2"].shape == (75, 133)
    np.testing.assert_array_equal(labels["1"][:], labels["0"][::2, ::2])
    probabilities = zarr.open_group(str(out / "loose_probabilities.ome.zarr"), mode="r")["0"]
    assert probabilities.shape == (2, 300, 530)
    assert 0 <= probabilities[:].min() <= probabilities[:].max() <= 1
    assert main([*loose[:4], "--out", str(out), "--region", "0:100,30:90"]) == 0
    assert tifffile.imread(out / "loose_labels.tif").shape == (100, 60)


@pytest.mark.parametrize("format", ["png", "npy", "ome.zarr"])
def test_pictures_of_one_name_do_not_overwrite_each_other(own, tmp_path, capsys, format):
    paths = []
    for seed, folder in enumerate("ab"):
        paths.append(tmp_path / "two" / folder / "0.ome.tif")
        paths[-1].parent.mkdir(parents=True)
        tifffile.imwrite(paths[-1], synthetic_cells((96, 128), 6, radius=10, seed=seed)[0])
    out = tmp_path / "out"
    line = ["predict", *map(str, paths), "--model", str(own / "models" / "v1"), "--out", str(out), "--format", format]
    assert main([*line, "--probabilities"]) == 0
    maps = "tif" if format == "png" else format
    names = {f"{name}_{what}" for name in ("0", "b_0") for what in (f"labels.{format}", f"probabilities.{maps}")}
    assert {path.name for path in out.iterdir()} == names
    with Project.create(tmp_path / "q") as project:
        for path in paths:
            project.add_image(path)
    assert main(["export", str(tmp_path / "q.cellseg"), "--out", str(tmp_path / "q"), "--format", format]) == 0
    assert {path.name for path in (tmp_path / "q").iterdir()} == {f"0_labels.{format}", f"b_0_labels.{format}"}
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((3, 96, 128), np.uint8), photometric="minisblack")
    volume = ["predict", str(tmp_path / "v.tif"), "--model", str(own / "models" / "v1"), "--out", str(tmp_path / "w")]
    if format == "png":
        capsys.readouterr()
        assert main([*volume, "--format", "png"]) == 2
        assert "v.tif is a volume (3 x 96 x 128), and a PNG holds one slice" in capsys.readouterr().err
        assert not (tmp_path / "w").exists()


def test_one_picture_that_cannot_be_predicted_does_not_cost_the_others(own, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "good.tif", synthetic_cells((96, 128), 6, radius=10)[0])
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((96, 128, 3), np.uint8), photometric="rgb")
    paths = [str(tmp_path / name) for name in ("colour.tif", "good.tif")]
    line = ["predict", *paths, "--model", str(own / "models" / "v1"), "--out", str(tmp_path / "out")]
    assert main(line) == 2
    assert "colour was left out" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good_labels.tif"]


def test_ids_that_a_png_does_not_hold_are_refused_with_a_way_out(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 255, (20, 30)).astype(np.uint8))
    labels = np.full((20, 30), 70_000, np.uint32)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy", labels=labels)
    line = ["export", str(tmp_path / "p.cellseg"), "--out", str(tmp_path / "out"), "--format"]
    assert main([*line, "png"]) == 2
    said = capsys.readouterr().err
    assert "A PNG holds ids up to 65,535, not 70,000" in said
    assert "Export as TIFF" in said
    assert not any((tmp_path / "out").iterdir())
    assert main([*line, "npy"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "a_labels.npy"), labels)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--region", "0:9999,0:10"], "does not fit"),
        (["--region", "5:2,0:10"], "not a region"),
        (["--region", "x"], "not a region"),
        (["--set", "model.width=8"], "keeps its recipe"),
        (["--set", "target.kind=boundary"], "keeps its recipe"),
        (["--set", "predict.mode=volume"], "2D network"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_anything_is_written(own, tmp_path, capsys, words, says):
    assert main(["predict", str(own), "--out", str(tmp_path / "out"), *words]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_region_of_a_project_image_changes_only_that_region(own):
    with Project.open(own) as project:
        id = project.images()[0].id
        store = project.store(id)
        store.apply(difference("t", store.labels, store.state, (slice(0, 96), slice(0, 128)),
                                np.zeros((96, 128), np.uint32), np.zeros((96, 128), np.uint8)))  # fmt: skip
    assert main(["predict", str(own), "--image", id, "--region", "10:60,20:90"]) == 0
    with Project.open(own) as project:
        labels, _ = project.load_labels(id)
    assert labels[10:60, 20:90].any()
    outside = labels.copy()
    outside[10:60, 20:90] = 0
    assert not outside.any()


@pytest.fixture
def many(own: Path) -> Path:
    """The trained project with three pictures more, of which one is missing and one was damaged since."""
    with Project.open(own) as project:
        for seed in (3, 4, 5):
            np.save(own.parent / f"more{seed}.npy", synthetic_cells((96, 128), 10, radius=11, seed=seed)[0])
            project.add_image(own.parent / f"more{seed}.npy")
    (own.parent / "more3.npy").unlink()
    (own.parent / "more4.npy").write_bytes(b"no picture")
    return own


def test_images_that_cannot_be_predicted_are_left_out_and_the_rest_goes_on(many, tmp_path, capsys):
    assert main(["predict", str(many), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "napari-cellseg: more3 was left out: The picture of more3 is not at" in said.err
    assert "--relocate more3" in said.err
    assert "more4 was left out" in said.err
    assert "Predicted more5" in said.out
    with Project.open(many) as project:
        assert project.load_labels("more5")[0].any()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{id}_labels.tif" for id in ("cells1", "cells2", "more5")
    }
    assert main(["predict", str(many), "--image", "more5"]) == 0


def test_resume_predicts_what_this_model_has_not_predicted(many, capsys):
    assert main(["predict", str(many), "--image", "cells2", "more5"]) == 0
    with Project.open(many) as project:
        before = project.db.last_edit()
    capsys.readouterr()
    assert main(["predict", str(many), "--resume"]) == 2
    said = capsys.readouterr()
    assert "Predicted cells1" in said.out
    assert "Predicted cells2" not in said.out
    assert "Predicted more5" not in said.out
    assert "more3" in said.err
    with Project.open(many) as project:
        assert project.db.last_edit() == before  # cells1 is approved
    assert main(["predict", str(many), "--resume", "--image", "cells1", "more5"]) == 0
    assert "all 2 images already" in capsys.readouterr().out
    assert main(["predict", str(many), "--resume", "--image", "more5", "--set", "target.threshold=0.3"]) == 0
    assert "Predicted more5" in capsys.readouterr().out  # other thresholds find something else
    assert main(["predict", str(many), "--resume", "--image", "cells1", "--region", "0:50,0:50"]) == 0
    assert "already" in capsys.readouterr().out


def test_an_export_leaves_out_what_cannot_be_read_and_the_rest_goes_on(many, tmp_path, capsys):
    with Project.open(many) as project, project.db.transaction() as connection:
        connection.execute("UPDATE edits SET data = x'00' WHERE image = 'cells1'")
    shutil.rmtree(many / "images" / "cells1")
    assert main(["export", str(many), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "cells1 was left out" in said.err
    assert said.out.count("_labels.tif") == 4  # labels need no picture
    assert main(["export", str(many), "--out", str(tmp_path / "out"), "--image", "nobody"]) == 2


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")], ids=["ours", "a person's"])
def test_threads_wait_asleep_beside_other_programs(monkeypatch, given, used):
    seen: list[str | None] = []
    monkeypatch.setattr(cli, "main", lambda: seen.append(os.environ.get("OMP_WAIT_POLICY")) or 0)
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    with pytest.raises(SystemExit):
        cli.script()
    assert seen == [used]
