"""Pictures of masks: binary, with a palette, one per object, and what they become where there is one class."""

from __future__ import annotations

import re
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg import images
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.images import MasksFor, read_masks
from napari_cellseg.project import Project, labels_of_others

ONE = ("foreground",)


def pieces(value: float = 255, dtype: str = "uint8") -> np.ndarray:
    """Three pieces that do not touch."""
    mask = np.zeros((64, 64), dtype)
    for rows, columns in ((slice(4, 14), slice(4, 14)), (slice(30, 40), slice(30, 44)), (slice(50, 60), slice(5, 15))):
        mask[rows, columns] = value
    return mask


def written(folder: Path, values: np.ndarray, name: str = "m.tif") -> Path:
    if name.endswith(".npy"):
        np.save(folder / name, values)
    else:
        imageio.imwrite(folder / name, values)
    return folder / name


def project_with(folder: Path, *words: str, masks: Path | None = None, task: tuple[str, ...] = ()) -> np.ndarray:
    """Labels of a picture that was added with masks on the command line."""
    picture = folder / "i.tif"
    tifffile.imwrite(picture, np.random.default_rng(0).integers(0, 200, (64, 64)).astype(np.uint8))
    project = folder / "p.cellseg"
    assert main(["new", str(project), *task]) == 0
    assert main(["add", str(project), str(picture), *(["--labels", str(masks)] if masks else []), *words]) == 0
    with Project.open(project) as opened:
        labels, state = opened.load_labels("i")
    assert (state == 2).all()
    return labels


SEMANTIC = ("--task", "semantic")


@pytest.mark.parametrize(
    ("name", "value", "dtype"),
    [
        ("m.tif", 255, "uint8"), ("m.png", 255, "uint8"), ("m.png", 1, "uint8"), ("m.tif", 65535, "uint16"),
        ("m.npy", 1, "bool"),
    ],
)  # fmt: skip
def test_a_binary_mask_is_as_many_objects_as_it_has_pieces(tmp_path, capsys, name, value, dtype):
    labels = project_with(tmp_path, masks=written(tmp_path, pieces(value, dtype), name))
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(labels > 0, pieces() > 0)
    assert f"{name} has the values 0 and {value} only: its pieces that do not touch became 3 objects." in (
        capsys.readouterr().out
    )


def test_a_person_decides_whether_pieces_are_objects(tmp_path, capsys):
    whole = project_with(tmp_path, "--no-components", masks=written(tmp_path, pieces()))
    assert np.unique(whole).tolist() == [0, 255]
    mixed = pieces()
    mixed[0, 0] = 7
    for split, n in ((None, 2), (True, 4), (False, 2)):
        wanted = MasksFor((64, 64), split=split)
        assert len(np.unique(read_masks(written(tmp_path, mixed), wanted).labels)) == n + 1


def test_a_comparison_sees_binary_masks_as_they_would_be_added(tmp_path):
    labels = project_with(tmp_path, masks=written(tmp_path, pieces()))
    with Project.open(tmp_path / "p.cellseg") as project:
        record = project.image("i")
    (theirs,) = labels_of_others([tmp_path / "m.tif"], record).values()
    np.testing.assert_array_equal(theirs, labels)
    (theirs,) = labels_of_others([tmp_path / "m.tif"], record, ONE).values()
    np.testing.assert_array_equal(theirs, labels > 0)


def test_label_pictures_stay_as_they_are(tmp_path):
    """Also one object in several pieces, and one binary mask of one piece."""
    for values in (pieces(7), pieces(2), pieces() * (np.arange(64) > 20), np.zeros((64, 64), np.uint8)):
        masks = read_masks(written(tmp_path, values), MasksFor((64, 64)))
        np.testing.assert_array_equal(masks.labels, values)
        assert not masks.notes


def test_frames_are_split_one_by_one(tmp_path):
    stack = np.stack([pieces(), pieces() * (np.arange(64) < 20)])
    tifffile.imwrite(tmp_path / "t.tif", stack, imagej=True, metadata={"axes": "TYX"})
    labels = read_masks(tmp_path / "t.tif", MasksFor((64, 64), 2)).labels
    assert [frame.max() for frame in labels] == [3, 2]


