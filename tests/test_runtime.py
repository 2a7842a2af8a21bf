from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import torch

from napari_cellseg.config import Config, Predict
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Notice, Predicted
from napari_cellseg.images import Image
from napari_cellseg.models import Smp, UNet, UNet3D, save_weights
from napari_cellseg.nets.base import padded as padded_in_torch
from napari_cellseg.nets.device import choose, fused
from napari_cellseg.nets.place import Device, out_of_memory, processor
from napari_cellseg.prediction import (
    Predictor,
    Request,
    _export,
    _runtime,
    is_exported,
    load_model,
    make_exports,
    make_plan,
    predict,
)
from napari_cellseg.project import ModelCard, write_model
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Distance, Foreground, Semantic

if not _runtime.version():
    pytest.skip("OpenVINO is not installed", allow_module_level=True)
if choose().kind != "cpu":
    pytest.skip("OpenVINO predicts on processors; here is a GPU", allow_module_level=True)

TINY = UNet(width=2, levels=2)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Where exports of models outside projects go."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return tmp_path / "user" / "napari-cellseg" / "runtime"


def folder(path: Path, model=TINY, *, precision="fp32", target=None, channels=1, seed=0) -> Path:
    """A model folder with random weights that label about half of a picture."""
    torch.manual_seed(seed)
    target = target or Distance(min_size=5)
    out = target.channels(1)
    card = ModelCard(
        id="m1", parent=None, created=0.0, in_channels=channels, out_channels=out, n_classes=1, edits_until=0
    )
    network = model.build(channels, out).eval()
    config = Config(model=model, target=target, precision=precision)
    return write_model(path, card, config, lambda p: save_weights(p / "weights.safetensors", network))


