"""Outlines as other tools write them: what their makers meant, or a reason."""

from __future__ import annotations

import contextlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.images import Masks, MasksFor, _outlines, read_labels, read_masks, write_labels
from napari_cellseg.project import Project, labels_of_others, masks_for_image

SHAPE = (64, 64)


def ring(y0: float, y1: float, x0: float, x1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def box(y0: int, y1: int, x0: int, x1: int, id: int = 1, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    labels = np.zeros(shape, np.uint32)
    labels[..., y0:y1, x0:x1] = id
    return labels


def taken(path: Path, shape: tuple[int, ...] = SHAPE, **more: object) -> Masks:
    return read_masks(path, MasksFor(shape, **more))


# --- GeoJSON --------------------------------------------------------------------------------------


def feature(corners: list[list[float]], **properties: object) -> dict:
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [corners]}, "properties": properties}


def geojson(folder: Path, *features: dict) -> Path:
    path = folder / "q.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@given(
    y=st.integers(0, 40), x=st.integers(0, 40), height=st.integers(1, 20), width=st.integers(1, 20),
    closed=st.booleans(), turned=st.booleans(), start=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_ring_is_the_same_open_or_closed(tmp_path_factory, y, x, height, width, closed, turned, start):
    corners = ring(y, y + height, x, x + width)
    corners = (corners[::-1] if turned else corners)[start:] + (corners[::-1] if turned else corners)[:start]
    path = geojson(tmp_path_factory.mktemp("g"), feature(corners + corners[:1] * closed))
    np.testing.assert_array_equal(taken(path).labels, box(y, y + height, x, x + width))


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("said", ["objectType", "id"])
def test_a_region_of_qupath_is_no_object(tmp_path, last, said):
    """The annotation in which cells were detected; in older files the id says what an object is."""
    region = feature(ring(0, 64, 0, 64), **({"objectType": "annotation"} if said == "objectType" else {}))
    if said == "id":
        region["id"] = "PathAnnotationObject"
    cells = [feature(ring(10, 30, 10, 40), objectType="cell"), feature(ring(40, 50, 60, 70), objectType="cell")]
    masks = taken(geojson(tmp_path, *([*cells, region] if last else [region, *cells])))
    np.testing.assert_array_equal(masks.labels > 0, box(10, 30, 10, 40) + box(40, 50, 60, 70) > 0)
    assert np.unique(masks.labels).tolist() == [0, 1, 2]
    assert "1 annotation that contains other objects was taken for their region and left out" in masks.notes[1]
    assert "1 outline reaches over the border" in masks.notes[0]


def test_annotations_without_anything_in_them_are_objects(tmp_path):
    """Drawn by hand: side by side, twice the same, and one inside another, which then is a region."""
    one, two = ring(5, 15, 5, 15), ring(5, 15, 30, 45)
    draw = [feature(corners, objectType="annotation") for corners in (one, two)]
    assert np.unique(taken(geojson(tmp_path, *draw)).labels).tolist() == [0, 1, 2]
    twice = taken(geojson(tmp_path, draw[0], draw[0]))
    assert (twice.labels > 0).sum() == 100
    assert "1 object is smaller than a pixel or covered by others" in twice.notes[-1]
    inside = taken(geojson(tmp_path, feature(ring(0, 20, 0, 50), objectType="annotation"), *draw))
    np.testing.assert_array_equal(inside.labels, box(5, 15, 5, 15) + box(5, 15, 30, 45, 2))


def test_thousands_of_annotations_are_not_compared_with_each_other(tmp_path, monkeypatch):
    """Only what has something in it is looked at, and only with what lies near."""
    turn = np.linspace(0, 2 * np.pi, 400)
    round_ = np.stack([1000 + 995 * np.cos(turn), 1000 + 995 * np.sin(turn)], 1).tolist()
    cells = [
        feature(ring(y, y + 12, x, x + 12), objectType="annotation")
        for y in range(500, 1500, 20)
        for x in range(500, 1500, 20)
    ]
    path = geojson(tmp_path, *cells, feature(round_, objectType="annotation"))
    compared, holds = [], _outlines._Piece.holds
    monkeypatch.setattr(_outlines._Piece, "holds", lambda self, other: compared.append(other) or holds(self, other))
    masks = taken(path, (2000, 2000))
    assert len(compared) < 10
    assert len(np.unique(masks.labels)) == 2501
    assert "1 annotation that contains" in masks.notes[0]


