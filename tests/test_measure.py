"""Measurements: known shapes, an independent implementation of every column, invariants, the verb."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from skimage.measure import label as connected
from skimage.measure import perimeter_crofton, regionprops

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.kernels import values as value_loops
from napari_cellseg.kernels.hull_volume import hull_faces
from napari_cellseg.measurement import (
    COLUMNS,
    FIGURES,
    GROUPS,
    Measured,
    box_figure,
    chosen,
    components,
    groups_of,
    measure_objects,
    summarise,
)
from napari_cellseg.measurement import _intensity as intensity
from napari_cellseg.samples import synthetic_cells

RNG = np.random.default_rng(7)
NAMES = [c.name for c in COLUMNS]


def blobs(shape, n=12, seed=0):
    """Random touching shapes with dents and holes, numbered with gaps; some touch the border."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, 1, (n, len(shape))) * shape
    places = np.stack(np.indices(shape), -1).reshape(-1, len(shape))
    nearest = cdist(places, seeds).argmin(1).reshape(shape)
    labels = np.where(rng.random(shape) < 0.75, 3 * nearest + 2, 0).astype(np.uint32)
    labels[tuple(slice(0, max(1, s // 4)) for s in shape)] = 0
    return labels


def one_pixels(shape):
    labels = np.zeros(shape, np.uint32)
    labels[tuple(s // 2 for s in shape)] = 5
    labels[tuple(0 for _ in shape)] = 9
    return labels


CASES = {
    "random": (blobs((40, 52)), (1.0, 1.0)),
    "cells": (synthetic_cells((120, 140), 18, radius=11, seed=2)[1], (0.5, 0.5)),
    "anisotropic": (blobs((33, 47), seed=1), (0.4, 1.3)),
    "empty": (np.zeros((9, 11), np.uint32), (1.0, 1.0)),
    "full": (np.full((9, 11), 4, np.uint32), (2.0, 2.0)),
    "one pixel": (one_pixels((7, 9)), (1.0, 1.0)),
    "volume": (blobs((9, 22, 25), seed=3), (1.0, 1.0, 1.0)),
    "anisotropic volume": (blobs((8, 19, 23), seed=4), (2.5, 0.5, 0.7)),
    "empty volume": (np.zeros((3, 6, 5), np.uint32), (1.0, 1.0, 1.0)),
    "full volume": (np.full((4, 6, 5), 7, np.uint32), (1.0, 2.0, 3.0)),
    "one voxel": (one_pixels((5, 7, 9)), (3.0, 1.0, 1.0)),
}


def measured(name):
    labels, spacing = CASES[name]
    rng = np.random.default_rng(5)
    image = rng.integers(0, 4000, (2, *labels.shape)).astype(np.uint16)
    state = rng.integers(0, 3, labels.shape).astype(np.uint8)
    return Measured(labels, spacing, image, ("a", "b"), state, {int(i): int(i) % 3 for i in np.unique(labels)})


# --- an independent implementation of every column --------------------------------------------------


class Reference:
    """Slow and plain: regionprops where it has the property, loops over pixels where it has not."""

    def __init__(self, what):
        self.what, self.labels, self.ndim = what, what.labels, what.labels.ndim
        self.spacing = np.array(what.spacing_um)
        self.props = regionprops(self.labels, np.moveaxis(what.image, 0, -1), spacing=what.spacing_um)
        self.outlines = {r.label: crossed(r.image, self.spacing) for r in self.props}
        self.contacts = {r.label: self.touching(r) for r in self.props}

    def column(self, name):
        """Values of a column, of intensities (N, C)."""
        known = next(c for c in COLUMNS if c.name == name)
        if name[:-2] in ("centroid", "bbox_min", "bbox_max"):
            return self.place(name[:-2], "zyx"[3 - self.ndim :].index(name[-1]))
        if name == "perimeter":
            return [self.crossed(r) for r in self.props]
        if name == "orientation":  # scikit-image says -45 degrees of what has no direction
            return [np.degrees(r.orientation) if r.eccentricity else np.nan for r in self.props]
        if self.ndim == 3 and name in ("solidity", "feret"):  # scikit-image has no hull of a single voxel
            single = {"solidity": 1.0, "feret": self.spacing.max()}[name]
            return [single if r.num_pixels == 1 else getattr(r, known.skimage) for r in self.props]
        if known.skimage == "intensity_median":  # of scikit-image 0.26 and newer
            return [np.median(r.image_intensity[r.image], axis=0) for r in self.props]
        if known.skimage:
            return [getattr(r, known.skimage) for r in self.props]
        return [getattr(self, name.removeprefix("intensity_"))(r) for r in self.props]

    def place(self, name, axis):
        what = {
            "centroid": lambda r: r.centroid[axis],
            "bbox_min": lambda r: r.bbox[axis],
            "bbox_max": lambda r: r.bbox[axis + self.ndim],
        }[name]
        return [what(r) for r in self.props]

    def unit(self, r):
        return "um"

    def volume(self, r):
        return r.area

    def surface_area(self, r):
        return self.crossed(r)

    def middle_axis(self, r):
        spread = np.sort(np.linalg.eigvalsh(np.cov((r.coords * self.spacing).T, ddof=0)))
        return np.sqrt(20 * max(0, spread[1]))

    def circularity(self, r):
        return 4 * np.pi * r.area / self.crossed(r) ** 2

    def sphericity(self, r):
        return np.pi ** (1 / 3) * (6 * r.area) ** (2 / 3) / self.crossed(r)

    def convexity(self, r):
        return crossed(r.image_convex, self.spacing) / self.crossed(r)

    def aspect_ratio(self, r):
        return r.axis_major_length / r.axis_minor_length if r.axis_minor_length else np.nan

    def touches_border(self, r):
        low, high = r.bbox[: self.ndim], r.bbox[self.ndim :]
        return min(low) == 0 or any(h == n for h, n in zip(high, self.labels.shape, strict=True))

    def around(self, r):
        """Ids of the pixels beside every pixel: pairs (own place, place beside it, step)."""
        steps = [s for s in np.ndindex(*(3,) * self.ndim) if any(v != 1 for v in s)]
        wide = np.pad(self.labels, 1)
        for step in steps:
            shift = np.array(step) - 1
            beside = wide[tuple((r.coords + 1 + shift).T)]
            yield shift, beside

    def neighbour_count(self, r):
        found = {int(v) for _, beside in self.around(r) for v in beside} - {0, r.label}
        return len(found)

    def crossed(self, r):
        return self.outlines[r.label]

    def contact(self, r):
        return self.contacts[r.label]

    def touching(self, r):
        total = 0.0
        for shift, beside in self.around(r):
            weight = crofton_weights(tuple(self.spacing))[direction(shift)]
            total += weight * int(((beside != 0) & (beside != r.label)).sum())
        return total

    def contact_share(self, r):
        return self.contact(r) / self.crossed(r)

    def distances(self, r):
        others = [np.linalg.norm(np.subtract(r.centroid, o.centroid)) for o in self.props if o.label != r.label]
        return np.sort(others)

    def nearest_distance(self, r):
        found = self.distances(r)
        return found[0] if len(found) else np.nan

    def local_density(self, r):
        found = self.distances(r)[:5]
        if not len(found):
            return np.nan
        ball = np.pi * found[-1] ** 2 if self.ndim == 2 else 4 / 3 * np.pi * found[-1] ** 3
        return len(found) / ball * 1000.0**self.ndim

    def pixels_of(self, r):
        return self.what.image[(slice(None), *r.coords.T)]

    def p05(self, r):
        return np.percentile(self.pixels_of(r), 5, axis=1)

    def p95(self, r):
        return np.percentile(self.pixels_of(r), 95, axis=1)

    def corrected(self, r):
        return (self.what.state[tuple(r.coords.T)] == 1).mean()

    def approved(self, r):
        return (self.what.state[tuple(r.coords.T)] == 2).mean()

    def predicted(self, r):
        return (self.what.state[tuple(r.coords.T)] == 0).mean()

    def background_corrected(self, r):
        ground = self.what.image[:, self.labels == 0]
        return self.pixels_of(r).mean(1) - (np.median(ground, axis=1) if ground.size else np.nan)


setattr(Reference, "class", lambda self, r: r.label % 3)


def direction(shift):
    """A step and the opposite one are the same direction."""
    first = next(v for v in shift if v)
    return tuple(int(v) for v in np.asarray(shift) * first)


@cache
def crofton_weights(spacing):
    """What a crossing adds, by direction: every direction of the plane or of space is given to the nearest of ours."""
    ndim = len(spacing)
    steps = sorted({direction(np.array(s) - 1) for s in np.ndindex(*(3,) * ndim) if any(v != 1 for v in s)})
    physical = np.array(steps) * spacing
    length = np.linalg.norm(physical, axis=1)
    if ndim == 2:
        angle = (np.arange(200_000) + 0.5) / 200_000 * np.pi
        sampled = np.stack([np.sin(angle), np.cos(angle)], 1)
    else:  # Fibonacci's lattice on the sphere
        k = np.arange(400_000) + 0.5
        polar, around = np.arccos(1 - 2 * k / k.size), np.pi * (1 + 5**0.5) * k
        sampled = np.stack([np.cos(polar), np.sin(polar) * np.sin(around), np.sin(polar) * np.cos(around)], 1)
    nearest = np.abs(sampled @ (physical / length[:, None]).T).argmax(1)
    share = np.bincount(nearest, minlength=len(steps)) / len(sampled)
    factor = np.pi / 2 if ndim == 2 else 2
    return dict(zip(steps, factor * share * np.prod(spacing) / length, strict=True))


def crossed(mask, spacing):
    """Perimeter or surface of a mask: crossings along every direction, counted by shifting the mask."""
    wide, total = np.pad(mask, 1), 0.0
    for step, weight in crofton_weights(tuple(spacing)).items():
        total += weight * np.count_nonzero(wide != np.roll(wide, step, range(mask.ndim)))
    return total


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_every_column_is_that_of_an_independent_implementation(name):
    what = measured(name)
    table, reference = measure_objects(what).table, Reference(what)
    checked = set()
    for column in COLUMNS:
        if what.labels.ndim not in column.dims:
            continue
        own = [f"{column.name}_{c}" for c in "ab"] if column.group == "intensity" else [column.name]
        if column.name == "intensity_corrected":
            want = [reference.background_corrected(r) for r in reference.props]
        else:
            want = reference.column(column.name)
        # scikit-image's moments lose digits far from the origin; weights of directions are sampled in the reference
        loose = 2e-3 if column.name in LOOSE else 1e-6
        if column.name == "unit":
            assert table[column.name].tolist() == want
        else:
            got = table[own].to_numpy(float)
            want = np.array(want, float).reshape(got.shape)
            assert_allclose(got, want, rtol=loose, atol=1e-6, err_msg=f"{column.name} of {name}")
        checked |= set(own)
    assert checked == set(table.columns)


LOOSE = (
    "perimeter", "surface_area", "circularity", "sphericity", "convexity", "contact", "contact_share",
)  # fmt: skip


@pytest.mark.parametrize("name", ["random", "cells", "full", "one pixel"])
def test_the_perimeter_is_scikit_images_where_pixels_are_square(name):
    labels, spacing = CASES[name]
    got = measure_objects(Measured(labels, spacing), ["perimeter"]).table["perimeter"]
    assert_allclose(got, [r.perimeter_crofton for r in regionprops(labels, spacing=spacing)], rtol=1e-12)
    hull = measure_objects(Measured(labels, spacing), ["convexity"]).table["convexity"] * got
    want = [perimeter_crofton(np.pad(r.image_convex, 1)) * spacing[0] for r in regionprops(labels)]
    assert_allclose(hull, want, rtol=1e-12)


# --- shapes with known answers --------------------------------------------------------------------


def ellipsoid(radii, spacing, angle=0.0):
    """A digital ellipse or ellipsoid with these half axes (um), turned in the last plane."""
    shape = tuple(int(2 * max(radii) / s) + 5 for s in spacing)
    places = [(np.arange(n) - n // 2) * s for n, s in zip(shape, spacing, strict=True)]
    grid = list(np.meshgrid(*places, indexing="ij"))
    y, x = grid[-2:]
    grid[-2:] = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    return (sum((g / r) ** 2 for g, r in zip(grid, radii, strict=True)) <= 1).astype(np.uint32)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (1.0, 0.5), (0.4, 1.0)])
def test_a_disk(spacing):
    row = measure_objects(Measured(ellipsoid((30, 30), spacing), spacing)).table.iloc[0]
    assert_allclose(row["area"], np.pi * 900, rtol=0.005)
    assert_allclose(row["perimeter"], 60 * np.pi, rtol=0.012)
    assert_allclose(row["circularity"], 1, atol=0.025)
    assert_allclose([row["convexity"], row["solidity"]], 1, atol=0.025)
    assert_allclose([row["major_axis"], row["minor_axis"], row["equivalent_diameter"]], 60, rtol=0.003)
    assert_allclose(row["feret"], 60, rtol=0.03)
    assert row["eccentricity"] < 0.15


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, -30])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 1.0)])
def test_an_ellipse(degrees, spacing):
    row = measure_objects(Measured(ellipsoid((40, 16), spacing, np.radians(degrees)), spacing)).table.iloc[0]
    assert_allclose([row["major_axis"], row["minor_axis"]], [80, 32], rtol=0.02)
    assert_allclose(row["aspect_ratio"], 2.5, rtol=0.03)
    assert_allclose(row["eccentricity"], np.sqrt(1 - 0.4**2), rtol=0.01)
    assert_allclose(row["orientation"], degrees, atol=1)
    assert_allclose(row["feret"], 80, rtol=0.02)
    h = (24 / 56) ** 2  # Ramanujan 1914
    assert_allclose(
        row["perimeter"],
        np.pi * 56 * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))),
        rtol=0.015 if spacing == (1, 1) else 0.045,
    )


