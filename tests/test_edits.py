from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg import edits
from napari_cellseg.edits import EditContext
from napari_cellseg.errors import CellsegError, NothingThere
from napari_cellseg.project import APPROVED, CORRECTED, Edit, Objects


def arrays(ndim: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two touching objects and one alone."""
    labels = np.zeros((40, 50), np.uint32)
    labels[5:15, 5:15], labels[5:15, 15:25], labels[25:35, 30:40] = 1, 2, 3
    if ndim == 3:
        labels = np.stack([labels] * 3)
    return labels, np.zeros_like(labels, np.uint8)


def context(ndim: int = 2, **choices: Any) -> EditContext:
    return EditContext.of(*arrays(ndim), **choices)


def done(edit: Edit, context: EditContext) -> tuple[np.ndarray, np.ndarray]:
    """Labels and state after an edit; checks inverse, box, protection and the index of objects on the way."""
    labels, state = context.labels, context.state
    new, new_state = labels.copy(), state.copy()
    edit.write_to(new, new_state)
    back, back_state = new.copy(), new_state.copy()
    edit.inverse().write_to(back, back_state)
    np.testing.assert_array_equal(back, labels)
    np.testing.assert_array_equal(back_state, state)
    outside = np.ones(labels.shape, bool)
    outside[edit.box()] = False
    np.testing.assert_array_equal(new[outside], labels[outside])
    np.testing.assert_array_equal(new_state[outside], state[outside])
    assert np.isin(new_state[new != labels], (CORRECTED, APPROVED)).all(), "a changed voxel is a user edit"
    if context.locked:
        approved = (state == APPROVED) & (labels > 0)
        np.testing.assert_array_equal(new[approved], labels[approved])
        np.testing.assert_array_equal(new_state[approved], APPROVED)
    index = Objects(labels, state)
    index.update(edit)
    same_index(index, Objects(new, new_state), new)
    return new, new_state


def same_index(found: Objects, expected: Objects, labels: np.ndarray) -> None:
    assert found.ids().tolist() == expected.ids().tolist()
    assert len(found) == len(expected)
    assert found.top >= expected.top
    for id in expected.ids().tolist():
        assert found.count(id) == expected.count(id)
        assert found.box(labels, id) == expected.box(labels, id)
    for state in (1, 2):
        assert found.share(state) == expected.share(state)
    assert found.known() == expected.known()


# --- exact small cases ----------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [2, 3])
def test_delete(ndim):
    s = context(ndim)
    new, new_state = done(edits.delete(s, s.piece(2)), s)
    assert set(np.unique(new)) == {0, 1, 3}
    assert (new_state[s.labels == 2] == CORRECTED).all()
    assert (new_state[s.labels != 2] == 0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_merge(ndim):
    s = context(ndim)
    new, new_state = done(edits.merge(s, [2, 1]), s)
    both = (s.labels == 1) | (s.labels == 2)
    assert (new[both] == 2).all()
    assert (new_state[both] == CORRECTED).all()


@pytest.mark.parametrize("ids", [[], [1], [1, 1], [0, 2]])
def test_merging_needs_two_objects(ids):
    with pytest.raises(CellsegError, match="two objects"):
        edits.merge(context(), ids)


def test_merging_along_a_line_takes_what_it_touches_in_its_order():
    s = context()
    line = np.array([(10.0, 27), (10, 8)])
    assert edits.ids_along(s, line) == [2, 1]
    new, _ = done(edits.merge(s, edits.ids_along(s, line)), s)
    assert set(np.unique(new)) == {0, 2, 3}


def test_in_one_slice_of_a_volume_other_slices_stay():
    s = context(3, z=1)
    for edit in (
        edits.delete(s, s.piece(2)), edits.merge(s, [1, 2]), edits.grow(s, s.piece(3)), edits.shrink(s, s.piece(3)),
        edits.relabel(s, s.piece(3), 8), edits.split(s, np.array([(1.0, 3, 10), (1, 17, 10)])),
        edits.smooth(s, s.piece(3)), edits.polygon(s, np.array([(1.0, 30, 2), (1, 38, 2), (1, 34, 10)])),
    ):  # fmt: skip
        new, _ = done(edit, s)
        assert (new[1] != s.labels[1]).any()
        np.testing.assert_array_equal(new[[0, 2]], s.labels[[0, 2]])


@pytest.mark.parametrize("z", [None, 1])
@pytest.mark.parametrize("line", [[(3, 10), (17, 10)], [(3, 3), (17, 17)], [(3, 9), (10, 9), (17, 12)]])
def test_split_along_a_line(z, line):
    points = np.array(line, float)
    flat = context(2, first_id=9)
    new, _ = done(edits.split(flat, points), flat)
    assert set(np.unique(new[flat.labels == 1])) == {1, 9}
    assert (new[flat.labels == 0] == 0).all()
    volume = context(3, first_id=9, z=z)
    new3, _ = done(edits.split(volume, np.column_stack([np.ones(len(points)), points])), volume)
    np.testing.assert_array_equal(new3[1], new)
    np.testing.assert_array_equal(new3[0], volume.labels[0] if z == 1 else new)


def test_a_line_that_parts_nothing_says_so():
    with pytest.raises(CellsegError, match="does not part"):
        edits.split(context(), np.array([(3.0, 10), (8, 10)]))
    with pytest.raises(CellsegError, match="outside"):
        edits.split(context(), np.array([(-9.0, 10), (-8, 10)]))
    with pytest.raises(CellsegError, match="outside"):
        edits.split(context(3), np.array([(7.0, 3, 10), (7, 17, 10)]))


def test_one_line_may_split_several_objects():
    s = context(first_id=9)
    new, _ = done(edits.split(s, np.array([(10.0, 0), (10, 30)])), s)
    assert set(np.unique(new)) == {0, 1, 2, 3, 9, 10}


def test_split_by_seeds_on_the_distance_and_on_an_image():
    y, x = np.mgrid[:40, :60]
    one, other = np.hypot(y - 20, x - 20) < 12, np.hypot(y - 20, x - 38) < 12
    labels = (one | other).astype(np.uint32) * 4
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8))
    new, _ = done(edits.split_seeds(s, [(20, 20), (20, 38)]), s)
    assert new[20, 12] == 4
    assert new[20, 46] == 5
    border = np.flatnonzero(np.diff(new[20, 12:46].astype(int)))[0] + 12
    assert abs(border - 28.5) <= 1  # the waist
    picture = np.where(x < 35, 0.9, 0.8)
    picture[:, 34:36] = 0.1  # a dark wall elsewhere
    on_image = edits.split_seeds(s, [(20, 20), (20, 42)], lambda box: picture[box])
    new, _ = done(on_image, s)
    assert abs(np.flatnonzero(np.diff(new[20, 12:46].astype(int)))[0] + 12 - 34.5) <= 1
    three = edits.split_seeds(s, [(20, 12), (20, 28), (20, 46)])
    assert len(np.unique(done(three, s)[0])) == 4
    with pytest.raises(CellsegError, match="two seeds"):
        edits.split_seeds(s, [(20, 20), (20, 20)])
    with pytest.raises(CellsegError, match="different objects"):
        edits.split_seeds(s, [(20, 20), (1, 1)])


def test_split_by_seeds_through_a_volume():
    labels = np.zeros((7, 20, 44), np.uint32)
    labels[1:6, 5:15, 4:18] = labels[1:6, 5:15, 24:40] = 1
    labels[2:5, 8:12, 18:24] = 1
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8), spacing=(2.0, 1.0, 1.0))
    new, _ = done(edits.split_seeds(s, [(3, 10, 10), (3, 10, 32)]), s)
    assert set(np.unique(new[:, :, :18])) == {0, 1}
    assert set(np.unique(new[:, :, 24:])) == {0, 2}


def test_fill_holes_but_not_other_objects():
    labels, state = arrays()
    labels[8:11, 8:11] = 0
    labels[9, 9] = 7
    s = EditContext.of(labels, state)
    new, new_state = done(edits.fill_holes(s, s.piece(1)), s)
    assert new[9, 9] == 7
    assert (new[5:15, 5:15] == 1).sum() == 99
    assert (new_state[new == 1] == CORRECTED).all()
    with pytest.raises(CellsegError, match="no holes"):
        edits.fill_holes(s, s.piece(3))


def test_a_hole_of_a_slice_is_no_cavity_of_the_volume():
    labels, state = arrays(3)
    labels[:, 8:11, 8:11] = 0  # a tunnel
    through = EditContext.of(labels, state)
    with pytest.raises(CellsegError, match="no holes"):
        edits.fill_holes(through, through.piece(1))
    one = through.at(1)
    assert (done(edits.fill_holes(one, one.piece(1)), one)[0][1, 8:11, 8:11] == 1).all()


def test_grow_takes_background_only_and_shrink_keeps_the_border_of_the_image():
    s = context()
    new, _ = done(edits.grow(s, s.piece(1)), s)
    assert (new == 1).sum() == 100 + 30  # not into object 2
    assert (new == 2).sum() == 100
    new, _ = done(edits.shrink(s, s.piece(3)), s)
    assert (new == 3).sum() == 64
    labels, state = arrays()
    labels[0:5, 0:5] = 9
    at_border = EditContext.of(labels, state)
    assert (done(edits.shrink(at_border, at_border.piece(9)), at_border)[0] == 9).sum() == 16
    labels[39, 49] = 11
    tiny = EditContext.of(labels, state)
    with pytest.raises(CellsegError, match="Nothing would be left"):
        edits.shrink(
            EditContext.of(np.pad(labels, 3), np.pad(state, 3)),
            EditContext.of(np.pad(labels, 3), np.pad(state, 3)).piece(11),
        )
    assert tiny.piece(11).mask.sum() == 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_smooth_rounds_corners_and_keeps_the_size_about(ndim):
    s = context(ndim)
    new, _ = done(edits.smooth(s, s.piece(3), 4), s)
    before, after = (s.labels == 3).sum(), (new == 3).sum()
    assert 0.85 * before < after <= before
    assert not new[..., 25, 30].any()
    assert (new[s.labels == 1] == 1).all()


def test_keep_largest_and_remove_small():
    labels, state = arrays()
    labels[1:3, 40:43] = 3
    labels[38, 2] = 8
    s = EditContext.of(labels, state)
    new, _ = done(edits.keep_largest(s, s.piece(3)), s)
    assert not new[1:3, 40:43].any()
    assert (new == 3).sum() == 100
    with pytest.raises(CellsegError, match="one piece"):
        edits.keep_largest(s, s.piece(1))
    everything = (slice(0, 40), slice(0, 50))
    new, new_state = done(edits.remove_small(s, everything, 20), s)
    assert set(np.unique(new)) == {0, 1, 2, 3}
    assert new_state.sum() == 1
    with pytest.raises(CellsegError, match="smaller than"):
        edits.remove_small(s, (slice(0, 30), slice(0, 50)), 20)
    state[38, 2] = APPROVED
    with pytest.raises(CellsegError, match="smaller than"):
        edits.remove_small(EditContext.of(labels, state), everything, 20)


def test_remove_small_in_a_slice_counts_the_slice():
    labels, state = arrays(3)
    labels[1, 38, 2:5] = 8
    labels[0, 36:40, 0:9] = 8
    s = EditContext.of(labels, state, z=1)
    box = tuple(slice(0, n) for n in labels.shape)
    new, _ = done(edits.remove_small(s, box, 10), s)
    assert not (new[1] == 8).any()
    assert (new[0] == 8).any()


def test_relabel_and_classes():
    s = context()
    new, _ = done(edits.relabel(s, s.piece(1), 77), s)
    assert (new[s.labels == 1] == 77).all()
    joined, _ = done(edits.relabel(s, s.piece(1), 3), s)
    assert (joined[s.labels == 1] == 3).all()
    for bad in (0, 1):
        with pytest.raises(CellsegError, match="cannot become"):
            edits.relabel(s, s.piece(1), bad)
    with pytest.raises(CellsegError, match="no class in this project"):
        edits.assign_class(s, s.piece(1), 2, 3)
    classes = replace(s, instances=False)
    new, new_state = done(edits.assign_class(classes, classes.pick((6, 6)), 2, 3), classes)
    assert (new[5:15, 5:25] == 2).all()
    assert new_state.sum() == 100  # the region, not its equal neighbour
    with pytest.raises(CellsegError, match="no class 9"):
        edits.assign_class(classes, classes.pick((6, 6)), 9, 3)


def test_a_region_of_a_class_is_found_beyond_the_first_box():
    labels = np.zeros((300, 400), np.uint32)
    labels[10:12, 5:395] = 1
    labels[10:290, 5:7] = 1
    labels[200:220, 300:320] = 1
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8), instances=False)
    piece = s.pick((10, 200))
    assert piece.mask.sum() == 2 * 390 + 278 * 2
    assert piece.mask.sum() + 400 == (labels == 1).sum()


def test_polygon_and_its_convex_hull():
    s = context(first_id=20)
    corners = np.array([(28.0, 2), (38, 2), (38, 12), (33, 6)])
    new, new_state = done(edits.polygon(s, corners), s)
    hull, _ = done(edits.polygon(s, corners, convex=True), s)
    assert 20 < (new == 20).sum() < (hull == 20).sum()
    assert (new_state[new == 20] == CORRECTED).all()
    for bad in (corners[:2], np.array([(28.0, 2), (29, 3), (30, 4)]), corners + 100):
        with pytest.raises(CellsegError):
            edits.polygon(s, bad, convex=True)


def test_drawing_respects_what_it_may_replace():
    corners = np.array([(0.0, 0), (20, 0), (20, 30), (0, 30)])
    everything, _ = done(edits.polygon(context(), corners, id=9), context())
    assert set(np.unique(everything)) == {0, 3, 9}
    free = context(over="background")
    new, _ = done(edits.polygon(free, corners, id=9), free)
    assert (new == 1).sum() == (new == 2).sum() == 100
    one = context(over="object", only=2)
    new, _ = done(edits.polygon(one, corners, id=9), one)
    assert (new == 9).sum() == 100
    assert not (new == 2).any()
    labels, state = arrays()
    state[labels == 1] = APPROVED
    locked = EditContext.of(labels, state)
    new, _ = done(edits.polygon(locked, corners, id=9), locked)
    assert (new == 1).sum() == 100
    unlocked = EditContext.of(labels, state, locked=False)
    new, new_state = done(edits.polygon(unlocked, corners, id=9), unlocked)
    assert not (new == 1).any()
    assert (new_state[labels == 1] == CORRECTED).all()


def test_an_object_that_loses_voxels_is_corrected_as_a_whole_in_its_slice():
    s = context(3, z=1)
    corners = np.array([(1.0, 0, 20), (1, 20, 20), (1, 20, 30), (1, 0, 30)])
    _, new_state = done(edits.polygon(s, corners), s)
    assert (new_state[1][s.labels[1] == 2] == CORRECTED).all()
    assert not new_state[[0, 2]].any()


@pytest.mark.parametrize("kind", ["probability", "image"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_scribble_snaps_to_the_object(kind, ndim):
    rng = np.random.default_rng(0)
    shape = (90, 110) if ndim == 2 else (9, 90, 110)
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    truth = ((grid[-2] - 45) / 14) ** 2 + ((grid[-1] - 50) / 20) ** 2 < 1
    if ndim == 3:
        truth &= np.abs(grid[0] - 4) <= 2
    values = np.clip(truth * 0.8 + 0.1 + rng.normal(0, 0.03, shape), 0, 1).astype(np.float32)
    line = np.array([(45.0, 38), (47, 60)])
    if ndim == 3:
        line = np.column_stack([[4.0, 4], line])
    s = EditContext.of(np.zeros(shape, np.uint32), np.zeros(shape, np.uint8), first_id=3)
    new, _ = done(edits.scribble(s, line, lambda box: values[box], kind=kind), s)
    mine = new == 3
    assert (mine & truth).sum() / (mine | truth).sum() > (0.95 if kind == "probability" else 0.8)


def test_a_scribble_never_takes_other_objects():
    s = context()
    with pytest.raises(CellsegError, match="other objects"):
        edits.scribble(s, np.array([(8.0, 8), (8, 12)]), lambda box: np.ones((99, 99))[box], kind="image")
    flat = np.ones((40, 50), np.float32)
    new, _ = done(edits.scribble(s, np.array([(20.0, 8), (20, 12)]), lambda box: flat[box], kind="probability"), s)
    for id in (1, 2, 3):
        assert (new == id).sum() == 100


def test_copy_and_interpolate():
    labels = np.zeros((7, 40, 40), np.uint32)
    y, x = np.mgrid[:40, :40]
    for z, radius in ((1, 6.0), (5, 12.0)):
        labels[z][np.hypot(y - 20, x - 20) < radius] = 2
    labels[3, 20, 20:36] = 5
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8), over="background")
    new, new_state = done(edits.interpolate(s, 2), s)
    areas = [(new[z] == 2).sum() for z in range(7)]
    assert areas[0] == areas[6] == 0
    assert areas[1] < areas[2] < areas[4] < areas[5]
    assert abs(areas[2] - np.pi * 7.5**2) < 0.15 * areas[2]
    assert (new[3, 20, 20:36] == 5).all()
    assert not new_state[5].any() or (new_state[5][new[5] == 2] == CORRECTED).all()
    with pytest.raises(CellsegError, match="no missing"):
        edits.interpolate(s, 5)
    copied, _ = done(edits.copy_to_slice(s, s.at(1).piece(2), 2), s)
    np.testing.assert_array_equal(copied[2] == 2, labels[1] == 2)
    for source, to in ((5, 7), (1, -1)):
        piece = s.at(source).piece(2)
        with pytest.raises(CellsegError):
            edits.copy_to_slice(s, piece, to)
    for tool in (
        lambda: edits.interpolate(context(), 1),
        lambda: edits.copy_to_slice(context(), context().piece(1), 1),
    ):
        with pytest.raises(CellsegError):
            tool()


def test_what_takes_background_only_may_be_drawn_over_one_object_only():
    empty = EditContext.of(np.zeros((60, 60), np.uint32), np.zeros((60, 60), np.uint8), over="object")
    bright = np.zeros((60, 60), np.float32)
    bright[20:30, 20:30] = 1
    new, _ = done(edits.scribble(empty, np.array([[22.0, 22], [27, 27]]), lambda box: bright[box], kind="image"), empty)
    assert new[25, 25] == 1
    labels = np.zeros((3, 20, 20), np.uint32)
    labels[0, 5:9, 5:9] = labels[2, 5:9, 5:9] = 4
    gap = EditContext.of(labels, np.zeros(labels.shape, np.uint8), over="object")
    assert done(edits.interpolate(gap, 4), gap)[0][1].any()


def test_debris_at_the_border_of_the_image_is_seen_whole():
    volume = np.zeros((3, 60, 60), np.uint32)
    volume[1, 0:2, 0:2], volume[1, 30:32, 30:32], volume[1, 8:10, 20:22] = 5, 6, 7
    s = EditContext.of(volume, np.zeros(volume.shape, np.uint8), z=1)
    new, _ = done(edits.remove_small(s, (slice(1, 2), slice(0, 60), slice(0, 60)), 30), s)
    assert not new.any()
    new, _ = done(edits.remove_small(s, (slice(1, 2), slice(9, 60), slice(0, 60)), 30), s)
    assert np.unique(new).tolist() == [0, 5, 7]  # 7 goes on beyond the view


def test_a_row_of_pixels_has_no_holes():
    labels = np.zeros((9, 9), np.uint32)
    labels[4, 2] = labels[4, 6] = 3
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8))
    with pytest.raises(CellsegError, match="no holes"):
        edits.fill_holes(s, s.piece(3))


def test_nothing_at_a_place():
    s = context()
    assert s.id_at((6, 6)) == 1
    for point in [(0, 0), (-1, 3), (99, 3), (1, 2, 3)]:
        with pytest.raises(CellsegError, match="no object"):
            s.id_at(point)
    with pytest.raises(CellsegError, match="no object 77"):
        s.piece(77)
    volume = context(3)
    volume.labels[0][volume.labels[0] == 3] = 0
    with pytest.raises(CellsegError, match="not in this slice"):
        EditContext.of(volume.labels, volume.state, z=0).piece(3)


# --- the brush ------------------------------------------------------------------------------------


def test_a_stroke_corrects_the_whole_object_in_its_slice():
    s = context(3)
    index = np.ravel_multi_index((np.array([1, 1]), np.array([10, 11]), np.array([15, 15])), s.labels.shape)
    new, new_state = done(edits.paint(s, index, 1), s)
    assert (new[1, 10:12, 15] == 1).all()
    assert (new_state[1][new[1] == 1] == CORRECTED).all()
    assert (new_state[1][new[1] == 2] == CORRECTED).all()  # it lost a voxel: its outline was corrected too
    assert not new_state[[0, 2]].any()


def test_a_stroke_that_napari_has_painted_is_the_same_edit():
    s = context(3)
    index = np.ravel_multi_index((np.array([1, 1]), np.array([10, 11]), np.array([15, 15])), s.labels.shape)
    before = edits.paint(s, index, 1)
    old = s.labels.reshape(-1)[index].copy()
    s.labels.reshape(-1)[index] = 1
    after = edits.stroke(s, np.r_[index, index], np.r_[old, [9, 9]])
    for name in ("index", "old_labels", "new_labels", "old_state", "new_state"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_in_a_semantic_project_a_stroke_is_only_itself():
    s = context(instances=False)
    _, new_state = done(edits.paint(s, np.array([5 * 50 + 26]), 2), s)
    assert new_state.sum() == 1


def test_a_stroke_over_what_is_protected_is_put_back():
    labels, state = arrays()
    state[labels == 1] = APPROVED
    state[0] = APPROVED  # approved background may be drawn on
    index = np.array([0, 5 * 50 + 5, 5 * 50 + 20])
    old, new = labels.reshape(-1)[index], np.full(3, 9, np.uint32)
    assert edits.forbidden(EditContext.of(labels, state), index, old, new).tolist() == [False, True, False]
    assert not edits.forbidden(EditContext.of(labels, state, locked=False), index, old, new).any()
    assert edits.forbidden(EditContext.of(labels, state, over="background"), index, old, new).tolist() == [
        False,
        True,
        True,
    ]
    assert edits.forbidden(EditContext.of(labels, state, over="object", only=2), index, old, new).tolist() == [
        True,
        True,
        False,
    ]
    most = EditContext.of(labels, state, over="object", locked=False)
    assert edits.forbidden(most, np.r_[index, 5 * 50 + 6], np.r_[old, 1], np.r_[new, 9]).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert edits.forbidden(most, index[:1], old[:1], new[:1]).all()


@pytest.mark.parametrize("written", [False, True], ids=["before it is in the array", "after"])
def test_a_stroke_neither_adds_to_an_approved_object(written):
    labels = np.zeros((3, 20, 20), np.uint32)
    labels[:, 5:10, 5:10] = 1
    state = np.zeros(labels.shape, np.uint8)
    state[1] = APPROVED  # the object in one plane, and the background round it
    s = EditContext.of(labels, state)
    index = np.ravel_multi_index(([0, 1, 1], [12, 12, 7], [5, 5, 5]), labels.shape)
    old, new = labels.reshape(-1)[index].copy(), np.full(3, 1, np.uint32)
    if written:
        labels.reshape(-1)[index] = new
    assert edits.forbidden(s, index, old, new).tolist() == [False, True, True]
    assert not edits.forbidden(s.at(None), index, old, np.full(3, 5, np.uint32))[:2].any()
    assert not edits.forbidden(replace(s, locked=False), index, old, new).any()


def test_what_is_drawn_on_approved_background_may_grow():
    labels, state = np.zeros((20, 20), np.uint32), np.full((20, 20), APPROVED, np.uint8)
    s = EditContext.of(labels, state)
    first = edits.paint(s, np.arange(5), 1)
    new, state = done(first, s)
    again = EditContext.of(new, state)
    assert not edits.paint(again, np.arange(5, 9), 1).empty


# --- approving ------------------------------------------------------------------------------------


def test_approving_a_field_leaves_what_only_reaches_into_it():
    s = context()
    _, new_state = done(edits.approve_box(s, (slice(0, 40), slice(0, 18))), s)
    assert (new_state[s.labels == 1] == APPROVED).all()
    assert not new_state[s.labels == 2].any()
    assert new_state[30, 3] == APPROVED
    assert not new_state[:, 30:].any()
    _, new_state = done(edits.approve_box(s, (slice(0, 40), slice(0, 22))), s)
    assert (new_state[s.labels == 2] == APPROVED).all()  # more than half of it was seen


def test_approving_everything_and_one_object():
    s = context()
    _, everything = done(edits.approve_box(s, (slice(None), slice(None))), s)
    assert (everything == APPROVED).all()
    _, one = done(edits.approve_object(s, s.piece(3)), s)
    assert ((one == APPROVED) == (s.labels == 3)).all()
    approved = EditContext.of(s.labels, one)
    assert edits.approve_object(approved, approved.piece(3)).empty


def test_approving_a_slice_of_a_volume_approves_its_objects_there():
    s = context(3)
    _, after = done(edits.approve_box(s, (slice(1, 2), slice(0, 40), slice(0, 50))), s)
    assert (after[1] == APPROVED).all()
    assert not after[[0, 2]].any()
    _, field = done(edits.approve_box(s, (slice(1, 2), slice(0, 40), slice(0, 18))), s)
    assert (field[1][s.labels[1] == 1] == APPROVED).all()
    assert not field[1][s.labels[1] == 2].any()


def test_approved_objects_are_refused_by_every_tool_until_unlocked():
    labels, state = arrays()
    state[labels == 1] = APPROVED
    tools: list[Callable[[EditContext], Edit]] = [
        lambda s: edits.delete(s, s.piece(1)), lambda s: edits.merge(s, [2, 1]), lambda s: edits.grow(s, s.piece(1)),
        lambda s: edits.shrink(s, s.piece(1)), lambda s: edits.smooth(s, s.piece(1)),
        lambda s: edits.relabel(s, s.piece(1), 9), lambda s: edits.relabel(s, s.piece(3), 1),
        lambda s: edits.split(s, np.array([(3.0, 10), (17, 10)])),
        lambda s: edits.split_seeds(s, [(7, 7), (12, 12)]),
    ]  # fmt: skip
    for tool in tools:
        with pytest.raises(CellsegError, match="is approved"):
            tool(EditContext.of(labels, state))
        free = EditContext.of(labels, state, locked=False)
        done(tool(free), free)


def test_an_approved_object_is_not_extended_either_and_what_fills_a_gap_stays():
    labels = np.zeros((5, 20, 20), np.uint32)
    labels[0, 5:15, 5:15] = labels[4, 5:15, 5:15] = 1
    labels[2, 8:12, 8:12] = 2
    state = np.zeros(labels.shape, np.uint8)
    state[labels == 1] = APPROVED
    s = EditContext.of(labels, state)
    piece = s.at(0).piece(1)
    for tool in (lambda: edits.interpolate(s, 1), lambda: edits.copy_to_slice(s, piece, 1)):
        with pytest.raises(CellsegError, match="is approved"):
            tool()
    free = EditContext.of(labels, np.where(labels == 2, CORRECTED, 0).astype(np.uint8))
    new, _ = done(edits.interpolate(free, 1), free)
    assert (new == 2).sum() == 16
    assert (new[1] == 1).sum() == 100


def test_a_line_that_grazes_a_corner_parts_nothing():
    labels = np.zeros((20, 20), np.uint32)
    labels[5:10, 5:10] = 1
    labels[10, 10] = 1  # hangs on by a corner
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8))
    with pytest.raises(CellsegError, match="does not part"):
        edits.split(s, np.array([(9.0, 12), (12, 9)]))


def test_debris_that_crosses_the_edge_of_the_view_goes_as_a_whole():
    labels = np.zeros((30, 30), np.uint32)
    labels[10:18, 17:21] = 4
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8))
    new, _ = done(edits.remove_small(s, (slice(0, 30), slice(0, 20)), 100), s)
    assert not new.any()


# --- any labels, any tool -------------------------------------------------------------------------

TOOLS: dict[str, Callable[[EditContext, np.random.Generator], Edit]] = {
    "delete": lambda s, r: edits.delete(s, some(s, r)),
    "merge": lambda s, r: edits.merge(s, [some(s, r).id, some(s, r).id]),
    "merge line": lambda s, r: edits.merge(s, edits.ids_along(s, some_line(s, r))),
    "split": lambda s, r: edits.split(s, some_line(s, r)),
    "split by seeds": lambda s, r: edits.split_seeds(s, two_seeds(s, r)),
    "fill holes": lambda s, r: edits.fill_holes(s, some(s, r)),
    "smooth": lambda s, r: edits.smooth(s, some(s, r)),
    "grow": lambda s, r: edits.grow(s, some(s, r)),
    "shrink": lambda s, r: edits.shrink(s, some(s, r)),
    "keep largest": lambda s, r: edits.keep_largest(s, some(s, r)),
    "remove small": lambda s, r: edits.remove_small(s, tuple(slice(0, n) for n in s.labels.shape), 9),
    "relabel": lambda s, r: edits.relabel(s, some(s, r), int(r.integers(1, 9))),
    "assign class": lambda s, r: edits.assign_class(s, some(s, r), int(r.integers(1, 4)), 3),
    "polygon": lambda s, r: edits.polygon(s, some_line(s, r, 4), convex=bool(r.integers(2))),
    "scribble": lambda s, r: edits.scribble(
        s, some_line(s, r), lambda box: (s.labels[box] == 0).astype(np.float32), kind=r.choice(["image", "probability"])
    ),
    "click": lambda s, r: edits.found(s, *some_shape(s, r), id=0 if s.instances else int(r.integers(1, 4))),
    "copy to slice": lambda s, r: edits.copy_to_slice(
        s, s.at(int(r.integers(0, 4))).piece(int(r.integers(1, 6))), int(r.integers(0, 4))
    ),
    "interpolate": lambda s, r: edits.interpolate(s, some(s, r).id),
    "approve object": lambda s, r: edits.approve_object(s, some(s, r)),
    "approve field": lambda s, r: edits.approve_box(
        s, tuple(slice(int(a), int(a) + 9) for a in r.integers(0, 3, s.labels.ndim))
    ),
    "brush": lambda s, r: edits.paint(s, r.integers(0, s.labels.size, 12), int(r.integers(0, 6))),
}  # fmt: skip


def some(s: EditContext, r: np.random.Generator) -> edits.Piece:
    if s.instances:
        return s.piece(int(r.integers(1, 6)))
    return s.pick(tuple(int(r.integers(0, n)) for n in s.labels.shape))


def some_line(s: EditContext, r: np.random.Generator, n: int = 2) -> np.ndarray:
    points = np.stack([r.uniform(-2, size + 2, n) for size in s.labels.shape], axis=1)
    points[:, :-2] = s.z if s.z is not None else 1
    return points


def some_shape(s: EditContext, r: np.random.Generator) -> tuple[tuple[slice, ...], np.ndarray]:
    box = [slice(int(a), int(a) + 8) for a in r.integers(0, 3, s.labels.ndim)]
    if len(box) == 3 and s.z is not None:
        box[0] = slice(s.z, s.z + 1)
    box = [slice(b.start, min(b.stop, n)) for b, n in zip(box, s.labels.shape, strict=True)]
    return tuple(box), r.random([b.stop - b.start for b in box]) < 0.6


def two_seeds(s: EditContext, r: np.random.Generator) -> list[tuple[int, ...]]:
    piece = some(s, r)
    inside = np.argwhere(piece.mask) + [b.start for b in piece.box]
    return [tuple(int(v) for v in inside[k]) for k in r.integers(0, len(inside), 2)]


@pytest.mark.parametrize("name", TOOLS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ndim=st.sampled_from([2, 3]), instances=st.booleans(), locked=st.booleans())
def test_any_tool_on_any_labels(name, seed, ndim, instances, locked):
    """Inverse restores; nothing outside the box, nothing protected and no other slice changes."""
    rng = np.random.default_rng(seed)
    shape = (13, 14) if ndim == 2 else (4, 11, 12)
    coarse = rng.integers(0, 6, tuple(-(-n // 3) for n in shape)).astype(np.uint32)
    labels = np.kron(coarse, np.ones((3,) * ndim, np.uint32))[tuple(slice(0, n) for n in shape)].copy()
    labels[rng.random(shape) < 0.1] = 0
    state = rng.choice([0, 0, 0, 1, 2], shape).astype(np.uint8)
    z = int(rng.integers(0, shape[0])) if ndim == 3 and rng.integers(2) else None
    over = str(rng.choice(["all", "background", "object"]))
    s = EditContext.of(
        labels, state, z=z, instances=instances, locked=locked, over=over, only=int(rng.integers(1, 6)),
        spacing=(2.0, 1.0, 1.0)[-ndim:],
    )  # fmt: skip
    try:
        edit = TOOLS[name](s, rng)
    except CellsegError as error:
        assert error.message and error.hint  # noqa: PT017, PT018 - either an edit or a reason
        return
    new, _ = done(edit, s)
    if z is not None and name not in ("copy to slice", "interpolate", "approve field", "brush"):
        others = np.delete(np.arange(shape[0]), z)
        np.testing.assert_array_equal(new[others], labels[others])
    if over == "background" and name == "click":  # only the object itself may lose what is not of it
        assert len(np.unique(labels[(labels > 0) & (new != labels)])) <= 1
    if over == "background" and name in ("polygon", "scribble", "copy to slice", "interpolate", "brush"):
        np.testing.assert_array_equal(new[labels > 0], labels[labels > 0])


@pytest.mark.parametrize("name", TOOLS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), across=st.sampled_from([1, 2]), instances=st.booleans(), locked=st.booleans())
def test_from_the_side_every_tool_does_what_it_does_to_a_volume_that_lies_so(name, seed, across, instances, locked):
    rng, turn = np.random.default_rng(seed), edits.Turn(3, across)
    shape = (9, 10, 11)
    labels = np.kron(rng.integers(0, 6, (3, 4, 4)), np.ones((3, 3, 3)))[:9, :10, :11].astype(np.uint32)
    state = rng.choice([0, 0, 0, 1, 2], shape).astype(np.uint8)
    z = int(rng.integers(0, shape[across])) if rng.integers(2) else None
    how = {
        "instances": instances, "locked": locked, "over": str(rng.choice(["all", "background", "object"])),
        "only": int(rng.integers(1, 6)),
    }  # fmt: skip
    lying = tuple(np.ascontiguousarray(turn.array(v)) for v in (labels, state))
    expected = EditContext.of(*lying, z=z, spacing=turn.there((2.0, 1.0, 1.5)), **how)
    found = EditContext.of(labels, state, spacing=(2.0, 1.0, 1.5), **how).turned(turn, z)
    results = []
    for s in (expected, found):
        try:
            if name == "brush":
                index = np.random.default_rng(seed).integers(0, labels.size, 12)
                index = index if s is found else turn.places(index, turn.there(shape))
                results.append(edits.paint(s, index, seed % 6))
            else:
                results.append(TOOLS[name](s, np.random.default_rng(seed)))
        except CellsegError as error:
            results.append(error.message)
    if isinstance(results[0], str):
        assert results[1] == results[0]
        return
    assert results[1].shape == shape
    assert (np.diff(results[1].index) > 0).all()
    new = done(results[1], EditContext.of(labels, state, locked=locked))
    for mine, theirs in zip(new, done(results[0], expected), strict=True):
        np.testing.assert_array_equal(turn.array(mine), theirs)


@pytest.mark.parametrize("across", [1, 2])
def test_a_stroke_from_the_side_corrects_its_object_in_the_plane_that_was_seen(across):
    labels, state = arrays(3)
    turn = edits.Turn(3, across)
    plane = 10 if across == 1 else 20
    flat = np.zeros(labels.shape, bool)
    turn.array(flat)[plane, 1, 8:10] = True
    index, old = np.flatnonzero(flat), labels[flat]
    labels[flat] = 9
    s = EditContext.of(np.where(flat, 0, labels), state).turned(turn)
    s = replace(s, labels=turn.array(labels), objects=s.objects)
    edit = edits.stroke(s, index, old)
    corrected = np.zeros(labels.shape, bool)
    corrected.reshape(-1)[edit.index[edit.new_state == CORRECTED]] = True
    seen = np.zeros(labels.shape, bool)
    turn.array(seen)[plane] = True
    assert not corrected[~seen].any()
    np.testing.assert_array_equal(corrected[seen], (np.isin(labels, old[old > 0]) | flat)[seen])


# --- what a network may write ---------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_prediction_never_changes_what_a_person_said(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (30, 30)).astype(np.uint32)
    state = rng.integers(0, 3, (30, 30)).astype(np.uint8)
    proposal = np.kron(rng.integers(0, 6, (6, 6)), np.ones((5, 5), int)).astype(np.uint32)
    before = labels if rng.random() < 0.5 else None
    new = edits.renumbered(labels, state, proposal, 5, before=before)
    np.testing.assert_array_equal(new[state > 0], labels[state > 0])
    assert not set(np.unique(new[state == 0])) & (set(np.unique(labels[state > 0])) - {0})
    edit = edits.predicted(labels, state, (slice(0, 30), slice(0, 30)), rng.integers(0, 9, (30, 30)).astype(np.uint32))
    after, after_state = labels.copy(), state.copy()
    edit.write_to(after, after_state)
    np.testing.assert_array_equal(after[state > 0], labels[state > 0])
    np.testing.assert_array_equal(after_state, state)


def test_a_deleted_object_does_not_come_back():
    s = context()
    after, after_state = done(edits.delete(s, s.piece(3)), s)
    proposal = np.zeros_like(s.labels)
    proposal[24:36, 29:41] = 1  # the network insists, a little larger
    proposal[5:15, 5:15] = 2
    new = edits.renumbered(after, after_state, proposal, 50)
    assert not new[20:, 25:].any()
    assert new[6, 6] == 50


def test_a_part_that_is_predicted_anew_joins_what_goes_on_outside():
    labels = np.zeros((40, 60), np.uint32)
    labels[10:20, 30:50] = 7  # goes on to the left
    labels[22:30, 30:50] = 8  # a person's
    labels[0:6, 30:40] = 9  # faces two
    state = np.zeros(labels.shape, np.uint8)
    state[labels == 8] = 2
    box = (slice(0, 40), slice(10, 30))
    proposal = np.zeros((40, 20), np.uint32)
    proposal[11:20, 5:20] = 1
    proposal[22:30, 12:20] = 2
    proposal[0:3, 12:20], proposal[3:6, 12:20] = 3, 4
    proposal[33:36, 2:6] = 5
    new = edits.joined(labels, state, box, proposal, 20)
    assert [int(new[p]) for p in ((12, 10), (24, 15), (1, 15), (4, 15), (34, 3))] == [7, 21, 22, 23, 24]
    np.testing.assert_array_equal(new > 0, proposal > 0)
    whole = tuple(slice(0, n) for n in labels.shape)
    np.testing.assert_array_equal(
        edits.joined(labels, state, whole, labels, 50), edits.renumbered(labels, state, labels, 50)
    )
    np.testing.assert_array_equal(edits.joined(labels, state, box, proposal, 1, instances=False), proposal)


def test_what_a_part_separates_stays_separate():
    labels = np.zeros((40, 60), np.uint32)
    labels[10:30, 20:50] = 5  # two that the network had taken for one; the box begins at 30
    box = (slice(0, 40), slice(0, 30))
    proposal = np.zeros((40, 30), np.uint32)
    proposal[10:25, 12:24], proposal[10:30, 25:30] = 1, 2
    new = edits.joined(
        labels, np.zeros(labels.shape, np.uint8), box, proposal, 20, before=np.where(labels > 0, 5, 0)[box]
    )
    assert new[15, 28] == 5
    assert new[15, 15] not in (0, 5)


def test_what_is_predicted_again_keeps_its_number():
    s = context()
    state = s.state.copy()
    assert not state.any()
    proposal = np.zeros_like(s.labels)
    for k, id in enumerate(np.unique(s.labels)[1:][::-1].tolist()):  # other numbers, a little moved
        proposal[np.roll(s.labels == id, 1, axis=-1)] = k + 1
    proposal[0:3, 0:3] = 40  # and one that is new
    same = edits.renumbered(s.labels, state, proposal, 100, before=s.labels)
    assert {int(same[p]) for p in zip(*np.nonzero(same), strict=True)} == {*np.unique(s.labels)[1:].tolist(), 100}
    spoken = int(np.unique(s.labels)[1])
    state.reshape(-1)[np.flatnonzero(s.labels == spoken)[:1]] = 1  # a person's number is not given to a prediction
    new = edits.renumbered(s.labels, state, proposal, 100, before=s.labels)
    assert not ((new == spoken) & (state == 0)).any()


# --- the index ------------------------------------------------------------------------------------


def test_ids_far_apart_cost_no_table():
    labels = np.zeros((20, 20), np.uint32)
    labels[3:5, 4:9], labels[10:12, 0:2] = 4_000_000_000, 7
    index = Objects(labels, np.zeros(labels.shape, np.uint8))
    assert index.ids().tolist() == [7, 4_000_000_000]
    assert index.box(labels, 4_000_000_000) == (slice(3, 5), slice(4, 9))
    assert index.count(7) == 4
    assert index.within((slice(9, 20), slice(0, 20))).tolist() == [7]
    assert index.top == 4_000_000_000


def test_an_empty_image_has_no_objects():
    labels = np.zeros((3, 20, 20), np.uint32)
    s = EditContext.of(labels, np.zeros(labels.shape, np.uint8))
    assert len(s.objects) == 0
    assert s.objects.ids().size == 0
    assert s.objects.within(tuple(slice(0, 3) for _ in range(3))).size == 0
    new, _ = done(edits.polygon(s, np.array([(1.0, 2, 2), (1, 9, 2), (1, 9, 9)])), s)
    assert new.max() == 1


@pytest.mark.parametrize(
    ("corrected", "approved", "known"),
    [(0, 0, (0, 0)), (4, 0, (0, 0)), (5, 0, (1, 0)), (5, 4, (1, 0)), (3, 5, (0, 1)), (0, 10, (0, 1))],
)
def test_an_object_is_corrected_or_approved_where_half_of_it_is(corrected, approved, known):
    labels, state = np.zeros((4, 12), np.uint32), np.zeros((4, 12), np.uint8)
    labels[1, 1:11], labels[3, 2] = 7, 9
    state[1, 1 : 1 + corrected], state[1, 11 - approved : 11] = CORRECTED, APPROVED
    assert Objects(labels, state).known() == known


@pytest.mark.parametrize("through", [True, False])
def test_objects_in_a_box_go_at_once(through):
    s = context(3)
    z = s.objects.box(s.labels, 2)[0].start
    here = s if through else s.at(z)
    new, _ = done(
        edits.delete_inside(here, (slice(z, z + 1), slice(0, s.labels.shape[1]), slice(0, s.labels.shape[2]))), here
    )
    gone = set(np.unique(s.labels[z])) - {0}
    assert gone
    left = new if through else new[z]
    assert not np.isin(left, list(gone)).any()
    others = set(np.unique(s.labels)) - gone
    assert others <= set(np.unique(new))


def test_a_box_takes_what_has_its_middle_there_and_spares_what_is_approved():
    s = context(2)
    box = s.objects.box(s.labels, 2)
    half = (box[0], slice(box[1].start, (box[1].start + box[1].stop) // 2 - 1))
    with pytest.raises(NothingThere, match="No object lies"):
        edits.delete_inside(s, half)
    state = s.state.copy()
    state[s.labels == 2] = APPROVED
    with pytest.raises(NothingThere):
        edits.delete_inside(EditContext.of(s.labels, state), box)
    new, _ = done(edits.delete_inside(s, box), s)
    assert set(np.unique(new)) == {0, 1, 3}


def test_approving_background_leaves_the_objects_of_a_tile_alone():
    labels = np.zeros((20, 20), np.uint32)
    labels[5:9, 5:9] = 1
    state = np.zeros(labels.shape, np.uint8)
    state[0, :4] = 1
    context = edits.EditContext.of(labels, state)
    edit = edits.approve_background(context, (slice(0, 10), slice(0, 10)))
    edit.write_to(labels, state)
    assert (state[5:9, 5:9] == 0).all()
    assert (state[:10, :10][labels[:10, :10] == 0] == 2).all()
    assert (state[10:] == 0).all()
    edit.inverse().write_to(labels, state)
    assert (state[0, :4] == 1).all()
    assert state.sum() == 4


@pytest.mark.parametrize("used", [(1, 2, 2**32 - 1), (2**31, 2**32 - 2), (2**32 - 1,)], ids=str)
def test_new_numbers_are_free_when_the_largest_id_is_in_use(used):
    labels = np.zeros((8, 32), np.uint32)
    for n, id in enumerate(used):
        labels[2:6, 8 * n + 1 : 8 * n + 5] = id
    objects = Objects(labels, np.zeros_like(labels, np.uint8))
    free = np.arange(objects.top + 1, objects.top + 1001)
    assert free[-1] < 2**32
    assert not np.isin(free, used).any()
    proposal = np.zeros_like(labels)
    proposal[:, 26:30] = 1
    state = np.where(labels > 0, 1, 0).astype(np.uint8)
    made = edits.renumbered(labels, state, proposal, objects.top + 1)[0, 26]
    assert made not in (0, *used)