def test_nothing_hides_what_is_smaller(tmp_path):
    """A nucleus in its cell, whatever comes first; an annotation of a class of the project is that class."""
    cell, nucleus = ring(10, 40, 10, 40), ring(20, 30, 20, 30)
    for corners in ((cell, nucleus), (nucleus, cell)):
        masks = taken(geojson(tmp_path, *[feature(c, objectType="detection") for c in corners]))
        assert sorted((masks.labels == k).sum() for k in (1, 2)) == [100, 800]
        assert "1 outline lies over larger ones" in masks.notes[0]
    tumour = feature(cell, objectType="annotation", classification={"name": "Tumor"})
    spot = feature(nucleus, objectType="annotation", classification={"name": "Necrosis"})
    path = geojson(tmp_path, spot, tumour)
    labels = taken(path, classes=("Tumor", "Necrosis")).labels
    np.testing.assert_array_equal(labels, box(10, 40, 10, 40) + box(20, 30, 20, 30))
    unnamed = geojson(tmp_path, spot, feature(ring(0, 64, 0, 64), objectType="annotation"))
    np.testing.assert_array_equal(taken(unnamed, classes=("Tumor", "Necrosis")).labels, box(20, 30, 20, 30, 2))


@pytest.mark.parametrize(
    ("classification", "classes", "number"),
    [
        ({"names": ["Tumor", "Positive"]}, ("Stroma", "Tumor"), 2),
        ({"names": ["Tumor", "Positive"]}, ("Tumor", "Tumor: Positive"), 2),
        ({"name": "Tumor: Positive"}, ("Tumor:Positive", "Tumor"), 1),
        ({"name": "Tumor: Positive"}, ("Negative", "Positive"), 2),
        ({"name": "tumor"}, ("Stroma", "Tumor"), 2),
        ({"name": "a"}, ("A", "a"), 2),
        ("Tumor", ("Stroma", "Tumor"), 2),
        ({"names": ["Immune cells"]}, ("Stroma", "Tumor"), None),
    ],
)
def test_derived_classes_are_classes(tmp_path, classification, classes, number):
    path = geojson(tmp_path, feature(ring(1, 9, 1, 9), classification=classification))
    if number is None:
        with pytest.raises(CellsegError, match="Immune cells"):
            taken(path, classes=classes)
    else:
        assert taken(path, classes=classes).labels.max() == number


def test_all_of_a_file_is_the_only_class(tmp_path):
    path = geojson(tmp_path, feature(ring(1, 9, 1, 9), classification={"name": "Cell"}), feature(ring(20, 30, 1, 9)))
    masks = taken(path, classes=("foreground",))
    np.testing.assert_array_equal(masks.labels, box(1, 9, 1, 9) + box(20, 30, 1, 9))
    assert "only class here, foreground" in masks.notes[0]
    with pytest.raises(CellsegError, match="without a class"):
        taken(path, classes=("Cell",))  # one of them is named, so the other is something else


def test_planes_of_geojson_are_slices_and_frames(tmp_path):
    features = []
    for t in range(3):
        one = feature(ring(5, 15, 5 + t, 15 + t))
        one["geometry"]["plane"] = {"c": -1, "z": 0, "t": t}
        features.append(one)
    path = geojson(tmp_path, *features)
    for shape, frames in ((SHAPE, 3), ((3, *SHAPE), 1)):
        labels = taken(path, shape, frames=frames).labels
        assert labels.shape == (3, *SHAPE)
        assert [np.flatnonzero(plane.any(0))[0] for plane in labels] == [5, 6, 7]
    with pytest.raises(CellsegError, match="3 frames"):
        taken(path)


# --- COCO -----------------------------------------------------------------------------------------


def annotation(image: object, y: int, **more: object) -> dict:
    return {"image_id": image, "category_id": 1, "segmentation": [[10, y, 40, y, 40, y + 20, 10, y + 20]], **more}