def test_a_rectangle():
    """Lines in 4 directions see a straight side 5 % too short where it lies along an axis: the worst case."""
    labels = np.zeros((60, 80), np.uint32)
    labels[10:50, 10:70] = 1
    row = measure_objects(Measured(labels, (1.0, 1.0))).table.iloc[0]
    assert row["area"] == 2400
    assert row["solidity"] == row["convexity"] == row["extent"] == 1
    assert_allclose(row["perimeter"], 200, rtol=0.06)
    assert_allclose(row["feret"], np.hypot(40, 60), rtol=0.015)


def test_a_ring_has_dents_that_convexity_and_solidity_see():
    labels = ellipsoid((30, 30), (1, 1))
    labels[:, : labels.shape[1] // 2] = 0
    labels[ellipsoid((15, 15), (1, 1)).shape[0] // 2 :][:1] = 0
    row = measure_objects(Measured(labels, (1.0, 1.0))).table.iloc[0]
    assert row["solidity"] < 0.999
    assert row["convexity"] < 0.95


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.5), (0.7, 1.0, 1.4)])
def test_a_ball(spacing):
    row = measure_objects(Measured(ellipsoid((16, 16, 16), spacing), spacing)).table.iloc[0]
    assert_allclose(row["volume"], 4 / 3 * np.pi * 16**3, rtol=0.02)
    assert_allclose(row["surface_area"], 4 * np.pi * 16**2, rtol=0.02)
    assert_allclose(row["sphericity"], 1, atol=0.025)
    assert_allclose([row["major_axis"], row["minor_axis"], row["equivalent_diameter"]], 32, rtol=0.02)
    assert_allclose(row["feret"], 32, rtol=0.1)  # voxels have corners
    assert_allclose(row["solidity"], 1, atol=0.075)