# --- one class ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.tif", "m.png"])
@pytest.mark.parametrize("kind", ["0 and 255", "0 and 1", "instances"])
def test_whatever_is_above_0_is_the_only_class(tmp_path, capsys, name, kind):
    values = pieces(1 if kind == "0 and 1" else 255)
    if kind == "instances":
        values[30:40, 30:44], values[50:60, 5:15] = 9, 17
    labels = project_with(tmp_path, masks=written(tmp_path, values, name), task=SEMANTIC)
    np.testing.assert_array_equal(labels, pieces() > 0)
    told = capsys.readouterr().out
    assert ("all values above 0 are foreground (they go from 9 to 255)" in told) == (kind == "instances")


def test_one_bit_is_enough(tmp_path):
    from PIL import Image

    Image.fromarray(pieces() > 0).save(tmp_path / "m.png")
    np.save(tmp_path / "m.npy", pieces() > 0)
    for name in ("m.png", "m.npy"):
        np.testing.assert_array_equal(images.read_labels(tmp_path / name, classes=ONE), pieces() > 0)
        assert read_masks(tmp_path / name, MasksFor((64, 64))).labels.max() == 3
    np.save(tmp_path / "c.npy", pieces().astype(complex))
    for classes in ((), ONE):
        with pytest.raises(CellsegError, match="complex128, not masks"):
            images.read_labels(tmp_path / "c.npy", classes=classes)


@settings(max_examples=30, deadline=None)
@given(threshold=st.integers(0, 254), seed=st.integers(0, 99))
def test_a_threshold_is_a_threshold(tmp_path_factory, threshold, seed):
    values = np.random.default_rng(seed).integers(0, 256, (16, 16)).astype(np.uint8)
    path = written(tmp_path_factory.mktemp("m"), values)
    masks = read_masks(path, MasksFor((16, 16), classes=ONE, threshold=threshold))
    np.testing.assert_array_equal(masks.labels, values > threshold)
    split = read_masks(path, MasksFor((16, 16), threshold=threshold))
    np.testing.assert_array_equal(split.labels > 0, values > threshold)
    assert f"above {threshold} became" in split.notes[0]
    np.testing.assert_array_equal(images.read_labels(path, classes=ONE, threshold=threshold), masks.labels)


def test_threshold_on_the_command_line(tmp_path, capsys):
    soft = pieces()
    soft[:, :3] = 100
    masks = written(tmp_path, soft)
    labels = project_with(tmp_path, "--threshold", "128", masks=masks, task=SEMANTIC)
    np.testing.assert_array_equal(labels, pieces() > 0)
    probability = written(tmp_path, pieces(0.9, "float32") + np.float32(0.05), "p.npy")
    wanted = MasksFor((64, 64), classes=ONE, threshold=0.5)
    np.testing.assert_array_equal(read_masks(probability, wanted).labels, pieces() > 0)
    assert main(["new", str(tmp_path / "three.cellseg"), *SEMANTIC, "--classes", "a,b,c"]) == 0
    line = ["add", str(tmp_path / "three.cellseg"), str(tmp_path / "i.tif"), "--labels", str(masks)]
    assert main([*line, "--threshold", "9"]) == 2
    assert "A threshold makes one class, and this project has 3" in capsys.readouterr().err
    with Project.open(tmp_path / "three.cellseg") as project:
        assert not project.images()


def test_a_mask_that_says_all_or_nothing_is_told(tmp_path):
    for value, words in ((0, "no value is above 0 .the largest is 0"), (255, "every pixel is above 0")):
        path = written(tmp_path, np.full((16, 16), value, np.uint8))
        (note,) = read_masks(path, MasksFor((16, 16), classes=ONE)).notes
        assert re.search(words, note)
    np.save(tmp_path / "n.npy", np.full((16, 16), np.nan))
    with pytest.raises(CellsegError, match="not numbers"):
        read_masks(tmp_path / "n.npy", MasksFor((16, 16), classes=ONE))


def test_masks_of_other_tools_are_the_only_class_too(tmp_path):
    objects = pieces().astype(np.uint32)
    objects[30:40, 30:44] = 2
    for ending in ("roi.zip", "coco.json", "geojson", "tif"):
        path = images.write_labels(tmp_path / f"m.{ending}", objects)
        np.testing.assert_array_equal(images.read_labels(path, shape=(64, 64), classes=ONE), pieces() > 0)
    np.save(tmp_path / "m_seg.npy", {"masks": objects}, allow_pickle=True)
    np.testing.assert_array_equal(images.read_labels(tmp_path / "m_seg.npy", classes=ONE), pieces() > 0)