def entry(id: object, name: str, side: object = 64) -> dict:
    return {"id": id, "width": side, "height": side, "file_name": name}


def coco(folder: Path, images: list, annotations: list, encoding: str = "utf-8") -> Path:
    path = folder / "c.json"
    data = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}
    path.write_text(json.dumps(data), encoding=encoding)
    return path


@pytest.mark.parametrize("name", ["j.tif", "J.png", "j"])
@pytest.mark.parametrize("listed", ["j.tif", "train/j.tif", "C:\\data\\j.tif"])
def test_of_many_images_the_one_of_this_name_counts(tmp_path, name, listed):
    images = [entry(1, "i.tif", 900), entry(2, listed), entry(3, "k.tif", 900)]
    path = coco(tmp_path, images, [annotation(1, 10), annotation(2, 40), annotation(3, 10), annotation(3, 30)])
    masks = taken(path, name=name)
    np.testing.assert_array_equal(masks.labels, box(40, 60, 10, 40))
    assert not masks.notes
    for other, words in (("x.tif", "none is called x.tif"), ("", "holds masks of 3 images")):
        with pytest.raises(CellsegError, match=words):
            taken(path, name=other)


def test_the_exact_name_comes_first_and_two_of_one_name_are_refused(tmp_path):
    path = coco(tmp_path, [entry(1, "a/i.png"), entry(2, "a/i.tif")], [annotation(1, 10), annotation(2, 40)])
    np.testing.assert_array_equal(taken(path, name="i.tif").labels, box(40, 60, 10, 40))
    path = coco(tmp_path, [entry(1, "a/i.tif"), entry(2, "b/i.tif")], [annotation(1, 10)])
    with pytest.raises(CellsegError, match="2 images called i.tif"):
        taken(path, name="i.tif")


def test_an_image_that_is_listed_without_masks_is_background(tmp_path):
    path = coco(tmp_path, [entry(1, "i.tif"), entry(2, "j.tif")], [annotation(1, 10)])
    masks = taken(path, name="j.tif")
    assert not masks.labels.any()
    assert "all of it is background" in masks.notes[0]


def test_a_picture_under_another_name_is_told(tmp_path):
    masks = taken(coco(tmp_path, [entry(1, "old.png")], [annotation(1, 10)]), name="new.tif")
    assert "made on a picture called old.png" in masks.notes[0]


