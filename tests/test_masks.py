"""Masks of other tools, in and out."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.images import read_labels, write_labels
from napari_cellseg.images._polygons import fill
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells


def labels_of(seed: int, ndim: int) -> np.ndarray:
    """Ragged objects with holes, several pieces and corners that touch."""
    rng = np.random.default_rng(seed)
    shape = (17, 23) if ndim == 2 else (3, 17, 23)
    coarse = rng.integers(0, 4, tuple(-(-n // 4) for n in shape)) * rng.integers(1, 900)
    labels = np.kron(coarse, np.ones((4,) * ndim, int))[tuple(slice(0, n) for n in shape)].astype(np.uint32)
    labels[rng.random(shape) < 0.15] = 0
    return labels


@pytest.mark.parametrize("ending", ["roi.zip", "coco.json", "geojson", "tif", "ome.zarr"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ndim=st.sampled_from([2, 3]))
def test_what_is_written_comes_back_voxel_for_voxel(tmp_path_factory, ending, seed, ndim):
    labels = labels_of(seed, ndim)
    if not labels.any():
        return
    path = tmp_path_factory.mktemp("masks") / f"x.{ending}"
    write_labels(path, labels)
    axes = "ZYX"[-ndim:]
    given_axes = axes if ending in ("tif", "ome.zarr") else None
    np.testing.assert_array_equal(read_labels(path, given_axes, shape=labels.shape), labels)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 12))
def test_a_polygon_holds_the_pixels_whose_centres_it_encloses(seed, n):
    """Any ring, also one that crosses itself or reaches out of the picture, with a second one that cuts a hole."""
    from matplotlib.path import Path as Polygon

    rng = np.random.default_rng(seed)
    rings = [rng.uniform(-5, 25, (n, 2)), rng.uniform(0, 20, (3, 2))]
    if seed % 2:  # a line there and back adds nothing
        rings[0] = np.concatenate([rings[0], rings[0][:1], [[3.3, 7.7]], rings[0][:1]])
    centres = np.stack(np.mgrid[:20, :24], -1).reshape(-1, 2) + 0.5
    expected = np.zeros(len(centres), bool)
    for corners in (rings[0][:n], rings[1]):
        winding = np.zeros(len(centres), int)
        for (y0, x0), (y1, x1) in zip(corners, np.roll(corners, -1, 0), strict=True):
            crosses = (y0 <= centres[:, 0]) != (y1 <= centres[:, 0])
            winding += crosses & (x0 + (centres[:, 0] - y0) * (x1 - x0) / (y1 - y0) <= centres[:, 1])
        expected ^= winding % 2 == 1
        if n == 3:  # a triangle is convex, where matplotlib's rule is the same
            inside = Polygon(corners).contains_points(centres)
            np.testing.assert_array_equal(winding % 2 == 1, inside)
    np.testing.assert_array_equal(fill(rings, (20, 24)).ravel(), expected)


def test_neighbours_share_no_pixel():
    """Corners on centres, as programs write them that count from pixel centres."""
    left = np.array([[2.5, 2.5], [2.5, 6.5], [8.5, 6.5], [8.5, 2.5]])
    masks = [fill([left + by], (16, 16)) for by in ((0, 0), (0, 4), (6, 0))]
    assert [int(mask.sum()) for mask in masks] == [24, 24, 24]
    assert sum(mask.astype(int) for mask in masks).max() == 1
    assert not fill([np.array([[2.0, 1.0], [2.0, 9.0], [2.0, 4.0]])], (16, 16)).any()


def test_png_holds_one_slice(tmp_path):
    labels = labels_of(1, 2)
    np.testing.assert_array_equal(read_labels(write_labels(tmp_path / "x.png", labels)), labels)
    for bad in (labels_of(1, 3), labels + np.uint32(70_000)):
        with pytest.raises(CellsegError):
            write_labels(tmp_path / "y.png", bad)
    assert not list(tmp_path.glob("*y.png*"))


def test_outlines_of_other_programs(tmp_path):
    """A box of QuPath, COCO polygons, compressed runs, an ImageJ rectangle, oval and freehand."""
    import roifile

    ring = [[2.0, 1.0], [6.0, 1.0], [6.0, 4.0], [2.0, 4.0], [2.0, 1.0]]
    expected = np.zeros((10, 12), np.uint32)
    expected[1:4, 2:6] = 1
    shape = expected.shape
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}}
    (tmp_path / "q.geojson").write_text(json.dumps([feature, point]))
    np.testing.assert_array_equal(read_labels(tmp_path / "q.geojson", shape=shape), expected)
    polygon = {"id": 7, "image_id": 1, "segmentation": [[v for xy in ring for v in xy]]}
    # the text form as pycocotools writes it: runs 21, 3, 7, 3, 7, 3, 7, 3, 66 in columns, stored as differences
    text = "".join(_letters(v) for v in [21, 3, 7, 3 - 3, 7 - 7, 3 - 3, 7 - 7, 3 - 3, 66 - 7])
    runs = {"id": 8, "image_id": 1, "segmentation": {"size": [10, 12], "counts": text}}
    for annotation in (polygon, runs):
        data = {"images": [{"id": 1, "height": 10, "width": 12}], "annotations": [annotation], "categories": []}
        (tmp_path / "c.json").write_text(json.dumps(data))
        np.testing.assert_array_equal(read_labels(tmp_path / "c.json", shape=shape), expected)
    box = roifile.ImagejRoi()
    box.roitype, box.top, box.left, box.bottom, box.right, box.name = roifile.ROI_TYPE.RECT, 1, 2, 4, 6, "cell"
    free = roifile.ImagejRoi.frompoints(np.array([(7, 5), (11, 5), (11, 9), (7, 9)]), name="other")
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("cell.roi", box.tobytes())
        archive.writestr("other.roi", free.tobytes())
    expected[5:9, 7:11] = 2
    np.testing.assert_array_equal(read_labels(tmp_path / "r.zip", shape=shape), expected)
    (tmp_path / "one.roi").write_bytes(free.tobytes())
    assert (read_labels(tmp_path / "one.roi", shape=shape) == (expected == 2)).all()


def zipped(path: Path, rois: list) -> None:
    """ROIs as ImageJ's ROI manager writes them: files of names of their own."""
    with zipfile.ZipFile(path, "w") as archive:
        for k, roi in enumerate(rois):
            archive.writestr(f"{k:04}.roi", roi.tobytes())


