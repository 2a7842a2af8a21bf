"""Contract tests over the union of augmentations."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.augmentation import AUGMENTATIONS, GEOMETRIC, PHOTOMETRIC, Cut, Patch, Standard, TwoStage, Unchanged
from napari_cellseg.samples import synthetic_cells


def source(shape=(1, 96, 120), channels=2):
    """Pixels that are a known function of the labels, so that what belongs together can be told afterwards."""
    labels = np.stack([synthetic_cells(shape[1:], 12, radius=10, seed=z)[1] for z in range(shape[0])])
    inside = (labels > 0).astype(np.float32)
    pixels = np.stack([inside * (c + 1) / channels for c in range(channels)])
    return Patch(pixels, np.stack([1 - inside, inside]), np.ones(shape, bool))


def cut(side=64, depth=1, centre=(60.0, 48.0), hard=True):
    return Cut(np.arange(depth), np.zeros(depth, bool), centre, side, hard)


@pytest.mark.parametrize("cls", AUGMENTATIONS)
@pytest.mark.parametrize(("depth", "shape"), [(1, (1, 96, 120)), (4, (5, 96, 120))])
@pytest.mark.parametrize("hard", [True, False])
def test_patches_have_their_shape_and_their_values(cls, depth, shape, hard):
    before = source(shape)
    for seed in range(20):
        patch = cls()(before, cut(depth=depth, hard=hard), np.random.default_rng(seed))
        assert patch.pixels.shape == patch.target.shape == (2, depth, 64, 64)
        assert patch.pixels.dtype == patch.target.dtype == np.float32
        assert patch.known.shape == (depth, 64, 64)
        assert patch.known.dtype == bool
        assert np.isfinite(patch.pixels).all()
        np.testing.assert_allclose(patch.target.sum(0), 1, atol=1e-5)
        if hard:
            assert set(np.unique(patch.target)) <= {0, 1}
    np.testing.assert_array_equal(before.pixels, source(shape).pixels)


@pytest.mark.parametrize("name", GEOMETRIC)
def test_pixels_and_labels_move_together(name):
    before = source()
    for seed in range(10):

        class One(Unchanged):
            def grid(self, cut, rng):
                return GEOMETRIC[name](cut, rng)

        patch = One()(before, cut(), np.random.default_rng(seed))
        agree = (patch.pixels[1, 0] > 0.5) == (patch.target[1, 0] > 0.5)
        assert agree.mean() > 0.97
        assert not np.array_equal(patch.pixels, Unchanged()(before, cut(), np.random.default_rng(seed)).pixels)


@pytest.mark.parametrize("name", PHOTOMETRIC)
@pytest.mark.parametrize("channels", [1, 3])
def test_photometric_changes_keep_the_place(name, channels):
    rng = np.random.default_rng(0)
    pixels = source(channels=channels).pixels + rng.normal(0, 0.05, (channels, 1, 96, 120)).astype(np.float32)
    changed = [PHOTOMETRIC[name](pixels.copy(), np.random.default_rng(seed)) for seed in range(6)]
    assert all(c.shape == pixels.shape and np.isfinite(c).all() for c in changed)
    if not (name in ("channel shuffle", "greyscale") and channels == 1):
        assert any(not np.array_equal(c, pixels) for c in changed)
    correlation = [abs(np.corrcoef(c[0].ravel(), pixels[0].ravel())[0, 1]) for c in changed]
    assert min(correlation) > 0.7


@pytest.mark.parametrize("cls", [Standard, TwoStage, Unchanged])
def test_nothing_is_known_beyond_the_border(cls):
    before = source()
    patch = cls()(before, cut(centre=(0.0, 0.0)), np.random.default_rng(1))
    assert not patch.known.all()
    assert patch.known.any()
    far = cls()(before, cut(centre=(-500.0, -500.0)), np.random.default_rng(1))
    assert not far.known.any()


@pytest.mark.parametrize(("side", "half"), [(64, 32), (63, 31)])
def test_unchanged_is_the_source(side, half):
    """Centres of real draws are voxels."""
    before = noise()
    patch = Unchanged()(before, cut(side=side, centre=(10.0 + half, 20.0 + half)), np.random.default_rng(0))
    np.testing.assert_allclose(patch.pixels, before.pixels[..., 20 : 20 + side, 10 : 10 + side], atol=1e-6)
    np.testing.assert_array_equal(patch.target, before.target[..., 20 : 20 + side, 10 : 10 + side])


@pytest.mark.parametrize("name", ["mirror", "quarter turn", "transposition"])
def test_what_only_moves_pixels_blurs_none(name):
    before = noise()

    class One(Unchanged):
        def grid(self, cut, rng):
            return GEOMETRIC[name](cut, rng)

    for seed in range(5):
        patch = One()(before, cut(side=32), np.random.default_rng(seed))
        assert set(np.round(patch.pixels.ravel(), 5)) <= set(np.round(before.pixels.ravel(), 5))


def noise() -> Patch:
    """Every pixel differs from its neighbours."""
    pixels = np.random.default_rng(0).random((1, 1, 96, 120), dtype=np.float32)
    inside = (pixels > 0.5).astype(np.float32)
    return Patch(pixels, np.concatenate([1 - inside, inside]), np.ones((1, 96, 120), bool))


def test_the_same_seed_gives_the_same_patch():
    before = source()
    for cls in AUGMENTATIONS:
        a, b = (cls()(before, cut(), np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(a.pixels, b.pixels)


def test_inverted_patches_swap_the_ends_of_the_range():
    before = source(channels=1)
    plain = Standard(strength=0, scale=1)(before, cut(), np.random.default_rng(5))
    turned = Standard(strength=0, scale=1, invert=1)(before, cut(), np.random.default_rng(5))
    np.testing.assert_allclose(turned.pixels, 1 - plain.pixels, atol=1e-6)
    np.testing.assert_array_equal(turned.target, plain.target)


def test_strength_scales_how_much_the_tone_changes():
    pixels = np.random.default_rng(0).uniform(0.2, 0.8, (1, 1, 64, 64)).astype(np.float32)

    def change(strength: float) -> float:
        tones = [Standard(strength=strength).tone(pixels, np.random.default_rng(seed)) for seed in range(40)]
        return float(np.mean([np.abs(tone - pixels).mean() for tone in tones]))

    assert change(0) < 1e-2 < change(1) < change(2)