BAD_COCO = [
    pytest.param([entry(1, "o.tif", 128)], [annotation(1, 20)], "128 wide and 128 high.*64 wide", id="other-size"),
    pytest.param([entry(1, "i.tif")], [annotation(1, 100)], "outside the image.*y 110.*64 wide", id="outside"),
    pytest.param([entry(1, "i.tif")], [annotation(1, 5), annotation(99, 40)], "images 99.*not list", id="unknown"),
    pytest.param([], [annotation(1, 5), annotation(2, 40)], "images 1, 2", id="no-list-of-images"),
    pytest.param([entry(1, "i.tif")], [annotation(1, 5, segmentation=[])], "no outlines", id="boxes-only"),
    pytest.param([entry(1, "i.tif")], [annotation(1, float("nan"))], "coordinate nan", id="nan"),
    pytest.param([entry(1, "i.tif")], [annotation(1, 1e300)], r"coordinate 1e\+300", id="far-away"),
    pytest.param([entry(1, "i.tif")], [annotation(1, float("inf"))], "coordinate inf", id="infinite"),
    pytest.param([entry(1, "i.tif")], [annotation(1, 1, segmentation=[["a"] * 6])], "cannot be read", id="text"),
    pytest.param(
        [entry(1, "i.tif")], [annotation(1, 1, segmentation={"size": [64, 64], "counts": "o" * 10**6})], "too long",
        id="endless-run",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("images", "annotations", "words"), BAD_COCO)
def test_what_does_not_belong_here_is_refused_with_numbers(tmp_path, images, annotations, words):
    with pytest.raises(CellsegError, match=words) as caught:
        taken(coco(tmp_path, images, annotations), name="i.tif")
    assert caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_any_encoding_and_numbers_as_text(tmp_path, encoding):
    images = [entry("1", "細胞.tif", "64")]
    path = coco(tmp_path, images, [annotation(1, 10, label="細胞", id="a7"), annotation("1", 40, label="3")], encoding)
    labels = taken(path, name="細胞.tif").labels
    assert np.unique(labels).tolist() == [0, 3, 4]
    assert (labels[40:60, 10:40] == 3).all()
    other = path.with_suffix(".geojson")
    other.write_text(json.dumps(feature(ring(1, 5, 1, 5), label="7")), encoding=encoding)
    assert taken(other).labels.max() == 7


def test_a_series_has_one_coco_image_per_frame(tmp_path):
    images = [entry(k, f"t{k}.png") for k in (5, 6, 7)]
    path = coco(tmp_path, images, [annotation(k, 5 * (k - 4)) for k in (5, 6, 7)])
    labels = taken(path, frames=3).labels
    assert [np.flatnonzero(frame.any(1))[0] for frame in labels] == [5, 10, 15]
    with pytest.raises(CellsegError, match="3 images, and the image has 4 planes"):
        taken(path, (4, *SHAPE))


def test_one_coco_file_for_all_images_of_a_command(tmp_path, capsys):
    for k, name in enumerate("ij"):
        pixels = np.random.default_rng(k).integers(0, 200, SHAPE).astype(np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
    path = coco(tmp_path, [entry(1, "i.tif"), entry(2, "j.tif")], [annotation(1, 10), annotation(2, 40)])
    project = str(tmp_path / "p.cellseg")
    assert main(["new", project]) == 0
    pictures = [str(tmp_path / name) for name in ("j.tif", "i.tif")]
    assert main(["add", project, *pictures, "--labels", str(path)]) == 0
    alone = geojson(tmp_path, feature(ring(1, 9, 1, 9))).rename(tmp_path / "q.json")
    for other in (alone, coco(tmp_path, [entry(1, "i.tif")], [annotation(1, 10)]), tmp_path / "none.json"):
        assert main(["add", project, *pictures, "--labels", str(other)]) == 2  # masks of one image
        assert "2 images but 1 labels" in capsys.readouterr().err
    with Project.open(project) as opened:
        np.testing.assert_array_equal(opened.load_labels("i")[0], box(10, 30, 10, 40))
        np.testing.assert_array_equal(opened.load_labels("j")[0], box(40, 60, 10, 40))


def test_what_a_json_file_holds_counts_more_than_its_name(tmp_path):
    """Older versions of QuPath write GeoJSON as .json."""
    path = geojson(tmp_path, feature(ring(1, 9, 1, 9))).rename(tmp_path / "q.json")
    np.testing.assert_array_equal(taken(path).labels, box(1, 9, 1, 9))
    path = coco(tmp_path, [entry(1, "i.tif")], [annotation(1, 10)]).rename(tmp_path / "c.geojson")
    np.testing.assert_array_equal(taken(path).labels, box(10, 30, 10, 40))
    for content in ({"shapes": []}, [1, 2], "text", 7, None):
        (tmp_path / "l.json").write_text(json.dumps(content))
        with pytest.raises(CellsegError, match="neither COCO nor GeoJSON"):
            taken(tmp_path / "l.json")


# --- ImageJ ---------------------------------------------------------------------------------------


def square(at: int, **more: int) -> bytes:
    corners = np.array([[5, 5 + at], [15, 5 + at], [15, 15 + at], [5, 15 + at]])
    return roifile.ImagejRoi.frompoints(corners, **more).tobytes()


def rois(folder: Path, *contents: bytes) -> Path:
    with zipfile.ZipFile(folder / "r.zip", "w") as archive:
        for k, content in enumerate(contents):
            archive.writestr(f"{k}.roi", content)
    return folder / "r.zip"


def rows(labels: np.ndarray) -> list[int]:
    """The first row of each plane that has labels; -1 where none has."""
    planes = labels.reshape(-1, *labels.shape[-2:])
    return [int(np.flatnonzero(plane.any(1))[0]) if plane.any() else -1 for plane in planes]


@pytest.mark.parametrize("letter", ["t", "z", "position"])
@pytest.mark.parametrize(("shape", "frames"), [((4, *SHAPE), 1), (SHAPE, 4)])
def test_positions_are_slices_or_frames_whatever_the_stack_was_opened_as(tmp_path, letter, shape, frames):
    path = rois(tmp_path, *[square(k, **{letter: k}) for k in range(4)])
    masks = taken(path, shape, frames=frames)
    assert rows(masks.labels) == [5, 6, 7, 8]
    assert np.unique(masks.labels).tolist() == [0, 1, 2, 3, 4]


def test_slices_of_frames(tmp_path):
    places = [(t, z) for t in range(2) for z in range(3)]
    hyper = rois(tmp_path, *[square(3 * t + z, t=t, z=z) for t, z in places])
    assert rows(taken(hyper, (3, *SHAPE), frames=2).labels) == [5, 6, 7, 8, 9, 10]
    plain = rois(tmp_path, *[square(k, position=k) for k in range(6)])
    assert rows(taken(plain, (3, *SHAPE), frames=2).labels) == [5, 6, 7, 8, 9, 10]
    same = rois(tmp_path, *[square(k, t=4, z=k) for k in range(3)])  # of the fifth frame of something
    assert rows(taken(same, (3, *SHAPE)).labels) == [5, 6, 7]


@pytest.mark.parametrize(
    ("places", "shape", "frames", "words"),
    [
        ([{}, {}], (4, *SHAPE), 1, "2 outlines that do not say their slice; the image has 4"),
        ([{"z": 0}, {}], (4, *SHAPE), 1, "1 outlines that do not say"),
        ([{"z": 0}, {"z": 6}], (4, *SHAPE), 1, "slices 1 to 7, but the image has 4"),
        ([{"t": 0}, {"t": 6}], (4, *SHAPE), 1, "slices 1 to 7, but the image has 4"),
        ([{"z": 0, "t": 0}, {"z": 1, "t": 1}], (4, *SHAPE), 1, "2 frames .1 to 2., but the image has one"),
        ([{"z": 0}, {"z": 2}], SHAPE, 1, "2 slices .1 to 3., but the image has one"),
        ([{"z": 0}, {"z": 1}], (4, *SHAPE), 2, "do not say their frame; the image has 2"),
    ],
)
def test_positions_that_the_image_does_not_have_are_refused(tmp_path, places, shape, frames, words):
    path = rois(tmp_path, *[square(k, **place) for k, place in enumerate(places)])
    with pytest.raises(CellsegError, match=words) as caught:
        taken(path, shape, frames=frames)
    assert caught.value.hint


def test_what_else_lies_in_a_zip_is_passed_over(tmp_path):
    junk = b"\0\5\x16\7junk"
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("cells/1.ROI", square(0))
        for name in ("__MACOSX/._1.roi", "__MACOSX/cells/._1.ROI", "._1.roi", ".DS_Store", "Results.csv", "cells/"):
            archive.writestr(name, junk)
    assert (taken(tmp_path / "r.zip").labels > 0).sum() == 100
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("mask.png", junk)
    with pytest.raises(CellsegError, match="no ImageJ ROIs"):
        taken(tmp_path / "r.zip")


# --- damage ---------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), ending=st.sampled_from(["geojson", "coco.json", "roi.zip"]))
@settings(max_examples=60, deadline=None)
def test_damage_is_told(tmp_path_factory, seed, ending):
    """A few bytes of a good file are changed: it is read, or refused as a person's mistake is."""
    rng = np.random.default_rng(seed)
    path = write_labels(tmp_path_factory.mktemp("d") / f"x.{ending}", box(5, 20, 5, 30, 7) + box(30, 40, 5, 50, 9))
    data = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 6)):
        data[rng.integers(len(data))] = rng.integers(256)
    path.write_bytes(data[: rng.integers(1, 2 * len(data))])
    with contextlib.suppress(CellsegError):
        assert taken(path).labels.shape == SHAPE


