from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.evaluation import (
    evaluation_score,
    headline,
    instance_counts,
    mean_scores,
    score_image,
    voxel_counts,
    worst_objects,
)


def context() -> np.ndarray:
    labels = np.zeros((40, 50), np.uint32)
    labels[5:15, 5:15], labels[5:15, 20:30], labels[25:35, 30:40] = 1, 2, 3
    return labels


def test_perfect_labels_score_one_whatever_their_numbers():
    scores = score_image(context(), context() * 7)
    assert [scores[k] for k in ("iou", "dice", "precision", "recall", "ap50", "matched_iou")] == [1] * 6


def test_known_figures():
    predicted = context()
    predicted[predicted == 3] = 0  # a miss
    predicted[5:15, 9:15] = 0  # object 1 has IoU 0.4
    predicted[0:3, 40:50] = 9  # a false one
    counts = instance_counts(context(), predicted)
    assert (counts["tp"], counts["fp"], counts["fn"]) == (1, 2, 2)
    scores = score_image(context(), predicted)
    assert scores["ap50"] == pytest.approx(1 / 5)
    assert scores["iou"] == pytest.approx(140 / 330)
    assert scores["dice"] == pytest.approx(280 / 470)
    assert scores["precision"] == pytest.approx(140 / 170)
    assert scores["recall"] == pytest.approx(140 / 300)


def test_only_known_objects_count():
    known = np.zeros((40, 50), bool)
    known[:, :17] = True
    predicted = np.zeros_like(context())
    predicted[0:3, 40:50] = 9
    counts = instance_counts(context(), predicted, known)
    assert (counts["tp"], counts["fp"], counts["fn"]) == (0, 0, 1)
    assert voxel_counts(context(), predicted, 1, known)[0] == {"tp": 0, "fp": 0, "fn": 100}


def test_empty_images():
    empty = np.zeros((9, 9), np.uint32)
    assert score_image(empty, empty)["ap50"] == 1
    assert score_image(empty, empty)["iou"] == 1
    assert score_image(context(), np.zeros_like(context()))["ap50"] == 0


def test_classes_have_their_own_metrics_and_a_mean():
    truth = np.array([[1, 1, 2, 2]], np.uint32)
    predicted = np.array([[1, 2, 2, 2]], np.uint32)
    scores = score_image(truth, predicted, ("a", "b"), instances=False)
    assert scores["iou/a"] == pytest.approx(1 / 2)
    assert scores["iou/b"] == pytest.approx(2 / 3)
    assert scores["iou"] == pytest.approx(7 / 12)
    assert headline(scores) == scores["iou"]


def test_means_over_images():
    mean = mean_scores([score_image(context(), context()), score_image(context(), np.zeros_like(context()))])
    assert mean["images"] == 2
    assert mean["ap50"] == 0.5
    assert mean["objects_fn"] == 3
    assert headline(mean) == 0.5
    assert mean_scores([]) == {"images": 0}


def test_the_worst_come_first():
    predicted = context()
    predicted[predicted == 3] = 0
    predicted[5:15, 12:15] = 0
    predicted[0:3, 40:50] = 9
    worst = worst_objects(context(), predicted)
    assert {w[1:] for w in worst[:2]} == {(0, 9), (3, 0)}
    assert worst[2] == (pytest.approx(0.7), 1, 1)
    assert worst[-1][0] == 1


def test_the_evaluation_score_of_tiling_2024():
    truth = np.zeros((6, 20, 20), np.uint32)
    truth[1:4, 2:8, 2:8], truth[1:4, 2:8, 10:16] = 1, 5
    assert evaluation_score(truth, truth) == pytest.approx({"sub": 1, "full": 1, "score": 1})
    merged = (truth > 0).astype(np.uint32)
    found = evaluation_score(truth, merged)
    assert found["sub"] == pytest.approx(1)  # each box holds its own nucleus only
    assert found["full"] == pytest.approx(2 * 108 / (108 + 216))
    assert found["score"] == pytest.approx((0.95 + 1.05 * 2 / 3) / 2)
    half = np.where(np.arange(20) < 5, truth, 0).astype(np.uint32)  # half of one nucleus, nothing of the other
    assert evaluation_score(truth, half)["full"] == pytest.approx((2 * 54 / 162 + 0) / 2)
    cut = np.where((truth == 1) & (np.arange(20) >= 6), 9, truth).astype(np.uint32)  # the larger part is the partner
    assert evaluation_score(truth, cut)["sub"] == pytest.approx((2 * 72 / 180 + 1) / 2)
    assert evaluation_score(truth * 0, truth)["score"] == 1
    assert evaluation_score(truth, truth * 0)["score"] == 0
