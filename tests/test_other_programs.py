"""Drafts by other programs: the way there and back, with a program of our own in an environment of its own.

The programs themselves are run where they are installed: CELLSEG_CELLPOSE and CELLSEG_STARDIST name the Python of an
environment that has them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.drafts import DRAFTS, DraftStopped, draft
from napari_cellseg.drafts.others import OTHERS, Cellpose, InstanSeg, OtherProgram, StarDist
from napari_cellseg.errors import CellsegError
from napari_cellseg.samples import synthetic_cells

ENVIRONMENTS = {kind: os.environ.get(f"CELLSEG_{kind.upper()}", "") for kind in ("cellpose", "stardist")}


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    return synthetic_cells((96, 128), 12, radius=11, seed=1)[0][None].astype(np.float32)


def made_environment(folder: Path) -> tuple[Path, Path]:
    """The interpreter and the library of a bare environment that finds our numpy."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    posix = os.name == "posix"
    library = next(folder.glob("lib/python*/site-packages")) if posix else folder / "Lib" / "site-packages"
    (library / "numpy.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return folder / ("bin/python" if posix else "Scripts/python.exe"), library


@pytest.fixture
def environment(tmp_path):
    """An environment of its own whose "cellpose" thresholds: a real interpreter, a real package, a real process."""
    python, library = made_environment(tmp_path / "env")

    def put(code: str, version: str = "3.1.1") -> str:
        package = library / "cellpose"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("")
        (package / "models.py").write_text(textwrap.dedent(code))
        about = library / f"cellpose-{version}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cellpose\nVersion: {version}\n")
        return str(python)

    return put


THRESHOLD = """
    import json, os, sys
    import numpy as np
    from scipy import ndimage as ndi

    class Cellpose:
        def __init__(self, gpu, model_type):
            self.model = model_type

        def eval(self, x, **options):
            said = {"model": self.model, "shape": x.shape, "path": os.environ.get("PYTHONPATH", ""), **options}
            print(json.dumps(said, default=str))
            labels, _ = ndi.label(x[..., 0] > x.mean() if options.get("channel_axis") else x > x.mean())
            return labels, [], [], 0.0

    class CellposeModel(Cellpose):
        def __init__(self, gpu, pretrained_model):
            self.model = pretrained_model
"""


def test_pixels_go_there_and_labels_come_back(environment, pixels, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/ours")  # must not reach another environment
    found = Cellpose(python=environment(THRESHOLD))(pixels)
    assert found.dtype == np.uint32
    assert found.shape == (96, 128)
    np.testing.assert_array_equal(found > 0, pixels[0] > pixels.mean())


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((1, 40, 50), {}),
        ((3, 40, 50), {"channel": 2}),
        ((2, 40, 50), {"channel": 1, "nuclei": 2}),
        ((1, 5, 40, 50), {}),
    ],
)
def test_every_shape_of_image(environment, shape, how):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    found = Cellpose(python=environment(THRESHOLD), **how)(image, (2.0, 1.0, 1.0)[-(len(shape) - 1) :])
    assert found.shape == shape[1:]
    assert found.any()


def test_what_fails_there_is_told_here(environment, pixels):
    broken = environment("class Cellpose:\n    def __init__(self, **k): raise OSError('no such model: cyto9')")
    with pytest.raises(CellsegError, match="no such model: cyto9") as error:
        Cellpose(python=broken)(pixels)
    assert "model=PATH" in error.value.hint
    lacking = environment("import something_that_is_not_there")
    with pytest.raises(CellsegError, match="something_that_is_not_there"):
        Cellpose(python=lacking)(pixels)
    dying = environment("import os\nos._exit(9)")
    with pytest.raises(CellsegError, match="9"):
        Cellpose(python=dying)(pixels)
    odd = environment("class Cellpose:\n    def __init__(self, **k): ...\n    def eval(self, x, **o): return [x[:5]]")
    with pytest.raises(CellsegError, match="shape"):
        Cellpose(python=odd)(pixels)
    with pytest.raises(CellsegError, match="2 channels"):
        Cellpose(python=environment(THRESHOLD), channel=7)(np.concatenate([pixels, pixels]))