# --- files with several images, masks of whole series ------------------------------------------------


def several(path: Path, *values: np.ndarray, names: str = "") -> Path:
    """An OME-TIFF with one image for each array."""
    with tifffile.TiffWriter(path, ome=True) as file:
        for n, array in enumerate(values):
            axes = "TYX" if array.ndim == 3 else "YX"
            named = {"Name": names[n]} if names else {}
            file.write(array.astype(np.uint16), metadata={"axes": axes, **named}, photometric="minisblack")
    return path


def scene(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 4000, shape)


@pytest.fixture
def empty(tmp_path: Path) -> str:
    assert main(["new", str(tmp_path / "p"), "--model", "none"]) == 0
    return str(tmp_path / "p.cellseg")


def rows_of(project: str) -> dict[str, int]:
    """The first row that is labelled, by image."""
    with Project.open(project) as opened:
        return {r.id: rows(opened.load_labels(r.id)[0])[0] for r in opened.images()}


TWO = (box(5, 9, 5, 9), box(20, 25, 5, 9))


def test_the_series_of_the_picture_is_that_of_its_masks(tmp_path, empty):
    pictures = several(tmp_path / "x.ome.tif", scene(0), scene(1))
    masks = several(tmp_path / "m.ome.tif", *TWO)
    assert main(["add", empty, str(pictures), "--series", "1", "--labels", str(masks)]) == 0
    assert rows_of(empty) == {"x_Image1": 20}


