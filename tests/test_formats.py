"""What is written, opened by programs that others wrote: ome-zarr-models, ome-zarr-py, tifffile."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models.v05 as v05
import pytest
import tifffile
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr.writer import write_image
from ome_zarr_models.v04.image import ImageAttrs
from ome_zarr_models.v04.image_label import ImageLabelAttrs
from ome_zarr_models.v04.labels import LabelsAttrs

from napari_cellseg import images
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project

VERSIONS = ("0.4", "0.5")
NAMES = {"v0.4.ome.zarr": "0.4", "ome.zarr": "0.5"}
ATTRIBUTES = {"Image": ImageAttrs, "ImageLabel": ImageLabelAttrs, "Labels": LabelsAttrs}
"""Of 0.4: ome-zarr-models 1.6 cannot finish its models of whole groups there under pydantic 2.13 and 2.14."""


def objects(shape: tuple[int, ...] = (5, 300, 400)) -> np.ndarray:
    """Two objects with ids far apart."""
    labels = np.zeros(shape, np.uint32)
    labels[..., 10:200, 20:150] = 7
    labels[..., 220:290, 300:380] = 70_000
    return labels


def validated(path: Path, kind: str = "ImageLabel") -> Any:
    """What ome-zarr-models says of a folder that it has found valid."""
    group = zarr.open_group(str(path), mode="r")
    if group.metadata.zarr_format == 2:
        return ATTRIBUTES[kind].model_validate(dict(group.attrs))
    return getattr(v05, kind).from_zarr(group).attributes.ome


def opened(path: Path) -> dict[str, list[np.ndarray]]:
    """The levels of everything that ome-zarr-py finds, by the name of its folder."""
    nodes = Reader(parse_url(str(path)))()
    return {Path(str(n.zarr)[:-9].strip()).name: [np.asarray(level) for level in n.data] for n in nodes if n.data}


def picture(path: Path, version: str, shape: tuple[int, ...] = (1, 2, 5, 300, 400), axes: str = "tczyx") -> Path:
    """An image as ome-zarr-py writes it, with its pyramid, 2 x 0.5 x 0.25 um."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint16)
    size = dict(zip("tczyx", (1.0, 1.0, 2.0, 0.5, 0.25), strict=True))
    space = {"type": "space", "unit": "micrometer"}
    named = [{"name": a, **{"t": {"type": "time"}, "c": {"type": "channel"}}.get(a, space)} for a in axes]
    format = FormatV04() if version == "0.4" else FormatV05()
    write_image(pixels, group, axes=named, fmt=format, scale={a: size[a] for a in axes})
    return path


@pytest.mark.parametrize("ending", NAMES)
def test_labels_of_both_versions_are_valid_and_open_elsewhere(tmp_path, ending):
    labels = objects()
    path = images.write_labels(tmp_path / f"x.{ending}", labels, (2.0, 0.5, 0.25), kinds={7: "mitotic"})
    about = validated(path)
    assert about.image_label.version == NAMES[ending]
    assert [c.label_value for c in about.image_label.colors] == [0, 7, 70_000]
    (level, *_) = about.multiscales[0].datasets
    assert level.coordinateTransformations[0].scale == [2.0, 0.5, 0.25]
    assert [a.unit for a in about.multiscales[0].axes] == ["micrometer"] * 3
    levels = opened(path)[path.name]
    np.testing.assert_array_equal(levels[0], labels)
    np.testing.assert_array_equal(levels[1], labels[:, ::2, ::2])
    assert (path / "zarr.json").exists() == (NAMES[ending] == "0.5")
    assert images.read(path).spacing_um == (2.0, 0.5, 0.25)
    np.testing.assert_array_equal(images.read_labels(path), labels)


def test_classes_of_objects_go_with_them(tmp_path):
    path = images.write_labels(tmp_path / "x.ome.zarr", objects(), kinds={7: "mitotic"})
    told = zarr.open_group(str(path), mode="r").attrs["ome"]["image-label"]["properties"]
    assert {p["label-value"]: p["class"] for p in told} == {0: "background", 7: "mitotic", 70_000: ""}
    assert [p.label_value for p in validated(path).image_label.properties] == [0, 7, 70_000]


def test_more_objects_than_anybody_can_tell_apart_have_no_colours(tmp_path):
    labels = np.arange(120 * 120, dtype=np.uint32).reshape(120, 120)
    path = images.write_labels(tmp_path / "x.ome.zarr", labels)
    assert [c.label_value for c in validated(path).image_label.colors] == [0]


