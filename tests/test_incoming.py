"""Pictures as other tools write them: series, plates, colours, orientation, and what is refused."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from napari_cellseg import images
from napari_cellseg.base import DEFAULT, base_models
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project, _grids

RNG = np.random.default_rng(0)


def pixels(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return (RNG.random(shape) * 200).astype(dtype)


def ome_zarr(path: Path, data: np.ndarray, axes: list[dict], *, level: list = (), whole: list = (), **more) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=data.shape, dtype=data.dtype, chunks=data.shape)[:] = data
    scale = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    if level:
        scale["datasets"][0]["coordinateTransformations"] = [{"type": "scale", "scale": level}]
    if whole:
        scale["coordinateTransformations"] = [{"type": "scale", "scale": whole}]
    group.attrs.update({"multiscales": [scale], **more})


def space(*names: str) -> list[dict]:
    return [{"name": n, "type": "space", "unit": "micrometer"} for n in names]


# --- several images in one file ---------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Path:
    with tifffile.TiffWriter(tmp_path / "t.ome.tif") as file:
        file.write(pixels(64, 64), metadata={"axes": "YX", "Name": "left", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5})
        file.write(pixels(70, 80), metadata={"axes": "YX", "Name": "right", "PhysicalSizeX": 2.0, "PhysicalSizeY": 2.0})
    return tmp_path / "t.ome.tif"


def test_a_file_of_two_images_is_not_taken_for_its_first(two):
    with pytest.raises(CellsegError, match=r"2 images: 0 'left' \(64 x 64, uint8\), 1 'right' \(70 x 80") as caught:
        images.read(two)
    assert "--series" in caught.value.hint
    assert [s.title for s in images.series_in(two)] == ["left", "right"]


@pytest.mark.parametrize("wanted", ["1", "right"])
def test_an_image_is_chosen_by_number_or_name(two, wanted):
    image = images.read(two, series=wanted)
    assert (image.spatial_shape, image.spacing_um) == ((70, 80), (2.0, 2.0))
    np.testing.assert_array_equal(image.load()[0], tifffile.imread(two, series=1))
    with pytest.raises(CellsegError, match="no image '7'"):
        images.read(two, series="7")


def test_add_keeps_which_image_was_meant(two, tmp_path, capsys):
    p = str(tmp_path / "p.cellseg")
    assert main(["new", p, "--model", "none"]) == 0
    assert main(["add", p, str(two)]) == 2
    assert "2 images" in capsys.readouterr().err
    assert main(["add", p, str(two), "--series", "right"]) == 0
    with Project.open(p) as project:
        (record,) = project.images()
        assert (record.id, record.series, record.shape) == ("t_right", "1", (70, 80))
        np.testing.assert_array_equal(project.read_image("t_right").load()[0], tifffile.imread(two, series=1))
        moved = two.rename(tmp_path / "moved.ome.tif")
        project.relocate("t_right", moved)
        assert project.read_image("t_right").spatial_shape == (70, 80)


def test_all_images_of_a_file(two, tmp_path):
    p = str(tmp_path / "p.cellseg")
    assert main(["new", p, "--model", "none"]) == 0
    assert main(["add", p, str(two), "--series", "all"]) == 0
    with Project.open(p) as project:
        assert [(r.id, r.shape) for r in project.images()] == [("t_left", (64, 64)), ("t_right", (70, 80))]


def test_thumbnails_of_slide_scanners_are_no_images(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels(64, 64))
        file.write(pixels(16, 16), subfiletype=1)
    assert images.read(tmp_path / "a.tif").spatial_shape == (64, 64)


def test_plates_and_wells_are_chosen_from(tmp_path):
    plate = zarr.open_group(str(tmp_path / "p.zarr"), mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    for n, well in enumerate(("A/1", "B/2")):
        plate.create_group(well).attrs["well"] = {"images": [{"path": "0"}]}
        ome_zarr(tmp_path / "p.zarr" / well / "0", pixels(20 + n, 30), space("y", "x"))
    with pytest.raises(CellsegError, match=r"2 images: 0 \(20 x 30, uint8\), 1 \(21 x 30"):
        images.read(tmp_path / "p.zarr")
    for series in ("B/2/0", "1"):
        image = images.read(tmp_path / "p.zarr", series=series)
        assert (image.spatial_shape, image.source) == ((21, 30), tmp_path / "p.zarr" / "B/2/0")
    assert images.read(tmp_path / "p.zarr" / "A" / "1").spatial_shape == (20, 30)
    with Project.create(tmp_path / "q") as project:
        (id,) = project.add_image(tmp_path / "p.zarr", series="B/2/0")
        assert id == "p_B_2_0"
        assert project.read_image(id).spatial_shape == (21, 30)


@pytest.mark.parametrize("listed", [True, False])
def test_bioformats2raw_folders_are_chosen_from(tmp_path, listed):
    root = zarr.open_group(str(tmp_path / "b.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    inside = root.create_group("OME")
    if listed:
        inside.attrs["series"] = ["0", "1"]
        xml = '<OME xmlns="x"><Image Name="left"/><Image Name="right"/></OME>'
        (tmp_path / "b.zarr" / "OME" / "METADATA.ome.xml").write_text(xml)
    for n in range(2):
        ome_zarr(tmp_path / "b.zarr" / str(n), pixels(20 + n, 30), space("y", "x"))
    with pytest.raises(CellsegError, match="2 images"):
        images.read(tmp_path / "b.zarr")
    assert images.read(tmp_path / "b.zarr", series="right" if listed else "1").spatial_shape == (21, 30)


# --- OME-Zarr ---------------------------------------------------------------------------------------


def test_axes_of_zarr_go_by_their_type(tmp_path):
    axes = [{"name": "fluor", "type": "channel"}, *space("depth", "row", "column")]
    ome_zarr(
        tmp_path / "a.zarr", pixels(2, 5, 20, 30), axes, level=[1, 1, 2, 2], whole=[1, 3, 0.5, 0.25],
        omero={"channels": [{"label": "DAPI"}, {"label": "GFP"}]},
    )  # fmt: skip
    image = images.read(tmp_path / "a.zarr")
    assert (image.axes, image.channels, image.spacing_um) == ("CZYX", ("DAPI", "GFP"), (3.0, 1.0, 0.5))


def test_label_images_inside_are_said_and_can_be_taken(tmp_path, capsys):
    ome_zarr(tmp_path / "a.zarr", pixels(20, 30), space("y", "x"))
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="a")
    group.create_group("labels").attrs["labels"] = ["cells"]
    truth = np.zeros((20, 30), np.uint16)
    truth[3:9, 4:9] = 5
    ome_zarr(tmp_path / "a.zarr" / "labels" / "cells", truth, space("y", "x"))
    inside = tmp_path / "a.zarr" / "labels" / "cells"
    assert images.labels_inside(tmp_path / "a.zarr") == [inside]
    p = str(tmp_path / "p.cellseg")
    assert main(["new", p, "--model", "none"]) == 0
    assert main(["add", p, str(tmp_path / "a.zarr")]) == 0
    assert str(inside) in capsys.readouterr().out
    np.testing.assert_array_equal(images.read_labels(inside), truth)


# --- colours, bits, orientation ---------------------------------------------------------------------


def test_colours_of_16_bit_stay_16_bit(tmp_path):
    rgba = RNG.integers(0, 65536, (20, 30, 4)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), rgba[..., [2, 1, 0, 3]])
    image = images.read(tmp_path / "a.png")
    np.testing.assert_array_equal(image.load(), np.moveaxis(rgba[..., :3], -1, 0))
    cv2.imwrite(str(tmp_path / "g.png"), rgba[..., 0])
    np.testing.assert_array_equal(images.read(tmp_path / "g.png").load()[0], rgba[..., 0])


def test_alpha_is_no_channel_in_any_format(tmp_path):
    rgba = pixels(20, 30, 4)
    Pillow.fromarray(rgba).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(images.read(tmp_path / name).load(), np.moveaxis(rgba[..., :3], -1, 0))
        assert images.read(tmp_path / name, as_before=True).n_channels == 4
    tifffile.imwrite(tmp_path / "four.tif", rgba, photometric="rgb", extrasamples=["unspecified"])
    assert images.read(tmp_path / "four.tif").n_channels == 4


def test_only_colour_pictures_are_rgb(tmp_path):
    rgb = pixels(20, 30, 3)
    tifffile.imwrite(tmp_path / "photo.tif", rgb, photometric="rgb")
    Pillow.fromarray(rgb).save(tmp_path / "photo.png")
    tifffile.imwrite(tmp_path / "fluo.tif", np.moveaxis(rgb, -1, 0), metadata={"axes": "CYX"}, photometric="minisblack")
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate")
    ome_zarr(tmp_path / "fluo.zarr", np.moveaxis(rgb, -1, 0), [{"name": "c", "type": "channel"}, *space("y", "x")])
    with Project.create(tmp_path / "p") as project:
        for name, colour in [("photo.tif", 1), ("photo.png", 1), ("fluo.tif", 0), ("planes.tif", 0), ("fluo.zarr", 0)]:
            (id,) = project.add_image(tmp_path / name)
            record = project.image(id)
            assert (record.n_channels, record.in_colour) == (3, bool(colour)), name
            assert replace(record, rgb=None).in_colour  # as before, in projects made before


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_pictures_are_turned_as_exif_says(tmp_path, turn, ending):
    rgb = cv2.resize(pixels(4, 5, 3), (50, 40), interpolation=cv2.INTER_CUBIC)
    exif = Pillow.Exif()
    exif[0x0112] = turn
    Pillow.fromarray(rgb).save(tmp_path / f"a.{ending}", exif=exif)
    from PIL import ImageOps

    with Pillow.open(tmp_path / f"a.{ending}") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    image = images.read(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(np.moveaxis(image.load(), 0, -1), expected)
    assert images.read(tmp_path / f"a.{ending}", as_before=True).spatial_shape == (40, 50)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("tiled", [{}, {"tile": (16, 16), "compression": "zlib"}], ids=["strips", "tiles"])
def test_tiffs_are_turned_as_their_orientation_says(tmp_path, turn, tiled):
    from PIL import ImageOps

    with Pillow.fromarray(pixels(40, 50)) as plain:
        plain.getexif()[0x0112] = turn
        expected = np.asarray(ImageOps.exif_transpose(plain))
        tag, values = [(274, "H", 1, turn, True)], np.asarray(plain)
        tifffile.imwrite(
            tmp_path / "a.tif", values, extratags=tag, resolution=(20000, 40000), resolutionunit="CENTIMETER", **tiled
        )  # fmt: skip
        tifffile.imwrite(tmp_path / "rgb.tif", np.dstack([values] * 3), extratags=tag, photometric="rgb", **tiled)
        stack = np.stack([values, values + 1])
        tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", extratags=tag, **tiled)
    image = images.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.load()[0], expected)
    assert image.spacing_um == pytest.approx((0.5, 0.25) if turn > 4 else (0.25, 0.5))
    np.testing.assert_array_equal(images.read_labels(tmp_path / "a.tif"), expected)
    np.testing.assert_array_equal(images.read(tmp_path / "rgb.tif").load(), np.stack([expected] * 3))
    np.testing.assert_array_equal(images.read(tmp_path / "s.tif").load()[0], [expected, expected + 1])
    for how in ({"as_before": True}, {"turned": False}):
        np.testing.assert_array_equal(images.read(tmp_path / "a.tif", **how).load()[0], values)


def test_what_was_added_before_the_tag_was_obeyed_stays_as_it_was(tmp_path):
    values = pixels(40, 50)
    tifffile.imwrite(tmp_path / "a.tif", values, extratags=[(274, "H", 1, 3, True)])
    with Project.create(tmp_path / "p") as project:
        (id,) = project.add_image(tmp_path / "a.tif")
        np.testing.assert_array_equal(project.read_image(id).load()[0], values[::-1, ::-1])
        project.db.put_images([replace(project.image(id), turned=False)])
        np.testing.assert_array_equal(project.read_image(id).load()[0], values)


def test_pages_that_are_turned_differently_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        for turn in (1, 6):
            file.write(pixels(40, 40), extratags=[(274, "H", 1, turn, True)], contiguous=False, metadata=None)
    with pytest.raises(CellsegError, match="orientation 1 of the first, 6 of the last"):
        images.read(tmp_path / "s.tif")


@pytest.mark.parametrize(("shape", "axes"), [((20, 30, 2), "YXC"), ((6, 20, 30, 2), "ZYXC"), ((20, 30, 6), "YXC")])
@pytest.mark.parametrize("ending", ["tif", "npy"])
def test_channels_last_are_recognised_or_asked_for(tmp_path, shape, axes, ending):
    path = tmp_path / f"a.{ending}"
    tifffile.imwrite(path, pixels(*shape, dtype="uint16")) if ending == "tif" else np.save(path, pixels(*shape))
    with pytest.raises(CellsegError, match="ambiguous") as caught:
        images.read(path)
    assert f"--axes {axes}" in caught.value.hint
    assert images.read(path, axes).n_channels == shape[-1]


def test_three_last_are_channels(tmp_path):
    np.save(tmp_path / "a.npy", pixels(6, 20, 30, 3))
    assert images.read(tmp_path / "a.npy").axes == "CZYX"


# --- is it still the same picture -------------------------------------------------------------------


def _old(path: Path) -> None:
    """As if written an hour ago."""
    then = time.time() - 3600
    for item in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(item, (then, then))


def _rows_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3)
        file.write(os.urandom(9000))


def _pixels_replaced(path: Path) -> None:
    array = zarr.open_array(str(path / "0"), mode="r+")
    array[:] = 200 - array[:]


def _big_tiff(path: Path) -> None:
    tifffile.imwrite(path, RNG.integers(0, 60000, (2400, 2300)).astype(np.uint16))


def _plain_zarr(path: Path) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", shape=(256, 256), dtype="uint8", chunks=(64, 64), compressors=None)[:] = pixels(256, 256)
    group.attrs["multiscales"] = [{"axes": space("y", "x"), "datasets": [{"path": "0"}]}]


REPLACED = [
    pytest.param("a.tif", _big_tiff, _rows_overwritten, id="tiff"),
    pytest.param("a.zarr", _plain_zarr, _pixels_replaced, id="zarr"),
]


@pytest.mark.parametrize(("name", "write", "change"), REPLACED)
@pytest.mark.parametrize("age", [True, False], ids=["old", "just-written"])
def test_a_replaced_picture_of_the_same_size_is_noticed(tmp_path, name, write, change, age):
    path = tmp_path / name
    write(path)
    if age:
        _old(path)
    with Project.create(tmp_path / "p") as project:
        (id,) = project.add_image(path)
        project.read_image(id)
        assert bool(project.image(id).seen) == age
        change(path)
        with pytest.raises(CellsegError, match="its content differs"):
            project.read_image(id)


@pytest.mark.parametrize(("name", "write", "change"), REPLACED)
def test_a_copy_is_the_same_picture(tmp_path, name, write, change):
    path = tmp_path / name
    write(path)
    _old(path)
    with Project.create(tmp_path / "p") as project:
        (id,) = project.add_image(path)
        copy = tmp_path / "copy" / name
        copy.parent.mkdir()
        shutil.copytree(path, copy, copy_function=shutil.copyfile) if path.is_dir() else shutil.copyfile(path, copy)
        assert images.glance(copy) != project.image(id).seen
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        copy.rename(path)
        project.read_image(id)


@pytest.mark.parametrize(("name", "write", "change"), REPLACED)
def test_marks_of_older_versions_are_recognised(tmp_path, name, write, change):
    from napari_cellseg.images._fingerprint import _earlier_mark

    path = tmp_path / name
    write(path)
    with Project.create(tmp_path / "p") as project:
        (id,) = project.add_image(path)
        project.db.put_images([replace(project.image(id), fingerprint=_earlier_mark(path), seen="", rgb=None)])
        assert project.read_image(id).load().any()


def test_label_images_written_into_a_zarr_do_not_change_it(tmp_path):
    _plain_zarr(tmp_path / "a.zarr")
    before = images.fingerprint(tmp_path / "a.zarr"), images.glance(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "labels").mkdir()
    (tmp_path / "a.zarr" / "labels" / ".zgroup").write_text("{}")
    assert (images.fingerprint(tmp_path / "a.zarr"), images.glance(tmp_path / "a.zarr")) == before


def test_ten_gigabytes_are_looked_at_in_a_moment(tmp_path):
    with (tmp_path / "a.tif").open("wb") as file:
        file.truncate(10 << 30)
    begun = time.process_time()
    mark = images.fingerprint(tmp_path / "a.tif")
    assert time.process_time() - begun < 1
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(7 << 30)
        file.write(b"x" * (4 << 20))  # a few rows of a large slide
    assert images.fingerprint(tmp_path / "a.tif") != mark


# --- what files claim -------------------------------------------------------------------------------


def _png(path: Path, side: int = 60000) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def _tiff(path: Path, tiled: bool = False, side: int = 2**31 - 1) -> None:
    tifffile.imwrite(path, pixels(256, 256), compression="zlib", tile=(128, 128) if tiled else None)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", *(() if tiled else ("RowsPerStrip",))):
            file.pages[0].tags[tag].overwrite(side)


def _npy(path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)})
        file.write(bytes(1000))


def _zarr(path: Path, side: int = 10**9, chunk: int = 1000) -> None:
    zarr.create_array(str(path), shape=(side, side), dtype="uint16", chunks=(chunk, chunk), zarr_format=2)


def _packed(path: Path, codec: str) -> None:
    """A chunk of 64 x 64 that unpacks to 0.7 or 4 GB."""
    import numcodecs

    spec = {"zlib": numcodecs.Zlib(), "zstd": numcodecs.Zstd()}[codec]
    zarr.create_array(str(path), shape=(64, 64), dtype="uint8", chunks=(64, 64), zarr_format=2, compressors=spec)
    if codec == "zlib":
        stream = zlib.compressobj(9)
        block = b"".join(stream.compress(bytes(1 << 26)) for _ in range(10)) + stream.flush()
    else:  # a frame without a size, of blocks that each repeat one byte 131,072 times
        run = (1 << 17) << 3 | 1 << 1
        blocks = (run.to_bytes(3, "little") + b"\0") * 32767 + (run | 1).to_bytes(3, "little") + b"\0"
        block = b"\x28\xb5\x2f\xfd" + bytes([0x00, 0x38]) + blocks
    (path / "0.0").write_bytes(block)


BOMBS = {
    "a.png": (_png, "60000 x 60000"),
    "strip.tif": (_tiff, "2147483647 x 2147483647"),
    "tiles.tif": (lambda p: _tiff(p, tiled=True), "2147483647 x 2147483647"),
    "a.npy": (_npy, "8.0 EB"),
    "a.zarr": (_zarr, "1000000000 x 1000000000"),
    "chunk.zarr": (lambda p: _zarr(p, 65536, 65536), "65536 x 65536"),
    "zlib.zarr": (lambda p: _packed(p, "zlib"), "unpack to more"),
    "zstd.zarr": (lambda p: _packed(p, "zstd"), "unpack to more"),
}

_LIMITED = """
import resource, sys, time
from pathlib import Path
from napari_cellseg import images
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project
import napari_cellseg.images._tiff, cv2, PIL.PngImagePlugin
def peak():  # in KB; what getrusage says of a fresh process on Linux is that of the process that started it
    if Path("/proc/self/status").exists():
        return next(int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
project = Project.create(sys.argv[1] + "/p")
for path in map(Path, sys.argv[2:]):
    for verb in (project.add_image, images.read_labels):
        before = time.process_time()
        try:
            verb(path)
            message = "taken"
        except CellsegError as error:
            message = error.message
        memory = peak() / 1e6
        print(path.name, time.process_time() - before, memory, message, sep="|")
"""


def test_what_files_claim_is_told_and_never_loaded(tmp_path):
    """Within a gigabyte each, and in seconds: two at most on a machine of one's own, see docs/benchmarks.md."""
    for name, (write, _) in BOMBS.items():
        write(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LIMITED, str(tmp_path), *(str(tmp_path / name) for name in BOMBS)],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split("|", 3) for line in done.stdout.strip().splitlines()]
    assert len(lines) == 2 * len(BOMBS)
    for name, seconds, gigabytes, message in lines:
        assert re.search(BOMBS[name][1], message), (name, message)
        assert float(seconds) < 20, name
        assert float(gigabytes) < 1, name


