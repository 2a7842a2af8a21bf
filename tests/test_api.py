"""The Python face: the same labels, errors and events whichever way a verb is called."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile

import napari_cellseg as cs
from napari_cellseg.api import Run
from napari_cellseg.api._work import method, verb
from napari_cellseg.cli import main
from napari_cellseg.config import assigned
from napari_cellseg.events import DraftWritten, Exported, Judged, Notice, Predicted, Skipped, describe
from napari_cellseg.samples import synthetic_cells

from .conftest import SMALL

ROOT = Path(__file__).parents[1]
VALUES = dict(assigned(SMALL))


def cells(seed=3, shape=(96, 128)):
    return synthetic_cells(shape, 10, radius=11, seed=seed)


@pytest.fixture
def own(trained, tmp_path):
    """A trained project of this test's own, with a picture that nobody has labelled."""
    shutil.copytree(trained.parent, tmp_path / "own")
    np.save(tmp_path / "own" / "new.npy", cells()[0])
    with cs.open(tmp_path / "own" / trained.name) as project:
        project.add(tmp_path / "own" / "new.npy")
    return tmp_path / "own" / trained.name


def known(folder):
    """All files of a project but the database and its locks, with their sizes."""
    files = [p for p in folder.rglob("*") if not p.name.startswith(("project.db", "window.lock"))]
    return sorted((p.relative_to(folder), p.stat().st_size) for p in files)


# --- the same labels --------------------------------------------------------------------------------


def test_an_array_a_file_a_project_and_the_command_line_get_the_same_labels(own, tmp_path):
    picture, model = own.parent / "new.npy", own / "models" / "v1"
    image = np.load(picture)
    labels = cs.predict(image, model)
    assert labels.dtype == np.uint32
    assert labels.shape == image.shape
    assert labels.max() > 3
    np.testing.assert_array_equal(cs.predict(picture, cs.load_model(model)), labels)
    np.testing.assert_array_equal(cs.predict(da.from_array(image, chunks=50), own), labels)
    typed = tmp_path / "typed"
    assert main(["predict", str(picture), "--model", str(model), "--out", str(typed / "loose")]) == 0
    np.testing.assert_array_equal(tifffile.imread(typed / "loose" / "new_labels.tif"), labels)
    shutil.copytree(own.parent, typed / "copy")
    assert main(["predict", str(typed / "copy" / own.name), "--out", str(typed / "project")]) == 0
    np.testing.assert_array_equal(tifffile.imread(typed / "project" / "new_labels.tif"), labels)
    with cs.open(own) as project:
        done = project.predict("new", out=tmp_path / "out")
        np.testing.assert_array_equal(project.labels("new"), labels)
        assert not project.state("new").any()
    assert done.objects == {"new": labels.max()}
    assert done.files == (tmp_path / "out" / "new_labels.tif",)
    np.testing.assert_array_equal(tifffile.imread(done.files[0]), labels)


def test_axes_channels_and_time(own):
    model, image = cs.load_model(own), cells()[0]
    labels = cs.predict(image, model)
    two = np.stack([image, image[::-1]])
    film = cs.predict(two, model, axes="TYX")
    assert film.shape == two.shape
    np.testing.assert_array_equal(film[0], labels)
    np.testing.assert_array_equal(cs.predict(two, model, axes="CYX", channels=[0]), labels)
    np.testing.assert_array_equal(cs.predict(np.moveaxis(two, 0, -1), model, axes="YXC", channels=[0]), labels)
    volume = cs.predict(two, model, axes="ZYX", spacing=(2.0, 0.5, 0.5), settings={"predict.mode": "slices"})
    assert volume.shape == two.shape
    assert cs.predict(image, model, region=((10, 60), (20, 100))).shape == (50, 80)


def test_settings_are_a_mapping_or_what_is_typed(own):
    model, image = cs.load_model(own), cells()[0]
    strict = cs.predict(image, model, settings={"target.min_size": 400})
    np.testing.assert_array_equal(cs.predict(image, model, settings=["target.min_size=400"]), strict)
    assert strict.max() < cs.predict(image, model).max()


# --- mistakes ---------------------------------------------------------------------------------------

BAD_PICTURES = {
    "words": (np.array([["a", "b"]] * 2), "not intensities"),
    "ambiguous": (np.zeros((30, 40, 2)), "ambiguous"),
    "empty": (np.zeros((0, 40)), "empty"),
    "no file": ("nowhere.tif", "no file"),
    "channels": (np.zeros((3, 40, 40)), "channels"),
}