def test_large_labels_share_files(tmp_path):
    labels = np.zeros((9000, 8500), np.uint32)
    labels[50:8000, 60:8400] = 3
    path = images.write_labels(tmp_path / "x.ome.zarr", labels)
    finest = zarr.open_group(str(path), mode="r")["0"]
    assert finest.chunks == (512, 512)
    assert finest.shards == (4096, 4096)
    assert sum(p.is_file() for p in (path / "0").rglob("*")) < 12  # instead of 306
    validated(path)
    np.testing.assert_array_equal(opened(path)[path.name][0], labels)
    old = images.write_labels(tmp_path / "x.v0.4.ome.zarr", labels)  # which knows no shards
    validated(old)
    np.testing.assert_array_equal(opened(old)[old.name][2], labels[::4, ::4])


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_inside_an_image_have_its_version_levels_and_scales(tmp_path, version):
    image, labels = picture(tmp_path / "a.ome.zarr", version), objects()
    before = images.fingerprint(image)
    path = images.write_labels_inside(image, "cells", labels)
    assert path == image / "labels" / "cells"
    about = validated(path)
    assert about.image_label.source.image == "../../"
    assert (path / about.image_label.source.image).resolve() == image.resolve()
    whole = validated(image, "Image")
    assert len(about.multiscales[0].datasets) == len(whole.multiscales[0].datasets) > 1
    for own, theirs in zip(about.multiscales[0].datasets, whole.multiscales[0].datasets, strict=True):
        without = theirs.coordinateTransformations[0].scale[:1] + theirs.coordinateTransformations[0].scale[2:]
        assert own.coordinateTransformations[0].scale == without
    assert validated(image / "labels", "Labels").labels == ["cells"]
    found = opened(image)
    np.testing.assert_array_equal(found["cells"][0], labels[None])
    assert [x.shape[-2:] for x in found["cells"]] == [x.shape[-2:] for x in found["a.ome.zarr"]]
    np.testing.assert_array_equal(found["cells"][1], labels[None, :, ::2, ::2])
    assert images.fingerprint(image) == before  # a project does not think that the picture has changed
    assert images.labels_inside(image) == [path]
    np.testing.assert_array_equal(images.read_labels(path), labels)


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_that_are_there_are_never_overwritten_without_a_word(tmp_path, version):
    image, labels = picture(tmp_path / "a.ome.zarr", version), objects()
    images.write_labels_inside(image, "cells", labels)
    with pytest.raises(CellsegError, match="called cells already"):
        images.write_labels_inside(image, "cells", labels * 2)
    with pytest.raises(CellsegError, match="called cells already"):
        images.write_labels(image / "labels" / "cells", labels * 2)
    np.testing.assert_array_equal(images.read_labels(image / "labels" / "cells"), labels)
    images.write_labels(image / "labels" / "nuclei", labels)
    images.write_labels_inside(image, "cells", labels[..., ::-1].copy(), replace=True)
    assert validated(image / "labels", "Labels").labels == ["cells", "nuclei"]
    np.testing.assert_array_equal(images.read_labels(image / "labels" / "cells"), labels[..., ::-1])
    assert not [p for p in (image / "labels").iterdir() if p.name.startswith(".") and p.is_dir()]