def test_labels_that_the_disk_cannot_hold_are_refused_with_numbers(tmp_path, monkeypatch):
    _zarr(tmp_path / "a.zarr", 100_000)
    monkeypatch.setattr(_grids, "_free", lambda folder: 4 * 10**9)
    with Project.create(tmp_path / "p") as project:
        with pytest.raises(CellsegError, match="100000 x 100000 voxels.* 50 GB .* 4.0 GB") as caught:
            project.add_image(tmp_path / "a.zarr")
        assert "predict --model" in caught.value.hint
        assert not project.images()


def test_a_large_picture_is_looked_at_in_windows(tmp_path, monkeypatch):
    """Of 9 gigabytes, mostly never written, few parts are read."""
    _zarr(tmp_path / "a.zarr", 30_000)
    array = zarr.open_array(str(tmp_path / "a.zarr"), mode="r+")
    array[12_000:12_500, :1500] = pixels(500, 1500)
    image = images.read(tmp_path / "a.zarr")
    read: list[int] = []
    pieces = image.data.map_blocks(
        lambda part: (read.append(part.size), part)[1], dtype=image.data.dtype, meta=np.empty((0, 0), "u2")
    )
    images.check_content(replace(image, data=pieces))
    assert sum(read) < 0.5 * image.data.size