def stack(shape=(1, 1, 100, 130), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def one(path: Path) -> Predictor:
    (only,) = load_model(path)
    return only


def image() -> Image:
    return Image(da.from_array(synthetic_cells((120, 150), 14, radius=11, seed=3)[0]), "YX")


def labels_of(events) -> np.ndarray:
    return np.asarray(next(e.labels for e in events if isinstance(e, Predicted)))


NETWORKS = {
    "lite0": (Smp(encoder="tu-tf_efficientnet_lite0", weights="none", width=16, detail=16), (1, 1, 100, 130)),
    "resnet18": (Smp(encoder="resnet18", weights="none", width=8), (2, 1, 96, 64)),
    "unet": (UNet(width=4), (1, 1, 37, 91)),
    "unet instance norm": (UNet(width=4, levels=2, norm="instance", gates=True), (1, 1, 20, 33)),
    "unet3d": (UNet3D(width=4), (1, 1, 5, 40, 52)),
}


# --- the same answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "shape"), NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_openvino_says_what_torch_says(tmp_path, model, shape, precision):
    predictor = one(folder(tmp_path, model, precision=precision))
    exact = replace(predictor.plain, device=choose("fp32")).probabilities(stack(shape))
    found = predictor.probabilities(stack(shape))
    assert predictor.runtime is not None, predictor.export.reason
    assert found.shape == exact.shape
    assert found.dtype == np.float32
    own = np.abs(predictor.plain.probabilities(stack(shape)) - exact).max()
    assert np.abs(found - exact).max() <= max(1e-4, 2 * own)


@pytest.mark.parametrize("target", [Distance(), Semantic(), Foreground()], ids=["sigmoid", "softmax", "one channel"])
def test_targets_and_channels(tmp_path, target):
    predictor = one(folder(tmp_path, target=target, channels=3))
    x = stack((1, 3, 50, 60))
    np.testing.assert_allclose(predictor.probabilities(x), predictor.plain.probabilities(x), atol=1e-5)
    assert predictor.runtime is not None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_tile_has_one_answer_whatever_came_before_and_beside_it(tmp_path, precision):
    predictor = one(folder(tmp_path, NETWORKS["resnet18"][0], precision=precision))
    tiles = stack((3, 1, 96, 128))
    first = predictor.probabilities(tiles)
    predictor.probabilities(stack((1, 1, 200, 64)))
    for k in (2, 0, 1):
        np.testing.assert_array_equal(predictor.probabilities(tiles[k : k + 1])[0], first[k])
    predictor.rest()
    np.testing.assert_array_equal(predictor.probabilities(tiles, budget=1.0), first)


@pytest.mark.parametrize("sizes", [(64, 64), (37, 91), (3, 100), (2, 5)])
def test_padding_is_that_of_torch(sizes):
    x = stack((1, 2, *sizes))
    np.testing.assert_array_equal(_runtime.padded(x, (16, 16)), padded_in_torch(torch.from_numpy(x), (16, 16)).numpy())


def test_what_a_plan_asks_is_what_torch_says(tmp_path):
    predictor = one(folder(tmp_path))
    assert predictor.reach == predictor.plain.reach
    assert predictor.bytes_per_voxel == pytest.approx(_export.MORE * predictor.plain.bytes_per_voxel)
    assert make_plan([predictor], (1, 300, 300), Predict()).bytes > 0


# --- the cache ------------------------------------------------------------------------------------


def count(monkeypatch) -> list[int]:
    """One entry for every conversion."""
    calls, convert = [], _export.convert
    monkeypatch.setattr(_export, "convert", lambda *a: calls.append(1) or convert(*a))
    return calls


def test_an_export_is_made_once_and_says_the_same_from_the_cache(tmp_path, cache, monkeypatch):
    path, calls = folder(tmp_path), count(monkeypatch)
    first = one(path).probabilities(stack())
    assert sorted(p.suffix for p in cache.iterdir()) == [".bin", ".json", ".xml"]
    again = one(path)
    np.testing.assert_array_equal(again.probabilities(stack()), first)
    assert len(calls) == 1
    assert again.source == path, "the network in torch was built although nobody needs it"
    np.testing.assert_allclose(again.network.eval()(torch.from_numpy(stack())).sigmoid().detach(), first, atol=1e-4)


DAMAGE = {
    "weights cut": lambda f: f[".bin"].write_bytes(f[".bin"].read_bytes()[:-8]),
    "weights changed": lambda f: f[".bin"].write_bytes(bytes(f[".bin"].stat().st_size)),
    "graph empty": lambda f: f[".xml"].write_text(""),
    "graph missing": lambda f: f[".xml"].unlink(),
    "facts not json": lambda f: f[".json"].write_text("{"),
    "facts of another version": lambda f: f[".json"].write_text('{"facts": {"strides": [], "other": 1}}'),
}


def test_a_projects_copy_of_a_base_model_finds_what_was_made_for_all_projects(tmp_path, cache):
    shipped, copy = folder(tmp_path / "package"), folder(tmp_path / "p" / "models")
    (tmp_path / "p" / "project.toml").touch()
    assert not is_exported(copy)
    make_exports(load_model(shipped))
    assert list(cache.glob("*.xml"))
    assert is_exported(shipped)
    assert is_exported(copy)
    assert not (tmp_path / "p" / "cache").exists()


def test_a_network_is_compiled_once_for_all_who_use_it(tmp_path):
    shipped, copy = folder(tmp_path / "package"), folder(tmp_path / "p" / "models")
    (tmp_path / "p" / "project.toml").touch()
    make_exports(load_model(shipped))
    first, second, other = one(shipped), one(copy), one(folder(tmp_path / "other", seed=1))
    assert first.runtime is second.runtime
    assert other.runtime is not first.runtime
    np.testing.assert_array_equal(first.probabilities(stack()), second.probabilities(stack()))
    name = first.export._base.name
    assert name in _runtime._COMPILED
    del first, second, other
    gc.collect()
    assert name not in _runtime._COMPILED, "nobody uses it"


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_export_is_made_anew(tmp_path, cache, monkeypatch, damage):
    path, calls = folder(tmp_path), count(monkeypatch)
    first = one(path).probabilities(stack())
    damage({p.suffix: p for p in cache.iterdir()})
    np.testing.assert_array_equal(one(path).probabilities(stack()), first)
    np.testing.assert_array_equal(one(path).probabilities(stack()), first)
    assert len(calls) == 2


def test_other_weights_precision_or_openvino_are_other_exports(tmp_path, cache, monkeypatch):
    for k, options in enumerate([{}, {"seed": 1}, {"precision": "bf16"}, {"model": UNet(width=2, levels=1)}]):
        assert one(folder(tmp_path / str(k), **options)).runtime is not None
        assert len(list(cache.glob("*.json"))) == k + 1
    monkeypatch.setattr(_runtime, "version", lambda: "of next year")
    assert one(folder(tmp_path / "later")).runtime is not None
    assert len(list(cache.glob("*.json"))) == 5


def test_few_exports_are_kept(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(_runtime, "KEPT", 2)
    for seed in range(3):
        assert one(folder(tmp_path / str(seed), seed=seed)).runtime is not None
    assert len(list(cache.iterdir())) == 6


def test_without_a_place_to_write_the_export_stays_in_memory(tmp_path, monkeypatch):
    path = folder(tmp_path)
    kept = one(path).probabilities(stack())
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # nothing can be made below a file
    predictor = one(path)
    np.testing.assert_array_equal(predictor.probabilities(stack()), kept)
    assert predictor.runtime is not None
    assert (tmp_path / "file").read_bytes() == b""


def test_exports_of_a_project_lie_in_its_cache(tmp_path):
    (tmp_path / "p" / "models").mkdir(parents=True)
    (tmp_path / "p" / "project.toml").touch()
    for below in ("v1", "v2/members/v1"):
        assert _runtime.cache_for(tmp_path / "p" / "models" / below) == tmp_path / "p" / "cache" / "runtime"


WITHOUT_TORCH = """
    import sys
    from pathlib import Path
    import numpy as np
    from napari_cellseg.config import Predict
    from napari_cellseg.prediction import load_model, make_plan
    (model,) = load_model(Path(sys.argv[1]))
    make_plan([model], (1, 300, 300), Predict())
    model.probabilities(np.zeros((1, 1, 64, 64), np.float32))
    found = [n for n in ("torch", "segmentation_models_pytorch", "openvino_telemetry") if sys.modules.get(n)]
    print(found, model.runtime is not None)
"""


@pytest.mark.skipif(processor() is None, reason="only torch can tell whether there is a GPU")
def test_with_an_export_nobody_waits_for_torch_and_nobody_is_told(tmp_path):
    path = folder(tmp_path, precision="auto")
    assert one(path).runtime is not None
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT_TORCH), str(path)], capture_output=True, text=True, timeout=1500
    )
    assert done.stdout.strip() == "[] True", done.stderr[-2000:]


