from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg import edits
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import APPROVED, CORRECTED


def scene(ndim: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two touching objects and one alone."""
    labels = np.zeros((40, 50), np.uint32)
    labels[5:15, 5:15], labels[5:15, 15:25], labels[25:35, 30:40] = 1, 2, 3
    if ndim == 3:
        labels = np.stack([labels] * 3)
    return labels, np.zeros_like(labels, np.uint8)


def done(edit, labels, state):
    """Labels and state after an edit; checks that the inverse restores and that the box holds all changes."""
    new, new_state = labels.copy(), state.copy()
    edit.write_to(new, new_state)
    back, back_state = new.copy(), new_state.copy()
    edit.inverse().write_to(back, back_state)
    np.testing.assert_array_equal(back, labels)
    np.testing.assert_array_equal(back_state, state)
    outside = np.ones(labels.shape, bool)
    outside[edit.box()] = False
    np.testing.assert_array_equal(new[outside], labels[outside])
    return new, new_state


@pytest.mark.parametrize("ndim", [2, 3])
def test_delete(ndim):
    labels, state = scene(ndim)
    new, new_state = done(edits.delete(labels, state, 2), labels, state)
    assert set(np.unique(new)) == {0, 1, 3}
    assert (new_state[labels == 2] == CORRECTED).all()
    assert (new_state[labels != 2] == 0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_merge(ndim):
    labels, state = scene(ndim)
    new, new_state = done(edits.merge(labels, state, [2, 1]), labels, state)
    assert (new[(labels == 1) | (labels == 2)] == 2).all()
    assert (new_state[(labels == 1) | (labels == 2)] == CORRECTED).all()


@pytest.mark.parametrize("ids", [[], [1], [1, 1], [0, 2]])
def test_merging_needs_two_objects(ids):
    with pytest.raises(CellsegError, match="two objects"):
        edits.merge(*scene(), ids)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("line", [[(3, 10), (17, 10)], [(3, 3), (17, 17)], [(3, 9), (10, 9), (17, 12)]])
def test_split(ndim, line):
    labels, state = scene(ndim)
    points = np.array(line, float)
    if ndim == 3:
        points = np.column_stack([np.ones(len(points)), points])
    new, _ = done(edits.split(labels, state, points, 9), labels, state)
    plane = new if ndim == 2 else new[1]
    original = labels if ndim == 2 else labels[1]
    pieces = np.unique(plane[original == 1])
    assert set(pieces) == {1, 9}
    assert (plane[original == 0] == 0).all()
    if ndim == 3:
        np.testing.assert_array_equal(new[[0, 2]], labels[[0, 2]])


def test_a_line_that_parts_nothing_says_so():
    with pytest.raises(CellsegError, match="does not part"):
        edits.split(*scene(), np.array([(3.0, 10), (8, 10)]), 9)


def test_one_line_may_split_several_objects():
    labels, state = scene()
    new, _ = done(edits.split(labels, state, np.array([(10.0, 0), (10, 30)]), 9), labels, state)
    assert set(np.unique(new)) == {0, 1, 2, 3, 9, 10}


def test_nothing_at_a_place():
    labels, _ = scene()
    assert edits.object_at(labels, (6, 6)) == 1
    for point in [(0, 0), (-1, 3), (99, 3), (1, 2, 3)]:
        with pytest.raises(CellsegError, match="no object"):
            edits.object_at(labels, point)
    with pytest.raises(CellsegError, match="no object 77"):
        edits.delete(*scene(), 77)


def test_a_stroke_corrects_the_whole_object_in_its_slice():
    labels, state = scene(3)
    index = np.ravel_multi_index((np.array([1, 1]), np.array([10, 11]), np.array([15, 15])), labels.shape)
    new, new_state = done(edits.paint(labels, state, index, 1), labels, state)
    assert (new[1, 10:12, 15] == 1).all()
    assert (new_state[1][new[1] == 1] == CORRECTED).all()
    assert (new_state[1][new[1] == 2] == CORRECTED).all()  # it lost a voxel: its outline was corrected too
    assert not new_state[[0, 2]].any()


def test_in_a_semantic_project_a_stroke_is_only_itself():
    labels, state = scene()
    _, new_state = done(edits.paint(labels, state, np.array([5 * 50 + 26]), 2, instances=False), labels, state)
    assert new_state.sum() == 1


def test_approving_a_field_leaves_what_only_reaches_into_it():
    labels, state = scene()
    _, new_state = done(edits.approve_box(labels, state, (slice(0, 40), slice(0, 18))), labels, state)
    assert (new_state[labels == 1] == APPROVED).all()
    assert not new_state[labels == 2].any()
    assert new_state[30, 3] == APPROVED
    assert not new_state[:, 30:].any()
    _, new_state = done(edits.approve_box(labels, state, (slice(0, 40), slice(0, 22))), labels, state)
    assert (new_state[labels == 2] == APPROVED).all()  # more than half of it was seen


def test_approving_everything_and_one_object():
    labels, state = scene()
    _, everything = done(edits.approve_box(labels, state, (slice(None), slice(None))), labels, state)
    assert (everything == APPROVED).all()
    _, one = done(edits.approve_object(labels, state, 3), labels, state)
    assert ((one == APPROVED) == (labels == 3)).all()


def test_approving_a_slice_of_a_volume_approves_its_objects_there():
    labels, state = scene(3)
    _, after = done(edits.approve_box(labels, state, (slice(1, 2), slice(0, 40), slice(0, 50))), labels, state)
    assert (after[1] == APPROVED).all()
    assert not after[[0, 2]].any()
    _, field = done(edits.approve_box(labels, state, (slice(1, 2), slice(0, 40), slice(0, 18))), labels, state)
    assert (field[1][labels[1] == 1] == APPROVED).all()
    assert not field[1][labels[1] == 2].any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_prediction_never_changes_what_a_person_said(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (30, 30)).astype(np.uint32)
    state = rng.integers(0, 3, (30, 30)).astype(np.uint8)
    proposal = np.kron(rng.integers(0, 6, (6, 6)), np.ones((5, 5), int)).astype(np.uint32)
    first = edits.first_free_id(labels, state)
    new = edits.reconcile(labels, state, proposal, first)
    np.testing.assert_array_equal(new[state > 0], labels[state > 0])
    assert not set(np.unique(new[state == 0])) & (set(np.unique(labels[state > 0])) - {0})
    edit = edits.predicted(labels, state, (slice(0, 30), slice(0, 30)), rng.integers(0, 9, (30, 30)).astype(np.uint32))
    after, after_state = done(edit, labels, state)
    np.testing.assert_array_equal(after[state > 0], labels[state > 0])
    np.testing.assert_array_equal(after_state, state)


def test_a_deleted_object_does_not_come_back():
    labels, state = scene()
    after, after_state = done(edits.delete(labels, state, 3), labels, state)
    proposal = np.zeros_like(labels)
    proposal[24:36, 29:41] = 1  # the network insists, a little larger
    proposal[5:15, 5:15] = 2
    new = edits.reconcile(after, after_state, proposal, edits.first_free_id(after, after_state))
    assert not new[20:, 25:].any()
    assert new[6, 6] == 1
