from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import zarr

from napari_cellseg import images
from napari_cellseg.errors import CellsegError

RNG = np.random.default_rng(0)


def pixels(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    return (RNG.random(shape) * 200).astype(dtype)


def ome_zarr(path: Path, data: np.ndarray) -> None:
    """Version 0.4, as most of the field still writes it, with lengths in nanometres."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=data.shape, dtype=data.dtype)[:] = data
    scale = [{"type": "scale", "scale": [2000.0, 500.0, 500.0]}]
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ]


def imagej(path: Path, data: np.ndarray) -> None:
    metadata = {"axes": "TZCYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(path, data, imagej=True, resolution=(2, 2), metadata=metadata)


def ome_tiff(path: Path, data: np.ndarray) -> None:
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "ZYX", **size})


FORMATS = [
    pytest.param("a.tif", lambda p, d: tifffile.imwrite(p, d), (20, 30), "YX", None, id="tiff"),
    pytest.param("a.tif", lambda p, d: tifffile.imwrite(p, d, tile=(64, 64)), (300, 200), "YX", None, id="tiled"),
    pytest.param(
        "a.tif", lambda p, d: tifffile.imwrite(p, d, photometric="minisblack"), (5, 20, 30), "ZYX", None, id="pages"
    ),
    pytest.param("a.ome.tif", ome_tiff, (5, 20, 30), "ZYX", (2.0, 0.5, 0.5), id="ome-tiff"),
    pytest.param("a.tif", imagej, (2, 4, 3, 20, 30), "TCZYX", (2.0, 0.5, 0.5), id="imagej-hyperstack"),
    pytest.param("a.ome.zarr", ome_zarr, (5, 20, 30), "ZYX", (2.0, 0.5, 0.5), id="ome-zarr"),
    pytest.param("a.npy", np.save, (20, 30), "YX", None, id="npy"),
    pytest.param("a.png", imageio.imwrite, (20, 30), "YX", None, id="png"),
]


@pytest.mark.parametrize(("name", "write", "shape", "axes", "spacing"), FORMATS)
def test_formats_keep_pixels_axes_and_voxel_size(tmp_path, name, write, shape, axes, spacing):
    data = pixels(shape)
    write(tmp_path / name, data)
    image = images.read(tmp_path / name)
    assert image.axes == axes
    assert image.spacing_um == (pytest.approx(spacing) if spacing else None)
    expected = data.transpose(0, 2, 1, 3, 4) if axes == "TCZYX" else data
    np.testing.assert_array_equal(np.asarray(image.data), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_dtypes_survive(tmp_path, dtype):
    data = pixels((20, 30), dtype)
    tifffile.imwrite(tmp_path / "a.tif", data)
    assert images.read(tmp_path / "a.tif").load().dtype == dtype


def test_colours_are_channels_and_a_constant_alpha_is_dropped(tmp_path):
    rgba = pixels((20, 30, 4), "uint8")
    rgba[..., 3] = 255
    imageio.imwrite(tmp_path / "a.png", rgba)
    image = images.read(tmp_path / "a.png")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.load(), np.moveaxis(rgba[..., :3], -1, 0))


def test_reading_is_lazy(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((50, 256, 256), "uint16"), photometric="minisblack")
    assert images.read(tmp_path / "a.tif").data.npartitions == 50


def test_given_axes_and_spacing_win(tmp_path):
    np.save(tmp_path / "a.npy", pixels((5, 20, 30)))
    image = images.read(tmp_path / "a.npy", "CYX", (0.3, 0.3))
    assert (image.n_channels, image.spatial_shape, image.spacing_um) == (5, (20, 30), (0.3, 0.3))


def _write_truncated(path: Path) -> None:
    tifffile.imwrite(path, pixels((300, 300)), compression="zlib")
    path.write_bytes(path.read_bytes()[:2000])


BAD = [
    pytest.param("a.tif", lambda p: p.write_bytes(b"hello"), "cannot be read", id="not-a-tiff"),
    pytest.param("a.png", lambda p: p.write_bytes(b""), "cannot be read", id="empty-file"),
    pytest.param("a.tif", _write_truncated, "read", id="truncated"),
    pytest.param("a.xyz", lambda p: p.write_bytes(b"x"), "format", id="unknown-format"),
    pytest.param("gone.tif", lambda p: None, "no file", id="missing"),
    pytest.param("a.npy", lambda p: np.save(p, np.full((20, 20), np.nan)), "NaN", id="nan"),
    pytest.param("a.npy", lambda p: np.save(p, np.full((20, 20), 7)), "everywhere", id="constant"),
    pytest.param("a.npy", lambda p: np.save(p, np.ones((1, 1))), "1 x 1", id="one-pixel"),
    pytest.param("a.npy", lambda p: np.save(p, np.zeros((0, 20))), "empty", id="no-pixels"),
    pytest.param("a.npy", lambda p: np.save(p, pixels((20, 30, 5))), "ambiguous", id="five-channels"),
    pytest.param("a.npy", lambda p: np.save(p, np.array([{"a": 1}], object), allow_pickle=True), "read", id="pickle"),
]


@pytest.mark.parametrize(("name", "write", "words"), BAD)
def test_bad_pictures_get_a_message_and_a_hint(tmp_path, name, write, words, project):
    write(tmp_path / name)
    before = len(project.images())
    with pytest.raises(CellsegError, match=words) as caught:
        project.add_image(tmp_path / name)
    assert caught.value.hint
    assert len(project.images()) == before
    assert sorted(p.name for p in (project.path / "images").iterdir()) == [r.id for r in project.images()]


@pytest.mark.parametrize("axes", ["YXQ", "ZZYX", "CZ", "XY"])
def test_wrong_axes_are_refused(tmp_path, axes):
    np.save(tmp_path / "a.npy", pixels((5, 20, 30)))
    with pytest.raises(CellsegError, match="[Aa]xes"):
        images.read(tmp_path / "a.npy", axes)


def test_one_mask_per_object_is_merged(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for n in range(3):
        mask = np.zeros((20, 30), np.uint8)
        mask[n * 6 : n * 6 + 4, 2:9] = 255
        imageio.imwrite(masks / f"{n}.png", mask)
    labels = images.read_labels(masks)
    assert labels.dtype == np.uint32
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    assert labels[13, 3] == 3


def test_binary_masks_become_components_on_request(tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[2:5, 2:5] = mask[10:15, 10:20] = 255
    imageio.imwrite(tmp_path / "m.png", mask)
    assert images.read_labels(tmp_path / "m.png").max() == 255
    assert images.read_labels(tmp_path / "m.png", split_components=True).max() == 2


BAD_LABELS = [
    pytest.param(np.full((20, 20), 0.5, np.float32), "fractions", id="fractions"),
    pytest.param(np.full((20, 20), -1, np.int32), "not object numbers", id="negative"),
    pytest.param(pixels((3, 20, 20), "uint8"), "colour", id="colour"),
]


@pytest.mark.parametrize(("values", "words"), BAD_LABELS)
def test_bad_labels_are_refused(tmp_path, values, words):
    np.save(tmp_path / "l.npy", values)
    with pytest.raises(CellsegError, match=words):
        images.read_labels(tmp_path / "l.npy", "CYX" if values.ndim == 3 else None)


@pytest.mark.parametrize("name", ["l.tif", "l.TIFF", "l.ome.tif", "l.ome.zarr", "l.npy"])
@pytest.mark.parametrize("shape", [(20, 30), (4, 20, 30)])
@pytest.mark.parametrize("top", [9, 70_000])
def test_written_labels_read_back(tmp_path, name, shape, top):
    labels = RNG.integers(0, top, shape).astype(np.uint32)
    labels.flat[0] = top
    spacing = (2.0, 0.5, 0.5)[-len(shape) :]
    images.write_labels(tmp_path / name, labels, spacing)
    axes = "ZYX"[-len(shape) :] if name == "l.npy" else None
    np.testing.assert_array_equal(images.read_labels(tmp_path / name, axes), labels)
    if name != "l.npy":  # which holds none
        assert images.read(tmp_path / name).spacing_um == pytest.approx(spacing)


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
@pytest.mark.parametrize("top", [9, 70_000])
def test_programs_that_read_only_tags_see_the_same_pixel_size(tmp_path, name, top):
    """ImageJ's own TIFF says um in its description; all others say it in cm, never in inches."""
    images.write_labels(tmp_path / name, np.full((20, 30), top, np.uint32), (0.25, 0.5))
    with tifffile.TiffFile(tmp_path / name) as file:
        page, imagej = file.pages.first, file.imagej_metadata
        x, y = (page.tags[tag].value for tag in ("XResolution", "YResolution"))
        unit = 1.0 if imagej and imagej["unit"] == "um" else {3: 1e4}[int(page.tags["ResolutionUnit"].value)]
    assert (unit * x[1] / x[0], unit * y[1] / y[0]) == pytest.approx((0.5, 0.25))


def test_ome_zarr_says_what_it_is_of(tmp_path):
    labels = np.ones((20, 30), np.uint32)
    ome_zarr(tmp_path / "in" / "x.ome.zarr", pixels((4, 20, 30)))
    path = images.write_labels(
        tmp_path / "out" / "x_labels.ome.zarr", labels, None, ("wall", "core"), tmp_path / "in" / "x.ome.zarr"
    )
    said = dict(zarr.open_group(str(path), mode="r").attrs)["ome"]
    assert said["multiscales"][0]["name"] == "x_labels.ome.zarr"
    about = said["image-label"]
    assert (path / about["source"]["image"]).resolve() == (tmp_path / "in" / "x.ome.zarr").resolve()
    assert about["version"] == said["version"] == "0.5"
    assert [c["label-value"] for c in about["colors"]] == [0, 1, 2]
    assert all(len(c["rgba"]) == 4 and min(c["rgba"]) >= 0 and max(c["rgba"]) <= 255 for c in about["colors"])
    words = {p["label-value"]: p["class"] for p in about["properties"]}
    assert words == {0: "background", 1: "wall", 2: "core"}  # a validator wants as many as there are colours
    objects = images.write_labels(tmp_path / "y.ome.zarr", labels, source=tmp_path / "y.tif")
    about = dict(zarr.open_group(str(objects), mode="r").attrs)["ome"]["image-label"]
    assert about["source"] == {"image": "y.tif"}
    assert "properties" not in about
    maps = images.write_probabilities(tmp_path / "p.ome.zarr", np.zeros((2, 20, 30), np.float32))
    said = dict(zarr.open_group(str(maps), mode="r").attrs)["ome"]
    assert said["multiscales"][0]["name"] == "p.ome.zarr"
    assert "image-label" not in said


def test_a_mask_of_the_only_class_is_black_and_white(tmp_path):
    labels = (pixels((20, 30)) > 100).astype(np.uint32)
    path = images.write_labels(tmp_path / "m.png", labels, classes=("foreground",))
    pixels_ = imageio.imread(path)
    assert pixels_.dtype == np.uint8
    np.testing.assert_array_equal(pixels_, labels * 255)
    np.testing.assert_array_equal(images.read_labels(path, classes=("foreground",)), labels)
    two = images.write_labels(tmp_path / "n.png", labels * 2, classes=("a", "b"))
    np.testing.assert_array_equal(imageio.imread(two), labels * 2)


@pytest.mark.parametrize("name", ["x.jpg", "x.tif.gz", "x.v2", "x.doc"])
def test_endings_that_cannot_be_written_are_refused(tmp_path, name):
    labels = np.ones((20, 30), np.uint32)
    with pytest.raises(CellsegError, match="ending") as caught:
        images.write_labels(tmp_path / name, labels)
    assert ".ome.zarr" in caught.value.hint
    with pytest.raises(CellsegError, match="ending"):
        images.write_probabilities(tmp_path / name, np.zeros((2, 20, 30), np.float32))
    assert not list(tmp_path.iterdir())


def test_a_name_without_an_ending_is_a_tiff(tmp_path):
    path = images.write_labels(tmp_path / "masks", np.ones((20, 30), np.uint32))
    assert path == tmp_path / "masks.tif"
    assert images.read_labels(path).all()


def test_the_fingerprint_notices_a_change(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, pixels((64, 64)))
    before = images.fingerprint(path)
    data = np.load(path)
    data[32, 32] += 1
    np.save(path, data)
    assert images.fingerprint(path) != before


def test_a_zarr_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    labels = np.arange(100, dtype=np.uint32).reshape(10, 10)
    path = images.write_labels(tmp_path / "a.ome.zarr", labels)
    real = os.replace

    def replace(source, target):
        if str(source).endswith(".part"):
            raise OSError(28, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(CellsegError, match="No space"):
            images.write_labels(path, labels * 2)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
    np.testing.assert_array_equal(images.read_labels(path), labels)
    images.write_labels(path, labels * 2)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
    np.testing.assert_array_equal(images.read_labels(path), labels * 2)


def pyramid_tiff(path: Path, levels: list[np.ndarray], **how: Any) -> None:
    with tifffile.TiffWriter(path) as file:
        for n, level in enumerate(levels):
            subifds = len(levels) - 1 if n == 0 else None
            file.write(level, tile=(64, 64), subifds=subifds, subfiletype=int(n > 0), **how)


def pyramid_zarr(path: Path, levels: list[np.ndarray], axes: str = "yx") -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    kinds = {"c": "channel", "t": "time"}
    datasets = []
    for n, level in enumerate(levels):
        group.create_array(str(n), shape=level.shape, dtype=level.dtype)[:] = level
        scale = [1.0 if a in "ct" else 0.5 * 2**n for a in axes]
        datasets.append({"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    named = [{"name": a, "type": kinds.get(a, "space"), **({} if a in "ct" else {"unit": "micrometer"})} for a in axes]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": named, "datasets": datasets}]


def halves(data: np.ndarray, n: int = 3) -> list[np.ndarray]:
    return [data[..., :: 2**k, :: 2**k] for k in range(n)]


@pytest.mark.parametrize(("name", "write"), [("a.tif", pyramid_tiff), ("a.ome.zarr", pyramid_zarr)])
def test_coarser_levels_of_a_pyramid_are_there_to_look_at_and_nothing_else_changes(tmp_path, name, write):
    levels = halves(pixels((200, 310)))
    write(tmp_path / name, levels)
    image = images.read(tmp_path / name)
    np.testing.assert_array_equal(image.load()[0], levels[0])
    assert [np.asarray(level).tolist() for level in image.coarser] == [level.tolist() for level in levels[1:]]
    assert [level.shape for level in image.pyramid()] == [(1, *level.shape) for level in levels]
    write(tmp_path / f"plain_{name}", levels[:1])
    plain = images.read(tmp_path / f"plain_{name}")
    assert plain.coarser == ()
    assert (plain.axes, plain.spacing_um, plain.rgb) == (image.axes, image.spacing_um, image.rgb)


def test_levels_have_the_axes_of_the_image_and_follow_a_frame(tmp_path):
    data = pixels((2, 3, 4, 64, 80))
    pyramid_zarr(tmp_path / "a.ome.zarr", halves(data, 2), "tczyx")
    image = images.read(tmp_path / "a.ome.zarr")
    assert image.axes == "TCZYX"
    assert [level.shape for level in image.coarser] == [(2, 3, 4, 32, 40)]
    frame = image.frame(1)
    np.testing.assert_array_equal(frame.coarser[0], data[1, ..., ::2, ::2])
    assert frame.pyramid()[1].shape == (3, 4, 32, 40)


def test_colours_with_alpha_and_a_turned_picture_have_levels_that_are_turned_alike(tmp_path):
    data = pixels((128, 192, 4), "uint8")
    levels = [np.ascontiguousarray(data[:: 2**k, :: 2**k]) for k in range(2)]
    turned = [(274, "H", 1, 6, True)]
    pyramid_tiff(tmp_path / "a.tif", levels, photometric="rgb", extrasamples=["unassalpha"], extratags=turned)
    image = images.read(tmp_path / "a.tif")
    assert (image.axes, image.rgb) == ("CYX", True)
    assert image.data.shape == (3, 192, 128)
    assert image.coarser[0].shape == (3, 96, 64)
    np.testing.assert_array_equal(image.data, np.rot90(data[..., :3], -1).transpose(2, 0, 1))
    np.testing.assert_array_equal(image.coarser[0], np.rot90(levels[1][..., :3], -1).transpose(2, 0, 1))


@pytest.mark.parametrize("wrong", ["larger", "another type", "other channels", "not there", "fewer axes"])
def test_levels_that_cannot_stand_for_the_image_are_left_out(tmp_path, wrong):
    data = pixels((3, 64, 80))
    first, second = data[:, ::2, ::2], data[:, ::4, ::4]
    second = {
        "larger": data, "another type": second.astype(np.float32), "other channels": second[:2], "not there": second,
        "fewer axes": second[0],
    }[wrong]  # fmt: skip
    pyramid_zarr(tmp_path / "a.ome.zarr", [data, first], "cyx")
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="a")
    scales = group.attrs["multiscales"]
    scales[0]["datasets"].append({"path": "2"})
    group.attrs["multiscales"] = scales
    if wrong != "not there":
        group.create_array("2", shape=second.shape, dtype=second.dtype)[:] = second
    image = images.read(tmp_path / "a.ome.zarr")
    assert [level.shape for level in image.coarser] == [first.shape]