def test_the_processor_is_the_one_that_torch_finds():
    assert processor() in (None, choose())
    assert processor("bf16") in (None, Device("cpu", True))


# --- torch instead --------------------------------------------------------------------------------


def fails(monkeypatch, how: str) -> None:
    """Make what is exported wrong, or impossible to convert."""
    forward = _export.Probabilities.forward

    def other(self, x):
        return torch.special.zeta(x, forward(self, x)) if how == "convert" else 1 - forward(self, x)

    monkeypatch.setattr(_export.Probabilities, "forward", other)


@pytest.mark.parametrize(("how", "reason"), [("convert", "cannot be converted"), ("differ", "other labels")])
def test_where_an_export_fails_torch_predicts_and_it_is_said_once(tmp_path, cache, monkeypatch, how, reason):
    path, calls = folder(tmp_path), count(monkeypatch)
    fails(monkeypatch, how)
    predictor = one(path)
    events = list(predict(image(), predictor))
    (notice,) = [e.text for e in events if isinstance(e, Notice)]
    assert reason in notice
    assert notice.startswith("Model m1 predicts with torch")
    np.testing.assert_array_equal(labels_of(events), labels_of(predict(image(), predictor.plain)))
    assert not [e for e in predict(image(), predictor) if isinstance(e, Notice)]
    later = one(path)
    assert later.runtime is None
    assert reason in later.export.reason
    assert len(calls) == 1, "what is known to fail is not tried again"
    assert [p.suffix for p in cache.iterdir()] == [".json"]
    with pytest.raises(CellsegError, match=reason):
        list(predict(image(), later, request=Request(options=Predict(runtime="openvino"))))