def test_what_is_no_area_is_no_mask_and_names_are_no_numbers(tmp_path):
    import roifile

    square = np.array([[10, 10], [40, 10], [40, 40], [10, 40]])
    for kind in ("POINT", "LINE", "POLYLINE", "FREELINE", "ANGLE"):
        roi = roifile.ImagejRoi.frompoints(square, name=kind)
        roi.roitype = getattr(roifile.ROI_TYPE, kind)
        roi.tofile(tmp_path / "line.roi")
        with pytest.raises(CellsegError, match="no outlines"):
            read_labels(tmp_path / "line.roi", shape=(64, 64))
    cells = [roifile.ImagejRoi.frompoints(square + by, name="cell", position=5) for by in (0, 45)]
    zipped(tmp_path / "cells.zip", cells)
    found = read_labels(tmp_path / "cells.zip", shape=(128, 128))  # of the fifth slice of something
    assert np.unique(found).tolist() == [0, 1, 2]
    ring = {"type": "Polygon", "coordinates": [[[1, 1], [9, 1], [9, 9], [1, 1]]]}
    odd = [
        {"type": "Feature", "properties": {"label": "tumour"}, "geometry": ring},
        {"type": "Feature", "properties": {}, "geometry": {"type": "GeometryCollection", "geometries": []}},
        {"type": "Feature", "properties": None, "geometry": None},
    ]
    for content in ({"type": "FeatureCollection", "features": odd}, odd, odd[0]):
        (tmp_path / "odd.geojson").write_text(json.dumps(content))
        assert (read_labels(tmp_path / "odd.geojson", shape=(64, 64)) == 1).sum() > 20


CLASSES = ("wall", "core", "rim")