def test_labels_that_do_not_fit_an_image_leave_it_alone(tmp_path):
    image = picture(tmp_path / "a.ome.zarr", "0.5")
    with pytest.raises(CellsegError, match=r"labels are \(5, 30, 40\)"):
        images.write_labels_inside(image, "cells", np.ones((5, 30, 40), np.uint32))
    with pytest.raises(CellsegError, match="no name"):
        images.write_labels_inside(image, "../cells", objects())
    with pytest.raises(CellsegError, match=r"no OME-Zarr image"):
        images.write_labels_inside(tmp_path, "cells", objects())
    assert not (image / "labels").exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_project_exports_into_its_images(tmp_path, version, capsys):
    """A film and a still of OME-Zarr, and a TIFF, which has no labels inside."""
    film = picture(tmp_path / "film.ome.zarr", version, (3, 60, 80), "tyx")
    still = picture(tmp_path / "still.ome.zarr", version, (2, 60, 80), "cyx")
    tifffile.imwrite(tmp_path / "plain.tif", np.random.default_rng(1).integers(0, 9, (60, 80)).astype(np.uint8))
    masks = np.zeros((3, 60, 80), np.uint32)
    for t in range(3):
        masks[t, 5 + t : 30, 10:30] = 4
    tifffile.imwrite(tmp_path / "m.tif", masks, metadata={"axes": "TYX"})
    project = str(tmp_path / "p.cellseg")
    assert main(["new", project]) == 0
    assert main(["add", project, str(film), "--labels", str(tmp_path / "m.tif")]) == 0
    tifffile.imwrite(tmp_path / "s.tif", masks[0])
    assert main(["add", project, str(still), "--labels", str(tmp_path / "s.tif")]) == 0
    assert main(["export", project, "--inside", "mine"]) == 0
    np.testing.assert_array_equal(opened(film)["mine"][0], masks)
    np.testing.assert_array_equal(opened(still)["mine"][0], masks[0])
    validated(film / "labels" / "mine")
    assert validated(film / "labels" / "mine").multiscales[0].axes[0].type == "time"
    assert main(["add", project, str(tmp_path / "plain.tif")]) == 0
    capsys.readouterr()
    assert main(["export", project, "--inside", "mine"]) == 2
    said = capsys.readouterr().err
    assert "called mine already" in said
    assert "plain.tif is no OME-Zarr image" in said
    assert main(["export", project, "--inside", "mine", "--replace", "--image", "still"]) == 0
    with Project.open(project) as own:
        assert own.read_image("still")  # not changed in its eyes


def test_one_frame_of_a_film_takes_all_of_them_along(tmp_path):
    film = picture(tmp_path / "film.ome.zarr", "0.5", (3, 60, 80), "tyx")
    project = str(tmp_path / "p.cellseg")
    assert main(["new", project]) == 0
    assert main(["add", project, str(film)]) == 0
    assert main(["export", project, "--inside", "mine", "--image", "film_t0001"]) == 0
    assert opened(film)["mine"][0].shape == (3, 60, 80)