def test_an_anisotropic_ellipsoid():
    row = measure_objects(Measured(ellipsoid((10, 24, 15), (2.0, 0.5, 0.5)), (2.0, 0.5, 0.5))).table.iloc[0]
    assert_allclose(row["volume"], 4 / 3 * np.pi * 10 * 24 * 15, rtol=0.02)
    assert_allclose([row["major_axis"], row["middle_axis"], row["minor_axis"]], [48, 30, 20], rtol=0.025)
    p = 1.6075  # Thomsen's formula, within 1.1 %
    surface = 4 * np.pi * (((240**p) + (150**p) + (360**p)) / 3) ** (1 / p)
    assert_allclose(row["surface_area"], surface, rtol=0.025)


def test_touching_squares_share_a_side():
    labels = np.zeros((20, 40), np.uint32)
    labels[2:18, 4:20], labels[2:18, 20:36] = 1, 2
    table = measure_objects(Measured(labels, (1.0, 1.0))).table
    assert table["neighbour_count"].tolist() == [1, 1]
    assert_allclose(table["contact"], 16, rtol=0.09)
    assert table["contact"].nunique() == 1


# --- invariants -----------------------------------------------------------------------------------

label_images = st.integers(0, 10_000).map(lambda seed: blobs((17, 23), 6, seed))
volumes = st.integers(0, 10_000).map(lambda seed: blobs((5, 9, 11), 5, seed))
either = st.one_of(label_images, volumes)


