from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.restoration import denoise_tv_chambolle

from napari_cellseg.preprocess import STEPS, Clahe, PercentileNormalize, Recipe, TVDenoise

RNG = np.random.default_rng(0)
SHAPES = [(1, 40, 50), (3, 40, 50), (1, 4, 40, 50)]


@pytest.mark.parametrize("cls", STEPS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_step_keeps_the_shape_and_gives_finite_float32(cls, dtype, shape):
    pixels = (RNG.random(shape) * 200).astype(dtype)
    before = pixels.copy()
    out = cls()(pixels)
    assert out.shape == shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(pixels, before)


def test_clahe_is_opencv_to_the_bit():
    plane = (RNG.random((64, 80)) * 255).astype(np.uint8)
    expected = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(plane)
    np.testing.assert_array_equal(np.rint(Clahe()(plane[None])[0] * 255).astype(np.uint8), expected)


def test_tv_is_chambolle():
    plane = RNG.random((1, 64, 80)).astype(np.float32)
    expected = denoise_tv_chambolle(plane[0], weight=0.1, max_num_iter=100)
    np.testing.assert_allclose(TVDenoise()(plane)[0], expected, atol=1e-5)


def test_percentiles_become_zero_and_one():
    pixels = np.arange(10_001, dtype=np.uint16).reshape(1, 73, 137)
    out = PercentileNormalize(low=1, high=99)(pixels)
    assert out.flat[100] == pytest.approx(0, abs=1e-3)
    assert out.flat[9900] == pytest.approx(1, abs=1e-3)


def test_a_recipe_is_its_steps_in_order_and_mends_nan():
    pixels = RNG.random((1, 40, 50)).astype(np.float32)
    recipe = Recipe(steps=(PercentileNormalize(), Clahe()))
    np.testing.assert_array_equal(recipe(pixels), Clahe()(PercentileNormalize()(pixels)))
    pixels[0, 3, 3] = np.nan
    assert np.isfinite(recipe(pixels)).all()
