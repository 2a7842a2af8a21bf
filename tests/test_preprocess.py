from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.restoration import denoise_tv_chambolle

from napari_cellseg.config import Config
from napari_cellseg.errors import CellsegError
from napari_cellseg.preprocess import (
    PRESETS,
    STEPS,
    Background,
    ChannelMix,
    ChannelPick,
    Clahe,
    Cutoff,
    EightBit,
    Gamma,
    Grey,
    Invert,
    LowPass,
    MinMaxNormalize,
    PercentileNormalize,
    Processed,
    Recipe,
    TopHat,
    TVDenoise,
    Window,
    ZScoreNormalize,
    _base,
)

RNG = np.random.default_rng(0)
SHAPES = [(1, 40, 50), (3, 40, 50), (2, 4, 40, 50)]
DTYPES = ["uint8", "uint16", "float32", "float64", "int32", "bool"]


def one(step, pixels):
    return Recipe(steps=(step,))(pixels)


@pytest.mark.parametrize("cls", STEPS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_step_gives_finite_float32_and_leaves_its_input_alone(cls, dtype, shape):
    pixels = (RNG.random(shape) * 200).astype(dtype)
    before = pixels.copy()
    out = one(cls(), pixels)
    assert out.shape == (cls().channels(shape[0]), *shape[1:])
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("cls", STEPS)
def test_every_step_has_ranges_and_a_sentence_for_each_parameter(cls):
    assert cls.__doc__
    for name, info in cls.model_fields.items():
        if name != "kind":
            assert info.description, name
            assert info.description.endswith("."), name


STEP = st.sampled_from([*(cls() for cls in STEPS), Background(method="rolling ball", radius=25), Background(radius=9)])


@settings(max_examples=120, deadline=None)
@given(
    steps=st.lists(STEP, min_size=1, max_size=3),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    corner=st.tuples(st.integers(0, 1), st.integers(0, 100), st.integers(0, 150)),
    size=st.tuples(st.integers(1, 2), st.integers(1, 90), st.integers(1, 120)),
    seed=st.integers(0, 100),
)
def test_a_visible_field_has_the_pixels_of_the_whole_image(steps, dtype, corner, size, seed):
    pixels = (np.random.default_rng(seed).random((2, 2, 110, 161)) ** 2 * 250).astype(dtype)
    box = tuple(slice(c, min(n, c + s)) for c, s, n in zip(corner, size, pixels.shape[1:], strict=True))
    recipe = Recipe(steps=tuple(steps))
    whole = recipe(pixels)[(slice(None), *box)]
    field = Processed(recipe, pixels).read(box)
    np.testing.assert_array_equal(field, whole)


@pytest.mark.parametrize("shape", [(64, 80), (61, 83), (1022, 1024), (64, 83), (200, 8)])
@pytest.mark.parametrize(("clip", "tiles"), [(2.0, 8), (40.0, 3), (0.1, 1)])
def test_clahe_is_opencv_to_the_bit(shape, clip, tiles):
    equalise = cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles))
    plane = (RNG.random(shape) ** 2 * 255).astype(np.uint8)
    out = np.rint(one(Clahe(clip_limit=clip, tiles=tiles), plane[None])[0] * 255).astype(np.uint8)
    np.testing.assert_array_equal(out, equalise.apply(plane))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_clahe_of_more_than_8_bits_has_256_bins_between_the_images_percentiles(dtype):
    volume = (RNG.gamma(2, 900, (1, 3, 150, 170))).astype(dtype)
    low, high = np.percentile(volume, (1, 99.8))
    bins = np.rint(np.clip((volume[0] - low) * 255 / (high - low), 0, 255)).astype(np.uint8)
    equalise = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))
    out = np.rint(one(Clahe(), volume)[0] * 255)
    for found, plane in zip(out, bins, strict=True):  # a value in the middle of two bins may fall to either
        assert (np.abs(found - equalise.apply(plane)) > 1).mean() < 1e-3


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_clip_limit_of_clahe_acts_whatever_the_dtype(dtype):
    """Seen before: with 65,536 bins the standard deviation was 0.0591 for the limits 1, 2 and 4 alike."""
    cells = np.clip(RNG.normal(0.5, 0.02, (1, 512, 512)) + 0.1 * (RNG.random((1, 512, 512)) > 0.98), 0, 1)
    image = (cells * {"uint8": 255, "uint16": 4095, "float32": 1}[dtype]).astype(dtype)
    found = [one(Clahe(clip_limit=limit), image) for limit in (1, 2, 4)]
    assert found[0].std() < found[1].std() < found[2].std()
    assert min(np.abs(a - b).mean() for a, b in pairwise(found)) > 0.01