@pytest.mark.parametrize("cls", OTHERS)
def test_where_it_is_not_installed_the_line_that_installs_it_is_told(cls, pixels, tmp_path):
    python, _ = made_environment(tmp_path / "bare")
    with pytest.raises(CellsegError, match=f"{cls.label()} is not installed") as error:
        cls(python=str(python))(pixels)
    assert f"pip install {cls.needs}" in error.value.hint
    with pytest.raises(CellsegError, match="There is no Python"):
        cls(python=str(tmp_path / "nowhere"))(pixels)


def test_stopping_ends_the_program_and_its_children(environment, pixels, tmp_path):
    note = tmp_path / "children"
    code = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(note)!r}, "w").write(str(child.pid))
        time.sleep(600)
    """
    stop = threading.Event()
    threading.Thread(target=lambda: (_wait(note.is_file), stop.set()), daemon=True).start()
    with pytest.raises(DraftStopped):
        Cellpose(python=environment(code)).stoppable(pixels, None, stop.is_set)
    child = int(note.read_text() or 0)
    assert _wait(lambda: not _alive(child))


def _wait(until) -> bool:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if until():
            return True
        time.sleep(0.05)
    return False


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.is_file() and "State:\tZ" not in status.read_text()


@pytest.mark.parametrize("cls", OTHERS)
def test_they_are_drafts_like_others(cls):
    assert DRAFTS[cls().kind] is cls
    assert issubclass(cls, OtherProgram)
    assert cls().instances
    assert not cls().gives


# --- the programs themselves --------------------------------------------------------------------------


def interpreter(kind: str) -> str:
    if not ENVIRONMENTS[kind]:
        pytest.skip(f"CELLSEG_{kind.upper()} names no Python that has {kind}")
    return ENVIRONMENTS[kind]


def ask(python: str, code: str) -> None:
    subprocess.run([python, "-c", textwrap.dedent(code)], check=True, capture_output=True)


@pytest.mark.slow
def test_cellpose_itself(pixels, tmp_path):
    """A network with random weights: what it finds is nothing, how it is asked is everything."""
    python, model = interpreter("cellpose"), tmp_path / "random"
    ask(
        python,
        f"""
        from cellpose.resnet_torch import CPnet
        CPnet([2, 32, 64, 128, 256], 3, 3).save_model({str(model)!r})
        """,
    )
    how = {"python": python, "model": str(model), "diameter": 30, "cellprob_threshold": -6, "flow_threshold": 0}
    assert draft(Cellpose(**how), pixels).labels.shape == (96, 128)
    two = np.concatenate([pixels, pixels])
    assert Cellpose(**how, channel=1, nuclei=2)(two).shape == (96, 128)
    volume = np.repeat(pixels[:, None], 4, axis=1)
    for way in ("planes", "slices"):
        assert Cellpose(**how, volume=way)(volume, (2.0, 1.0, 1.0)).shape == (4, 96, 128)


@pytest.mark.slow
@pytest.mark.parametrize("deep", [False, True])
def test_stardist_itself(pixels, tmp_path, deep):
    python, model = interpreter("stardist"), tmp_path / "random"
    kind = "3D" if deep else "2D"
    small = "grid=(1, 2, 2)" if deep else "n_rays=16, net_conv_after_unet=16"
    ask(
        python,
        f"""
        from stardist.models import Config{kind}, StarDist{kind}
        made = StarDist{kind}(Config{kind}(unet_n_depth=1, unet_n_filter_base=8, {small}), name="random",
            basedir={str(tmp_path)!r})
        made.keras_model.save_weights({str(model / "weights_best.weights.h5")!r})
        """,
    )
    volume = np.repeat(pixels[:, None], 8, axis=1)
    method = StarDist(python=python, model=str(model), probability=0.6)
    assert method(volume).shape == (8, 96, 128)
    if deep:
        with pytest.raises(CellsegError, match="model for volumes"):
            method(pixels)
    else:
        assert method(pixels).shape == (96, 128)


def test_pixel_sizes_are_told():
    assert InstanSeg().request((0.5, 0.25, 0.25)) == {"pixel_size": 0.25}
    assert InstanSeg().request(None) == {"pixel_size": None}
    assert Cellpose().request((2.0, 0.5, 0.5)) == {"anisotropy": 4.0}
    assert Cellpose().request((0.5, 0.5)) == {"anisotropy": 1.0}