def test_a_zip_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.roi", "w") as file:
        for _ in range(40):
            file.write(bytes(1 << 24))
    with pytest.raises(CellsegError, match="unpacks to 671 MB"):
        images.read_labels(tmp_path / "a.zip", shape=(20, 20))


# --- a damaged part in a batch ----------------------------------------------------------------------


def _with_a_damaged_tile(path: Path, shape: tuple[int, int]) -> None:
    tifffile.imwrite(path, pixels(*shape, dtype="uint16"), compression="zlib", tile=(64, 64))
    with tifffile.TiffFile(path) as file:
        start, count = file.pages[0].dataoffsets[-1], file.pages[0].databytecounts[-1]
    with path.open("r+b") as raw:
        raw.seek(start)
        raw.write(os.urandom(count))


def test_a_damaged_tile_costs_its_image_only(tmp_path, capsys):
    shape, model = (96, 128), str(base_models()[DEFAULT])
    _with_a_damaged_tile(tmp_path / "broken.tif", shape)
    tifffile.imwrite(tmp_path / "fine.tif", pixels(*shape, dtype="uint16"))
    with pytest.raises(CellsegError, match=r"pixels of broken\.tif"):
        images.read(tmp_path / "broken.tif").load()
    files = [str(tmp_path / f"{name}.tif") for name in ("broken", "fine")]
    out = tmp_path / "out"
    assert main(["predict", *files, "--model", model, "--out", str(out)]) == 2
    assert [p.name for p in out.iterdir()] == ["fine_labels.tif"]
    assert "broken was left out" in capsys.readouterr().err
    assert main(["predict", files[0], "--model", model, "--out", str(out)]) == 2