def table_of(labels, **more):
    image = (np.arange(labels.size).reshape(labels.shape) % 251).astype(np.float32)
    return measure_objects(Measured(labels, (0.5,) * labels.ndim, image[None]), **more).table


@settings(max_examples=25, deadline=None)
@given(either, st.integers(1, 2**32 - 1), st.randoms())
def test_renumbering_changes_only_the_labels(labels, top, random):
    ids = np.unique(labels[labels > 0])
    fresh = np.array(sorted(random.sample(range(1, max(top, 1000)), len(ids))), np.uint32)
    random.shuffle(fresh)
    new = np.zeros_like(labels)
    for old, id in zip(ids, fresh, strict=True):
        new[labels == old] = id
    before = table_of(labels).set_index(pd.Index(fresh, name="label")).drop(columns="label").sort_index()
    after = table_of(new).set_index("label")
    pd.testing.assert_frame_equal(before, after, check_index_type=False, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(either, st.tuples(*[st.integers(0, 9)] * 3))
def test_translation_moves_places_only(labels, shift):
    shift = shift[3 - labels.ndim :]
    wide = [np.pad(labels, [(2 + s, 12 - s) for s in step]) for step in ((0,) * labels.ndim, shift)]
    here, there = (measure_objects(Measured(w, None)).table for w in wide)
    moved = [c.name for c in COLUMNS if c.name.startswith(("centroid", "bbox"))]
    near = ["nearest_distance", "local_density"]
    both = [t.drop(columns=[*moved, *near], errors="ignore") for t in (here, there)]
    pd.testing.assert_frame_equal(*both, check_exact=True)
    for axis, by in zip("zyx"[3 - labels.ndim :], shift, strict=True):
        assert_allclose(there[f"centroid_{axis}"] - here[f"centroid_{axis}"], by, atol=1e-9)
        assert (there[f"bbox_min_{axis}"] - here[f"bbox_min_{axis}"] == by).all()


@settings(max_examples=25, deadline=None)
@given(either, st.integers(1, 8))
def test_areas_of_tiles_add_up(labels, at):
    name = "area" if labels.ndim == 2 else "volume"
    parts = [measure_objects(Measured(p, None), [name]).table for p in (labels[:at], labels[at:])]
    together = pd.concat(parts).groupby("label")[name].sum()
    whole = measure_objects(Measured(labels, None), [name]).table.set_index("label")[name]
    pd.testing.assert_series_equal(together, whole, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(either, st.integers(1, 400))
def test_blocks_give_what_the_whole_gives(labels, size):
    pd.testing.assert_frame_equal(table_of(labels), table_of(labels, block_bytes=size), check_exact=True)


@pytest.mark.parametrize("kind", ["zarr", "memmap", "int64", "uint8", "dask", "strided"])
@pytest.mark.parametrize("name", ["cells", "volume"])
def test_whatever_labels_lie_in(kind, name, tmp_path):
    import dask.array as da

    labels = CASES[name][0]
    if kind == "memmap":
        given = np.memmap(tmp_path / "l.dat", np.uint32, "w+", shape=labels.shape)
        given[:] = labels
    elif kind == "zarr":
        given = zarr.create_array(tmp_path / "l.zarr", shape=labels.shape, chunks=(4,) * labels.ndim, dtype="uint32")
        given[:] = labels
    elif kind == "dask":
        given = da.from_array(labels, chunks=5)
    else:
        given = {"strided": labels.T.copy().T}.get(kind, labels.astype(kind) if kind != "strided" else labels)
    pd.testing.assert_frame_equal(
        cs.measure(given, labels.astype(float)), cs.measure(labels, labels.astype(float)), check_exact=True
    )


def test_few_objects_at_a_time_give_the_same_intensities(monkeypatch):
    labels = CASES["cells"][0]
    image = RNG.normal(size=labels.shape).astype(np.float32)
    whole = cs.measure(labels, image)
    monkeypatch.setattr(intensity, "VALUES_BYTES", 3000)
    monkeypatch.setattr(intensity.intensities, "__defaults__", (3000,))
    pd.testing.assert_frame_equal(cs.measure(labels, image), whole, check_exact=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(value_loops.KINDS))
def test_percentiles_are_numpys(seed, kind):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, 8)
    parts = [rng.integers(0, rng.integers(1, 200), n).astype(kind) for n in sizes]
    stops = np.cumsum(sizes)
    got = value_loops.statistics(np.concatenate(parts), stops - sizes, stops, (0.0, 5.0, 50.0, 95.0, 100.0))
    want = [[p.mean(), p.std(), p.min(), p.max(), *np.percentile(p, [0, 5, 50, 95, 100])] for p in parts]
    assert_allclose(got, np.array(want, float), rtol=1e-6, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(8, 300))
def test_hulls_of_points_in_space_are_qhulls(seed, side, n):
    from scipy.spatial import ConvexHull, QhullError

    points = np.random.default_rng(seed).integers(0, side, (n, 3))
    try:
        want = ConvexHull(points)
    except QhullError:
        return  # all in one plane
    faces = points[hull_faces(points)].astype(float)
    volume = np.einsum("ij,ij->i", faces[:, 0], np.cross(faces[:, 1], faces[:, 2])).sum() / 6
    assert_allclose(abs(volume), want.volume, rtol=1e-9)
    used = set(map(tuple, faces.reshape(-1, 3)))
    assert {tuple(points[v].astype(float)) for v in want.vertices} <= used


def test_scattered_objects_that_would_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("napari_cellseg.measurement._facts.memory_left", lambda: 1000)
    monkeypatch.setattr("napari_cellseg.measurement._facts.SMALL", 1000)
    with pytest.raises(CellsegError, match="are free"):
        cs.measure(RNG.integers(0, 50, (40, 40)))


def test_pixels_that_are_not_finite_do_not_count():
    labels = np.zeros((8, 8), np.uint32)
    labels[:4, :4], labels[5:, 5:] = 1, 2
    image = np.ones((8, 8))
    image[0, :4], image[5:, 5:], image[7, 0] = np.nan, np.inf, np.nan
    found = measure_objects(Measured(labels, (1.0, 1.0), image[None]))
    assert found.table["intensity_mean_1"].tolist()[0] == 1
    assert np.isnan(found.table["intensity_mean_1"][1])
    assert found.valid == 64 - 4 - 9 - 1


# --- declarations and mistakes ----------------------------------------------------------------------


def test_columns_are_declared_once_and_whole():
    assert len(set(NAMES)) == len(NAMES)
    assert {c.group for c in COLUMNS} == set(GROUPS)
    assert all(c.description.endswith(".") and c.name.isidentifier() for c in COLUMNS)
    assert not set(NAMES) & set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_all_of_its_columns(group):
    assert {c.name for c in chosen([group])} == {c.name for c in COLUMNS if c.group in (group, "object")}


def test_the_tables_of_the_docs_are_those_of_the_code():
    docs = Path(__file__).parents[1] / "docs"
    spec = importlib.util.spec_from_file_location("settings", docs / "scripts" / "settings.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (docs / "measuring.md").read_text(encoding="utf-8")
    assert all(f"`{c.name}`" in page for c in COLUMNS)
    assert script.measuring() == page, "run: python docs/scripts/settings.py"


def test_the_room_does_not_hide_the_verb():
    import napari_cellseg.measurement

    assert callable(cs.measure)
    assert napari_cellseg.measurement.COLUMNS is COLUMNS


MISTAKES = {
    "fractions": (lambda: cs.measure(np.zeros((4, 4))), "whole numbers"),
    "below zero": (lambda: cs.measure(np.full((4, 4), -1)), "below zero"),
    "above uint32": (lambda: cs.measure(np.full((4, 4), 1 << 33)), "4,294,967,295"),
    "one axis": (lambda: cs.measure(np.zeros(4, int)), "axes"),
    "spacing": (lambda: cs.measure(np.zeros((4, 4), int), spacing_um=(1.0,)), "pixel size"),
    "spacing of nothing": (lambda: cs.measure(np.zeros((4, 4), int), spacing_um=(1.0, 0.0)), "pixel size"),
    "another image": (lambda: cs.measure(np.zeros((4, 4), int), np.zeros((5, 4))), "does not fit"),
    "column": (lambda: cs.measure(np.zeros((4, 4), int), columns="ärea"), "no column"),
    "stopped": (lambda: cs.measure(np.zeros((4, 4), int), stop=lambda: True), "stopped"),
    "expression": (lambda: summarise({"a": measure_objects(Measured(one_pixels((7, 9))))}, "("), "regular expression"),
    "no match": (lambda: summarise({"a": measure_objects(Measured(one_pixels((7, 9))))}, "z"), "matches no image"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said(name):
    call, words = MISTAKES[name]
    with pytest.raises(CellsegError, match=words) as caught:
        call()
    assert caught.value.hint or name == "stopped"


def test_regions_of_classes_are_objects():
    classes = np.zeros((12, 12), np.uint32)
    classes[:3, :3], classes[3:5, 3:5], classes[8:, 8:] = 1, 2, 1
    regions, known = components(classes)
    found = measure_objects(Measured(regions, None, classes=known)).table
    assert sorted(zip(found["class"], found["pixels"], strict=True)) == [(1, 9), (1, 16), (2, 4)]
    assert found["neighbour_count"].tolist().count(1) == 2


# --- summary --------------------------------------------------------------------------------------


def test_the_summary_pools_objects_and_areas():
    labels = [CASES["cells"][0], CASES["random"][0], np.zeros((10, 10), np.uint32)]
    found = {
        name: measure_objects(Measured(part, (0.5, 0.5)))
        for name, part in zip(("day1_a", "day1_b", "day2_a"), labels, strict=True)
    }
    table = summarise(found, "(day[0-9])")
    assert list(table.columns) == [f.name for f in FIGURES]
    assert table["level"].tolist() == ["image"] * 3 + ["group"] * 2
    one = table.iloc[3]
    sizes = np.concatenate([found[n].table["area"] for n in ("day1_a", "day1_b")])
    area = (labels[0].size + labels[1].size) * 0.25
    assert (one["name"], one["images"], one["objects"]) == ("day1", 2, len(sizes))
    assert_allclose(one["density"], len(sizes) / area * 1e6)
    assert_allclose(one["confluency"], 100 * sizes.sum() / area)
    assert_allclose(
        one[["size_median", "size_mean", "size_sd"]].astype(float), [np.median(sizes), sizes.mean(), sizes.std(ddof=1)]
    )
    empty = table.iloc[2]
    assert empty["objects"] == empty["density"] == empty["confluency"] == 0
    assert np.isnan(empty["size_mean"])


def test_units_and_dimensions_are_never_pooled():
    found = {
        "a": measure_objects(Measured(CASES["cells"][0], (0.5, 0.5))),
        "b": measure_objects(Measured(CASES["cells"][0], None)),
        "c": measure_objects(Measured(CASES["volume"][0], None)),
    }
    groups = summarise(found).query("level == 'group'")
    assert sorted(zip(groups["unit"], groups["dimensions"], strict=True)) == [("px", 2), ("px", 3), ("um", 2)]


# --- the verb: Python and the command line --------------------------------------------------------


@pytest.fixture
def measured_project(tmp_path):
    """Two images with labels, one of them approved, one with a part of it corrected; one without a picture any more."""
    with cs.new(tmp_path / "m", model="none") as project:
        for k in (1, 2):
            image, labels = synthetic_cells((64, 80), 7, radius=8, seed=k)
            tifffile.imwrite(tmp_path / f"day{k}_cells.tif", image)
            project.add(tmp_path / f"day{k}_cells.tif", labels if k == 1 else None, spacing=(0.5, 0.5))
        project.put_labels("day2_cells", labels, draft=True)
        return project.path


def read_back(path):
    return pd.read_csv(path, keep_default_na=True, float_precision="round_trip")


def test_command_line_and_python_give_the_same_table(measured_project, tmp_path, capsys):
    files = [tmp_path / "objects.csv", tmp_path / "summary.csv"]
    words = ["measure", str(measured_project), "--csv", str(files[0]), "--summary", str(files[1]), "--group-by", "day."]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "[day1]:" in told
    assert "per mm^2" in told
    assert str(files[0]) in told
    with cs.open(measured_project) as project:
        done = project.measure(group_by="day.")
        parts = [cs.measure(project.labels(r.id), project.project.read_image(r.id)) for r in project.images]
    for path, table in zip(files, (done.table, done.summary), strict=True):
        pd.testing.assert_frame_equal(read_back(path), table, check_exact=True, check_dtype=False)
    alone = pd.concat(parts, ignore_index=True)
    assert_allclose(done.table["pixels"], alone["pixels"])
    assert_allclose(done.table["intensity_mean_1"], alone["intensity_mean_1"])
    assert done.table.groupby("image")["approved"].mean().tolist() == [1, 0]
    assert done.table.groupby("image")["predicted"].mean().tolist() == [0, 1]


def test_columns_images_and_events(measured_project, tmp_path, capsys):
    path = tmp_path / "t.csv"
    words = ["--csv", str(path), "--columns", "area,place", "--image", "day2_cells", "--events"]
    assert main(["measure", str(measured_project), *words]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["event"] for e in events] == ["ObjectsMeasured"]
    table = read_back(path)
    want = [c.name for c in chosen(["area", "place"]) if 2 in c.dims and c.name != "class"]
    assert list(table.columns) == ["image", *want]
    assert set(table["image"]) == {"day2_cells"}
    assert len(table) == events[0]["objects"]


def test_loose_labels_with_their_pictures(tmp_path):
    names = []
    for k in (1, 2):
        image, labels = synthetic_cells((48, 60), 5, radius=7, seed=k)
        tifffile.imwrite(tmp_path / f"{k}.tif", image)
        tifffile.imwrite(tmp_path / f"l{k}.tif", labels.astype(np.uint16))
        names += [(str(tmp_path / f"l{k}.tif"), str(tmp_path / f"{k}.tif"))]
    labels, pictures = zip(*names, strict=True)
    path = tmp_path / "t.csv"
    words = ["measure", *labels, "--intensity", *pictures, "--spacing", "0.5,0.25", "--csv", str(path)]
    assert main(words) == 0
    table = read_back(path)
    assert table["image"].unique().tolist() == ["l1", "l2"]
    assert set(table["unit"]) == {"um"}
    one = cs.measure(labels[0], pictures[0], spacing_um=(0.5, 0.25))
    pd.testing.assert_frame_equal(
        table[table["image"] == "l1"].drop(columns="image"), one, check_exact=True, check_dtype=False
    )


def test_every_time_point_of_loose_labels_is_an_image(tmp_path):
    labels = np.stack([CASES["cells"][0], CASES["cells"][0] * 2])
    tifffile.imwrite(tmp_path / "t.ome.tif", labels.astype(np.uint16), metadata={"axes": "TYX"})
    done = cs.measure_files(tmp_path / "t.ome.tif", columns="area")
    assert done.summary["name"].tolist()[:2] == ["t_t0000", "t_t0001"]
    assert done.table.groupby("image")["area"].sum().nunique() == 1


def test_large_label_files_are_read_in_blocks(tmp_path, monkeypatch):
    labels, path = CASES["cells"][0], tmp_path / "l.tif"
    tifffile.imwrite(path, labels.astype(np.uint16))
    whole = cs.measure(path)
    monkeypatch.setattr("napari_cellseg.api._label_files.LARGE", 10)
    pd.testing.assert_frame_equal(cs.measure(path), whole, check_exact=True)


def test_an_image_that_cannot_be_read_is_left_out(measured_project, tmp_path, capsys):
    (tmp_path / "day1_cells.tif").unlink()
    assert main(["measure", str(measured_project), "--csv", str(tmp_path / "t.csv")]) == 0  # labels are there
    assert "Intensities of day1_cells are not measured" in capsys.readouterr().out
    tifffile.imwrite(tmp_path / "good.tif", CASES["cells"][0].astype(np.uint16))
    (tmp_path / "bad.tif").write_bytes(b"no picture")
    words = ["measure", str(tmp_path / "good.tif"), str(tmp_path / "bad.tif"), "--csv", str(tmp_path / "u.csv")]
    assert main(words) == 2
    assert "bad was left out" in capsys.readouterr().err
    assert set(read_back(tmp_path / "u.csv")["image"]) == {"good"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--columns", "nothing"], "no column"),
        (["--csv", "table.xlsx"], "no name of a table"),
        (["--image", "nobody"], "nobody"),
        (["--group-by", "["], "regular expression"),
        (["--spacing", "1,1"], "A project knows"),
        pytest.param(
            ["--csv", "t.parquet"], "pip install pyarrow",
            marks=pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed"),
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_written(words, said, measured_project, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(Path().iterdir())
    assert main(["measure", str(measured_project), *words]) == 2
    assert said in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_parquet_holds_the_same_table(measured_project, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow writes Parquet: pip install pyarrow")
    with cs.open(measured_project) as project:
        done = project.measure(csv=tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), done.table, check_dtype=False)


def test_stopping_writes_nothing(measured_project, tmp_path):
    seen = []
    with cs.open(measured_project) as project:
        done = project.measure(csv=tmp_path / "t.csv", on_event=seen.append, stop=lambda: bool(seen))
    assert done.stopped
    assert not (tmp_path / "t.csv").exists()
    assert set(done.table["image"]) == {"day1_cells"}


def test_a_project_of_classes_is_measured_by_regions(tmp_path):
    image = RNG.integers(0, 255, (40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "i.tif", image)
    classes = np.zeros((40, 50), np.uint32)
    classes[5:15, 5:20], classes[20:30, 5:9], classes[20:35, 30:45] = 1, 1, 2
    with cs.new(tmp_path / "c", "semantic", ["nucleus", "debris"], model="none") as project:
        project.add(tmp_path / "i.tif", classes)
        table = project.measure().table
    assert sorted(table["class"]) == [1, 1, 2]
    assert sorted(table["pixels"]) == [40, 150, 225]
    assert connected(classes > 0).max() == 3


def test_boxes_of_groups_are_drawn_alike_by_python_and_the_command_line(tmp_path, capsys):
    masks = []
    for n, (name, radius) in enumerate((("ctrl_1", 5), ("ctrl_2", 5), ("drug_1", 9))):
        labels = synthetic_cells((90, 120), 9, radius=radius, seed=n)[1]
        masks.append(tmp_path / f"{name}.tif")
        tifffile.imwrite(masks[-1], labels.astype(np.uint16))
    cs.measure_files(masks, group_by="^[a-z]+", boxes=tmp_path / "one.png")
    command = ["measure", *map(str, masks), "--group-by", "^[a-z]+", "--boxes", str(tmp_path / "two.png")]
    assert main(command) == 0
    assert "two.png" in capsys.readouterr().out
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    table = cs.measure_files(masks).table
    groups = groups_of([m.stem for m in masks], "^[a-z]+")
    figure = box_figure(table, groups, ["area", "circularity"])
    axes = [a for a in figure.axes if a.get_title()]
    assert [a.get_title() for a in axes] == ["area", "circularity"]
    labels = [t.get_text() for t in axes[0].get_xticklabels()]
    of = table["image"].map(groups)
    assert labels == [f"{g}\n{(of == g).sum()}" for g in ("ctrl", "drug")]
    medians = [line.get_ydata()[0] for line in axes[0].lines if line.get_color() == "#c05621"]
    assert medians == pytest.approx([np.median(table["area"][of == g]) for g in ("ctrl", "drug")])
    alone = box_figure(table, dict.fromkeys(groups, "all"))
    assert len(alone.axes[0].get_xticklabels()) == 3, "a box for each image"
    assert main([*command[:-1], str(tmp_path / "boxes.txt")]) == 2
    box_figure(table.iloc[:0], groups)  # no object at all is no error