def test_empty_pictures_are_equalised_to_something():
    for dtype in ("uint8", "uint16", "float32"):
        image = np.zeros((1, 64, 64), dtype)
        image[0, 3, 4] = 100
        assert np.isfinite(one(Clahe(), image)).all()
        assert one(Clahe(), image)[0, 3, 4] > one(Clahe(), image)[0, 40, 40]


def test_16_bits_become_8_by_their_range():
    pixels = np.array([[[100, 1100], [600, 100]]], np.uint16)
    assert (one(EightBit(), pixels) * 255).round().tolist() == [[[0, 255], [128, 0]]]
    small = np.array([[[3, 200]]], np.uint8)
    assert (one(EightBit(), small) * 255).round().tolist() == [[[3, 200]]]
    dim = np.array([[[0, 20], [30, 1000]]], np.uint16)  # 20 of 1000 are 5 of 255: below the cut-off of 7
    assert (Recipe(steps=(EightBit(), Cutoff(threshold=7)))(dim) * 255).round().tolist() == [[[0, 0], [8, 255]]]


def test_the_low_pass_has_weights_1_2_1():
    pixels = np.zeros((1, 9, 9), np.float32)
    pixels[0, 4, 4] = 16
    out = one(LowPass(), pixels)[0]
    assert out[3:6, 3:6].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert out.sum() == 16


@pytest.mark.parametrize("shape", [(64, 80), (700, 333), (2, 9), (9, 2)])
def test_tv_is_chambolle(shape):
    plane = RNG.random((1, *shape)).astype(np.float32)
    for weight, iterations in ((0.1, 20), (0.5, 61), (0.02, 1)):
        expected = denoise_tv_chambolle(plane[0], weight=weight, eps=0, max_num_iter=iterations)
        out = one(TVDenoise(weight=weight, iterations=iterations), plane)[0]
        np.testing.assert_allclose(out, expected, atol=1e-4)


def test_percentiles_become_zero_and_one():
    pixels = np.arange(10_001, dtype=np.uint16).reshape(1, 73, 137)
    out = one(PercentileNormalize(low=1, high=99), pixels)
    assert out.flat[100] == pytest.approx(0, abs=1e-3)
    assert out.flat[9900] == pytest.approx(1, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["uint8", "uint16"]), st.floats(0, 49), st.floats(51, 100))
def test_percentiles_from_the_histogram_are_numpys(seed, dtype, low, high):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(1, np.iinfo(dtype).max), rng.integers(2, 500)).astype(dtype)
    from napari_cellseg.preprocess._point import percentiles

    np.testing.assert_allclose(percentiles(values, (low, high)), np.percentile(values, (low, high)), rtol=1e-9)


def test_point_steps_do_what_they_say():
    pixels = np.array([[[0, 6], [7, 255]]], np.uint8)
    assert (one(Cutoff(threshold=7), pixels) * 255).round().tolist() == [[[0, 0], [7, 255]]]
    assert (one(Invert(), pixels) * 255).round().tolist() == [[[255, 249], [248, 0]]]
    assert one(Gamma(gamma=2), pixels)[0, 1, 1] == 1
    assert one(MinMaxNormalize(), pixels.astype(float) * 3).max() == 1
    z = one(ZScoreNormalize(), pixels)
    assert (z.mean(), z.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))
    assert (one(Window(low=100, high=200), np.array([[[50, 150, 300]]], np.uint16)) * 255).tolist() == [[[0, 128, 255]]]
    assert one(Window(low=6, high=3), pixels).tolist() == [[[0, 0], [1, 1]]]


def test_channels_are_picked_and_mixed():
    pixels = np.stack([np.full((9, 9), v, np.float32) for v in (0.1, 0.4, 0.9)])
    assert one(ChannelPick(channel=2), pixels) == pytest.approx(0.4)
    assert one(ChannelPick(channel=9), pixels) == pytest.approx(0.9)
    assert one(ChannelMix(first=1, second=3, third=0), pixels) == pytest.approx((0.1 + 1.2) / 4)
    assert Recipe(steps=(ChannelMix(),)).channels(3) == 1