def test_a_damaged_tile_costs_its_image_only_in_a_project(tmp_path, capsys):
    p, shape = tmp_path / "p.cellseg", (96, 128)
    assert main(["new", str(p)]) == 0
    for name in ("broken", "fine"):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels(*shape, dtype="uint16"))
        assert main(["add", str(p), str(tmp_path / f"{name}.tif")]) == 0
    _with_a_damaged_tile(tmp_path / "broken.tif", shape)
    with Project.open(p) as project:  # damaged before it was added
        record = replace(project.image("broken"), fingerprint=images.fingerprint(tmp_path / "broken.tif"))
        project.db.put_images([record])
    assert main(["predict", str(p), "--image", "broken", "fine", "--out", str(tmp_path / "out")]) == 2
    assert "broken was left out: The pixels of broken.tif cannot be read" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["fine_labels.tif"]


def test_a_chunk_whose_header_lies_does_not_crash(tmp_path):
    """The decoder of Blosc believes the size in the header and reads beyond the bytes: a fault, no error."""
    _plain_zarr(tmp_path / "a.zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="a")
    spec = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}
    import numcodecs

    group.create_array("1", shape=(64, 64), dtype="u1", chunks=(64, 64), compressors=numcodecs.get_codec(spec))[:] = 7
    chunk = tmp_path / "a.zarr" / "1" / "0.0"
    data = bytearray(chunk.read_bytes())
    data[12:16] = (1 << 26).to_bytes(4, "little")
    chunk.write_bytes(data)
    with pytest.raises(CellsegError, match="damaged"):
        images.read(tmp_path / "a.zarr" / "1").load()