@pytest.mark.parametrize(("picture", "words"), BAD_PICTURES.values(), ids=BAD_PICTURES.keys())
def test_what_cannot_be_predicted_says_why_and_what_to_do(own, picture, words):
    axes = "CYX" if words == "channels" else None
    with pytest.raises(cs.CellsegError, match=words) as caught:
        cs.predict(picture, own, axes=axes)
    assert caught.value.hint


MISTAKES = {
    "image": (lambda p: p.predict("nobody"), "no image 'nobody'"),
    "model": (lambda p: p.predict(models="v9"), "no model 'v9'"),
    "region": (lambda p: p.predict(region=((0, 999), (0, 9))), "does not fit"),
    "backwards": (lambda p: p.predict(region=((9, 5), (0, 9))), "does not fit"),
    "size": (lambda p: p.predict(object_size=-1), "no diameter"),
    "setting": (lambda p: p.predict(settings={"model.width": 8}), "keeps its recipe"),
    "place": (lambda p: p.predict(probabilities=True), "needs a place"),
    "value": (lambda p: p.train({"train.seconds": "no"}), "train.seconds"),
    "preset": (lambda p: p.train(preset="yolo"), "no preset"),
    "nothing to measure": (lambda p: p.evaluate(), "No test image"),
    "method": (lambda p: p.draft(method="magic"), "no method"),
    "members": (lambda p: p.ensemble(), "needs members"),
    "array": (lambda p: p.add(np.zeros((9, 9))), "refers to files"),
    "uneven": (lambda p: p.add([p.path / "a", p.path / "b"], [np.zeros((9, 9), np.uint8)]), "2 images but 1 labels"),
    "labels": (lambda p: p.put_labels("new", np.zeros((3, 3), np.uint32)), "labels are"),
    "floats": (lambda p: p.put_labels("new", np.zeros((96, 128))), "float64"),
    "log": (lambda p: p.restore("new", 99), "no edit 99"),
}