def test_classes_of_other_tools_are_known_by_their_names(tmp_path):
    import roifile

    corners = [(5, "core"), (25, "core"), (45, "wall")]
    expected = np.zeros((64, 64), np.uint32)
    for x, name in corners:
        expected[5:15, x : x + 10] = CLASSES.index(name) + 1
    rings = {x: [[x, 5], [x + 10, 5], [x + 10, 15], [x, 15], [x, 5]] for x, _ in corners}
    kinds = {"core": 70, "wall": 3}
    annotations = [
        {"id": x, "image_id": 1, "category_id": kinds[name], "segmentation": [[v for xy in rings[x][:-1] for v in xy]]}
        for x, name in corners
    ]
    coco = {"images": [{"id": 1, "width": 64, "height": 64}], "annotations": annotations,
            "categories": [{"id": id, "name": name} for name, id in kinds.items()]}  # fmt: skip
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [rings[x]]},
         "properties": {"classification": {"name": name}}}
        for x, name in corners
    ]  # fmt: skip
    (tmp_path / "m.json").write_text(json.dumps(coco))
    (tmp_path / "m.geojson").write_text(json.dumps(features))
    rois = [roifile.ImagejRoi.frompoints(np.array(rings[x][:-1]), name=name) for x, name in corners]
    zipped(tmp_path / "m.zip", rois)
    for name in ("m.json", "m.geojson", "m.zip"):
        np.testing.assert_array_equal(read_labels(tmp_path / name, shape=(64, 64), classes=CLASSES), expected)
        with pytest.raises(CellsegError, match="core"):
            read_labels(tmp_path / name, shape=(64, 64), classes=("wall", "rim"))
    for name in ("w.coco.json", "w.geojson", "w.roi.zip"):
        path = write_labels(tmp_path / name, expected, classes=CLASSES)
        np.testing.assert_array_equal(read_labels(path, shape=(64, 64), classes=CLASSES), expected)
        turned = read_labels(path, shape=(64, 64), classes=CLASSES[::-1]) if "roi" not in name else None
        assert turned is None or (turned[10, 10], turned[10, 50]) == (2, 3)  # core, wall
    assert [c["name"] for c in json.loads((tmp_path / "w.coco.json").read_text())["categories"]] == list(CLASSES)


def _letters(value: int) -> str:
    out, more = "", True
    while more:
        bits = value & 31
        value >>= 5
        more = not (value == 0 and not bits & 16) and not (value == -1 and bits & 16)
        out += chr((bits | (32 if more else 0)) + 48)
    return out


def seg(path: Path, content: object) -> Path:
    np.save(path, content, allow_pickle=True)
    return path


def test_cellpose_without_running_its_pickle(tmp_path):
    masks = labels_of(3, 2).astype(np.uint16)
    kept = {"masks": masks, "outlines": masks * 0, "filename": Path("x.tif"), "ismanual": np.zeros(3, bool),
            "diameter": np.float32(30), "flows": [masks, [1, 2]]}  # fmt: skip
    np.testing.assert_array_equal(read_labels(seg(tmp_path / "x_seg.npy", kept)), masks)
    mark = tmp_path / "was_run"

    class Evil:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    evil = seg(tmp_path / "y_seg.npy", {"masks": masks, "flows": Evil()})
    np.testing.assert_array_equal(read_labels(evil), masks)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Evil())).close()  # the bomb is a real one
    assert mark.exists()
    for bad in ({"flows": 1}, {"masks": "no"}, {"masks": masks - 0.5}):
        with pytest.raises(CellsegError, match=r"Cellpose|label image"):
            read_labels(seg(tmp_path / "z_seg.npy", bad))
    np.save(tmp_path / "w_seg.npy", masks)
    with pytest.raises(CellsegError, match="Cellpose"):
        read_labels(tmp_path / "w_seg.npy")