# --- one picture per object -----------------------------------------------------------------------


@pytest.fixture
def bowl(tmp_path) -> Path:
    """The layout of the 2018 Data Science Bowl, as it lies on a Mac."""
    folder = tmp_path / "0a1b"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
        (folder / name / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / name / "._x.png").write_bytes(b"\0\5\x16\7")
        (folder / name / "Thumbs.db").write_bytes(b"\xd0\xcf")
    imageio.imwrite(folder / "images" / "0a1b.png", np.random.default_rng(0).integers(0, 200, (64, 64), np.uint8))
    for k, (rows, columns) in enumerate(((slice(4, 20), slice(4, 14)), (slice(20, 40), slice(4, 14)))):
        mask = np.zeros((64, 64), np.uint8)
        mask[rows, columns] = 255
        imageio.imwrite(folder / "masks" / f"{k}.png", mask)
    return folder


@pytest.mark.parametrize("task", ["instance", "semantic"])
def test_a_folder_of_masks_is_objects_or_their_maximum(bowl, tmp_path, task):
    project = str(tmp_path / "p.cellseg")
    assert main(["new", project, "--task", task]) == 0
    assert main(["add", project, str(bowl)]) == 0
    with Project.open(project) as opened:
        labels, _ = opened.load_labels("0a1b")
    expected = np.zeros((64, 64), np.uint32)
    expected[4:20, 4:14], expected[20:40, 4:14] = 1, 2
    np.testing.assert_array_equal(labels, expected if task == "instance" else expected > 0)


def test_a_folder_of_masks_with_a_threshold_and_with_classes(bowl):
    soft = np.full((64, 64), 40, np.uint8)
    imageio.imwrite(bowl / "masks" / "2.png", soft)
    both = read_masks(bowl / "masks", MasksFor((64, 64), threshold=100))
    assert np.unique(both.labels).tolist() == [0, 1, 2]
    assert "1 of 3 masks are empty or covered" in both.notes[0]
    assert (images.merge_masks(bowl / "masks") == 3).all()
    with pytest.raises(CellsegError, match=r"0\.png does not say its class"):
        read_masks(bowl / "masks", MasksFor((64, 64), classes=("wall", "core")))
    for k, name in enumerate(("wall", "core", "core2")):
        (bowl / "masks" / f"{k}.png").rename(bowl / "masks" / f"{name}.png")
    (bowl / "masks" / "core2.png").unlink()
    labels = read_masks(bowl / "masks", MasksFor((64, 64), classes=("wall", "core"))).labels
    assert (labels[4:20, 4:14] == 1).all()
    assert (labels[20:40, 4:14] == 2).all()


# --- palettes -------------------------------------------------------------------------------------


def palette(path: Path, indices: np.ndarray, colours: list[tuple[int, int, int]]) -> Path:
    from PIL import Image

    picture = Image.fromarray(indices.astype(np.uint8), mode="P")
    picture.putpalette([value for colour in colours for value in colour])
    picture.save(path)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_the_indices_of_a_palette_are_the_numbers(tmp_path, ending):
    indices = pieces(1)
    indices[30:40, 30:44], indices[50:60, 5:15] = 2, 5
    colours = [(0, 0, 0), (200, 30, 30), (30, 200, 30), (0, 0, 0), (0, 0, 0), (220, 220, 0)]
    path = palette(tmp_path / f"m.{ending}", indices, colours)
    np.testing.assert_array_equal(read_masks(path, MasksFor((64, 64))).labels, indices)
    np.testing.assert_array_equal(read_masks(path, MasksFor((64, 64), classes=tuple("abcde"))).labels, indices)
    grey = palette(tmp_path / f"g.{ending}", indices, [(40 * k,) * 3 for k in range(6)])
    np.testing.assert_array_equal(images.read_labels(grey), indices)


def test_a_packed_black_and_white_mask_is_no_negative(tmp_path):
    """Programs that make pictures small may put white first."""
    path = palette(tmp_path / "m.png", 1 - pieces(1), [(255, 255, 255), (0, 0, 0)])
    np.testing.assert_array_equal(images.read_labels(path, classes=ONE), pieces(1))
