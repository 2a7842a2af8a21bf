"""Models out and in: ONNX, 8 bit, TorchScript, bioimage.io packages, and predictions without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy import ndimage as ndi
from torch import nn

import napari_cellseg as cs
from napari_cellseg.base import base_models
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.errors import CellsegError
from napari_cellseg.exchange import Agreement, Wanted
from napari_cellseg.exchange._agreement import agreement
from napari_cellseg.exchange._convert import source
from napari_cellseg.exchange._said_recipe import in_our_words, in_their_words
from napari_cellseg.exchange._wanted import judged
from napari_cellseg.models import UNet, UNet3D
from napari_cellseg.prediction import FileNetwork, load_model, reading, seen
from napari_cellseg.preprocess import Clahe, Grey, PercentileNormalize, Recipe, ZScoreNormalize
from napari_cellseg.project import ModelCard, Project, read_card, read_model_config
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, Flows, decode

SAID = {"authors": ["A. Tester"], "licence": "MIT"}


def model_of(project: Path) -> Path:
    with Project.open(project) as opened:
        return opened.model_path(opened.current_model)


@pytest.fixture(scope="module")
def model(trained: Path) -> Path:
    """A model that was trained in a project: a network of the library and the distance to the border."""
    return model_of(trained)


@pytest.fixture(scope="module")
def package(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a bioimage.io package."""
    return cs.export_model(model, tmp_path_factory.mktemp("package") / "p", "bioimageio", **SAID).path


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return synthetic_cells((150, 170), 16, radius=11, seed=5)[0]


def untrained(folder: Path, network, recipe: Recipe | None = None, **target) -> Path:
    """A model folder with random weights."""
    from napari_cellseg.models import save_weights
    from napari_cellseg.project import write_model

    config = Config(model=network, target=Distance(**target), recipe=recipe or Recipe(), object_size=0)
    card = ModelCard("m1", None, 0.0, 1, config.target.channels(1, network.dimensions), 1, 0)
    torch.manual_seed(0)
    net = network.build(1, card.out_channels)
    return write_model(folder, card, config, lambda path: save_weights(path / "weights.safetensors", net))


# --- out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_an_exported_model_labels_as_torch_does(model, picture, tmp_path, form):
    done = cs.export_model(model, tmp_path / "out", form)
    assert done.path == tmp_path / "out"
    assert done.agreement.differs <= 1e-3
    assert done.agreement.same == done.agreement.objects > 0
    assert not done.warning
    assert "of the project's pictures" in str(done.agreement)
    written = json.loads((done.path / "network.json").read_text())
    assert written["check"]["pixels"] == done.agreement.pixels > 0
    assert str(done.agreement) == written["check"]["said"]
    expected = cs.predict(picture, model, settings={"predict.runtime": "torch"})
    found = cs.predict(picture, done.path)
    assert expected.max() > 3
    assert (found != expected).mean() < 1e-3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.long
def test_volumes_are_exported_too(tmp_path):
    path = untrained(tmp_path, UNet3D(width=2, levels=2))
    done = cs.export_model(path, tmp_path / "out", "onnx")
    (there,), (here,) = load_model(done.path), load_model(path)
    stack = np.random.default_rng(0).random((1, 1, 5, 37, 50), dtype=np.float32)
    np.testing.assert_allclose(there.probabilities(stack), here.plain.probabilities(stack), atol=2e-3 + 1e-2)


def test_eight_bit_is_smaller_and_says_what_it_changes(model, tmp_path, picture):
    plain = cs.load_model(model).export(tmp_path / "plain")
    small = cs.export_model(model, tmp_path / "small", "onnx-int8", pictures=[picture], force=True)
    sizes = [(done.path / "network.onnx").stat().st_size for done in (plain, small)]
    assert sizes[1] < 0.7 * sizes[0]
    assert small.agreement.tried_on == "1 pictures"
    assert small.agreement.differs < 0.05
    assert cs.predict(picture, small.path).max() > 3


def test_eight_bit_needs_pictures(tmp_path):
    with pytest.raises(CellsegError, match="8-bit numbers need pictures"):
        cs.export_model("cells", tmp_path / "out", "onnx-int8")
    assert not list(tmp_path.iterdir())


def found(differs: float, same: int) -> Agreement:
    return Agreement(2, 1000, differs, 0.5, 100, same, "2 pictures")


