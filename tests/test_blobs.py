"""Thresholds other than Otsu's, and blobs: drafts for what a global threshold does not find."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_cellseg.cli import main
from napari_cellseg.drafts import Blobs, OtsuWatershed
from napari_cellseg.evaluation import score_image
from napari_cellseg.matching import ids_in
from napari_cellseg.project import Project


def disks(shape=(160, 200), radius=9, n=12, seed=0):
    rng, out = np.random.default_rng(seed), np.zeros(shape, np.uint32)
    y, x = np.indices(shape)
    while out.max() < n:
        a, b = rng.uniform(radius + 3, shape[0] - radius - 3), rng.uniform(radius + 3, shape[1] - radius - 3)
        away = np.hypot(y - a, x - b)
        if not out[away <= radius + 5].any():
            out[away <= radius] = out.max() + 1
    return out


def seen(labels, background=0.0, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    grey = ndi.gaussian_filter((labels > 0).astype(float), 1) + background + rng.normal(0, noise, labels.shape)
    return grey[None].astype(np.float32)


def ap50(truth, found):
    return score_image(truth, found)["ap50"]


@pytest.mark.parametrize("filter", ["log", "dog"])
@pytest.mark.parametrize("sign", [1, -1])
def test_disks_of_a_size_are_found_whatever_the_background(filter, sign):
    truth = disks()
    uneven = 3 * np.linspace(0, 1, truth.shape[1])[None] * np.ones((truth.shape[0], 1))
    pixels = sign * seen(truth, uneven)
    found = Blobs(filter=filter, smallest=14, largest=24, polarity="bright" if sign > 0 else "dark")(pixels)
    assert ap50(truth, found) > 0.9
    polarity = "bright" if sign > 0 else "dark"
    assert ap50(truth, OtsuWatershed(polarity=polarity)(pixels)) < 0.7, "a global threshold does not find them"
    local = OtsuWatershed(polarity=polarity, threshold="local", window=61, sigma=2)(pixels)
    assert ap50(truth, local) > 0.9


@settings(max_examples=10, deadline=None)
@given(shift=st.floats(-100, 100), gain=st.floats(0.1, 100))
def test_offset_and_gain_change_nothing(shift, gain):
    truth = disks(seed=3)
    pixels = seen(truth)
    blobs = Blobs(smallest=14, largest=24)
    found, other = blobs(pixels), blobs((pixels * np.float32(gain) + np.float32(shift)).astype(np.float32))
    assert ((found > 0) != (other > 0)).mean() < 0.01
    assert abs(int(found.max()) - int(other.max())) <= 1


def test_dark_objects_are_the_inverse_of_bright_ones():
    pixels = seen(disks())
    blobs = Blobs(smallest=14, largest=24, polarity="dark")
    bright = Blobs(smallest=14, largest=24, polarity="bright")
    np.testing.assert_array_equal(blobs(-pixels), bright(pixels))
    assert ap50(disks(), Blobs(smallest=14, largest=24)(-pixels)) > 0.95, "auto sees that they are dark"


def test_touching_disks_are_two():
    y, x = np.indices((80, 120))
    away = [np.hypot(y - 40, x - c) for c in (50, 71)]
    truth = np.where(np.minimum(*away) <= 11, np.argmin(away, 0) + 1, 0).astype(np.uint32)
    assert ap50(truth, Blobs(smallest=16, largest=26)(seen(truth))) == 1.0


def test_balls_in_flat_voxels_are_whole():
    spacing = (2.0, 0.5, 0.5)
    z, y, x = np.indices((16, 80, 100))
    truth = np.zeros((16, 80, 100), np.uint32)
    for id, (a, b, c) in enumerate([(8, 25, 25), (8, 55, 30), (7, 40, 75)], 1):
        truth[np.sqrt((4 * (z - a)) ** 2 + (y - b) ** 2 + (x - c) ** 2) <= 12] = id
    found = Blobs(smallest=20, largest=28)(seen(truth), spacing)
    assert ap50(truth, found) == 1.0
    assert ids_in(found).size == 3


@pytest.mark.parametrize(
    "method", [Blobs(), Blobs(filter="dog"), *(OtsuWatershed(threshold=t) for t in ("li", "triangle", "local"))]
)
def test_pictures_of_nothing_give_nothing_or_little_and_no_error(method):
    assert not method(np.zeros((1, 40, 50), np.float32)).any()
    assert not method(np.full((1, 40, 50), 7, np.float32)).any()
    noise = np.random.default_rng(0).normal(size=(1, 64, 64)).astype(np.float32)
    assert method(noise).shape == (64, 64)


def test_each_threshold_is_what_it_is_named_after():
    from skimage import filters

    truth = disks(n=8)
    pixels = seen(truth)
    for name in ("otsu", "li", "triangle"):
        level = getattr(filters, f"threshold_{name}")(pixels[0])
        own = OtsuWatershed(threshold=name, sigma=0, polarity="bright", min_size=0)(pixels)
        np.testing.assert_array_equal(own > 0, pixels[0] > level)
    dim = np.where(truth % 2 == 0, 1.0, 0.25)[None].astype(np.float32) * seen(truth, noise=0.01)
    assert ap50(truth, OtsuWatershed(threshold="li", polarity="bright")(dim)) > ap50(
        truth, OtsuWatershed(polarity="bright")(dim)
    )


def test_the_command_line_takes_both(tmp_path, capsys):
    truth = disks()
    tifffile.imwrite(tmp_path / "a.tif", (seen(truth)[0] * 100 + 50).clip(0, 255).astype(np.uint8))
    assert main(["new", str(tmp_path / "p")]) == 0
    assert main(["add", str(tmp_path / "p.cellseg"), str(tmp_path / "a.tif")]) == 0
    for options in (["blobs", "--set", "smallest=14", "--set", "largest=24"], ["otsu", "--set", "threshold=li"]):
        assert main(["draft", str(tmp_path / "p.cellseg"), "--image", "a", "--method", *options]) == 0
        with Project.open(tmp_path / "p.cellseg") as project:
            assert ap50(truth, project.load_labels("a")[0]) > 0.9
    assert main(["draft", str(tmp_path / "p.cellseg"), "--image", "a", "--set", "threshold=huang"]) == 2
    assert "threshold" in capsys.readouterr().err