def test_grey_is_the_mean_of_colours_and_else_the_channel_with_the_most_contrast():
    ramp = np.linspace(0, 1, 40 * 50).reshape(40, 50)
    stack = np.stack([10 + 20 * ramp, 30 + 200 * ramp, 90 + 60 * ramp])
    colour = stack.astype(np.uint8)
    np.testing.assert_allclose(one(Grey(), colour)[0], colour.mean(0) / 255, atol=1e-6)
    others = (stack * 200).astype(np.uint16)  # three channels, but no colour picture
    np.testing.assert_allclose(one(Grey(), others)[0], others[1] / 65535, atol=1e-6)
    np.testing.assert_allclose(one(Grey(how="contrast"), colour)[0], colour[1] / 255, atol=1e-6)
    np.testing.assert_allclose(one(Grey(how="mean"), others)[0], others.mean(0) / 65535, atol=1e-6)
    two = others[:2]
    np.testing.assert_allclose(one(Grey(), two)[0], two[1] / 65535, atol=1e-6)


def test_specks_go_and_cells_stay():
    pixels = np.zeros((1, 60, 60), np.float32)
    pixels[0, 10:30, 10:30], pixels[0, 45:47, 45:47] = 0.5, 1.0
    opened = one(TopHat(radius=3), pixels)[0]
    assert opened[20, 20] == 0.5
    assert opened[45, 45] == 0
    assert one(TopHat(radius=3, result="specks only"), pixels)[0][45, 45] == 1


@pytest.mark.parametrize("method", ["gaussian", "rolling ball"])
def test_a_sloping_background_goes(method):
    slope = np.linspace(0, 0.5, 400, dtype=np.float32)[None].repeat(300, 0)
    pixels = slope.copy()
    pixels[100:110, 100:110] += 0.4
    pixels[200:210, 350:360] += 0.4
    out = one(Background(method=method, radius=40), pixels[None])[0]
    assert np.median(out) < 0.03
    assert out[105, 105] == pytest.approx(out[205, 355], abs=0.05)
    assert out[105, 105] > 0.3


def test_statistics_of_an_image_too_large_come_from_samples(monkeypatch):
    pixels = RNG.integers(0, 60_000, (1, 2, 1100, 1300)).astype(np.uint16)
    whole = Recipe()(pixels)
    monkeypatch.setattr(_base, "MAX_WHOLE", 10)
    sampled = Recipe()(pixels)
    assert np.abs(sampled - whole).max() < 0.01


def test_a_switched_off_step_does_nothing():
    pixels = RNG.random((1, 40, 50)).astype(np.float32)
    recipe = Recipe(steps=(PercentileNormalize(), Clahe(on=False)))
    np.testing.assert_array_equal(recipe(pixels), Recipe()(pixels))


def test_a_recipe_is_its_steps_in_order_and_mends_nan():
    pixels = RNG.random((1, 40, 50)).astype(np.float32)
    recipe = Recipe(steps=(PercentileNormalize(), Clahe()))
    np.testing.assert_array_equal(recipe(pixels), one(Clahe(), one(PercentileNormalize(), pixels)))
    pixels[0, 3, 3] = np.nan
    assert np.isfinite(recipe(pixels)).all()


def test_a_changed_last_step_keeps_what_the_others_know():
    pixels = RNG.integers(0, 255, (1, 1, 64, 64)).astype(np.uint8)
    first = Processed(Recipe(steps=(Clahe(), TVDenoise())), pixels)
    first.all()
    second = Processed(Recipe(steps=(Clahe(), TVDenoise(weight=0.3))), pixels)
    second.adopt(first)
    assert (1, 0) in second._known
    np.testing.assert_array_equal(second.all(), Processed(Recipe(steps=(Clahe(), TVDenoise(weight=0.3))), pixels).all())


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.name)
def test_presets_survive_the_file(preset):
    config = Config(recipe=preset.recipe)
    from napari_cellseg.config import parse_config

    assert parse_config(config.to_toml()) == config
    assert np.isfinite(preset.recipe(RNG.integers(0, 255, (1, 64, 64)).astype(np.uint8))).all()


def test_a_wrong_step_is_refused_in_words():
    with pytest.raises(CellsegError, match="clip_limit"):
        Config().with_values(["recipe.steps=[{kind='clahe', clip_limit=-1}]"])