def test_what_differs_too_much_is_refused_with_numbers():
    assert judged("onnx", found(0.0005, 100), force=False) == ""
    with pytest.raises(CellsegError, match=r"99\.000% of 1,000 voxels"):
        judged("onnx", found(0.01, 100), force=False)
    assert judged("onnx-int8", found(0.005, 95), force=False) == ""
    assert "8 bits change what is found" in judged("onnx-int8", found(0.02, 95), force=False)
    assert "8 bits change what is found" in judged("onnx-int8", found(0.001, 85), force=False)
    for bad in (found(0.06, 100), found(0.001, 70)):
        with pytest.raises(CellsegError, match="differs too much"):
            judged("onnx-int8", bad, force=False)
        assert "differs much" in judged("onnx-int8", bad, force=True)


def test_the_comparison_sees_a_difference(model):
    one = source(model)
    pieces = [np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)]
    same = agreement(one, one, pieces, one.config.target, "noise")
    other = agreement(one, lambda tile: 1 - one(tile), pieces, one.config.target, "noise")
    assert same.differs == same.largest == same.lost == 0
    assert other.differs > 0.5
    assert other.largest > 0.3


def test_nothing_is_left_where_an_export_is_refused(model, tmp_path, monkeypatch):
    from napari_cellseg.nets.base import Probabilities

    forward = Probabilities.forward
    monkeypatch.setattr(Probabilities, "forward", lambda self, x: forward(self, x) * (1 + 0 * x.sum()))
    monkeypatch.setattr(
        "napari_cellseg.exchange._folder.to_onnx", lambda model, path: path.write_bytes(b"no network at all")
    )
    with pytest.raises(CellsegError, match="cannot be read"):
        cs.export_model(model, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(model, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(CellsegError, match="is there already"):
        cs.export_model(model, tmp_path / "out")
    with pytest.raises(CellsegError, match="no form"):
        cs.export_model(model, tmp_path / "new", "pickle")


def test_a_missing_package_is_said_with_its_command(model, tmp_path, monkeypatch):
    from napari_cellseg.exchange import _need

    monkeypatch.setattr(_need, "_found", lambda name: name != "onnx")
    with pytest.raises(CellsegError, match="needs onnx, which is not installed") as error:
        cs.export_model(model, tmp_path / "out")
    assert "napari-cellseg[onnx]" in error.value.hint


def test_an_ensemble_is_exported_member_by_member(trained, tmp_path):
    from napari_cellseg.project import save_ensemble

    copied = Path(shutil.copytree(trained.parent, tmp_path / "work")) / trained.name
    with Project.open(copied) as project:
        shutil.copytree(project.model_path("v1"), project.models_folder / "v9")
        card = project.models_folder / "v9" / "card.json"
        card.write_text(card.read_text().replace('"id": "v1"', '"id": "v9"'))
        path = project.model_path(save_ensemble(project, ["v1", "v9"]))
    with pytest.raises(CellsegError, match="is an ensemble of v1, v9"):
        cs.export_model(path, tmp_path / "out")
    assert cs.export_model(path / "members" / "v9", tmp_path / "out").agreement.differs < 1e-3


# --- without torch --------------------------------------------------------------------------------


ROOT = Path(__file__).parents[1]
IMPORTED_AS = {"lightning-fabric": "lightning_fabric", "scikit-learn": "sklearn", "segmentation-models-pytorch":
               "segmentation_models_pytorch"}  # fmt: skip
WITHOUT = """
    import sys
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in sys.argv[1].split(","):
                raise ModuleNotFoundError(name)
    sys.meta_path.insert(0, Missing())
    from napari_cellseg.cli import main
    sys.exit(main(sys.argv[2:]))
"""


def not_needed() -> list[str]:
    """What the package depends on and requirements-predict.txt leaves out."""
    needed = (ROOT / "requirements-predict.txt").read_text().split("\n")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    left_out = {line.split(">=")[0] for line in declared} - set(needed)
    assert {"torch", "napari", "pandas"} <= left_out
    return sorted(IMPORTED_AS.get(name, name) for name in left_out)


def test_an_exported_model_predicts_with_requirements_predict_alone(model, picture, tmp_path):
    exported = cs.export_model(model, tmp_path / "out").path
    np.save(tmp_path / "cells.npy", picture)
    words = ["predict", "--model", str(exported), str(tmp_path / "cells.npy"), "--out", str(tmp_path / "labels")]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT), ",".join(not_needed()), *words],
        capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = cs.read_labels(tmp_path / "labels" / "cells_labels.tif")
    np.testing.assert_array_equal(found, cs.predict(picture, exported))


