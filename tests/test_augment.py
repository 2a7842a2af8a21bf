"""Variants on disk: pictures and masks change alike, and the same seed gives the same files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two pictures: grey values are the numbers of the objects times ten."""
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("a", (70, 100)), ("b", (32, 40))):
        labels = np.kron(rng.integers(0, 6, (-(-shape[0] // 8), -(-shape[1] // 8))), np.ones((8, 8), int))
        labels = labels[: shape[0], : shape[1]].astype(np.uint8)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", labels * 10 + 50)
        tifffile.imwrite(tmp_path / "masks" / f"{name}.tif", labels)
    return tmp_path


def written(folder: Path) -> dict[str, np.ndarray]:
    return {str(p.relative_to(folder)): tifffile.imread(p) for p in sorted(folder.rglob("*.tif"))}


def test_every_patch_has_so_many_variants_with_masks_beside_them(folder):
    done = cs.augment(folder / "images", folder / "masks", out=folder / "out", patch=32, variants=4)
    assert (done.images, done.variants) == (2, (2 * 3 + 1) * 4)
    files = written(folder / "out")
    assert len(files) == 2 * done.variants
    assert {v.shape for v in files.values()} == {(32, 32)}
    assert {v.dtype for k, v in files.items() if k.startswith("images")} == {np.dtype(np.uint8)}
    rows = list(csv.DictReader((folder / "out" / "variants.csv").open()))
    assert {r["file"] for r in rows} == {Path(k).name for k in files}
    assert {(r["row"], r["column"]) for r in rows if r["image"] == "a"} == {
        (str(y), str(x)) for y in (0, 32) for x in (0, 32, 64)
    }


def test_masks_go_with_their_pictures(folder):
    cs.augment(folder / "images", folder / "masks", out=folder / "out", patch=32, settings={"chance": 0}, variants=12)
    files = written(folder / "out")
    for name, image in files.items():
        if name.startswith("images"):
            mask = files[name.replace("images", "masks")]
            assert set(np.unique(mask)) <= set(range(6)), "nearest neighbour invents no number"
            assert (np.abs(image.astype(int) - 50 - 10 * mask.astype(int)) <= 5).mean() > 0.75


def test_the_same_seed_gives_the_same_files_and_another_does_not(folder):
    options = {"patch": 32, "variants": 3}
    for n, seed in enumerate((7, 7, 8)):
        cs.augment(folder / "images", folder / "masks", out=folder / f"o{n}", seed=seed, **options)
    first, again, other = (written(folder / f"o{n}") for n in range(3))
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert any(not np.array_equal(first[k], other[k]) for k in first)


def test_deep_pictures_colours_and_volumes_keep_their_kind(tmp_path):
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "deep.tif", rng.integers(1000, 3000, (40, 40)).astype(np.uint16))
    tifffile.imwrite(tmp_path / "rgb.tif", rng.integers(0, 255, (40, 48, 3)).astype(np.uint8), photometric="rgb")
    tifffile.imwrite(
        tmp_path / "v.tif", rng.random((5, 40, 40)).astype(np.float32), metadata={"axes": "ZYX"}, imagej=True
    )
    for name, shape, dtype in (("deep", (40, 40), "u2"), ("rgb", (40, 40, 3), "u1"), ("v", (5, 40, 40), "f4")):
        cs.augment(tmp_path / f"{name}.tif", out=tmp_path / name, variants=3)
        files = written(tmp_path / name)
        assert len(files) == 3
        for values in files.values():
            assert (values.shape, values.dtype) == (shape, np.dtype(dtype))
        if name == "deep":
            assert all(500 < v.mean() < 3500 for v in files.values())


def test_the_command_line_makes_the_same_and_binary_masks(folder, capsys):
    cs.augment(folder / "images", folder / "masks", out=folder / "p", patch=32, variants=2, binary=2)
    command = ["augment", str(folder / "images"), "--labels", str(folder / "masks"), "--out", str(folder / "c")]
    assert main([*command, "--patch", "32", "--variants", "2", "--binary", "2"]) == 0
    assert "14 variants of 2 images" in capsys.readouterr().out
    one, two = written(folder / "p"), written(folder / "c")
    assert all(np.array_equal(one[k], two[k]) for k in one)
    assert {int(v) for k, m in two.items() if k.startswith("masks") for v in np.unique(m)} <= {0, 255}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variants": 0}, "a variant at least"),
        ({"scheme": "wild"}, "no augmentation 'wild'"),
        ({"settings": {"x": 1}}, "x"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_written(folder, options, said):
    with pytest.raises(CellsegError, match=said):
        cs.augment(folder / "images", folder / "masks", out=folder / "out", **options)
    assert not (folder / "out").exists()


def test_nothing_is_written_over_and_a_damaged_picture_is_left_out(folder):
    with pytest.raises(CellsegError, match="holds something"):
        cs.augment(folder / "images", out=folder / "masks")
    (folder / "images" / "c.tif").write_bytes(b"no picture at all")
    done = cs.augment(folder / "images", out=folder / "out", patch=32, variants=1)
    assert [s.image for s in done.left_out] == ["c"]
    assert done.variants == 7


def test_somebody_may_end_it(folder):
    asked = []
    done = cs.augment(folder / "images", out=folder / "out", patch=32, stop=lambda: len(asked) > 4 or asked.append(1))
    assert done.stopped
    assert done.variants == 5
    assert len(list(csv.DictReader((folder / "out" / "variants.csv").open()))) == 5