def _sharded(path: Path, where: str, **more) -> np.ndarray:
    """Four chunks of 64 x 64 in one shard, and the pixels."""
    data = pixels(128, 128)
    shards = {"shape": (128, 128), "index_location": where}
    zarr.create_array(
        str(path), shape=data.shape, dtype=data.dtype, chunks=(64, 64), shards=shards, **more
    )[:] = data  # fmt: skip
    return data


def _of_the_last_chunk(path: Path, where: str) -> tuple[Path, int, int]:
    """The shard, and where its last chunk begins and how long it is."""
    shard = path / "c" / "0" / "0"
    index = np.frombuffer(shard.read_bytes()[-68:-4] if where == "end" else shard.read_bytes()[:64], "<u8")
    return shard, *map(int, index.reshape(4, 2)[3])


@pytest.mark.parametrize("where", ["start", "end"])
@pytest.mark.parametrize("part", [np.s_[:], np.s_[70:, 70:]], ids=["whole", "part"])
@pytest.mark.parametrize(
    ("place", "claimed", "said"),
    [(12, 1 << 26, "they are 67 MB"), (4, 1 << 31, "unpack to more than 268 MB, where 4.1 KB were to be")],
    ids=["stored", "unpacked"],
)
def test_a_chunk_inside_a_shard_whose_header_lies_is_refused(tmp_path, where, part, place, claimed, said):
    data = _sharded(tmp_path / "a.zarr", where, compressors=zarr.codecs.BloscCodec(cname="lz4"))
    np.testing.assert_array_equal(images.read(tmp_path / "a.zarr").data[part].compute(), data[part])
    shard, start, _ = _of_the_last_chunk(tmp_path / "a.zarr", where)
    with shard.open("r+b") as file:
        file.seek(start + place)
        file.write(claimed.to_bytes(4, "little"))
    with pytest.raises(CellsegError, match=said):
        images.read(tmp_path / "a.zarr").data[part].compute()