@pytest.mark.parametrize(("call", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_change_nothing(own, call, words):
    before = known(own)
    with cs.open(own) as project:
        last, sizes = project.project.db.last_edit(), project.project.db.settings("size")
        with pytest.raises(cs.CellsegError, match=words) as caught:
            call(project)
        assert caught.value.hint
        assert project.project.db.last_edit() == last
        assert project.project.db.settings("size") == sizes
    assert known(own) == before


def test_one_bad_picture_leaves_nothing_half_added(own, tmp_path):
    image, labels = cells(5)
    np.save(tmp_path / "good.npy", image)
    (tmp_path / "bad.npy").write_bytes(b"no picture")
    before = known(own)
    with cs.open(own) as project:
        with pytest.raises(cs.CellsegError, match="bad.npy"):
            project.add([tmp_path / "good.npy", tmp_path / "bad.npy"], [labels, labels])
        assert [r.id for r in project.images] == ["cells1", "cells2", "new"]
        assert known(own) == before
        done = project.add(tmp_path / "good.npy", labels)
        assert done.ids == ("good",)
        np.testing.assert_array_equal(project.labels("good"), labels)
        assert (project.state("good") == 2).all()


def test_files_that_cannot_be_used_are_left_out_and_the_others_are_done(own, tmp_path):
    np.save(tmp_path / "good.npy", cells(5)[0])
    (tmp_path / "bad.npy").write_bytes(b"no picture")
    seen = []
    files = [tmp_path / "bad.npy", tmp_path / "good.npy"]
    done = cs.predict_files(files, own, out=tmp_path / "out", on_event=seen.append)
    assert [skipped.image for skipped in done.left_out] == [str(tmp_path / "bad.npy")]
    assert done.files == (tmp_path / "out" / "good_labels.tif",)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good_labels.tif"]
    assert [type(e) for e in seen if isinstance(e, Skipped | Predicted)] == [Skipped, Predicted]
    with pytest.raises(cs.CellsegError, match="bad.npy"):
        cs.predict_files(files[0], own, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_picture_that_went_is_left_out_of_a_project_with_the_reason(own):
    (own.parent / "new.npy").unlink()
    with cs.open(own) as project:
        done = project.predict()
        assert [s.image for s in done.left_out] == ["new"]
        assert "is not at" in done.left_out[0].message
        assert "relocate" in done.left_out[0].hint
        assert set(done.objects) == {"cells1", "cells2"}
        again = project.predict(resume=True)
        assert again.already == ("cells1", "cells2")


# --- events -----------------------------------------------------------------------------------------


def plain(events):
    """Events without what differs from run to run."""
    return [{k: v for k, v in describe(e).items() if k not in ("seconds", "bytes", "store")} for e in events]


def test_the_iterator_and_the_callback_see_the_same_events(own, tmp_path):
    heard, image = [], cells()[0]
    labels = cs.predict(image, own, on_event=heard.append)
    run = cs.predict.events(image, own)
    assert isinstance(run, Run)
    assert plain(run) == plain(heard)
    np.testing.assert_array_equal(run.result, labels)
    assert {"Planned", "TileDone", "Predicted"} <= {e["event"] for e in plain(heard)}
    with cs.open(own) as project:
        heard.clear()
        project.predict("new", on_event=heard.append)
        assert plain(project.predict.events("new")) == plain(heard)
        assert [type(e) for e in project.export.events(tmp_path / "out", images=["new"])] == [Exported]


def test_a_prediction_is_written_when_its_event_comes(own):
    with cs.open(own) as project:
        for event in project.predict.events("new"):
            if isinstance(event, Predicted):
                assert project.labels("new").any()


def test_stopping_is_asked_and_said(own):
    with cs.open(own) as project:
        done = project.predict("new", stop=lambda: True)
        assert done.stopped
        assert done.objects == {}
        assert not project.labels("new").any()
        assert project.draft("new", stop=lambda: True).stopped
        assert project.export(own / "out", stop=lambda: True).stopped
        assert not (own / "out").exists()
    with pytest.raises(cs.CellsegError, match="was stopped"):
        cs.predict(cells()[0], own, stop=lambda: True)


def test_work_that_nobody_goes_on_with_ends_tidily():
    said = []

    @verb
    def count(n, *, on_event=None):
        try:
            for k in range(n):
                yield Notice(str(k))
        finally:
            said.append("closed")
        return n

    assert count(3) == 3
    run = count.events(2)
    assert [e.text for e in run] == ["0", "1"]
    assert list(run) == []
    assert run.result == 2
    assert count.events(2).result == 2

    def fail(event):
        raise KeyError(event.text)

    said.clear()
    with pytest.raises(KeyError):
        count(3, on_event=fail)
    assert said == ["closed"]
    started = count.events(3)
    next(started)
    started.close()
    assert said == ["closed", "closed"]
    with pytest.raises(cs.CellsegError, match="before it had a result"):
        _ = started.result


def test_verbs_look_like_functions():
    class Thing:
        @method
        def verb(self, n, *, on_event=None):
            """Say something."""
            yield Notice("a")
            return n

    assert Thing().verb(4) == 4
    assert inspect.signature(Thing().verb).parameters.keys() == {"n", "on_event"}
    assert Thing().verb.__doc__ == Thing.verb.__doc__ == "Say something."
    assert "object_size" in inspect.signature(cs.predict).parameters
    assert cs.predict.__name__ == "predict"


# --- the loop ---------------------------------------------------------------------------------------


def test_the_whole_loop(tmp_path):
    truth = {}
    for seed, name in enumerate(("learn", "measure", "look")):
        image, truth[name] = cells(seed)
        np.save(tmp_path / f"{name}.npy", image)
    heard = []
    with cs.new(tmp_path / "p", model="none") as project:
        assert project.path == tmp_path / "p.cellseg"
        with pytest.raises(cs.CellsegError, match="no model yet"):
            project.predict()
        project.add(tmp_path / "learn.npy", truth["learn"], spacing=(0.5, 0.5))
        project.add([tmp_path / "measure.npy"], [truth["measure"]], split="test")
        project.add(tmp_path / "look.npy")
        drafted = project.draft(on_event=heard.append)
        assert drafted.objects.keys() == {"look"}
        assert [type(e) for e in heard] == [DraftWritten]
        done = project.train(VALUES, keep="yes", on_event=heard.append)
        assert (done.model, done.current_model, done.kept, done.stopped) == ("v1", "v1", True, False)
        assert any(isinstance(e, Judged) for e in heard)
        assert project.rounds == (done.round,)
        again = project.train({**VALUES, "train.steps": 2}, keep="no")
        assert (again.model, again.current_model, again.kept) == ("v2", "v1", False)
        scores = project.evaluate()
        assert (scores.model, scores.split, set(scores.images)) == ("v1", "test", {"measure"})
        assert 0.3 < scores.mean["iou"] <= 1
        assert project.predict("look").objects["look"] > 0
        exports = project.export(tmp_path / "out", "npy", known_only=True)
        assert set(exports.files) == {"learn", "measure", "look"}
        assert not np.load(exports.files["look"]).any()
        tifffile.imwrite(tmp_path / "look_masks.tif", truth["look"].astype(np.uint16))
        assert project.put_labels("look", tmp_path / "look_masks.tif") == ()
        np.testing.assert_array_equal(project.labels("look"), truth["look"])
        assert project.status["look"].word == "approved"
        rows = project.history("look")
        assert [row.tool for row in rows] == ["draft", "predict", "import"]
        assert project.restore("look", rows[0].n) > 0
        assert project.ensemble(["v1", "v2"]) == project.current_model == "v3"
        assert "3 images, model v3" in repr(project)
        with pytest.raises(FrozenInstanceError):
            done.model = "other"
    assert cs.load_model(project.path).name == "v3"


def test_a_trained_model_may_begin_another_project(own, tmp_path):
    with cs.new(tmp_path / "q", model=own) as project:
        assert project.current_model == "v1"


def test_the_face_and_the_command_line_evaluate_alike(own, tmp_path):
    with cs.open(own) as project:
        done = project.evaluate("train")
    assert main(["evaluate", str(own), "--split", "train", "--json", str(tmp_path / "scores.json")]) == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    tables = found.pop("tables")
    assert found == {"model": "v1", "split": "train", "mean": done.mean, "images": done.images}
    assert tables["objects"] == done.tables.to_dict()["objects"]


def test_annotators_can_be_compared(own, tmp_path):
    with cs.open(own) as project:
        project.export(tmp_path, images="cells1")
        found = project.compare("cells1", [tmp_path / "cells1_labels.tif"], map=tmp_path / "map.tif")
    (figures,) = found.pairs.values()
    assert figures["dice"] == 1
    assert figures["differences"] == 0
    assert set(np.unique(tifffile.imread(tmp_path / "map.tif"))) == {0, 3}


# --- importing, and what the documentation says -----------------------------------------------------


def test_importing_the_face_is_light():
    code = (
        "import sys, napari_cellseg as cs; cs.__version__; dir(cs); "
        "print(sorted({'torch', 'napari', 'qtpy', 'numpy', 'pandas'} & set(sys.modules))); cs.predict; cs.open; "
        "import napari_cellseg.prediction, napari_cellseg.evaluation; assert callable(cs.predict); "
        "assert callable(cs.evaluate); "
        "print(sorted({'torch', 'napari', 'qtpy', 'magicgui'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_every_public_name_is_there_and_documented():
    for name in dir(cs):
        assert getattr(cs, name).__doc__, name
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", cs.__version__)
    assert set(cs.__all__) <= set(dir(cs))
    assert "open" not in cs.__all__
    with pytest.raises(AttributeError, match="nothing"):
        _ = cs.nothing


def test_the_command_line_only_calls_verbs():
    """What decides, pairs, writes or remembers stands below it, in one place."""
    lower = {"engine", "edits", "data", "train", "prediction", "evaluation"}
    for path in sorted((ROOT / "src" / "napari_cellseg" / "cli").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {
            n.module.split(".")[0]
            for n in ast.walk(tree)
            if isinstance(n, ast.ImportFrom) and n.level == 2 and n.module
        }
        assert path.name == "_demo.py" or not used & lower, path.name


def script(page):
    """The Python script of a page."""
    (found,) = re.findall(r"```python\n(import napari_cellseg as cs\n.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return found


def test_the_script_of_the_readme_runs(tmp_path):
    text = script("README.md")
    assert text == script("docs/python.md")
    assert len(text.strip().splitlines()) <= 12
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cells.cellseg" / "project.toml").is_file()
    assert list((tmp_path / "labels").glob("*.tif"))


BOOK = ROOT / "docs" / "notebooks" / "first_steps.ipynb"


def test_the_notebook_is_kept_without_outputs_and_installs_itself_first():
    cells = [c for c in json.loads(BOOK.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    assert "%pip install --quiet napari-cellseg" in "".join(cells[0]["source"])
    assert not any(c["outputs"] or c["execution_count"] for c in cells)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    nbformat, nbclient = (
        pytest.importorskip(name, reason=f"{name} runs notebooks: uv pip install --group docs")
        for name in ("nbformat", "nbclient")
    )
    book = nbformat.read(BOOK, as_version=4)
    nbclient.NotebookClient(book, timeout=1500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert not list(tmp_path.iterdir())
