"""Channels that are signals are shown together in colour, or one alone; the family holds for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers.channels import ALL, prepare
from napari_cellseg.gui.layers.overlays import is_ours
from napari_cellseg.images import from_array, read

from ..test_images import pyramid_tiff, pyramid_zarr
from .waiting import settle

NAMES = ("DAPI", "actin", "")


def stack(path: Path, channels: int, **metadata: object) -> Path:
    pixels = np.random.default_rng(channels).exponential(400, (channels, 6, 40, 50)).astype(np.uint16)
    tifffile.imwrite(path, pixels, ome=True, metadata={"axes": "CZYX", **metadata}, photometric="minisblack")
    return path


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    named = {"Channel": {"Name": list(NAMES)}} | {
        f"PhysicalSize{x}": s for x, s in zip("ZYX", (2, 0.5, 0.5), strict=True)
    }
    made = Controller(ViewerModel())
    made.open_images([stack(tmp_path / "three.ome.tif", 3, **named)])
    settle(made)
    assert made.session.problem is None
    yield made
    made.close()


def names(controller: Controller) -> list[str]:
    return [layer.name for layer in controller.viewer.layers]


def test_every_channel_has_its_name_colour_contrast_and_geometry(controller):
    layers = controller.family.channels.layers
    assert names(controller)[:4] == ["three [DAPI]", "three [actin]", "three [channel 3]", "three [labels]"]
    assert [x.colormap.name for x in layers] == ["cyan", "yellow", "magenta"]
    assert [x.blending for x in layers[1:]] == ["additive"] * 2
    pixels = controller.family.source()
    for n, layer in enumerate(layers):
        np.testing.assert_array_equal(layer.data, pixels[n])
        low, high = layer.contrast_limits
        assert pixels[n].min() <= low < high <= pixels[n].max()
        assert tuple(layer.scale) == tuple(controller.family.labels.scale) == (2.0, 0.5, 0.5)
        assert layer.units == controller.family.labels.units
        assert layer.axis_labels == controller.family.labels.axis_labels
        assert layer.visible
        assert is_ours(layer)


def test_one_channel_is_seen_alone_in_grey_and_all_again_as_a_person_left_them(controller):
    layers = controller.family.channels.layers
    layers[1].colormap, layers[1].contrast_limits, layers[1].opacity = "red", (5, 99), 0.7
    controller.projects.select_channel(1)
    assert [x.visible for x in layers] == [False, True, False]
    assert layers[1].colormap.name == "gray"
    assert layers[1].opacity == 1.0
    assert (controller.session.channel, resolve(controller.session).channel) == (1, "1")
    controller.projects.select_channel(2)
    assert [x.visible for x in layers] == [False, False, True]
    controller.projects.select_channel(ALL)
    assert [x.visible for x in layers] == [True] * 3
    assert [x.colormap.name for x in layers] == ["cyan", "red", "magenta"]
    assert tuple(layers[1].contrast_limits) == (5, 99)
    assert layers[1].opacity == 0.7
    assert controller.session.channel == 2  # tools go on looking at it
    view = resolve(controller.session)
    assert [c.text for c in view.channels] == ["all channels", "DAPI", "actin", "channel 3"]
    assert view.channel == str(ALL)


def test_channels_come_back_one_by_one_and_go_together(controller):
    family, before = controller.family, names(controller)
    for layer in family.channels.layers[1:]:
        controller.viewer.layers.remove(layer)
    controller.tick()
    assert names(controller) == before
    controller.viewer.layers.remove(family.image)
    controller.viewer.layers.remove(family.labels)
    controller.tick()
    assert names(controller) == []
    assert controller.session.image == ""
    assert resolve(controller.session).channels == ()


def test_a_preview_lies_over_all_channels(controller):
    controller.family.overlays.show_preview(np.ones((6, 40, 50), np.float32), ((0, 6), (0, 40), (0, 50)))
    assert names(controller).index("three [preview]") == 3


@pytest.mark.parametrize(("channels", "colours"), [(2, ["magenta", "green"]), (7, ["gray"])])
def test_two_have_colours_that_everybody_can_tell_apart_and_many_are_seen_one_by_one(tmp_path, channels, colours):
    controller = Controller(ViewerModel())
    controller.open_images([stack(tmp_path / "c.ome.tif", channels)])
    settle(controller)
    layers = controller.family.channels.layers
    assert [x.colormap.name for x in layers] == colours
    controller.projects.select_channel(1)
    np.testing.assert_array_equal(layers[-1].data, controller.family.source()[1])
    view = resolve(controller.session)
    assert len(view.channels) == channels + (channels == 2)
    controller.projects.select_channel(ALL)
    assert resolve(controller.session).channel == ("-1" if channels == 2 else "1")
    controller.close()


def test_a_colour_picture_and_a_grey_one_have_nothing_to_choose(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", rgb, photometric="rgb")
    np.save(tmp_path / "grey.npy", rgb[..., 0])
    for name in ("rgb.tif", "grey.npy"):
        controller = Controller(ViewerModel())
        controller.open_images([tmp_path / name], tmp_path)
        settle(controller)
        assert len(controller.family.channels.layers) == 1
        assert resolve(controller.session).channels == ()
        controller.projects.select_channel(ALL)
        assert not controller.session.together_shown
        controller.close()


@pytest.mark.parametrize(
    ("names", "light", "colours"),
    [
        (("red", "green", "SMAD", "phase"), (3,), ("red", "green", "cyan", "gray")),
        (("DAPI", "green"), (), ("magenta", "green")),
        (("a", "b"), (0,), ("gray", "magenta")),
        (tuple("abcdefg"), (), ()),
        (("a",), (), ()),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_transmitted_light_is_grey_and_a_channel_named_after_a_colour_has_it(names, light, colours):
    rng = np.random.default_rng(0)
    pixels = [rng.normal(500, 60, (40, 50)) if n in light else rng.exponential(40, (40, 50)) for n in range(len(names))]
    picture = from_array(np.stack(pixels).astype(np.float32), "CYX")
    assert prepare(dataclasses.replace(picture, channels=names)).colours == colours


def pyramid(path: Path, channels: int, side: int = 96) -> np.ndarray:
    data = np.random.default_rng(channels).exponential(400, (channels, side, side + 20)).astype(np.uint16)
    pyramid_zarr(path, [data, data[:, ::2, ::2], data[:, ::4, ::4]], "cyx")
    return data


@pytest.mark.parametrize("channels", [2, 7])
def test_a_pyramid_is_shown_as_one_and_everything_else_sees_its_finest_level(tmp_path, channels):
    data = pyramid(tmp_path / "a.ome.zarr", channels)
    controller = Controller(ViewerModel())
    controller.projects.in_memory = 0
    controller.open_images([tmp_path / "a.ome.zarr"])
    settle(controller)
    assert controller.session.problem is None
    family = controller.family
    for layer in family.channels.layers:
        assert layer.multiscale
        assert [level.shape for level in layer.data] == [(96, 116), (48, 58), (24, 29)]
        assert tuple(layer.scale) == tuple(family.labels.scale) == (0.5, 0.5)
        assert layer.extent.world.tolist() == family.labels.extent.world.tolist(), "levels lie where the labels do"
    np.testing.assert_array_equal(family.source(), data)
    controller.projects.select_channel(1)
    shown = family.channels.layers[-1 if channels > 2 else 1]
    np.testing.assert_array_equal(shown.data[0], data[1])
    assert not family.labels.multiscale
    box = family.visible_box()
    assert [s.stop for s in box] == [96, 116]
    controller.close()


def test_what_fits_into_memory_is_drawn_as_one_unless_graphics_cards_could_not(tmp_path, monkeypatch):
    pyramid(tmp_path / "a.ome.zarr", 2)
    picture = read(tmp_path / "a.ome.zarr")
    assert prepare(picture).coarser == ()
    assert isinstance(prepare(picture).pixels, np.ndarray)
    monkeypatch.setattr("napari_cellseg.gui.layers.channels.WIDEST", 100)
    wide = prepare(picture)
    assert [level.shape for level in wide.coarser] == [(2, 48, 58), (2, 24, 29)]
    assert isinstance(wide.pixels, np.ndarray)


def test_contrast_of_a_large_picture_comes_from_a_level_that_is_read_at_once(tmp_path, monkeypatch):
    data = pyramid(tmp_path / "a.ome.zarr", 2)
    monkeypatch.setattr("napari_cellseg.gui.layers.channels.QUICK", 48 * 58)
    found = prepare(read(tmp_path / "a.ome.zarr"), in_memory=0).limits[0]
    level = data[0, ::2, ::2][::2, ::2]
    assert found == pytest.approx(tuple(np.percentile(level, (0.5, 99.8))))


def test_a_pyramid_in_colour_is_shown_as_one(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (128, 192, 3), np.uint8)
    pyramid_tiff(tmp_path / "a.tif", [data, np.ascontiguousarray(data[::2, ::2])], photometric="rgb")
    controller = Controller(ViewerModel())
    controller.projects.in_memory = 0
    controller.open_images([tmp_path / "a.tif"])
    settle(controller)
    layer = controller.family.image
    assert (layer.rgb, layer.multiscale) == (True, True)
    np.testing.assert_array_equal(layer.data[0], data)
    np.testing.assert_array_equal(layer.data[1], data[::2, ::2])
    controller.close()