def _crc32c(raw: bytes) -> int:
    """The sum behind the index of a shard (RFC 3720, B.4); which package works it out changes with zarr."""
    crc = 0xFFFFFFFF
    for byte in raw:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_a_chunk_inside_a_shard_that_unpacks_to_gigabytes_is_refused(tmp_path):
    _sharded(tmp_path / "a.zarr", "end", compressors=zarr.codecs.ZstdCodec())
    _packed(tmp_path / "b.zarr", "zstd")
    bomb = (tmp_path / "b.zarr" / "0.0").read_bytes()
    shard, *_ = _of_the_last_chunk(tmp_path / "a.zarr", "end")
    index = np.full((4, 2), 2**64 - 1, "<u8")
    index[3] = 0, len(bomb)
    raw = index.tobytes()
    shard.write_bytes(bomb + raw + _crc32c(raw).to_bytes(4, "little"))
    with pytest.raises(CellsegError, match="holds 131 KB that unpack to more than 268 MB"):
        images.read(tmp_path / "a.zarr").load()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [2, 3])
def test_what_is_looked_at_is_read_as_before(tmp_path, version, order):
    import numcodecs

    data = pixels(70, 90, dtype="uint16")
    v2 = {"order": order, "filters": [numcodecs.Delta("u2"), numcodecs.Zlib()], "compressors": numcodecs.Blosc()}
    v3 = {"config": {"order": order}, "filters": [zarr.codecs.TransposeCodec(order=(1, 0))]}
    v3["compressors"] = [zarr.codecs.GzipCodec(), zarr.codecs.BloscCodec()]
    more = v2 if version == 2 else v3
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=data.shape, dtype=data.dtype, chunks=(32, 32), zarr_format=version, **more
    )[:] = data  # fmt: skip
    np.testing.assert_array_equal(images.read(tmp_path / "a.zarr").load()[0], data)


