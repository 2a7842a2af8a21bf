"""Every declared metric against an independent implementation, and what must hold of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage as ndi
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from skimage.metrics import hausdorff_distance, structural_similarity
from sklearn import metrics as sk

from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import GROUPS, METRICS, Collector, Comparing, Judging, describe, measure, paired
from napari_cellseg.evaluation._declared import BY_NAME, chosen
from napari_cellseg.evaluation._surfaces import apart_by_object, edges
from napari_cellseg.matching import matched, overlaps
from napari_cellseg.samples import synthetic_cells

# --- plain references -----------------------------------------------------------------------------


def _sides(t, p):
    return (t > 0).ravel(), (p > 0).ravel()


def _plain_ious(t, p):
    a, b = np.unique(t[t > 0]), np.unique(p[p > 0])
    return np.array([[((t == i) & (p == j)).sum() / ((t == i) | (p == j)).sum() for j in b] for i in a]).reshape(
        len(a), len(b)
    )


def stardist(t, p, threshold):
    """``stardist.matching`` in plain words: an assignment of all true and predicted objects."""
    scores = _plain_ious(t, p)
    n_true, n_predicted = scores.shape
    n, tp, total = min(n_true, n_predicted), 0, 0.0
    if n > 0 and (scores >= threshold).any():
        costs = -(scores >= threshold).astype(float) - scores / (2 * n)
        rows, columns = linear_sum_assignment(costs)
        good = scores[rows, columns] >= threshold
        tp, total = int(good.sum()), float(scores[rows, columns][good].sum())
    return tp, n_predicted - tp, n_true - tp, total


def _ap(t, p, threshold):
    tp, fp, fn, _ = stardist(t, p, threshold)
    return tp / (tp + fp + fn) if tp else 0.0


def _surface(mask):
    grown = np.pad(mask, 1)
    hollow = ndi.binary_erosion(grown, ndi.generate_binary_structure(mask.ndim, 1))
    return (grown & ~hollow)[(slice(1, -1),) * mask.ndim]


def plain_distances(a, b, spacing):
    """All distances between the surfaces of two masks, in both directions."""
    one, other = (np.argwhere(_surface(m)) * np.array(spacing) for m in (a, b))
    table = cdist(one, other)
    return table.min(1), table.min(0)


def _boundary(t, p, spacing, how):
    ways = plain_distances(t > 0, p > 0, spacing)
    if how == "hausdorff":
        return max(d.max() for d in ways)
    if how == "hd95":
        return max(np.percentile(d, 95) for d in ways)
    if how == "mean":
        return np.concatenate(ways).mean()
    recall, precision = ((d <= 2 * min(spacing) + 1e-6).mean() for d in ways)  # two pixels are two pixels
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _scores(t, p, box):
    out = []
    for i in np.unique(t[t > 0]):
        g = t == i
        ids, n = np.unique(p[g & (p > 0)], return_counts=True)
        if not ids.size:
            out.append(0.0)
            continue
        best = p == ids[np.flatnonzero(n == n.max())[-1]]
        if box:
            inside = np.zeros_like(g)
            inside[ndi.find_objects(g.astype(int))[0]] = True
            best &= inside
        out.append(2 * (g & best).sum() / (g.sum() + best.sum()))
    return float(np.mean(out))


def _ssim(t, p, span):
    a, b = ((side > 0).astype(float).reshape(-1, *side.shape[-2:]) for side in (t, p))
    return float(np.mean([structural_similarity(x, y, data_range=span) for x, y in zip(a, b, strict=True)]))


def _many(t, p, axis):
    return int(((_plain_ious(t, p) > 0.1).sum(axis) > 1).sum())


def _cells(t, p):
    return sk.confusion_matrix(*_sides(t, p), labels=[False, True])


REFERENCES: dict[str, Callable] = {
    "tp": lambda t, p, s: _cells(t, p)[1, 1],
    "tn": lambda t, p, s: _cells(t, p)[0, 0],
    "fp": lambda t, p, s: _cells(t, p)[0, 1],
    "fn": lambda t, p, s: _cells(t, p)[1, 0],
    "accuracy": lambda t, p, s: sk.accuracy_score(*_sides(t, p)),
    "balanced_accuracy": lambda t, p, s: np.mean(
        [(_sides(t, p)[1][_sides(t, p)[0] == v] == v).mean() for v in np.unique(_sides(t, p)[0])]
    ),
    "specificity": lambda t, p, s: sk.recall_score(*_sides(t, p), pos_label=False, zero_division=np.nan),
    "confluency": lambda t, p, s: (p > 0).mean(),
    "confluency_error": lambda t, p, s: (p > 0).mean() - (t > 0).mean(),
    "precision": lambda t, p, s: sk.precision_score(*_sides(t, p), zero_division=0),
    "recall": lambda t, p, s: sk.recall_score(*_sides(t, p), zero_division=0),
    "dice": lambda t, p, s: sk.f1_score(*_sides(t, p), zero_division=0),
    "iou": lambda t, p, s: sk.jaccard_score(*_sides(t, p), zero_division=0),
    "ssim": lambda t, p, s: _ssim(t, p, 1),
    "ssim_255": lambda t, p, s: _ssim(t, p, 255),
    "hausdorff": lambda t, p, s: _boundary(t, p, s, "hausdorff"),
    "hd95": lambda t, p, s: _boundary(t, p, s, "hd95"),
    "surface_distance": lambda t, p, s: _boundary(t, p, s, "mean"),
    "boundary_f1": lambda t, p, s: _boundary(t, p, s, "f1"),
    **{f"ap{k}": (lambda t, p, s, k=k: _ap(t, p, k / 100)) for k in range(50, 100, 5)},
    "ap": lambda t, p, s: np.mean([_ap(t, p, k / 100) for k in range(50, 100, 5)]),
    "object_precision": lambda t, p, s: stardist(t, p, 0.5)[0] / max(1, len(np.unique(p[p > 0]))),
    "object_recall": lambda t, p, s: stardist(t, p, 0.5)[0] / max(1, len(np.unique(t[t > 0]))),
    "object_f1": lambda t, p, s: (lambda tp, fp, fn, _: 2 * tp / (2 * tp + fp + fn))(*stardist(t, p, 0.5)),
    "rq": lambda t, p, s: (lambda tp, fp, fn, _: tp / (tp + fp / 2 + fn / 2))(*stardist(t, p, 0.5)),
    "sq": lambda t, p, s: (lambda tp, fp, fn, total: total / tp if tp else 0.0)(*stardist(t, p, 0.5)),
    "pq": lambda t, p, s: (lambda tp, fp, fn, total: total / (tp + fp / 2 + fn / 2))(*stardist(t, p, 0.5)),
    "objects_tp": lambda t, p, s: stardist(t, p, 0.5)[0],
    "objects_fp": lambda t, p, s: stardist(t, p, 0.5)[1],
    "objects_fn": lambda t, p, s: stardist(t, p, 0.5)[2],
    "splits": lambda t, p, s: _many(t, p, 1),
    "merges": lambda t, p, s: _many(t, p, 0),
    "count_error": lambda t, p, s: len(np.unique(p[p > 0])) - len(np.unique(t[t > 0])),
    "sub": lambda t, p, s: _scores(t, p, True),
    "full": lambda t, p, s: _scores(t, p, False),
    "score": lambda t, p, s: (0.95 * _scores(t, p, True) + 1.05 * _scores(t, p, False)) / 2,
    "seconds": lambda t, p, s: 3.0,
    "loss": lambda t, p, s: 0.25,
}

# --- cases ----------------------------------------------------------------------------------------


def _cells2d(seed=0):
    truth = synthetic_cells((64, 80), 14, radius=7, seed=seed)[1]
    rng = np.random.default_rng(seed)
    predicted = np.roll(truth, (2, -1), (0, 1))
    predicted[predicted == 3] = 0
    predicted[predicted == 5] = 6
    predicted[(predicted == 7) & (np.arange(80) % 2 == 0)] = 99
    predicted[rng.random(truth.shape) < 0.01] = 120
    return truth, predicted.astype(np.uint32)


def _noise(shape, seed, top=4):
    rng = np.random.default_rng(seed)
    return tuple((rng.integers(0, top, shape) * (rng.random(shape) < 0.6)).astype(np.uint32) for _ in range(2))


def _volume():
    z, y, x = np.mgrid[:9, :24, :26]
    truth, predicted = np.zeros((2, 9, 24, 26), np.uint32)
    for n, (a, b, c) in enumerate([(3, 7, 7), (5, 16, 8), (4, 9, 19)], 1):
        truth[((z - a) / 2.0) ** 2 + ((y - b) / 4.0) ** 2 + ((x - c) / 5.0) ** 2 <= 1] = n
        predicted[((z - a) / 2.5) ** 2 + ((y - b - 1) / 4.0) ** 2 + ((x - c) / 4.0) ** 2 <= 1] = n + 10
    return truth, predicted


def _one_pixel():
    truth, predicted = np.zeros((2, 9, 11), np.uint32)
    truth[4, 4], predicted[4, 6] = 1, 2
    return truth, predicted


FULL = np.ones((12, 10), np.uint32)
CASES = {
    "cells": (*_cells2d(), (1.0, 1.0)),
    "other cells": (*_cells2d(4), (0.325, 0.325)),
    "anisotropic plane": (*_cells2d(2), (2.0, 0.5)),
    "noise": (*_noise((20, 17), 1), (1.0, 1.0)),
    "volume": (*_volume(), (2.0, 0.5, 0.4)),
    "noise in a volume": (*_noise((7, 9, 11), 2, 7), (1.75, 0.8, 0.8)),
    "one slice": (*(side[None] for side in _cells2d(3)), (5.0, 1.0, 1.0)),
    "one pixel": (*_one_pixel(), (1.0, 1.5)),
    "full": (FULL, FULL * 7, (1.0, 1.0)),
    "full truth": (FULL, np.pad(FULL[3:, 2:], ((3, 0), (2, 0))), (1.0, 1.0)),
    "merged": (_cells2d()[0], (_cells2d()[0] > 0).astype(np.uint32), (1.0, 1.0)),
    "far ids": (_cells2d()[0] * np.uint32(90_000_001), _cells2d()[1], (1.0, 1.0)),
}


def values(truth, predicted, how=None, spacing=None, empty="one"):
    counts = dict(
        measure(truth, predicted, how or Judging(objects=False), spacing).by_class[0],
        seconds=3.0,
        loss=50.0,
        loss_voxels=200,
    )
    return {m.name: m.value(counts, empty) for m in METRICS}


@pytest.mark.parametrize("case", CASES)
def test_every_metric_is_that_of_an_independent_implementation(case):
    truth, predicted, spacing = CASES[case]
    squeezed = [s for n, s in zip(truth.shape, spacing, strict=True) if n > 1]
    found = values(truth, predicted, spacing=spacing)
    assert set(REFERENCES) == set(found)
    for name, value in found.items():
        shown = (truth, predicted) if "ssim" in name else (truth.squeeze(), predicted.squeeze())
        expected = REFERENCES[name](*shown, squeezed)
        assert value == pytest.approx(expected, abs=1e-5, nan_ok=True), name


def test_the_hausdorff_distance_is_that_of_scikit_image():
    truth, predicted, _ = CASES["cells"]
    found = values(truth, predicted)["hausdorff"]
    assert found == pytest.approx(hausdorff_distance(_surface(truth > 0), _surface(predicted > 0)))


PAIRS = [*(case for name, case in CASES.items() if name not in ("far ids", "one slice")),
         *((*_cells2d(seed), (1.0, 1.0)) for seed in range(10, 30))]  # fmt: skip
"""For the originals, which are no dependencies of ours: pip install stardist monai."""


def test_originals_stardist():
    matching = pytest.importorskip("stardist.matching").matching
    for truth, predicted, _ in PAIRS:
        found = values(truth, predicted)
        for k in range(50, 100, 5):
            theirs = matching(truth.astype(int), predicted.astype(int), thresh=k / 100)
            assert found[f"ap{k}"] == pytest.approx(theirs.accuracy, abs=1e-6)
        theirs = matching(truth.astype(int), predicted.astype(int), thresh=0.5)
        ours = [found[n] for n in ("object_precision", "object_recall", "object_f1", "pq", "sq")]
        named = (theirs.precision, theirs.recall, theirs.f1, theirs.panoptic_quality, theirs.mean_matched_score)
        assert ours == pytest.approx(named, abs=1e-6)


def test_originals_monai():
    monai = pytest.importorskip("monai.metrics")
    import torch

    for truth, predicted, spacing in PAIRS:
        found = values(truth, predicted, spacing=spacing)
        a, b = (torch.tensor((side > 0).astype(np.float32))[None, None] for side in (truth, predicted))
        how = {"include_background": True, "spacing": list(spacing)}
        theirs = [
            float(monai.compute_hausdorff_distance(b, a, **how)),
            float(monai.compute_hausdorff_distance(b, a, percentile=95, **how)),
            float(monai.compute_average_surface_distance(b, a, symmetric=True, **how)),
        ]
        assert [found[n] for n in ("hausdorff", "hd95", "surface_distance")] == pytest.approx(theirs, abs=1e-4)


def test_what_is_empty_on_one_side_or_both():
    nothing, something = np.zeros((9, 11), np.uint32), _one_pixel()[0]
    for empty, expected in (("one", 1.0), ("zero", 0.0), ("skip", math.nan)):
        found = values(nothing, nothing, empty=empty)
        for metric in METRICS:
            if metric.vanishes:
                assert found[metric.name] == pytest.approx(expected, nan_ok=True), metric.name
        assert found["accuracy"] == pytest.approx(math.nan if empty == "skip" else 1.0, nan_ok=True)
        assert math.isnan(found["hausdorff"])
        assert found["count_error"] == 0
    for truth, predicted in ((nothing, something), (something, nothing)):
        found = values(truth, predicted)
        zero = ("dice", "iou", "precision", "recall", "boundary_f1", "ap50", "ap", "pq", "object_f1")
        assert [found[name] for name in zero] == [0.0] * len(zero)
        assert math.isnan(found["hausdorff"])
    assert values(something, nothing)["score"] == 0.0
    assert math.isnan(values(nothing, something)["score"])  # a mean over no true object


def test_pictures_too_small_for_a_window_have_no_similarity():
    assert math.isnan(values(np.ones((5, 9), np.uint32), np.ones((5, 9), np.uint32))["ssim"])


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(6))
def test_matching_is_stardists_also_where_objects_have_several_candidates(seed, threshold):
    truth, predicted = _noise((9, 9), seed, 6)
    found = overlaps(truth, predicted)
    left, right, iou = matched(found, threshold)
    tp, _, _, total = stardist(truth, predicted, threshold)
    assert len(iou) == tp
    assert len(set(left.tolist())) == len(set(right.tolist())) == tp  # one to one
    assert float(iou.sum()) >= total - 1e-9  # of as many pairs, never worse ones


def test_half_an_object_is_a_match_as_in_stardist():
    truth, predicted = np.zeros((2, 4, 6), np.uint32)
    truth[1, 1:5], predicted[1, 1:3], predicted[1, 3:5] = 1, 1, 2
    assert values(truth, predicted)["ap50"] == _ap(truth, predicted, 0.5) == 0.5


def test_distances_of_objects_are_those_of_each_pair_alone():
    for truth, predicted, spacing in (CASES["cells"], CASES["volume"], CASES["anisotropic plane"]):
        left, right, _ = matched(found := overlaps(truth, predicted), 0.2)
        a, b = found.left_ids[left], found.right_ids[right]
        measured = apart_by_object((truth, predicted), (a, b), spacing)
        for k, (i, j) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
            ways = plain_distances(truth == i, predicted == j, spacing)
            assert measured["hausdorff"][k] == pytest.approx(max(d.max() for d in ways))
            assert measured["hd95"][k] == pytest.approx(max(np.percentile(d, 95) for d in ways))
            assert measured["mean_distance"][k] == pytest.approx(np.concatenate(ways).mean())


def test_large_objects_ask_a_tree_and_get_the_same(monkeypatch):
    truth, predicted, spacing = CASES["volume"]
    ids = np.array([1, 2]), np.array([11, 12])
    before = apart_by_object((truth, predicted), ids, spacing)
    monkeypatch.setattr("napari_cellseg.kernels.nearest.MANY", 0)
    after = apart_by_object((truth, predicted), ids, spacing)
    assert all(before[k] == pytest.approx(after[k]) for k in before)


def test_surfaces_of_touching_objects_are_those_of_each_alone():
    truth = _noise((11, 12), 3, 5)[0]
    for i in np.unique(truth[truth > 0]):
        assert np.array_equal(edges(truth) & (truth == i), _surface(truth == i))


# --- what must hold -------------------------------------------------------------------------------

small = arrays(np.uint32, st.tuples(st.integers(7, 10), st.integers(7, 10)), elements=st.integers(0, 4))
pairs = small.flatmap(lambda t: st.tuples(st.just(t), arrays(np.uint32, t.shape, elements=st.integers(0, 4))))
SYMMETRIC = ("accuracy", "dice", "iou", "ssim", "ssim_255", "hausdorff", "hd95", "surface_distance", "boundary_f1",
             "ap50", "ap75", "ap", "object_f1", "sq", "rq", "pq", "tp", "tn")  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(pairs)
def test_bounds_symmetry_and_identity(pair):
    truth, predicted = pair
    there, back, same = values(truth, predicted), values(predicted, truth), values(truth, truth)
    for metric in METRICS:
        value = there[metric.name]
        if metric.unit == "0 to 1":
            assert math.isnan(value) or 0 <= value <= 1, metric.name
        if metric.unit == "-1 to 1":
            assert math.isnan(value) or -1 <= value <= 1, metric.name
        if metric.unit in ("um", "pixels"):
            assert math.isnan(value) or value >= 0, metric.name
        if metric.better == "higher" and metric.name not in ("specificity", "balanced_accuracy"):
            assert same[metric.name] == pytest.approx(1), metric.name
        if metric.better in ("lower", "nearer to 0") and metric.group in ("pixels", "boundary"):
            assert math.isnan(same[metric.name]) or same[metric.name] == 0, metric.name
    for name in SYMMETRIC:
        assert there[name] == pytest.approx(back[name], nan_ok=True), name
    assert there["precision"] == pytest.approx(back["recall"])
    assert there["splits"] == back["merges"]


@settings(deadline=None, max_examples=40)
@given(pairs, st.integers(0, 2**31))
def test_numbers_of_objects_mean_nothing(pair, seed):
    truth, predicted = pair
    rng = np.random.default_rng(seed)
    tables = [np.concatenate([[0], rng.permutation(50)[:4] + 1]).astype(np.uint32) for _ in range(2)]
    before, after = values(truth, predicted), values(tables[0][truth], tables[1][predicted])
    ties = ("sub", "full", "score")  # where two predicted objects have as many voxels in a nucleus, the id decides
    for name in set(before) - set(ties):
        assert before[name] == pytest.approx(after[name], nan_ok=True), name


@settings(deadline=None, max_examples=40)
@given(pairs, st.integers(1, 6))
def test_counts_of_pixels_add_up_over_tiles(pair, cut):
    truth, predicted = pair
    how = Judging(metrics=("pixels",), objects=False)
    whole = measure(truth, predicted, how).by_class[0]
    parts = [measure(truth[s], predicted[s], how).by_class[0] for s in (slice(None, cut), slice(cut, None))]
    assert {k: parts[0][k] + parts[1][k] for k in ("tp", "tn", "fp", "fn")} == {
        k: whole[k] for k in ("tp", "tn", "fp", "fn")
    }


def test_objects_in_separate_images_add_up_to_their_montage():
    a, b = _cells2d(1), _cells2d(5)
    gap = np.zeros((64, 9), np.uint32)
    montage = tuple(
        np.hstack([x, gap, np.where(y > 0, y + 1000, 0).astype(np.uint32)]) for x, y in zip(a, b, strict=True)
    )
    how = Judging(metrics=("objects", "nuclei"), objects=False)
    one, other, both = (measure(*side, how).by_class[0] for side in (a, b, montage))
    for name in both:
        if name not in ("tp", "tn", "fp", "fn"):
            assert one[name] + other[name] == pytest.approx(both[name]), name


def test_identical_masks_and_merged_ones_have_the_evaluation_scores_of_the_paper():
    truth, _ = _volume()
    same = values(truth, truth * 3)
    assert same["sub"] == same["full"] == same["score"] == 1.0
    merged = values(truth, (truth > 0).astype(np.uint32))
    assert merged["sub"] > 0.9
    assert merged["full"] < 0.6
    rows = measure(truth, (truth > 0).astype(np.uint32), Judging()).objects
    assert len([r for r in rows if r["id"]]) == 3
    assert np.mean([r["score"] for r in rows if r["id"]]) == pytest.approx(merged["score"])


def test_connectivity_numbers_the_pieces_first():
    mask = np.zeros((2, 6, 6), np.uint32)
    mask[0, 1, 1] = mask[1, 2, 2] = 1  # they touch at a corner
    counts = {c: measure(mask, mask, Judging(connectivity=c)).by_class[0]["n_true"] for c in (6, 26)}
    assert counts == {6: 2, 26: 1}
    flat = mask.max(0)
    counts = {c: measure(flat, flat, Judging(connectivity=c)).by_class[0]["n_true"] for c in (6, 26)}
    assert counts == {6: 2, 26: 1}


def test_only_what_is_known_counts():
    truth, predicted = _cells2d()
    known = np.zeros(truth.shape, bool)
    known[:, :30] = True
    found = measure(truth, predicted, Judging(), known=known)
    counts = found.by_class[0]
    assert sum(counts[k] for k in ("tp", "tn", "fp", "fn")) == known.sum()
    mostly = [i for i in np.unique(truth[truth > 0]) if known[truth == i].mean() >= 0.5]
    assert counts["n_true"] == len(mostly) == len([r for r in found.objects if r["id"]])


# --- classes, slices, tables ----------------------------------------------------------------------


def _classes(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, (6, 20, 22)).astype(np.uint32)
    predicted = np.where(rng.random(truth.shape) < 0.2, rng.integers(0, 4, truth.shape), truth).astype(np.uint32)
    truth[2] = predicted[2] = np.where(truth[2] == 2, 0, truth[2])  # no nucleus in the third slice
    return truth, predicted


def test_classes_and_slices_against_scikit_learn():
    truth, predicted = _classes(0)
    how = Comparing(classes=("envelope", "nucleus", "cell"), empty="zero")
    collector = Collector(how)
    collector.add("truth", "ours", "a", measure(truth, predicted, how))
    tables = collector.tables()
    matrix = np.array([r["pixels"] for r in tables.confusion]).reshape(4, 4)
    assert np.array_equal(matrix, sk.confusion_matrix(truth.ravel(), predicted.ravel()))
    jaccard = sk.jaccard_score(truth.ravel(), predicted.ravel(), average=None)[1:]
    assert [r["iou"] for r in tables.classes] == pytest.approx(jaccard)
    assert tables.images[0]["iou"] == pytest.approx(jaccard.mean())
    assert "ap50" not in tables.images[0]
    assert len(tables.slices) == 6 * 3
    for row in tables.slices:
        c, z = how.classes.index(row["class"]) + 1, row["slice"] - 1
        t, p = truth[z].ravel() == c, predicted[z].ravel() == c
        assert row["iou"] == pytest.approx(sk.jaccard_score(t, p, zero_division=0))
        assert row["accuracy"] == pytest.approx(sk.accuracy_score(t, p))
    nucleus = [r["iou"] for r in tables.slices if r["class"] == "nucleus"]
    mean = next(r for r in tables.summary if (r["over"], r["class"], r["metric"]) == ("slices", "nucleus", "iou"))
    assert mean["mean"] == pytest.approx(np.mean(nucleus))
    assert nucleus[2] == 0


@pytest.mark.parametrize(("empty", "expected"), [("zero", 0.0), ("one", 1.0), ("skip", math.nan)])
def test_slices_with_nothing_in_them_count_as_is_asked_for(empty, expected):
    truth, predicted = _classes(1)
    how = Comparing(classes=("envelope", "nucleus", "cell"), empty=empty, metrics=("iou",))
    collector = Collector(how)
    collector.add("truth", "ours", "a", measure(truth, predicted, how))
    rows = [r for r in collector.tables().slices if r["class"] == "nucleus"]
    assert rows[2]["iou"] == pytest.approx(expected, nan_ok=True)
    n = next(r["n"] for r in collector.tables().summary if r["over"] == "slices" and r["class"] == "nucleus")
    assert n == (5 if empty == "skip" else 6)


def test_a_range_of_slices_is_counted_from_one_and_inclusive():
    truth, predicted = _classes(2)
    how = Judging(classes=("a", "b", "c"), slices=(2, 4))
    found = measure(truth, predicted, how)
    assert [n for n, _ in found.slices] == [2, 3, 4]
    alone = measure(truth[1:4], predicted[1:4], Judging(classes=("a", "b", "c")))
    assert np.array_equal(found.matrix, alone.matrix)
    with pytest.raises(CellsegError, match="there are 6"):
        measure(truth, predicted, Judging(classes=("a", "b", "c"), slices=(2, 7)))


def test_pooled_metrics_are_those_of_all_pixels_together():
    how = Comparing(group_by=r"^[a-z]+")
    sides = {"ctrl_1": _cells2d(0), "ctrl_2": _cells2d(1), "drug_1": _cells2d(2)}
    collector = Collector(how)
    for name, (truth, predicted) in sides.items():
        collector.add("truth", "ours", name, measure(truth, predicted, how))
    tables = collector.tables()
    pooled = {r["group"]: r for r in tables.pooled}
    assert set(pooled) == {"all", "ctrl", "drug"}
    for group, names in {"all": list(sides), "ctrl": ["ctrl_1", "ctrl_2"], "drug": ["drug_1"]}.items():
        t, p = (np.concatenate([sides[n][k].ravel() > 0 for n in names]) for k in (0, 1))
        assert pooled[group]["dice"] == pytest.approx(sk.f1_score(t, p))
        assert pooled[group]["tp"] == (t & p).sum()
    assert {r["group"] for r in tables.images} == {"ctrl", "drug"}
    dice = {r["group"]: r["n"] for r in tables.summary if r["metric"] == "dice"}
    assert dice == {"all": 3, "ctrl": 2, "drug": 1}


# --- statistics -----------------------------------------------------------------------------------


def test_statistics_of_das_2025_by_hand():
    x = [0.703, 0.751, 0.827, 0.791, 0.768, 0.744, 0.802, 0.715, 0.779, 0.760]
    found, n, mean, s = describe(x, 0.75), 10, np.mean(x), np.std(x, ddof=1)
    assert found["t"] == pytest.approx((mean - 0.75) / (s / math.sqrt(n)))
    assert found["df"] == 9
    assert found["p"] == pytest.approx(2 * stats.t.sf(abs(found["t"]), 9))
    assert found["confidence"] == pytest.approx(stats.t.cdf(found["t"], 9))
    assert found["d"] == pytest.approx((mean - 0.75) / s)
    assert found["share_above"] == pytest.approx(0.7)
    assert found["share_low"] == pytest.approx(stats.beta.ppf(0.025, 8, 4))
    assert found["share_high"] == pytest.approx(stats.beta.ppf(0.975, 8, 4))
    assert found["median"] == pytest.approx(np.median(x))
    assert found["low"] < mean < found["high"]
    assert describe(x, 0.75) == found
    assert describe(x, 0.75, seed=1)["low"] != found["low"]


def test_bootstrap_intervals_hold_what_they_promise():
    rng = np.random.default_rng(0)
    hits = [(lambda d: d["low"] <= 0.7 <= d["high"])(describe(rng.normal(0.7, 0.1, 40), None, k)) for k in range(60)]
    assert 0.85 <= np.mean(hits) <= 1


def test_two_systems_on_the_same_images_by_hand():
    rng = np.random.default_rng(3)
    a = rng.normal(0.8, 0.05, 12)
    b = a - rng.normal(0.02, 0.01, 12)
    found, gaps = paired(a, b), a - b
    assert found["t"] == pytest.approx(gaps.mean() / (gaps.std(ddof=1) / math.sqrt(12)))
    assert found["d_z"] == pytest.approx(gaps.mean() / gaps.std(ddof=1))
    assert found["p_t"] == pytest.approx(2 * stats.t.sf(abs(found["t"]), 11))
    assert found["p_wilcoxon"] == pytest.approx(stats.wilcoxon(a, b).pvalue)
    assert found["low"] < gaps.mean() < found["high"]
    assert paired(a, [*b[:-1], math.nan])["n"] == 11


def test_too_little_to_tell_says_nothing():
    assert describe([])["mean"] is None
    one = describe([0.9])
    assert (one["mean"], one["sd"], one["low"], one["t"]) == (0.9, None, None, None)
    alike = describe([0.9, 0.9, 0.9])
    assert (alike["low"], alike["high"], alike["t"], alike["share_above"]) == (0.9, 0.9, None, 1.0)
    assert paired([0.9, 0.8], [0.9, 0.8])["p_t"] is None
    assert paired([], [])["n"] == 0


# --- declarations ---------------------------------------------------------------------------------


def test_declarations_are_whole():
    assert len(BY_NAME) == len(METRICS)
    assert {m.group for m in METRICS} == set(GROUPS)
    assert not set(BY_NAME) & set(GROUPS)
    for metric in METRICS:
        assert metric.title, metric
        assert metric.meaning.endswith("."), metric
        assert metric.unit in ("0 to 1", "-1 to 1", "from 0", "pixels", "objects", "um", "s"), metric


def test_metrics_are_chosen_by_name_and_by_group():
    assert [m.name for m in chosen(("iou", "nuclei"))] == ["iou", "sub", "full", "score"]
    assert chosen(()) == METRICS
    with pytest.raises(CellsegError, match="jaccard"):
        chosen(("jaccard",))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_a_metric_asked_for_alone_is_the_one_among_all(metric):
    truth, predicted, spacing = CASES["cells"]
    how = Judging(metrics=(metric.name,), objects=False)
    counts = dict(measure(truth, predicted, how, spacing).by_class[0], seconds=3.0, loss=50.0, loss_voxels=200)
    assert metric.value(counts) == pytest.approx(values(truth, predicted, spacing=spacing)[metric.name])


def test_what_does_not_fit_is_refused():
    labels = np.zeros((4, 5), np.uint32)
    with pytest.raises(CellsegError, match="same image"):
        measure(labels, labels[:3], Judging())
    with pytest.raises(CellsegError, match="does not fit"):
        measure(labels, labels, Judging(), (1.0, 1.0, 1.0))
    with pytest.raises(CellsegError, match="does not fit"):
        measure(labels, labels, Judging(), (0.0, 1.0))
    with pytest.raises(CellsegError, match="what is known"):
        measure(labels, labels, Judging(), known=np.ones((3, 3), bool))
    with pytest.raises(CellsegError, match="1 axes"):
        measure(labels[0], labels[0], Judging())
    with pytest.raises(CellsegError, match="There is a class 3"):
        measure(labels + 3, labels, Judging(classes=("a", "b")))


def test_the_counts_of_aziz_2026_do_not_give_its_figures():
    """PAPERS 1: what the confusion matrices say, and what the text says."""
    before = {"tp": 1.89e6, "tn": 6.12e6, "fp": 487e3, "fn": 523e3}
    after = {"tp": 2.18e6, "tn": 6.49e6, "fp": 121e3, "fn": 147e3}
    for counts, of_counts, of_text in (
        (before, (0.888, 0.652, 0.789), (0.8633, 0.7805, 0.8764)),
        (after, (0.970, 0.891, 0.942), (0.9672, 0.8980, 0.9462)),
    ):
        ours = [BY_NAME[name].value(counts) for name in ("accuracy", "iou", "dice")]
        assert ours == pytest.approx(of_counts, abs=5e-4)
        assert all(abs(a - b) > 0.002 for a, b in zip(ours, of_text, strict=True))
    assert BY_NAME["confluency_error"].value(after) == pytest.approx(-0.0029, abs=1e-4)