def test_running_out_of_memory_during_an_export_is_not_kept(tmp_path, cache, monkeypatch):
    def full(*_):
        raise RuntimeError("Failed to allocate 1 bytes of memory")

    path = folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(_export, "convert", full)
        assert one(path).runtime is None
    assert not list(cache.glob("*"))
    assert one(path).runtime is not None


def test_the_tolerance_decides(tmp_path, monkeypatch):
    predictor = one(folder(tmp_path))
    monkeypatch.setattr(_export, "TOLERANCE", -1.0)
    assert predictor.runtime is None
    assert predictor.export.reason == "0.00% of a trial would get other labels"


def test_it_can_be_switched_off_or_insisted_on(tmp_path, monkeypatch):
    predictor = one(folder(tmp_path))
    found = labels_of(predict(image(), predictor, request=Request(options=Predict(runtime="openvino"))))
    monkeypatch.setattr(_runtime.Runtime, "__call__", lambda *_: pytest.fail("OpenVINO was used"))
    plain = labels_of(predict(image(), predictor, request=Request(options=Predict(runtime="torch"))))
    assert ((found > 0) == (plain > 0)).mean() > 0.999
    assert replace(predictor).runtime is None, "a copy may be of another device"


def test_without_openvino_torch_predicts_and_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(_runtime, "version", lambda: "")
    predictor = one(folder(tmp_path))
    assert not [e for e in predict(image(), predictor) if isinstance(e, Notice)]
    assert predictor.runtime is None
    with pytest.raises(CellsegError, match="not installed"):
        predictor.through("openvino")
    monkeypatch.undo()
    bare = Predictor("x", fused(TINY.build(1, 2).eval()), predictor.config, predictor.card, choose())
    with pytest.raises(CellsegError, match="not read from a folder"):
        bare.through("openvino")
    assert "not on" in _runtime.obstacle(Device("mps", False))


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["[CPU] node 'x' Check 'ptr' failed\nFailed to allocate 52428800 bytes of memory\n", "std::bad_alloc"]
)
def test_openvino_may_run_out_of_memory(words):
    assert out_of_memory(RuntimeError(words))
    assert not out_of_memory(RuntimeError("shapes differ"))


OUT_OF_MEMORY = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from napari_cellseg.prediction import load_model
    (model,) = load_model(Path(sys.argv[1]))
    small = np.random.default_rng(0).random((1, 1, 256, 256), dtype=np.float32)
    expected = model.probabilities(small)
    used = int(open("/proc/self/statm").read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000,) * 2)
    large = model.probabilities(np.zeros((1, 1, 1536, 1536), np.float32))
    print(model.runtime is not None, large.shape, (model.probabilities(small) == expected).all(), model.limits)
"""


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space limits are Linux's")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_tile_that_does_not_fit_is_halved_and_later_ones_are_right(tmp_path, threads):
    path = folder(tmp_path, Smp(encoder="resnet18", weights="none"))
    assert one(path).runtime is not None
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OUT_OF_MEMORY), str(path)], capture_output=True, text=True, timeout=1500,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )  # fmt: skip
    if threads == 1 and done.returncode:  # OpenVINO then keeps what it took: said, and never an answer of another size
        assert "MemoryError" in done.stderr or "allocate" in done.stderr
        return
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("True (1, 2, 1536, 1536) True {'side': ")


def test_two_threads_may_ask_for_openvino_at_once():
    """The child prepares beside its jobs: a prediction must not find the library half imported."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor as Pool; from napari_cellseg.prediction import _runtime;\n"
        "with Pool(4) as pool: print(len({type(c).__name__ for c in pool.map(lambda _: _runtime.core(), range(8))}))"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "1", done.stderr[-500:]