def test_all_series_get_the_masks_of_their_place_or_of_their_name(tmp_path, empty):
    pictures = several(tmp_path / "x.ome.tif", scene(0), scene(1), names="ab")
    masks = several(tmp_path / "m.ome.tif", TWO[1], TWO[0], box(1, 3, 1, 3), names="bac")
    assert main(["add", empty, str(pictures), "--series", "all", "--labels", str(masks)]) == 0
    assert rows_of(empty) == {"x_a": 5, "x_b": 20}


@pytest.mark.parametrize("shared", [False, True], ids=["one", "all"])
def test_masks_of_more_images_than_the_picture_has_are_listed(tmp_path, empty, capsys, shared):
    pictures = several(tmp_path / "x.ome.tif", *((scene(0), scene(1)) if shared else (scene(0),)))
    masks = several(tmp_path / "m.ome.tif", *TWO, TWO[0])
    series = ["--series", "all"] if shared else []
    assert main(["add", empty, str(pictures), *series, "--labels", str(masks)]) == 2
    said = capsys.readouterr().err
    assert "m.ome.tif holds masks of 3 images: 0 'Image0' (64 x 64, uint16), 1 'Image1' (64 x 64, uint16), 2" in said
    assert ("The file of x.ome.tif holds 2 images" if shared else "The file of x.ome.tif holds one image.") in said


def test_one_file_with_one_image_is_not_for_all_series(tmp_path, empty, capsys):
    pictures = several(tmp_path / "x.ome.tif", scene(0), scene(1))
    assert (
        main(["add", empty, str(pictures), "--series", "all", "--labels", str(several(tmp_path / "m.tif", TWO[0]))])
        == 2
    )
    assert "holds 2 images, but one file of labels was given" in capsys.readouterr().err


STACK = np.stack([box(5 * k + 5, 5 * k + 8, 5, 9) for k in range(3)])


def saved(path: Path, **more: object) -> Path:
    tifffile.imwrite(path, STACK.astype(np.uint8), **more)
    return path


WAYS = {
    "frames": lambda p: several(p / "m.ome.tif", STACK),
    "pages": lambda p: (tifffile.imwrite(p / "m.tif", STACK.astype(np.uint16), photometric="minisblack"), p / "m.tif")[
        1
    ],
    "images": lambda p: several(p / "m.ome.tif", *STACK),
    "array": lambda p: (np.save(p / "m.npy", STACK), p / "m.npy")[1],
    "colours": lambda p: saved(p / "m.tif"),
    "rois": lambda p: rois(p, *[square(k, t=k) for k in range(3)]),
    "stack of rois": lambda p: rois(p, *[square(k, position=k) for k in range(3)]),
    "coco": lambda p: coco(p, [entry(k, f"t{k}.png") for k in range(3)], [annotation(k, 5 * k + 5) for k in range(3)]),
}


