"""What other packages add by entry points: a package as pip would lay it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

MODULE = '''
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from napari_cellseg.extensions import DraftMethod, ModelBase


class Plain(ModelBase):
    """Three convolutions, one after another."""

    kind: Literal["plain"] = "plain"
    width: int = Field(8, ge=1, le=64, description="Features of a layer.")

    @property
    def stride(self):
        return (1, 1, 1)

    def build(self, in_channels, out_channels):
        from torch import nn

        first = nn.Conv2d(in_channels, self.width, 3, padding=1)
        second = nn.Conv2d(self.width, self.width, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Conv2d(self.width, out_channels, 1))


class Halves(DraftMethod):
    """The left half is an object, the right half another."""

    kind: Literal["halves"] = "halves"

    def __call__(self, pixels, spacing=None):
        labels = np.ones(pixels.shape[1:], np.uint32)
        labels[..., labels.shape[-1] // 2 :] = 2
        return labels


class Taken(ModelBase):
    """Has the name of one of ours."""

    kind: Literal["unet"] = "unet"


def read_raw(path):
    height, width = (int(n) for n in path.stem.split("_")[-1].split("x"))
    return np.fromfile(path, np.uint8).reshape(height, width), "YX", (0.5, 0.25)
'''
POINTS = """
[napari_cellseg.networks]
plain = made_elsewhere:Plain
taken = made_elsewhere:Taken
gone = made_elsewhere:Gone
function = made_elsewhere:read_raw

[napari_cellseg.drafts]
halves = made_elsewhere:Halves
network = made_elsewhere:Plain

[napari_cellseg.readers]
raw8 = made_elsewhere:read_raw
number = made_elsewhere:__name__
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with an installed package that announces what is good and what is not."""
    folder = tmp_path / "site"
    info = folder / "made_elsewhere-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    (folder / "made_elsewhere.py").write_text(MODULE)
    return folder


def python(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package installed."""
    before = os.environ.get("PYTHONPATH")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(package), *([before] if before else [])])}
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=1500)


def cli(package: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return python(package, "-m", "napari_cellseg.cli", *map(str, arguments))


def test_good_ones_are_there_and_bad_ones_are_told(package: Path):
    code = """
        import json, sys
        from napari_cellseg.models import MODELS
        from napari_cellseg.drafts import DRAFTS
        from napari_cellseg.config import Config
        from napari_cellseg.images import endings
        from napari_cellseg.extensions import problems

        config = Config().with_values(["model.kind=plain", "model.width=5"])
        print(json.dumps({
            "models": [m.__name__ for m in MODELS], "drafts": list(DRAFTS), "endings": endings(),
            "width": config.model.width, "again": Config.model_validate(config.model_dump()).model.width,
            "networks": problems("networks"), "draft": problems("drafts"), "readers": problems("readers"),
            "torch": "torch" in sys.modules,
        }))
    """
    done = python(package, "-c", textwrap.dedent(code))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["models"].count("Plain") == 1
    assert "Taken" not in found["models"]
    others = ["cellpose", "stardist", "instanseg", "micro_sam"]
    assert found["drafts"] == ["otsu", "blobs", "hela", *others, "halves", "forest"]
    assert ".raw8" in found["endings"]
    assert (found["width"], found["again"]) == (5, 5)
    assert not found["torch"]
    for text, name, why in (
        ("networks", "taken", "the kind 'unet' is taken by UNet"), ("networks", "gone", "AttributeError"),
        ("networks", "function", "no class derived from ModelBase"), ("draft", "network", "derived from DraftMethod"),
        ("readers", "number", "cannot be called"),
    ):  # fmt: skip
        assert f"made-elsewhere announces {name!r}" in found[text]
        assert why in found[text]


def test_the_whole_way_with_a_network_a_draft_and_a_format_of_another_package(package: Path, tmp_path: Path):
    pixels, labels = synthetic_cells((64, 96), 8, radius=8, seed=1)
    picture, truth = tmp_path / "field_64x96.raw8", tmp_path / "truth.npy"
    np.clip(pixels / pixels.max() * 255, 0, 255).astype(np.uint8).tofile(picture)
    np.save(truth, labels)
    drafted, trained = tmp_path / "drafted.cellseg", tmp_path / "trained.cellseg"
    small = ("--set", "model.kind=plain", "--set", "train.steps=4", "--set", "train.patch=32")
    for arguments in (
        ("new", drafted, "--model", "none"), ("add", drafted, picture), ("draft", drafted, "--method", "halves"),
        ("new", trained, "--model", "none"), ("add", trained, picture, "--labels", truth),
        ("train", trained, "--keep", "yes", *small),
        ("predict", "--model", trained / "models" / "v1", picture, "--out", tmp_path / "out"),
    ):  # fmt: skip
        done = cli(package, *arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    with Project.open(drafted) as project:  # labels are read without the package
        found, _ = project.load_labels(project.images()[0].id)
    assert (found[5, 5], found[5, 90]) == (1, 2)
    config = tomllib.loads((trained / "models" / "v1" / "config.toml").read_text())
    assert config["model"] == {"kind": "plain", "width": 8}
    code = "import sys; from napari_cellseg.images import read; print(read(sys.argv[1]).spacing_um)"
    assert python(package, "-c", code, str(picture)).stdout.strip() == "(0.5, 0.25)"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_without_the_package_the_message_says_what_is_missing(package: Path, tmp_path: Path):
    picture = tmp_path / "field_64x96.raw8"
    picture.write_bytes(b"\0" * 64 * 96)
    assert cli(package, "new", tmp_path / "p").returncode == 0
    done = cli(tmp_path, "add", tmp_path / "p.cellseg", picture)
    assert done.returncode == 2
    assert "has a format that cannot be read" in done.stderr
    done = cli(package, "draft", tmp_path / "p.cellseg", "--method", "network")
    assert done.returncode == 2
    assert "There is no method 'network'" in done.stderr
    assert "made-elsewhere announces 'network'" in done.stderr