@pytest.mark.long
def test_openvino_runs_the_file_where_onnxruntime_is_not_installed(model, picture, tmp_path, monkeypatch):
    from napari_cellseg.prediction import _file_network

    pytest.importorskip("openvino")
    exported = cs.export_model(model, tmp_path / "out").path
    expected = cs.predict(picture, exported)
    monkeypatch.setattr(_file_network, "find_spec", lambda name: None if name == "onnxruntime" else True)
    shutil.copytree(exported, tmp_path / "again")  # models in memory are kept by their folder
    found = cs.predict(picture, tmp_path / "again")
    assert (found != expected).mean() < 1e-3
    monkeypatch.setattr(_file_network, "find_spec", lambda name: None)
    shutil.copytree(exported, tmp_path / "third")
    with pytest.raises(CellsegError, match="neither onnxruntime nor OpenVINO"):
        cs.predict(picture, tmp_path / "third")


def test_a_file_that_was_changed_is_refused(model, picture, tmp_path):
    exported = cs.export_model(model, tmp_path / "out").path
    with (exported / "network.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CellsegError, match="its checksum differs"):
        cs.predict(picture, exported)
    (exported / "network.json").write_text("{")
    with pytest.raises(CellsegError, match="is damaged"):
        cs.predict(picture, exported)


def test_an_exported_model_in_a_project_predicts_and_does_not_learn(model, trained, tmp_path):
    exported = cs.export_model(model, tmp_path / "out").path
    picture = trained.parent / "cells1.npy"
    with cs.new(tmp_path / "p", model=exported) as project:
        project.add([picture])
        project.predict()
        id = project.project.images()[0].id
        assert project.project.load_labels(id)[0].max() > 3
        project.project.approve_labels(id, cs.read_labels(_truth(trained, tmp_path)))
        with pytest.raises(CellsegError, match="has no weights to change"):
            project.train(settings=["train.steps=2"])
        with pytest.raises(CellsegError, match="has no weights to change"):
            project.explain(id, "gradcam", out=tmp_path / "why")
        (left_out,) = project.predict(settings={"predict.runtime": "torch"}).left_out
        assert "no weights to change" in left_out.message


def _truth(trained: Path, folder: Path) -> Path:
    with Project.open(trained) as project:
        labels, _ = project.load_labels(project.images()[0].id)
        return cs.write_labels(folder / "truth.tif", np.array(labels))


# --- bioimage.io out ------------------------------------------------------------------------------


def passes(folder: Path) -> None:
    from bioimageio.core import test_description

    summary = test_description(folder / "bioimageio.yaml")
    errors = [(d.name, e.msg) for d in summary.details for e in d.errors]
    assert summary.status == "passed", errors
    names = " ".join(d.name for d in summary.details)
    for form in ("onnx", "pytorch_state_dict", "torchscript"):
        assert f"Reproduce test outputs from test inputs ({form})" in names


LIBRARIES = pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::pydantic.PydanticDeprecatedSince20")


@LIBRARIES
def test_a_package_passes_the_test_of_bioimageio(package):
    passes(package)
    said = yaml.safe_load((package / "bioimageio.yaml").read_text())
    assert [a["name"] for a in said["authors"]] == ["A. Tester"]
    assert said["license"] == "MIT"
    assert [step["id"] for step in said["inputs"][0]["preprocessing"]] == ["scale_range", "clip"]
    assert said["config"]["napari-cellseg"]["agreement"]["differs"] <= 1e-3
    assert "2 images of a napari-cellseg project" in (package / "README.md").read_text()


@LIBRARIES
@pytest.mark.long
def test_the_base_model_passes_it_too(tmp_path):
    done = cs.export_model("cells", tmp_path / "cells", "bioimageio")
    passes(done.path)
    assert "BBBC038" in (done.path / "README.md").read_text()


@LIBRARIES
@pytest.mark.long
def test_a_recipe_without_words_is_done_before_the_test_input(tmp_path):
    path = untrained(tmp_path, UNet(width=2, levels=2), Recipe(steps=(PercentileNormalize(), Clahe())))
    done = cs.export_model(path, tmp_path / "p", "bioimageio", **SAID)
    passes(done.path)
    assert not yaml.safe_load((done.path / "bioimageio.yaml").read_text())["inputs"][0]["preprocessing"]
    assert "has no words for this recipe" in (done.path / "README.md").read_text()
    volume = untrained(tmp_path / "3d", UNet3D(width=2, levels=1))
    passes(cs.export_model(volume, tmp_path / "v", "bioimageio", **SAID).path)


def test_a_package_names_authors_and_licence(model, tmp_path):
    with pytest.raises(CellsegError, match="names the authors"):
        cs.export_model(model, tmp_path / "p", "bioimageio", licence="MIT")
    with pytest.raises(CellsegError, match="what may be done"):
        cs.export_model(model, tmp_path / "p", "bioimageio", authors=["A"])
    with pytest.raises(CellsegError, match=r"bioimageio\.spec .* refuses"):
        cs.export_model(model, tmp_path / "p", "bioimageio", authors=["A"], licence="no such licence")
    assert not list(tmp_path.iterdir())


# --- bioimage.io in -------------------------------------------------------------------------------


def test_our_own_package_comes_back_and_learns(package, model, trained, tmp_path):
    zipped = tmp_path / "p.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        for path in package.iterdir():
            file.write(path, path.name)
    assert main(["model", "import", str(zipped), "--out", str(tmp_path / "back")]) == 0
    for name in ("weights.safetensors", "config.toml", "card.json"):
        assert (tmp_path / "back" / name).read_bytes() == (model / name).read_bytes()
    picture = np.load(trained.parent / "cells1.npy")
    np.testing.assert_array_equal(cs.predict(picture, tmp_path / "back"), cs.predict(picture, model))
    with cs.new(tmp_path / "child", model=tmp_path / "back") as project:
        project.add([trained.parent / "cells1.npy"], [_truth(trained, tmp_path)])
        before = project.current_model
        project.train(settings=["train.steps=3", "train.patch=64", "train.batch=2", "train.trial=never"])
        assert project.project.models()[-1].parent == before
    with pytest.raises(CellsegError, match="knows how its outputs are read"):
        cs.import_model(package, tmp_path / "other", read="boundary")


class Shaped(nn.Module):
    """Another program's network: what it says is a function of brightness, so its labels are known."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x[:, :1] - 0.5
        return torch.cat([20 * bright, 0 * bright - 20], 1)


def other_package(folder: Path, **changes) -> Path:
    """A package that we did not make: TorchScript, logits of foreground and boundary."""
    folder.mkdir(parents=True)
    network = Shaped().eval()
    x = torch.zeros(1, 1, 64, 64)
    torch.jit.save(torch.jit.trace(network, x), str(folder / "weights.pt"))
    torch.onnx.export(
        network, (x,), str(folder / "weights.onnx"), dynamo=False, input_names=["raw"], output_names=["out"],
        dynamic_axes={"raw": {2: "y", 3: "x"}, "out": {2: "y", 3: "x"}},
    )  # fmt: skip
    raw = np.arange(64 * 64, dtype=np.float32).reshape(1, 1, 64, 64)
    np.save(folder / "in.npy", raw)
    scaled = (raw - raw.min()) / (raw.max() - raw.min() + 1e-6)
    with torch.inference_mode():
        np.save(folder / "out.npy", network(torch.from_numpy(scaled)).sigmoid().numpy())
    size = {"size": {"min": 32, "step": 16}}
    same = [{"type": "space", "id": a, "size": {"tensor_id": "raw", "axis_id": a}} for a in "yx"]
    said = {
        "type": "model", "format_version": "0.5.4", "name": "Another network", "description": "Of another program",
        "authors": [{"name": "Somebody"}], "license": "MIT", "documentation": {"source": "README.md"},
        "cite": [{"text": "a paper", "doi": "10.1038/s41592-019-0612-7"}],
        "inputs": [{
            "id": "raw", "test_tensor": {"source": "in.npy"}, "data": {"type": "float32"},
            "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["c"]},
                     {"type": "space", "id": "y"} | size, {"type": "space", "id": "x"} | size],
            "preprocessing": [
                {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                {"id": "scale_range", "kwargs": {"axes": ["y", "x"], "min_percentile": 0, "max_percentile": 100}},
            ],
        }],
        "outputs": [{
            "id": "out", "test_tensor": {"source": "out.npy"}, "data": {"type": "float32"},
            "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["foreground", "boundary"]}, *same],
            "postprocessing": [{"id": "sigmoid"}],
        }],
        "weights": {
            "torchscript": {"source": "weights.pt", "pytorch_version": "2.6.0"},
            "onnx": {"source": "weights.onnx", "opset_version": 17, "parent": "torchscript"},
        },
    }  # fmt: skip
    for key, change in changes.items():
        change(said[key])
    (folder / "README.md").write_text("# Another\n")
    (folder / "rdf.yaml").write_text(yaml.safe_dump(said))
    return folder


SQUARES = np.zeros((80, 96), np.uint16)
SQUARES[10:30, 10:30], SQUARES[40:70, 20:60], SQUARES[5:20, 60:90] = 1000, 900, 1000


@LIBRARIES
@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_another_programs_network_predicts(tmp_path, form):
    keep = {"onnx": "torchscript", "torchscript": "onnx"}[form]

    def only(weights):
        del weights[keep]
        weights[form].pop("parent", None)

    package = other_package(tmp_path / "package", weights=only)
    path = cs.import_model(package, tmp_path / "model", read="boundary")
    found = cs.predict(SQUARES, path)
    assert found.max() == 3
    np.testing.assert_array_equal(found > 0, SQUARES > 500)
    assert FileNetwork.read(path).form == form
    assert read_card(path).metrics["authors"] == ["Somebody"]


@LIBRARIES
def test_it_drafts_a_project(tmp_path):
    package = other_package(tmp_path / "package")
    np.save(tmp_path / "squares.npy", SQUARES)
    for words in (
        ["model", "import", str(package), "--out", str(tmp_path / "model"), "--read", "foreground", "--channels", "0"],
        ["new", str(tmp_path / "p.cellseg"), "--model", str(tmp_path / "model")],
        ["add", str(tmp_path / "p.cellseg"), str(tmp_path / "squares.npy")],
        ["predict", str(tmp_path / "p.cellseg")],
    ):
        assert main(words) == 0
    with Project.open(tmp_path / "p.cellseg") as project:
        labels, state = project.load_labels(project.images()[0].id)
        assert labels.max() == 3
        assert not state.any(), "a draft: nobody has said that it is right"
        assert project.model_config(project.current_model).model.kind == "imported"


def fixed(tensors):
    for axis in tensors[0]["axes"][2:]:
        axis["size"] = 64


@LIBRARIES
def test_a_network_of_one_size_only_sees_pictures_piece_by_piece(tmp_path):
    package = other_package(tmp_path / "package", inputs=fixed)
    path = cs.import_model(package, tmp_path / "model", read="foreground", channels=[0])
    assert FileNetwork.read(path).side == 64
    large = np.kron(SQUARES, np.ones((2, 2), np.uint16))
    np.testing.assert_array_equal(cs.predict(large, path) > 0, large > 500)


def two(tensors):
    tensors.append(json.loads(json.dumps(tensors[0])) | {"id": "second"})


def custom(tensors):
    tensors[0]["postprocessing"] = [{"id": "binarize", "kwargs": {"threshold": 0.5}}]


def odd_recipe(tensors):
    tensors[0]["preprocessing"] = [{"id": "clip", "kwargs": {"min": 0, "max": 5}}]


def no_recipe(tensors):
    tensors[0]["preprocessing"] = [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}]


def no_file(weights):
    weights["onnx"]["source"] = "elsewhere.onnx"


def keras(weights):
    weights.clear()
    weights["keras_hdf5"] = {"source": "weights.pt", "tensorflow_version": "2.16.1"}


REFUSED = {
    "several inputs": ({"inputs": two}, "has 2 inputs"),
    "several outputs": ({"outputs": two}, "has 2 outputs"),
    "other postprocessing": ({"outputs": custom}, "binarize"),
    "other preprocessing": ({"inputs": odd_recipe}, "cannot be said in a recipe"),
    "no normalisation": ({"inputs": no_recipe}, "does not normalise"),
    "weights elsewhere": ({"weights": no_file}, "not inside the package"),
    "other weights": ({"weights": keras}, "keras_hdf5 only"),
}


@LIBRARIES
@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path, changes, reason):
    package = other_package(tmp_path / "package", **changes)
    with pytest.raises(CellsegError, match=reason):
        cs.import_model(package, tmp_path / "model", read="boundary")
    assert [p.name for p in tmp_path.iterdir()] == ["package"]


@LIBRARIES
def test_how_outputs_are_read_is_for_a_person_to_say(tmp_path):
    package = other_package(tmp_path / "package")
    with pytest.raises(CellsegError, match=r"gives 2 channels \(foreground, boundary\)"):
        cs.import_model(package, tmp_path / "model")
    with pytest.raises(CellsegError, match="needs 3 channels"):
        cs.import_model(package, tmp_path / "model", read="flows")
    with pytest.raises(CellsegError, match="needs 2 channels"):
        cs.import_model(package, tmp_path / "model", read="boundary", channels=[0, 7])
    with pytest.raises(CellsegError, match="no reading"):
        cs.import_model(package, tmp_path / "model", read="tea leaves")


def test_what_is_no_package_is_said(tmp_path):
    (tmp_path / "file.zip").write_text("no zip")
    for path, reason in (("file.zip", "not a bioimage.io package"), ("", "holds no"), ("gone", "nothing at")):
        with pytest.raises(CellsegError, match=reason):
            cs.import_model(tmp_path / path, tmp_path / "out")


# --- words ----------------------------------------------------------------------------------------


def test_recipes_there_and_back():
    for steps in ((PercentileNormalize(low=2, high=99, clip=3),), (ZScoreNormalize(),)):
        recipe = Recipe(steps=(Grey(), *steps))
        there = in_their_words(recipe, 2)
        back = in_our_words(there, 1)
        assert back.recipe.steps == steps
        assert (back.gain, back.offset) == (1, 0)
    assert in_their_words(Recipe(steps=(PercentileNormalize(), Clahe())), 2) is None
    linear = [{"id": "zero_mean_unit_variance"}, {"id": "scale_linear", "kwargs": {"gain": 2.0, "offset": 1.0}},
              {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 1.0, "std": 4.0}}]  # fmt: skip
    found = in_our_words(linear, 1)
    assert (found.gain, found.offset) == (0.5, 0.0)


def test_percentiles_need_not_be_cut_off():
    pixels = np.arange(200, dtype=np.float32).reshape(1, 10, 20)
    scaled = Recipe(steps=(PercentileNormalize(low=10, high=90, clip=0),))(pixels)
    low, high = np.percentile(pixels, (10, 90))
    np.testing.assert_allclose(scaled, (pixels - low) / (high - low), rtol=1e-5)
    assert scaled.min() < 0


def test_readings_decode_what_they_say():
    labels = np.asarray(ndi.label(SQUARES > 500)[0], np.uint32)
    inside = (labels > 0).astype(np.float32)[None, None]
    assert isinstance(reading("foreground", (), 1, "", 2).target, Boundary)
    flows = Flows().encode(labels)[None]
    cellpose = np.concatenate([10 * (2 * flows[:, 1:] - 1) / 2, 20 * inside - 10], 1)
    for kind, channels, values, activation in (
        ("foreground", (), inside, ""),
        ("boundary", (1, 0), np.concatenate([Boundary().encode(labels)[None, 1:2], inside], 1), ""),
        ("distance", (), Distance().encode(labels)[None], ""),
        ("flows", (2, 0, 1), cellpose.astype(np.float32), "sigmoid"),
    ):
        how = reading(kind, channels, values.shape[1], activation, 2)
        found = decode(how.target, how(values)[0])
        assert found.max() == labels.max(), kind
        assert ((found > 0) != (labels > 0)).mean() < 0.01, kind
    softmax = reading("classes", (), 3, "softmax", 2)
    logits = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(softmax(logits).sum(1), 1, rtol=1e-5)
    assert softmax.out_channels == 3


def test_pieces_of_pictures_are_what_the_network_sees(model, picture):
    (predictor,) = load_model(model)
    from napari_cellseg.images import from_array

    pieces = seen(from_array(picture), predictor, 4, size=30.0)
    (piece,) = pieces
    assert piece.shape[:2] == (1, 1)
    assert all(n % 32 == 0 for n in piece.shape[2:])
    config = read_model_config(model)
    assert np.isclose(piece[0, 0, :150, :170], config.recipe(picture[None])[0], atol=1e-5).mean() > 0.999


def test_python_and_command_line_say_the_same(model, tmp_path, capsys):
    words = ["model", "export", str(model), "--format", "onnx", "--out", str(tmp_path / "a"), "--json"]
    assert main([*words, str(tmp_path / "a.json")]) == 0
    told = capsys.readouterr().out
    done = cs.export_model(model, tmp_path / "b")
    assert f"Compared with torch: {done.agreement}." in told
    assert json.loads((tmp_path / "a.json").read_text())["pixels"] == done.agreement.pixels
    assert main([*words, str(tmp_path / "b.json")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["model", "export", str(model), "--out", str(tmp_path / "c"), "--cite", "no doi"]) == 2


def test_bases_are_found_by_name(tmp_path):
    wanted = Wanted("onnx", tmp_path / "x")
    assert wanted.form == "onnx"
    assert "cells" in base_models()