def test_large_ome_tiff_is_a_pyramid_of_tiles(tmp_path):
    labels = np.zeros((2, 5000, 4100), np.uint32)
    labels[1, 100:4000, 200:3000], labels[0, 4500:, 4000:] = 5, 70_000
    path = images.write_labels(tmp_path / "x.ome.tif", labels, (2.0, 0.5, 0.25))
    with tifffile.TiffFile(path) as file:
        (series,) = file.series
        assert file.is_ome
        assert series.is_pyramidal
        assert [level.shape for level in series.levels] == [(2, 5000, 4100), (2, 2500, 2050), (2, 1250, 1025)]
        for n, level in enumerate(series.levels):
            assert level.keyframe.tile == (512, 512)
            np.testing.assert_array_equal(level.asarray(), labels[:, :: 2**n, :: 2**n])
            assert level.keyframe.tags["XResolution"].value == (40_000 // 2**n, 1)  # a cm
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert [pixels[f"PhysicalSize{a}"] for a in "ZYX"] == [2.0, 0.5, 0.25]
    image = images.read(path)
    assert image.spacing_um == (2.0, 0.5, 0.25)
    assert len(image.coarser) == 2
    np.testing.assert_array_equal(images.read_labels(path), labels)


def test_small_ome_tiff_stays_plain(tmp_path):
    path = images.write_labels(tmp_path / "x.ome.tif", objects())
    with tifffile.TiffFile(path) as file:
        assert len(file.series[0].levels) == 1


def test_cellpose_finds_the_keys_that_its_window_reads(tmp_path):
    labels = objects((300, 400))
    tifffile.imwrite(tmp_path / "x.tif", labels.astype(np.uint16))
    path = images.write_labels(tmp_path / "x_seg.npy", labels, source=tmp_path / "x.tif")
    content = np.load(path, allow_pickle=True).item()
    np.testing.assert_array_equal(content["masks"], labels)
    assert Path(content["filename"]) == (tmp_path / "x.tif").resolve()
    assert content["ismanual"].tolist() == [False, False]
    edge, inside = content["outlines"] > 0, labels > 0
    assert inside[edge].all()
    np.testing.assert_array_equal(content["outlines"][edge], labels[edge])
    assert edge[10, 20:150].all()
    assert not edge[12:198, 22:148].any()
    np.testing.assert_array_equal(images.read_labels(path), labels)
    small = np.load(images.write_labels(tmp_path / "y_seg.npy", labels % 1000), allow_pickle=True).item()
    assert small["masks"].dtype == small["outlines"].dtype == np.uint16


def test_the_names_of_exported_files(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(1).integers(0, 9, (60, 80)).astype(np.uint8))
    tifffile.imwrite(tmp_path / "m.tif", objects((300, 400))[:60, :80])
    project, out = str(tmp_path / "p.cellseg"), tmp_path / "out"
    assert main(["new", project]) == 0
    assert main(["add", project, str(tmp_path / "a.tif"), "--labels", str(tmp_path / "m.tif")]) == 0
    for format in ("_seg.npy", "v0.4.ome.zarr"):
        assert main(["export", project, "--out", str(out), "--format", format]) == 0
    assert {p.name for p in out.iterdir()} == {"a_seg.npy", "a_labels.v0.4.ome.zarr"}
    assert {n: p.name for n, p in images.masks_by_name([out / "a_seg.npy"]).items()} == {"a": "a_seg.npy"}
    assert list(images.masks_by_name([out / "a_labels.v0.4.ome.zarr"])) == ["a"]
    for path in out.iterdir():
        np.testing.assert_array_equal(images.read_labels(path), objects((300, 400))[:60, :80])


# --- CVAT -------------------------------------------------------------------------------------------

POLYGON = '<polygon label="{}" occluded="0" points="10,5;30,5;30,20;10,20" z_order="0"{}/>'
MASK = '<mask label="{}" occluded="0" rle="1, 2, 1, 4" left="40" top="8" width="4" height="2" z_order="0"{}/>'
IMAGES = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
<image id="0" name="folder/a.png" width="80" height="60">{}</image>
<image id="1" name="b.png" width="80" height="60"><box label="cell" xtl="1" ytl="1" xbr="4" ybr="4"/></image>
</annotations>"""


def masked(number: int = 1) -> np.ndarray:
    expected = np.zeros((60, 80), np.uint32)
    expected[5:20, 10:30] = number
    expected[8, 41:43] = expected[9, 40:44] = number + 1
    return expected


def cvat(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_cvat_polygons_and_masks_are_objects_with_classes(tmp_path):
    path = cvat(tmp_path / "annotations.xml", IMAGES.format(POLYGON.format("cell", "") + MASK.format("debris", "")))
    assert images.is_for_many(path)
    found = images.read_masks(path, images.MasksFor((60, 80), name="a.png"))
    np.testing.assert_array_equal(found.labels, masked())
    assert found.kinds == {1: "cell", 2: "debris"}
    nothing = images.read_masks(path, images.MasksFor((60, 80), name="b.png"))
    assert not nothing.labels.any()  # a box is no mask


def test_cvat_labels_are_the_classes_of_a_project(tmp_path):
    path = cvat(tmp_path / "annotations.xml", IMAGES.format(POLYGON.format("cell", "") + MASK.format("debris", "")))
    found = images.read_masks(path, images.MasksFor((60, 80), name="a.png", classes=("debris", "cell")))
    expected = masked()
    np.testing.assert_array_equal(found.labels, np.select([expected == 1, expected == 2], [2, 1], 0))


def test_cvat_groups_are_pieces_of_one_object(tmp_path):
    group = ' group_id="3"'
    path = cvat(tmp_path / "annotations.xml", IMAGES.format(POLYGON.format("cell", group) + MASK.format("cell", group)))
    found = images.read_masks(path, images.MasksFor((60, 80), name="a.png"))
    np.testing.assert_array_equal(found.labels > 0, masked() > 0)
    assert len(np.unique(found.labels)) == 2


def test_cvat_tracks_are_objects_of_a_film(tmp_path):
    text = """<annotations><meta><job><size>3</size><start_frame>0</start_frame><original_size><width>80</width>
    <height>60</height></original_size></job></meta>
    <track id="0" label="cell"><polygon frame="0" outside="0" points="10,5;30,5;30,20;10,20"/>
    <polygon frame="1" outside="0" points="11,5;31,5;31,20;11,20"/><polygon frame="2" outside="1" points="0,0;1,0;1,1"/>
    </track><track id="4" label="cell">
    <mask frame="1" outside="0" rle="1, 2, 1, 4" left="40" top="8" width="4" height="2"/></track></annotations>"""
    found = images.read_masks(cvat(tmp_path / "a.xml", text), images.MasksFor((60, 80), 3))
    assert found.labels.shape == (3, 60, 80)
    assert [np.unique(frame).size - 1 for frame in found.labels] == [1, 2, 0]
    assert found.labels[0, 6, 12] == found.labels[1, 6, 12] > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><body/></html>", "none of CVAT"),
        ("<annotations", "cannot be read"),
        (IMAGES.format(MASK.format("cell", "").replace("1, 4", "1, 9")), "does not fill"),
        (IMAGES.format(MASK.format("cell", "").replace('left="40"', 'left="78"')), "does not fill"),
        (IMAGES.replace('width="80"', 'width="90"').format(POLYGON.format("cell", "")), "90 wide"),
    ],
    ids=["html", "cut", "runs", "outside", "size"],
)
def test_damaged_cvat_says_so(tmp_path, text, words):
    with pytest.raises(CellsegError, match=words):
        images.read_masks(cvat(tmp_path / "a.xml", text), images.MasksFor((60, 80), name="a.png"))


# --- OME-Zarr 0.6 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("draft", [False, True], ids=["released", "draft"])
def test_coordinate_systems_of_0_6_tell_axes_and_sizes(tmp_path, draft):
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="w", zarr_format=3)
    pixels = np.random.default_rng(0).integers(0, 9, (2, 4, 20, 30)).astype(np.uint8)
    group.create_array("s0", shape=pixels.shape, dtype=pixels.dtype)[:] = pixels
    group.create_array("s1", shape=(2, 4, 10, 15), dtype=pixels.dtype)[:] = pixels[..., ::2, ::2]
    axes = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space", "unit": "nanometer"} for a in "zyx")]
    systems = [{"name": "stage", "axes": axes[::-1]}, {"name": "physical", "axes": axes}]
    output = "physical" if draft else {"name": "physical"}
    levels = []
    for n in (0, 1):
        scale = {"type": "scale", "scale": [1, 2000, 500 * 2**n, 250 * 2**n]}
        whole = {
            "type": "sequence", "transformations": [scale, {"type": "translation", "translation": [0, 0, 5, 5]}],
            "input": f"s{n}" if draft else {"path": f"s{n}"}, "output": output,
        }  # fmt: skip
        levels.append({"path": f"s{n}", "coordinateTransformations": [whole]})
    away = {"type": "rotation", "rotation": [[0, 1], [1, 0]], "input": output, "output": output}
    multiscale = {"coordinateSystems": systems, "datasets": levels, "coordinateTransformations": [away]}
    group.attrs["ome"] = {"version": "0.6.dev3" if draft else "0.6", "multiscales": [multiscale]}
    image = images.read(tmp_path / "a.ome.zarr")
    assert image.axes == "CZYX"
    assert image.spacing_um == (2.0, 0.5, 0.25)
    assert [x.shape for x in image.coarser] == [(2, 4, 10, 15)]
    np.testing.assert_array_equal(image.load(), pixels)
    with pytest.raises(CellsegError, match=r"0\.6.*labels are written into images up to 0\.5"):
        images.write_labels_inside(tmp_path / "a.ome.zarr", "cells", np.ones((4, 20, 30), np.uint32))


def test_a_turned_0_6_image_has_no_size(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="w", zarr_format=3)
    group.create_array("0", shape=(20, 30), dtype="uint8")
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    turned = {"type": "affine", "affine": [[0, 1, 0], [1, 0, 0]], "output": {"name": "p"}}
    levels = [{"path": "0", "coordinateTransformations": [turned]}]
    about = {"coordinateSystems": [{"name": "p", "axes": axes}], "datasets": levels}
    group.attrs["ome"] = {"version": "0.6", "multiscales": [about]}
    image = images.read(tmp_path / "a.ome.zarr")
    assert image.axes == "YX"
    assert image.spacing_um is None


def test_a_full_disk_leaves_the_labels_that_were_there(tmp_path, monkeypatch):
    image, labels = picture(tmp_path / "a.ome.zarr", "0.5"), objects()
    images.write_labels_inside(image, "cells", labels)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(CellsegError, match="cannot be written"):
        images.write_labels_inside(image, "cells", labels * 2, replace=True)
    monkeypatch.undo()
    np.testing.assert_array_equal(images.read_labels(image / "labels" / "cells"), labels)
    shutil.rmtree(image)