def test_a_forged_array_does_not_reach_memory(tmp_path):
    """Each of these makes numpy's own unpickling read addresses or sizes of the file's choice."""
    import struct

    forged_state = (3, "|", None, ("masks",), {"masks": (np.dtype("O"), 0)}, 8, 1, 0)

    class ForgedType:
        def __reduce__(self):
            return np.dtype, ("V8", False, True), forged_state

    class Scalar:
        def __reduce__(self):
            return np._core.multiarray.scalar, (ForgedType(), struct.pack("<Q", 0x4141414141414141))

    class Huge:
        def __reduce__(self):
            return np.ndarray, ((10**13,),)

    for content in (Scalar(), {"masks": Scalar()}, {"masks": Huge()}, {"masks": np.zeros(3, "V8,O")}):
        path = tmp_path / "x_seg.npy"
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
        path.write_bytes(header.getvalue() + pickle.dumps(content))
        with pytest.raises(CellsegError):
            read_labels(path)


def test_objects_without_numbers_never_meet_those_with(tmp_path):
    import roifile

    labels = np.zeros((20, 30), np.uint32)
    labels[2:6, 2:6] = 1
    write_labels(tmp_path / "x.roi.zip", labels)
    other = roifile.ImagejRoi.frompoints(np.array([(20, 10), (25, 10), (25, 15), (20, 15)]), name="0012-0022")
    with zipfile.ZipFile(tmp_path / "x.roi.zip", "a") as archive:
        archive.writestr("0012-0022.roi", other.tobytes())
    found = read_labels(tmp_path / "x.roi.zip", shape=labels.shape)
    assert len(np.unique(found)) == 3
    write_labels(tmp_path / "x.geojson", labels)
    data = json.loads((tmp_path / "x.geojson").read_text())
    ring = [[20, 10], [25, 10], [25, 15], [20, 15], [20, 10]]
    data["features"].insert(0, {"geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}})
    (tmp_path / "x.geojson").write_text(json.dumps(data))
    assert len(np.unique(read_labels(tmp_path / "x.geojson", shape=labels.shape))) == 3
    for bad in (0, -1, 10**12):
        data["features"][1]["properties"]["label"] = bad
        (tmp_path / "x.geojson").write_text(json.dumps(data))
        with pytest.raises(CellsegError, match="object number"):
            read_labels(tmp_path / "x.geojson", shape=labels.shape)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", b"no zip"), ("a.json", b"{"), ("a.json", b"[]"), ("a.geojson", b'{"features": []}'),
        ("a.geojson", b'{"features": [{"geometry": null}]}'), ("a_seg.npy", b"nothing"), ("a.roi", b"I"),
        ("a.json", b'{"images": [], "annotations": [{"segmentation": {"size": [5, 5], "counts": [3]}}]}'),
        ("a.json", b'{"images": [{"id": 1}, {"id": 2}], "annotations": []}'),
    ],
)  # fmt: skip
def test_damaged_files_say_so(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CellsegError) as caught:
        read_labels(tmp_path / name, shape=(5, 5))
    assert caught.value.hint


def test_outlines_need_their_image(tmp_path):
    write_labels(tmp_path / "x.geojson", labels_of(2, 3))
    with pytest.raises(CellsegError, match="outlines only"):
        read_labels(tmp_path / "x.geojson")
    with pytest.raises(CellsegError, match="slice"):
        read_labels(tmp_path / "x.geojson", shape=(17, 23))
    with pytest.raises(CellsegError, match="outside"):
        read_labels(tmp_path / "x.geojson", shape=(3, 2, 2))


@pytest.mark.parametrize("ending", ["roi.zip", "coco.json", "geojson", "png"])
def test_masks_start_a_project_as_drafts_and_leave_it_again(tmp_path, ending, capsys):
    image, truth = synthetic_cells((64, 80), 5, radius=9, seed=2)
    np.save(tmp_path / "cells.npy", image)
    masks = write_labels(tmp_path / f"m.{ending}", truth)
    line = str(tmp_path / "p.cellseg")
    assert main(["new", line]) == 0
    assert main(["add", line, str(tmp_path / "cells.npy"), "--labels", str(masks), "--draft"]) == 0
    with Project.open(line) as project:
        labels, state = project.load_labels("cells")
        assert not state.any()
        np.testing.assert_array_equal(labels, truth)
    assert main(["export", line, "--out", str(tmp_path / "out"), "--format", ending]) == 0
    again = read_labels(tmp_path / "out" / f"cells_labels.{ending}", shape=truth.shape)
    np.testing.assert_array_equal(again, truth)
