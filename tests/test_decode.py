"""Decoding in blocks, out of core, in 2D and 3D: always what decoding the whole gives."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.morphology import reconstruction
from skimage.segmentation import watershed

from napari_cellseg.evaluation import instance_counts
from napari_cellseg.kernels import blur
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import (
    Boundary,
    Distance,
    Flows,
    Foreground,
    Rays,
    Semantic,
    decode,
    decode_into,
    part,
    typical_radius,
)


def noise(shape, channels, seed, levels=0):
    """Smooth random probabilities, full of saddles; with few levels also full of ties."""
    rng = np.random.default_rng(seed)
    fields = rng.random((channels, *shape), dtype=np.float32)
    sigma = [0, *(min(1.5, n / 8) for n in shape)]
    fields = ndi.gaussian_filter(fields, sigma)
    fields = (fields - fields.min()) / np.ptp(fields)
    if levels:
        fields = np.round(fields * levels) / levels
    return (fields / fields.sum(0) if channels == 3 else fields).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    target=st.sampled_from(
        [
            Distance(min_size=5),
            Distance(min_size=0, smooth=0, prominence=0.3),
            Distance(min_size=0, smooth=0, prominence=0.6, finer=0.5),
            Boundary(min_size=3),
            Flows(min_size=2, steps=20),
            Flows(min_size=6, steps=200, error=0),
            Rays(min_size=1, rays=8, scale=3),
            Rays(min_size=1, scale=5, overlap=0.2, threshold=0.3),
        ]
    ),
    shape=st.sampled_from([(1, 70, 90), (9, 33, 41), (3, 64, 20)]),
    voxels=st.sampled_from([150, 900, 4000]),
    chunk=st.sampled_from([None, (1, 8, 8), (4, 16, 8)]),
    planar=st.booleans(),
    levels=st.sampled_from([0, 4, 20]),
    seed=st.integers(0, 1000),
)
def test_blocks_of_any_size_give_the_labels_of_the_whole(target, shape, voxels, chunk, planar, levels, seed):
    probabilities = noise(shape, target.channels(1, 2 if planar else 3), seed, levels)

    def read(box):
        return probabilities[(slice(None), *box)]

    results = []
    for size, parts in ((10**9, None), (voxels, chunk)):
        out = np.zeros(shape, np.uint32)
        n = decode_into(target, read, shape, out, planar=planar, chunk=parts, voxels=size)
        assert n == out.max()
        results.append(out)
    np.testing.assert_array_equal(*results)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), rise=st.sampled_from([0.05, 0.2, 0.5]), shape=st.sampled_from([(60, 70), (8, 24, 24)])
)
def test_there_is_an_object_for_every_h_maximum(seed, rise, shape):
    """The number of objects is that of h-maxima seeds and of pieces without one; borders agree with a watershed."""
    height = noise(shape, 1, seed)[0]
    mask = height > 0.35
    labels = part(height, mask, rise, 0)
    inside = np.where(mask, height, 0)
    faces = ndi.generate_binary_structure(height.ndim, 1)
    flooded = reconstruction(inside - rise, inside, method="dilation", footprint=faces)
    seeds, _ = ndi.label((inside - flooded >= rise * (1 - 1e-5)) & mask)
    expected = watershed(-height, seeds, mask=mask)
    rest, n_rest = ndi.label(mask & (expected == 0))
    assert labels.max() == seeds.max() + n_rest
    np.testing.assert_array_equal(labels > 0, mask)
    expected = np.where(rest > 0, rest + seeds.max(), expected).astype(np.uint32)
    # skimage floods in the order of a queue, ours by steepest ascent: they may part a pass differently
    counts = instance_counts(expected, labels, threshold=0.5)
    assert counts["tp"] >= 0.8 * labels.max()


@pytest.mark.parametrize(("touching", "found"), [(1, 41), (6, 40)])
def test_a_finer_prominence_is_taken_where_it_makes_few_objects_more(touching, found):
    """Forty hills, of which some have a second top: one more is two nuclei that touch, six more are noise."""
    y, x = np.mgrid[:16, :16] - 7.5
    hill = np.clip(1 - np.hypot(y / 7, x / 7), 0, 1).astype(np.float32)
    saddle = hill.copy()
    saddle[:, 7:9] = np.minimum(saddle[:, 7:9], 0.8 * saddle[:, 6:7])  # a dent of less than the prominence
    height = np.block([[saddle if row * 8 + column < touching else hill for column in range(8)] for row in range(5)])
    probabilities = np.stack([(height > 0).astype(np.float32), height])
    plain = Distance(min_size=0, smooth=0, prominence=0.2)
    assert decode(plain, probabilities).max() == 40
    assert decode(plain.model_copy(update={"prominence": 0.05}), probabilities).max() == 40 + touching
    labels = decode(plain.model_copy(update={"finer": 0.1}), probabilities)
    assert labels.max() == found
    np.testing.assert_array_equal(labels > 0, height > 0)


def test_objects_are_counted_exactly_across_blocks_and_written_to_zarr(tmp_path):
    _, truth = synthetic_cells((40, 160, 160), 90, radius=9, touching=0, seed=2)
    target = Distance(min_size=0)
    probabilities = target.encode(truth)
    out = zarr.create_array(str(tmp_path / "labels.zarr"), shape=truth.shape, chunks=(8, 32, 32), dtype="uint32")
    n = decode_into(
        target, lambda box: probabilities[(slice(None), *box)], truth.shape, out, chunk=(8, 32, 32), voxels=40_000
    )
    assert n == len(np.unique(truth)) - 1
    assert len(np.unique(out[:])) - 1 == n


@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40), (5, 30, 40), (3, 7, 5)])
@pytest.mark.parametrize("sigma", [0.6, 2.3])
@pytest.mark.parametrize(("edge", "mode"), [("mirror", "reflect"), ("repeat", "nearest")])
def test_the_blur_is_scipys_and_the_same_in_every_part(shape, sigma, edge, mode):
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    sigmas = (sigma / 2, sigma, sigma)[-len(shape) :]
    whole = blur.gaussian(values, sigmas, edge)
    alone = [0 if n == 1 else s for n, s in zip(shape, sigmas, strict=True)]
    np.testing.assert_allclose(whole, ndi.gaussian_filter(values, alone, mode=mode), atol=2e-6)
    reach = blur.radius(sigma)
    if shape[-2] == 30:
        y, x = 11, 15
        piece = values[..., max(0, y - reach) : y + 9 + reach, max(0, x - reach) : x + 13 + reach]
        found = blur.gaussian(piece, sigmas, edge)
        at = found[..., min(reach, y) :, min(reach, x) :][..., :9, :13]
        np.testing.assert_array_equal(at, whole[..., y : y + 9, x : x + 13])


def test_the_typical_radius_is_that_of_the_objects():
    y, x = np.mgrid[:200, :200]
    p = np.zeros((2, 1, 200, 200), np.float32)
    for cy, cx in ((40, 40), (40, 140), (140, 90)):
        p[0, 0][(y - cy) ** 2 + (x - cx) ** 2 <= 15**2] = 1
    radius = typical_radius(Distance(), lambda box: p[(slice(None), *box)], (1, 200, 200))
    assert radius == pytest.approx(15, abs=1.5)
    assert typical_radius(Boundary(), lambda box: p[(slice(None), *box)], (1, 200, 200)) == 0


def test_a_large_image_is_measured_in_windows():
    asked = []

    def read(box):
        asked.append(box)
        return np.ones((2, *(s.stop - s.start for s in box)), np.float32)

    typical_radius(Distance(), read, (64, 8192, 8192))
    assert 1 <= len(asked) <= 16
    assert all(np.prod([s.stop - s.start for s in box]) <= 32 * 512 * 512 for box in asked)


def class_map():
    plane = np.zeros((120, 120), np.uint8)
    plane[10:110, 10:110] = 3  # cell
    plane[40:80, 40:80] = 2  # nucleus
    plane[39, 38:82] = plane[80, 38:82] = 1  # half of an envelope
    plane[55:58, 55:58] = 0  # a hole in the nucleus
    plane[2:4, 2:4] = 3  # a speck
    plane[20:24, 60] = 0  # a gap in the cell
    return plane


def test_classes_are_cleaned_as_karabag_did():
    plain = Semantic(min_size=0).clean(class_map())
    np.testing.assert_array_equal(plain, class_map())
    clean = Semantic(
        min_size=50, fill_holes=True, closing=3, shell=1, shell_inside=2, shell_outside=3, shell_reach=2
    ).clean(class_map())
    assert (clean[55:58, 55:58] == 2).all()
    assert (clean[2:4, 2:4] == 0).all()
    assert (clean[20:24, 60] == 3).all()
    assert clean[60, 39] == 1
    assert clean[60, 60] == 2
    assert clean[60, 20] == 3


def test_a_small_region_of_another_class_is_filled_by_what_surrounds_it():
    plane = np.full((60, 60), 2, np.uint8)
    plane[:5] = 0
    plane[30:33, 30:33] = 1
    assert (Semantic(min_size=20, fill_holes=True).clean(plane.copy())[30:33, 30:33] == 2).all()


def test_the_envelope_has_a_size_limit_of_its_own_after_its_step():
    """Karabag et al. 2023: nucleus and cell below 3,200 pixels go, then the envelope grows, then its specks go."""
    plane = np.zeros((200, 200), np.uint8)
    plane[10:190, 10:190] = 3  # cell
    plane[60:140, 60:140] = 2  # nucleus
    plane[58:60, 58:142] = 1  # a part of its envelope, 168 pixels
    plane[150:155, 20:25] = 1  # a speck of envelope, 25 pixels
    plane[170:180, 20:30] = 2  # a speck of nucleus, 100 pixels
    options = {"min_size": 150, "fill_holes": True, "shell": 1, "shell_inside": 2, "shell_outside": 3, "shell_reach": 3}
    clean = Semantic(**options).clean(plane.copy())
    assert (clean[58:60, 58:142] == 1).all()
    assert (clean[150:155, 20:25] == 1).all()  # below the limit of the others, and kept
    assert (clean[170:180, 20:30] == 3).all()
    assert (clean[100, 58:62] == 1).all()  # dilated nucleus and dilated cell
    clean = Semantic(**options, shell_min_size=100).clean(plane.copy())
    assert (clean[58:60, 58:142] == 1).all()
    assert not (clean[150:155, 20:25] == 1).any()
    lonely = np.zeros((200, 200), np.uint8)
    lonely[60:62, 60:100] = 1  # 80 pixels of envelope alone
    assert (Semantic(**options).clean(lonely.copy()) == lonely).all()
    assert not Semantic(**options, shell_min_size=100).clean(lonely.copy()).any()


def test_a_hole_belongs_to_the_innermost_class_round_it():
    """Whatever their numbers: an envelope of class 1 does not fill holes of the nucleus inside it."""
    plane = np.zeros((100, 100), np.uint8)
    plane[10:90, 10:90] = 1
    plane[20:80, 20:80] = 3
    plane[30:70, 30:70] = 2
    plane[50:53, 50:53] = 0
    clean = Semantic(min_size=0, fill_holes=True).clean(plane.copy())
    assert (clean[50:53, 50:53] == 2).all()
    plane[50:53, 50:53] = 2
    np.testing.assert_array_equal(clean, plane)


def test_one_channel_is_decoded_by_its_threshold():
    p = np.zeros((1, 20, 20), np.float32)
    p[0, 5:15, 5:15], p[0, 0, 0] = 0.6, 0.9
    assert (decode(Foreground(min_size=2), p) > 0).sum() == 100
    assert not decode(Foreground(threshold=0.7, min_size=2), p).any()
    assert decode(Foreground(min_size=0), p)[0, 0] == 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), planes=st.integers(1, 3))
def test_classes_are_decoded_plane_by_plane(seed, planes):
    rng = np.random.default_rng(seed)
    p = ndi.gaussian_filter(rng.random((3, planes, 40, 50), dtype=np.float32), (0, 0, 2, 2))
    target = Semantic(min_size=20)
    labels = decode(target, p)
    for z in range(planes):
        np.testing.assert_array_equal(labels[z], decode(target, p[:, z]))
        expected = target.clean(p[:, z].argmax(0).astype(np.uint8))
        np.testing.assert_array_equal(labels[z], expected)