def test_a_shard_of_millions_of_chunks_is_refused(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(8192, 8192), dtype="u1", chunks=(4, 4), shards=(8192, 8192))
    with pytest.raises(CellsegError, match="8192 x 8192 voxels is said to be 4194304 parts of 4 x 4"):
        images.read(tmp_path / "a.zarr")


def test_a_compression_among_the_filters_of_zarr_2_is_looked_at(tmp_path):
    import numcodecs

    _packed(tmp_path / "b.zarr", "zstd")
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(64, 64), dtype="u1", chunks=(64, 64), zarr_format=2, compressors=None,
        filters=[numcodecs.Zstd()],
    )  # fmt: skip
    shutil.copy(tmp_path / "b.zarr" / "0.0", tmp_path / "a.zarr" / "0.0")
    with pytest.raises(CellsegError, match="unpack to more than 268 MB"):
        images.read(tmp_path / "a.zarr").load()


def test_a_tiff_without_any_pixels_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(64, 64), compression="zlib", tile=(32, 32))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["TileByteCounts"].overwrite((0, 0, 0, 0))
    with pytest.raises(CellsegError, match="claims 4.1 KB of pixels, but only 0 bytes"):
        images.read(tmp_path / "a.tif")


@pytest.mark.parametrize(("axes", "expected"), [(None, ("CYX", (4, 30, 40))), ("ZYX", ("ZYX", (4, 30, 40)))])
def test_a_stack_that_tifffile_has_taken_for_colours_keeps_all_its_planes(tmp_path, axes, expected):
    """Written without more words, four planes become RGB with alpha, plane by plane; no picture has its colours so."""
    planes = np.random.default_rng(0).integers(0, 4000, (4, 30, 40), np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", planes)
    image = images.read(tmp_path / "s.tif", axes)
    assert (image.axes, image.data.shape) == expected
    assert not image.rgb
    np.testing.assert_array_equal(image.data.compute(), planes)
