from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cellseg import matching
from napari_cellseg.matching import mostly_known, overlaps

IDS = st.sampled_from([0, 0, 1, 2, 7, 4_000_000_000])
PAIR = st.tuples(*(arrays(np.uint32, (3, 7, 5), elements=IDS) for _ in range(2)))


@pytest.fixture(autouse=True)
def small_strips(monkeypatch):
    monkeypatch.setattr(matching, "STRIP", 16)


def ids_of(labels: np.ndarray) -> list[int]:
    return [i for i in np.unique(labels).tolist() if i]


@given(PAIR)
def test_pairs_are_those_that_share_voxels(pair):
    left, right = pair
    found = overlaps(left, right)
    assert found.left_ids.tolist() == ids_of(left)
    assert found.right_sizes.tolist() == [int((right == i).sum()) for i in ids_of(right)]
    said = {
        (int(found.left_ids[a]), int(found.right_ids[b])): (int(n), float(iou))
        for a, b, n, iou in zip(found.left, found.right, found.shared, found.iou, strict=True)
    }
    for i in ids_of(left):
        for j in ids_of(right):
            both, either = int(((left == i) & (right == j)).sum()), int(((left == i) | (right == j)).sum())
            assert said.get((i, j), (0, 0.0)) == (both, pytest.approx(both / either))


@given(PAIR)
def test_the_best_partner_has_the_highest_iou(pair):
    left, right = pair
    found = overlaps(left, right)
    for best, ids, mine, theirs in (
        (found.of_left, ids_of(left), left, right),
        (found.of_right, ids_of(right), right, left),
    ):
        for k, i in enumerate(ids):
            ious = [((mine == i) & (theirs == j)).sum() / ((mine == i) | (theirs == j)).sum() for j in ids_of(theirs)]
            assert best[0][k] == pytest.approx(max(ious, default=0.0))
            assert (best[1][k] == -1) == (best[0][k] == 0)
    mine, theirs, iou = found.mutual
    assert len(set(mine.tolist())) == len(set(theirs.tolist())) == len(mine)
    assert (iou > 0).all()


@given(PAIR)
def test_objects_are_mostly_known_from_half_of_their_voxels_on(pair):
    labels, known = pair[0], pair[1] > 0
    ids = ids_of(labels)
    found = mostly_known(labels, known, np.array(ids, np.int64))
    assert found.tolist() == [bool(2 * known[labels == i].sum() >= (labels == i).sum()) for i in ids]


def test_thousands_of_objects_take_little_memory():
    """A table of every pair would take 2 GB."""
    side = np.kron(np.arange(1, 16_385, dtype=np.uint32).reshape(128, 128), np.ones((4, 4), np.uint32))
    found = overlaps(side, np.roll(side, 1, 1))
    assert len(found.left_ids) == 16_384
    assert len(found.shared) == 2 * 16_384
    np.testing.assert_allclose(found.of_left[0], 12 / 20)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16])
def test_any_integers_will_do(dtype):
    labels = np.array([[0, 1, 1, 2]], dtype)
    assert overlaps(labels, labels.astype(np.int64)).of_left[0].tolist() == [1, 1]
