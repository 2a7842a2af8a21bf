"""Errors one by one: they are those that the figures count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import napari_cellseg as cs
from napari_cellseg.evaluation import FN, FP, error_map, error_places

labels = arrays(np.uint32, (9, 11), elements=st.integers(0, 4))


@given(labels, labels)
def test_every_object_without_a_match_is_told_and_nothing_else(truth, found):
    figures = cs.evaluate(truth, found, metrics=("objects",))
    places = error_places(truth, found)
    alone = [p for p in places if p.error != "poor match"]
    near = [p for p in places if p.error == "poor match"]
    wrong = figures["objects_fn"] + figures["objects_fp"]
    assert len(places) <= wrong <= len(alone) + 2 * len(near)
    assert bool(places) == bool(wrong)
    assert sum(p.error == "missed" for p in places) <= figures["objects_fn"]
    assert sum(p.error == "false" for p in places) <= figures["objects_fp"]
    for p in places:
        inside = tuple(slice(*s) for s in p.box)
        sizes = [(side[inside] == id).sum() for side, id in ((truth, p.true), (found, p.found)) if id]
        assert p.voxels in sizes


def test_each_kind_by_hand():
    truth, found = (np.zeros((40, 60), np.uint32) for _ in range(2))
    truth[2:10, 2:10] = found[2:10, 2:10] = 7  # found
    truth[20:30, 2:12] = 8  # missed
    found[20:25, 40:45] = 3  # false
    truth[2:10, 20:40], found[2:10, 20:27] = 9, 5  # a part of it: no match
    truth[32:40, 20:40], found[32:40, 20:32], found[32:40, 32:40] = 4, 11, 12  # parted: 11 matches, 12 is left
    told = [(p.error, p.true, p.found, round(p.iou, 2), p.box) for p in error_places(truth, found)]
    assert told == [
        ("missed", 8, 0, 0.0, ((20, 30), (2, 12))),
        ("false", 0, 3, 0.0, ((20, 25), (40, 45))),
        ("poor match", 9, 5, 0.35, ((2, 10), (20, 40))),
        ("poor match", 4, 12, 0.4, ((32, 40), (32, 40))),
    ]
    known = np.zeros(truth.shape, bool)
    known[15:31] = True
    assert [p.error for p in error_places(truth, found, known)] == ["missed", "false"]


@pytest.mark.parametrize("shape", [(12, 16), (5, 12, 16)], ids=["2D", "3D"])
def test_regions_of_a_class_are_all_of_its_errors(shape):
    rng = np.random.default_rng(3)
    truth, found = (rng.integers(0, 3, shape).astype(np.uint32) for _ in range(2))
    for number in (0, 1, 2):
        errors = error_map(truth, found, instances=False, number=number)
        places = error_places(truth, found, instances=False, number=number)
        for name, value in (("missed", FN), ("false", FP)):
            assert sum(p.voxels for p in places if p.error == name) == (errors == value).sum()
        sizes = [p.voxels for p in places]
        assert sizes == sorted(sizes, reverse=True)
        assert all(len(p.box) == len(shape) for p in places)


def test_nothing_wrong_is_an_empty_list():
    one = np.ones((4, 4), np.uint32)
    assert error_places(one, one) == error_places(one, one, instances=False) == error_places(one * 0, one * 0) == []