@pytest.mark.parametrize("way", WAYS)
def test_masks_of_a_series_for_one_frame_are_those_of_the_frame(tmp_path, way):
    masks = WAYS[way](tmp_path)
    whole = [rows(frame)[0] for frame in taken(masks, frames=3, name="x.tif").labels]
    assert whole == sorted(whole)
    for t in range(3):
        labels = taken(masks, frames=3, frame=t, name="x.tif").labels
        assert (labels.shape, rows(labels)[0]) == (SHAPE, whole[t])


@pytest.mark.parametrize("way", WAYS)
def test_masks_of_a_series_for_an_image_of_a_project(tmp_path, empty, way):
    """What the dock does for the open image, and `compare`; the picture was added frame by frame."""
    picture, masks = several(tmp_path / "x.ome.tif", scene(0, STACK.shape)), WAYS[way](tmp_path)
    with Project.open(empty) as project:
        (id,) = project.add_image(picture, frame=1)
        mine = masks_for_image(project, id, masks).labels
        expected = taken(masks, frames=3, frame=1, name="x.ome.tif").labels
        np.testing.assert_array_equal(mine, expected)
        np.testing.assert_array_equal(
            next(iter(labels_of_others([masks], project.image(id), project=project).values())), mine
        )
        picture.unlink()  # then the frames that were added are what is known
        with pytest.raises(CellsegError):
            masks_for_image(project, id, masks)


def test_labels_of_a_whole_series_may_be_given_with_one_frame(tmp_path, empty):
    picture = several(tmp_path / "x.ome.tif", scene(0, STACK.shape))
    with Project.open(empty) as project:
        for t in (2, 0):
            (id,) = project.add_image(picture, labels=STACK, frame=t)
            np.testing.assert_array_equal(project.load_labels(id)[0], STACK[t])


@pytest.mark.parametrize("way", ["frames", "pages", "images", "array", "colours"])
def test_masks_of_a_series_whose_frames_are_files(tmp_path, empty, way):
    for t in range(3):
        tifffile.imwrite(tmp_path / f"t{t}.tif", scene(t).astype(np.uint16))
    pictures = [str(tmp_path / f"t{t}.tif") for t in range(3)]
    masks = str(WAYS[way](tmp_path))
    assert main(["add", empty, *pictures, "--labels", masks]) == 0
    assert rows_of(empty) == {"t0": 5, "t1": 10, "t2": 15}
    assert main(["add", empty, *pictures[:2], "--labels", masks]) == 2


def test_masks_of_another_number_of_frames_are_refused(tmp_path):
    with pytest.raises(CellsegError, match="m.ome.tif holds masks of 3 frames; x.tif has 4"):
        taken(several(tmp_path / "m.ome.tif", STACK), frames=4, frame=1, name="x.tif")
    with pytest.raises(CellsegError, match="outlines in frame 3 only; this is frame 2 of 4"):
        taken(rois(tmp_path, square(0, t=2)), frames=4, frame=1)
    masks = taken(rois(tmp_path, square(0, t=0), square(1, t=2)), frames=4, frame=1)
    assert not masks.labels.any()
    assert "no outlines in frame 2" in masks.notes[0]


def test_binary_masks_of_a_series_are_parted_frame_by_frame(tmp_path):
    """Pages that say nothing are no slices, in which pieces would be joined."""
    tifffile.imwrite(tmp_path / "m.tif", np.stack([box(5, 9, 5, 9, 255) + box(5, 9, 20, 29, 255)] * 3).astype(np.uint8),
                     photometric="minisblack")  # fmt: skip
    labels = taken(tmp_path / "m.tif", frames=3, split=None).labels
    assert [np.unique(frame).tolist() for frame in labels] == [[0, 1, 2]] * 3


def test_a_picture_beside_its_masks_is_not_taken_for_them(tmp_path):
    noise = np.random.default_rng(0).integers(0, 200, (128, 128)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "picture.tif", noise)
    with pytest.raises(CellsegError, match="looks like a picture") as error:
        read_labels(tmp_path / "picture.tif")
    assert "threshold" in error.value.hint
    assert read_labels(tmp_path / "picture.tif", threshold=100).any()
    crowded = np.kron(np.arange(1, 1025).reshape(32, 32), np.ones((4, 4), int)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "masks.tif", crowded)
    np.testing.assert_array_equal(read_labels(tmp_path / "masks.tif"), crowded)
