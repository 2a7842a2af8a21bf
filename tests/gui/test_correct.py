"""The step Correct with a viewer model: tools, protection, review, comparison, history, two windows. No Qt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding

from napari_cellseg import edits
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.tools import KEYS, TOOLS, shortcuts
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers.image_layers import INSIDE, OUTLINE
from napari_cellseg.images import read_labels, write_labels
from napari_cellseg.project import Project, frames_beside

from .waiting import spin


def boxes(ndim: int) -> np.ndarray:
    """Two touching objects, one alone, one with a hole, a speck."""
    labels = np.zeros((60, 80), np.uint32)
    labels[10:22, 10:22], labels[10:22, 22:34] = 1, 2
    labels[35:50, 10:25], labels[40:44, 15:19] = 3, 0
    labels[35:50, 50:65] = 4
    labels[5, 70:72] = 5
    return labels if ndim == 2 else np.stack([labels * (z in (1, 2, 3)) for z in range(5)])


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def opened(request, tmp_path) -> Iterator[Controller]:
    """A project with drafted labels, open."""
    yield from open_one(tmp_path, request.param)


@pytest.fixture
def volume(tmp_path) -> Iterator[Controller]:
    yield from open_one(tmp_path, 3)


@pytest.fixture
def flat(tmp_path) -> Iterator[Controller]:
    yield from open_one(tmp_path, 2)


def open_one(folder: Path, ndim: int) -> Iterator[Controller]:
    labels = boxes(ndim)
    np.save(folder / "a.npy", (labels > 0) * 200.0 + np.random.default_rng(0).normal(20, 3, labels.shape))
    with Project.create(folder / "p") as project:
        project.add_image(folder / "a.npy", labels=labels, draft=True)
    controller = Controller(ViewerModel())
    controller.open_project(folder / "p.cellseg")
    if ndim == 3:
        controller.family.go_to_slice(2)
    yield controller
    controller.close()


def at(controller: Controller, y: int, x: int) -> tuple[int, ...]:
    return (y, x) if controller.session.store.labels.ndim == 2 else (2, y, x)


def line(controller: Controller, *points: tuple[float, float]) -> np.ndarray:
    return np.array([at(controller, *p) for p in points], float)


def replayed(controller: Controller) -> tuple[np.ndarray, np.ndarray]:
    store = controller.session.store
    labels, state = np.zeros_like(store.labels), np.zeros_like(store.state)
    for row in store.rows():
        store.edit(row.n).write_to(labels, state)
    return labels, state


def take(controller: Controller, path: Path, **options: Any) -> None:
    """Masks are read in the helper thread."""
    controller.masks.take(path, **options)
    spin(controller, lambda: not controller.helper.busy)


def box_of(controller: Controller, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[slice, ...]:
    plane = (slice(2, 3),) if controller.session.store.labels.ndim == 3 else ()
    return (*plane, slice(*rows), slice(*columns))


DO: dict[str, Callable[[Controller], None]] = {
    "merge": lambda c: [c.correct_at("merge", at(c, 15, 12)), c.correct_at("merge", at(c, 15, 30))],
    "split": lambda c: c.correct_along("split", line(c, (5, 16), (30, 16))),
    "delete": lambda c: c.correct_at("delete", at(c, 40, 55)),
    "relabel": lambda c: [setattr(c.family.labels, "selected_label", 77), c.correct_at("relabel", at(c, 40, 55))],
    "fill holes": lambda c: [c.actions.choose(through=False), c.correct_at("fill holes", at(c, 36, 12))],
    "smooth": lambda c: c.correct_at("smooth", at(c, 40, 55)),
    "grow": lambda c: c.correct_at("grow", at(c, 40, 55)),
    "shrink": lambda c: c.correct_at("shrink", at(c, 40, 55)),
    "keep largest": lambda c: [
        c.correct_along("polygon", line(c, (55, 2), (58, 2), (58, 6))),
        setattr(c.family.labels, "selected_label", 4),
        c.correct_at("relabel", at(c, 57, 3)),
        c.correct_at("keep largest", at(c, 40, 55)),
    ],
    "remove small": lambda c: c.correct_now("remove small"),
    "delete box": lambda c: c.correct_inside("delete box", box_of(c, (30, 46), (44, 66))),
    "scribble": lambda c: [
        c.correct_at("delete", at(c, 40, 55)), c.correct_along("scribble", line(c, (42, 55), (43, 60))),
    ],
    "polygon": lambda c: c.correct_along("polygon", line(c, (52, 30), (58, 30), (58, 45))),
    "convex polygon": lambda c: c.correct_along("convex polygon", line(c, (52, 30), (58, 30), (54, 36), (58, 45))),
    "approve": lambda c: c.correct_at("approve", at(c, 15, 12)),
}  # fmt: skip
VOLUME: dict[str, Callable[[Controller], None]] = {
    "copy up": lambda c: [c.family.go_to_slice(3), c.correct_at("copy up", (3, 40, 55))],
    "copy down": lambda c: [c.family.go_to_slice(1), c.correct_at("copy down", (1, 40, 55))],
    "interpolate": lambda c: [
        c.actions.choose(through=False), c.correct_at("delete", (2, 40, 55)), c.actions.choose(through=True),
        c.correct_at("interpolate", (1, 40, 55)),
    ],
}  # fmt: skip


def test_every_tool_is_tried_here():
    elsewhere = {"predict box", "assign class", "why", "click"}  # they need an engine or classes
    assert {t.name for t in TOOLS} == set(DO) | set(VOLUME) | elsewhere


def try_tool(controller: Controller, do: Callable[[Controller], None]) -> None:
    store = controller.session.store
    before, state_before, n = store.labels.copy(), store.state.copy(), store.n
    do(controller)
    assert controller.session.problem is None, controller.session.problem
    assert store.n > n
    after, state_after = store.labels.copy(), store.state.copy()
    assert (after != before).any() or (state_after != state_before).any()
    labels, state = replayed(controller)
    np.testing.assert_array_equal(labels, after)
    np.testing.assert_array_equal(state, state_after)
    for _ in range(sum(r.n > n for r in store.rows())):
        controller.strokes.undo()
    np.testing.assert_array_equal(store.labels, before)
    np.testing.assert_array_equal(store.state, state_before)
    while store.act("redo"):
        controller.strokes.redo()
    np.testing.assert_array_equal(store.labels, after)
    np.testing.assert_array_equal(store.state, state_after)


@pytest.mark.parametrize("name", DO)
def test_a_tool_is_logged_undone_redone_and_replayed(opened, name):
    try_tool(opened, DO[name])
    assert opened.session.status


@pytest.mark.parametrize("name", VOLUME)
def test_a_tool_for_volumes(volume, name):
    try_tool(volume, VOLUME[name])
    assert (volume.session.store.labels[2] == 4).any()


def test_tools_for_volumes_say_so_in_2d(flat):
    for name in VOLUME:
        flat.correct_at(name, (40, 55))
        assert flat.session.problem is not None
        flat.dismiss()


def test_seeds_split_again_with_every_click(flat):
    store = flat.session.store
    flat.correct_at("merge", (15, 12))
    flat.correct_at("merge", (15, 30))
    flat.tools.choose("split")
    flat.correct_at("split", (12, 12))
    assert "click the other part" in flat.session.status
    flat.correct_at("split", (20, 31))
    assert len(np.unique(store.labels[10:22, 10:34])) == 2
    flat.correct_at("split", (12, 31))
    assert len(np.unique(store.labels[10:22, 10:34])) == 3
    flat.strokes.undo()
    assert len(np.unique(store.labels[10:22, 10:34])) == 1
    flat.correct_at("split", (12, 12))
    flat.correct_at("split", (40, 55))  # another object: a first seed there
    assert len(np.unique(store.labels[10:22, 10:34])) == 1


def test_a_slice_is_corrected_alone_where_the_person_says_so(volume):
    volume.actions.choose(through=False)
    volume.correct_at("delete", (2, 40, 55))
    labels = volume.session.store.labels
    assert not (labels[2] == 4).any()
    assert (labels[1] == 4).any()
    volume.actions.choose(through=True)
    volume.correct_at("delete", (1, 40, 55))
    assert not (labels == 4).any()


# --- protection -----------------------------------------------------------------------------------


def brush(controller: Controller, y: int, x: int, value: int) -> None:
    labels = controller.family.labels
    labels.mode, labels.selected_label, labels.brush_size = "paint", value, 9
    labels.paint(at(controller, y, x), value)
    controller.tick()


def test_the_brush_leaves_approved_objects_alone_until_unlocked(opened):
    opened.correct_at("approve", at(opened, 15, 12))
    before = opened.session.store.labels.copy()
    brush(opened, 15, 21, 9)  # over the border of 1 and 2
    labels = opened.session.store.labels
    assert (labels[before == 1] == 1).all()
    assert (labels[before == 2] == 9).any()
    assert "Shift-A" in opened.session.status
    np.testing.assert_array_equal(opened.family.labels.data, labels)
    np.testing.assert_array_equal(replayed(opened)[0], labels)
    painted = labels.copy()
    brush(opened, 15, 7, 1)  # beyond the outline of the approved one, with its own number
    np.testing.assert_array_equal(labels, painted)
    np.testing.assert_array_equal(opened.family.labels.data, painted)
    opened.correct_at("delete", at(opened, 15, 12))
    assert "protected" in opened.session.problem.message
    opened.dismiss()
    opened.actions.toggle_lock()
    brush(opened, 15, 18, 9)
    assert (labels[before == 1] == 9).any()


@pytest.mark.parametrize(("over", "changes"), [("background", {0}), ("object", {4}), ("all", {0, 4})])
def test_the_brush_paints_only_over_what_it_may(opened, over, changes):
    opened.actions.choose(over=over)
    before = opened.session.store.labels.copy()
    brush(opened, 42, 52, 9)  # object 4 begins at column 50
    after = opened.session.store.labels
    assert set(np.unique(before[after != before]).tolist()) == changes
    np.testing.assert_array_equal(replayed(opened)[0], after)


# --- what is shown --------------------------------------------------------------------------------


def test_the_outline_shows_the_state(flat):
    assert flat.family.overlay[35, 55] == OUTLINE
    assert flat.family.overlay[40, 55] == INSIDE
    flat.correct_at("approve", (40, 55))
    assert flat.family.overlay[35, 55] == OUTLINE + 2
    assert flat.family.overlay[40, 55] == INSIDE + 2
    flat.correct_at("grow", (15, 12))
    assert flat.family.overlay[9, 15] == OUTLINE + 1


def test_keys_are_free_documented_and_unique():
    taken = {str(k) for k in Labels.class_keymap}
    assert not taken & set(KEYS)
    keys = [t.key for t in TOOLS]
    assert len(set(keys)) == len(keys)
    page = (Path(__file__).parents[2] / "docs" / "shortcuts.md").read_text()
    assert shortcuts() in page, "run: python docs/scripts/settings.py"


def test_the_key_of_merge_takes_the_object_under_the_cursor_as_the_first(opened):
    labels = opened.family.labels
    opened.viewer.cursor.position = at(opened, 15, 12)
    press(opened, "G")
    assert opened.session.tool == "merge"
    first = opened.store().labels[at(opened, 15, 12)]
    assert f"Merge into object {first}" in opened.session.status
    assert len(opened.family.line.data) > 3  # it is outlined
    opened.correct_at("merge", at(opened, 15, 30))
    assert opened.store().labels[at(opened, 15, 30)] == first
    press(opened, "Escape")
    assert opened.session.tool == ""
    assert not len(opened.family.line.data)
    assert labels.keymap.get(key("Escape")) is None  # napari's own again


def test_beside_an_object_a_key_is_answered_quietly(opened):
    n = opened.store().n
    opened.viewer.cursor.position = at(opened, 1, 1)
    for letter in ("D", "Shift-N", "A"):
        press(opened, letter)
        assert opened.session.problem is None
        assert "no object here" in opened.session.status
    opened.correct_along("split", line(opened, (1, 1), (3, 3)))
    assert opened.session.problem is None
    assert "does not part" in opened.session.status
    assert opened.store().n == n


@pytest.mark.parametrize("name", ["scribble", "polygon", "predict box", "delete box"])
def test_a_click_is_no_line_and_no_box(flat, name):
    n = flat.store().n
    flat.tools.choose(name)
    place = SimpleNamespace(button=1, type="mouse_press", position=(30.0, 30.0), view_direction=None)
    drag = flat.tools._drag(flat.family.labels, place)
    next(drag)
    place.type = "mouse_release"
    assert next(drag, None) is None
    assert "more than a click" in flat.session.status
    assert (flat.store().n, flat.session.problem) == (n, None)


def test_a_review_takes_the_keys_from_whatever_is_selected(opened):
    opened.hints.choose(2)
    opened.start_review("reading")
    spin(opened, lambda: opened.session.place == 0)
    assert opened.viewer.layers.selection.active is opened.family.labels
    assert opened.session.hint == 0
    opened.review.stop()
    assert opened.session.status == ""


def test_the_brush_takes_the_label_under_the_cursor(opened):
    opened.viewer.cursor.position = at(opened, 40, 55)
    opened.tools.choose("split")
    press(opened, "Shift-N")
    assert opened.family.labels.selected_label == opened.store().labels[at(opened, 40, 55)]
    assert (str(opened.family.labels.mode), opened.session.tool) == ("paint", "")


def test_what_is_known_is_counted_in_objects(opened):
    opened.correct_at("approve", at(opened, 15, 12))
    opened.correct_at("grow", at(opened, 40, 55))
    opened.workspace.count()
    assert resolve(opened.session).counts.endswith(" objects: 1 corrected, 1 approved")


def key(name: str):
    return coerce_keybinding(name)


def press(controller: Controller, name: str) -> None:
    """Press a key while the labels layer is selected."""
    controller.family.labels.keymap[key(name)](controller.family.labels)


def test_keys_act_under_the_cursor(opened):
    labels = opened.family.labels
    opened.viewer.cursor.position = at(opened, 40, 55)
    for key, name in (("W", "grow"), ("A", "approve")):
        before = opened.session.store.n
        labels.keymap[next(k for k in labels.keymap if str(k) == key)](labels)
        assert opened.session.store.last_row().tool.startswith(name)
        assert opened.session.store.n == before + 1


def predicted_away(controller: Controller) -> list[np.ndarray]:
    """A prediction in three pieces finds nothing in the first three slices; the labels before and after."""
    store = controller.session.store
    before = store.labels.copy()
    for z in range(3):
        box = (slice(z, z + 1), *(slice(0, n) for n in before.shape[1:]))
        nothing = np.zeros((1, *before.shape[1:]), np.uint32)
        controller.workspace.apply(edits.predicted(store.labels, store.state, box, nothing), "predict-1")
    return [before, store.labels.copy()]


@pytest.fixture
def in_small_steps(monkeypatch):
    monkeypatch.setattr("napari_cellseg.gui.app.strokes.AT_ONCE_S", -1.0)
    monkeypatch.setattr("napari_cellseg.gui.app.controller.BUDGET_S", -1.0)


def test_a_long_undo_goes_on_bit_by_bit(volume, in_small_steps):
    before, after = predicted_away(volume)
    store = volume.session.store
    changed = [z for z in range(3) if (before[z] != after[z]).any()]
    assert len(changed) > 1
    for verb, end in (("undo", before), ("redo", after)):
        getattr(volume.strokes, verb)()
        assert volume.busy
        assert sum((store.labels[z] != end[z]).any() for z in changed) == len(changed) - 1
        getattr(volume.strokes, verb)()  # pressed again meanwhile: nothing more
        spin(volume, lambda: not volume.busy)
        np.testing.assert_array_equal(store.labels, end)
        np.testing.assert_array_equal(volume.family.labels.data, end)
        assert volume.session.status == f"{verb.capitalize()}: prediction of the whole image"


def test_a_correction_ends_a_long_undo_and_stands(volume, in_small_steps):
    before, _ = predicted_away(volume)
    store = volume.session.store
    volume.strokes.undo()
    layer = volume.family.labels
    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 77)
    volume.workspace.settle()
    for _ in range(5):
        volume.tick()
    assert not volume.busy
    assert store.labels[0, 0, 0] == 77
    assert (store.labels != before).sum() > 1
    for _ in range(2):  # the correction, then what was left of the prediction
        volume.strokes.undo()
        spin(volume, lambda: not volume.busy)
    np.testing.assert_array_equal(store.labels, before)


# --- review ---------------------------------------------------------------------------------------


def test_a_review_goes_from_place_to_place_and_remembers(opened):
    opened.start_review("worth")
    spin(opened, lambda: opened.session.place == 0)
    n = len(opened.session.queue)
    assert n == 5
    first = opened.session.queue[0]
    assert opened.family.labels.selected_label == first.id
    if opened.session.store.labels.ndim == 3:
        assert round(opened.viewer.dims.point[0]) == 2
    opened.review.approve()
    assert opened.session.place == 1
    opened.review.skip()
    opened.review.back()
    assert opened.session.place == 1
    opened.review.fix()
    assert opened.family.labels.mode == "paint"
    third = opened.session.queue[2]
    opened.correct_at("delete", tuple((a + b) // 2 for a, b in third.box))
    opened.dismiss()
    while opened.session.place >= 0:
        opened.review.approve()
    assert "done" in opened.session.status
    records = opened.session.project.db.reviews(opened.session.image)
    assert [r.outcome for r in records][:2] == ["approved", "skipped"]
    assert all(r.seconds >= 0 for r in records)
    assert (opened.session.store.state[opened.session.store.labels == first.id] == 2).all()
    opened.start_review("random")
    spin(opened, lambda: "nothing left" in opened.session.status)


def test_a_review_of_a_frame_looks_at_the_frames_beside(tmp_path):
    cells = boxes(2)
    debris = cells.copy()
    debris[52:58, 30:36] = 9
    series = np.stack([cells, debris, cells])
    np.save(tmp_path / "s.npy", (series > 0) * 200.0)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "s.npy", labels=series, axes="TYX", draft=True)
        ids = [r.id for r in project.images()]
        assert [frames_beside(project.images(), id) for id in ids] == [[ids[1]], [ids[0], ids[2]], [ids[1]]]
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "p.cellseg")
    controller.select_image(ids[1])
    controller.start_review("worth")
    spin(controller, lambda: controller.session.place == 0)
    assert controller.session.queue[0].id == 9
    assert "jumps in time" in controller.session.queue[0].why
    controller.close()


# --- comparing ------------------------------------------------------------------------------------


def test_two_annotators_are_compared_and_either_side_is_taken(opened, tmp_path):
    theirs = boxes(opened.session.store.labels.ndim)
    theirs[theirs == 2] = 1  # they see one object
    theirs[..., 50:58, 50:56] = 9  # and a new one
    theirs[theirs == 5] = 0
    path = write_labels(tmp_path / "b.tif", theirs)
    if theirs.ndim == 3:
        path = write_labels(tmp_path / "b.roi.zip", theirs)
    opened.compare(path)
    spin(opened, lambda: bool(opened.session.compared))
    assert "Dice" in opened.session.compared
    assert len(opened.session.queue) == 3
    assert opened.family.overlays.agreement is not None
    kinds = {item.why[0] for item in opened.session.queue}
    assert kinds == {"several in mine, one in theirs", "only in theirs", "only in mine"}
    assert resolve(opened.session).place.startswith("1 of 3")
    for _ in range(3):
        mine = "only in mine" in opened.session.queue[opened.session.place].why
        opened.accept("mine" if mine else "theirs")
        assert opened.session.problem is None
    labels = opened.session.store.labels
    assert len(np.unique(labels[(theirs == 1)])) == 1
    assert (labels[theirs == 9] > 5).all()
    assert (labels == 5).any()
    opened.review.stop()
    assert opened.family.overlays.agreement is None


def test_several_annotators_are_compared_by_what_most_say(opened, tmp_path):
    mine = opened.session.store.labels.copy()
    anna, ben = mine.copy(), mine.copy()
    for other in (anna, ben):
        other[..., 50:58, 50:56] = 9  # an object that I have missed
    ben[ben == 5] = 0  # alone with that
    shutil.copytree(opened.session.project.path, tmp_path / "anna.cellseg")
    with Project.open(tmp_path / "anna.cellseg") as copy:
        copy.approve_labels("a", anna)
    opened.compare(tmp_path / "anna.cellseg", write_labels(tmp_path / "ben.tif", ben))
    spin(opened, lambda: bool(opened.session.compared))
    first, *pairs = opened.session.compared.splitlines()
    assert "the consensus of 3" in first
    assert [pair.split(": ")[0] for pair in pairs] == [
        "mine - anna.cellseg",
        "mine - ben.tif",
        "anna.cellseg - ben.tif",
    ]
    assert [item.why for item in opened.session.queue] == [("only in theirs",)]
    opened.accept("theirs")
    labels = opened.session.store.labels
    assert (labels[anna == 9] > 5).all()
    np.testing.assert_array_equal(labels[anna != 9], mine[anna != 9])


def test_comparing_with_another_shape_says_so(flat, tmp_path):
    flat.compare(write_labels(tmp_path / "b.tif", np.ones((5, 5), np.uint32)))
    spin(flat, lambda: flat.session.problem is not None)
    assert "same image" in flat.session.problem.hint
    flat.dismiss()
    flat.compare()
    assert "Predict first" in flat.session.problem.hint


# --- masks, history -------------------------------------------------------------------------------


def test_masks_of_other_tools_in_and_out(opened, tmp_path):
    before = opened.session.store.labels.copy()
    opened.masks.write(tmp_path / "m.roi.zip")
    opened.correct_at("delete", at(opened, 40, 55))
    take(opened, tmp_path / "m.roi.zip")
    assert opened.session.problem is None
    labels = opened.session.store.labels
    assert not labels[before == 4].any()  # a deletion is a user edit
    assert (labels[before == 3] > 0).all()
    take(opened, tmp_path / "m.roi.zip", approved=True)
    np.testing.assert_array_equal(labels, before)
    assert (opened.session.store.state == 2).all()


def test_a_binary_mask_becomes_objects_and_the_person_is_told(flat, tmp_path):
    mask = (boxes(2) > 2) * np.uint8(255)
    path = tmp_path / "m.npy"
    np.save(path, mask)
    take(flat, path, approved=True)
    assert len(flat.session.store.objects) == 3
    assert "became 3 objects" in flat.session.notice
    np.save(path, np.where(mask > 0, 0.9, 0.2))
    take(flat, path)
    assert "fractions" in flat.session.problem.message
    take(flat, path, threshold=0.5)
    assert "above 0.5" in flat.session.notice


def test_labels_are_written_without_an_ending_as_tiff(flat, tmp_path):
    flat.masks.write(tmp_path / "labels")
    assert flat.session.status == "Wrote labels.tif."
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), flat.session.store.labels)
    flat.masks.write(tmp_path / "labels.doc")
    assert "ending" in flat.session.problem.message


def test_an_earlier_state_is_restored_as_a_new_edit(opened):
    store = opened.session.store
    start, n = store.labels.copy(), store.n
    opened.correct_at("delete", at(opened, 40, 55))
    opened.correct_at("grow", at(opened, 15, 12))
    late = store.labels.copy()
    opened.strokes.restore(n)
    np.testing.assert_array_equal(store.labels, start)
    assert not store.state.any()
    opened.strokes.undo()
    np.testing.assert_array_equal(store.labels, late)
    np.testing.assert_array_equal(replayed(opened)[0], late)
    opened.strokes.restore(10_000)
    assert opened.session.problem is not None


# --- safety ---------------------------------------------------------------------------------------


def test_a_window_reopens_where_it_was(volume, tmp_path):
    volume.tools.choose("split")
    volume.actions.choose(over="background", smallest=12)
    volume.start_review("reading")
    spin(volume, lambda: volume.session.place == 0)
    volume.review.skip()
    volume.family.go_to_slice(3)
    volume.window.remember(at_once=True)
    folder = tmp_path / "copy.cellseg"
    shutil.copytree(volume.session.project.path, folder)  # what a crash would leave
    (tmp_path / "copy.cellseg" / "window.lock").unlink(missing_ok=True)
    other = Controller(ViewerModel())
    other.open_project(folder)
    assert other.session.choices == volume.session.choices
    assert other.session.tool == "split"
    assert round(other.viewer.dims.point[0]) == 3
    spin(other, lambda: other.session.place == 1)
    assert other.session.order == "reading"
    other.close()


def test_the_second_window_only_looks(flat):
    other = Controller(ViewerModel())
    other.open_project(flat.session.project.path)
    assert other.session.read_only
    assert "another window" in other.session.notice
    view = resolve(other.session)
    assert view.saved == "read only"
    assert not view.correct.enabled
    assert not view.predict.enabled
    before = flat.session.store.labels.copy()
    other.correct_at("delete", (40, 55))
    assert "another window" in other.session.problem.message
    other.dismiss()
    brush(other, 40, 55, 9)
    np.testing.assert_array_equal(other.session.store.labels, before)
    np.testing.assert_array_equal(flat.session.store.labels, before)
    folder = flat.session.project.path
    flat.close()
    other.open_project(folder)
    assert not other.session.read_only
    other.correct_at("delete", (40, 55))
    assert other.session.problem is None
    other.close()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_window_leaves_no_lock(tmp_path):
    code = (
        "import sys\nfrom napari_cellseg.project import Project\n"
        "p = Project.open(sys.argv[1])\nprint(p.claim(), flush=True)\nsys.stdin.read()"
    )
    with Project.create(tmp_path / "p") as project:
        path = project.path
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline().strip() == "True"
    with Project.open(path) as project:
        assert not project.claim()
        os.kill(holder.pid, 9)
        holder.wait()
        holder.stdout.close()
        holder.stdin.close()
        assert project.claim()


@pytest.mark.parametrize("replaced", [False, True], ids=["still there", "gone"])
def test_a_new_prediction_makes_the_queue_anew_after_the_present_place(flat, replaced):
    flat.start_review("random")
    spin(flat, lambda: flat.session.place == 0)
    first = flat.session.queue[0]
    flat.review.approve()
    debris = next(i for i in flat.session.queue if i.box == ((5, 6), (70, 72)))  # which no draft finds
    here = debris if replaced else next(i for i in flat.session.queue[1:] if i.box[0] == (35, 50))
    flat.review.go(flat.session.queue.index(here))
    view = flat.viewer.camera.center
    flat.predict()  # there is no model: a draft
    spin(flat, lambda: not flat.busy)
    queue = flat.session.queue
    assert flat.session.place == 0
    assert (queue[0].box == here.box, flat.viewer.camera.center == view) == (not replaced, not replaced)
    assert flat.family.labels.selected_label == queue[0].id
    assert first.box not in [item.box for item in queue]
    assert len({item.box for item in queue}) == len(queue) == 2
    while flat.session.place >= 0:
        flat.review.approve()
    assert "done: 3 places" in flat.session.status


def test_a_resumed_review_goes_on_where_it_was_not_where_it_counted(flat, tmp_path):
    flat.start_review("worth")
    spin(flat, lambda: flat.session.place == 0)
    for _ in range(3):
        flat.review.approve()
    here = flat.session.queue[flat.session.place].box
    flat.window.remember(at_once=True)
    folder = flat.session.project.path
    flat.close()
    other = Controller(ViewerModel())
    other.open_project(folder)
    spin(other, lambda: other.session.place >= 0)
    assert other.session.queue[other.session.place].box == here
    other.close()


def test_guidelines_of_any_editor_are_read_and_never_written_elsewhere(flat, tmp_path):
    project = flat.session.project
    assert flat.guidelines.text() == ""
    project.guidelines_path.write_bytes("Cells from 5 µm".encode("cp1252"))
    assert flat.guidelines.text() == "Cells from 5 µm"
    picture = tmp_path / "cell 1.PNG"
    picture.write_bytes(b"png")
    flat.guidelines.add_reference(picture)
    flat.guidelines.add_reference(picture)
    assert flat.guidelines.text().startswith("Cells from 5 µm\n\n![cell 1](guidelines/cell_1.png)")
    assert len(list((project.path / "guidelines").iterdir())) == 2
    assert flat.guidelines.save("other", tmp_path / "another.cellseg") is None
    assert "another project" in flat.session.problem.message
    assert "5 µm" in flat.guidelines.text()


def test_truth_from_a_file_does_not_replace_what_is_approved_and_locked(opened, tmp_path):
    opened.correct_at("approve", at(opened, 15, 12))
    before = opened.session.store.labels.copy()
    path = write_labels(tmp_path / "m.tif", np.zeros_like(before))
    if before.ndim == 3:
        path = write_labels(tmp_path / "m.ome.zarr", np.zeros_like(before))
    take(opened, path, approved=True)
    assert "protected" in opened.session.problem.message
    np.testing.assert_array_equal(opened.session.store.labels, before)
    opened.dismiss()
    opened.actions.toggle_lock()
    take(opened, path, approved=True)
    assert not opened.session.store.labels.any()


def test_theirs_changes_only_the_region_that_is_shown(tmp_path):
    mine = np.zeros((40, 60), np.uint32)
    mine[5:30, 5:10], mine[25:30, 5:40] = 1, 1
    mine[10:15, 20:25] = 2  # inside the box of the other
    theirs = np.where(mine == 1, 2, 0).astype(np.uint32)
    np.save(tmp_path / "a.npy", mine.astype(np.float32))
    with Project.create(tmp_path / "p", "semantic", ("wall", "core")) as project:
        project.add_image(tmp_path / "a.npy", labels=mine, draft=True)
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "p.cellseg")
    controller.compare(write_labels(tmp_path / "b.tif", theirs))
    spin(controller, lambda: bool(controller.session.compared))
    labels = controller.session.store.labels
    assert len(controller.session.queue) == 3
    while controller.session.place >= 0:
        (box,) = [controller.session.queue[controller.session.place].box]
        controller.accept("theirs" if box[1][1] - box[1][0] > 10 else "mine")
        assert controller.session.problem is None
    np.testing.assert_array_equal(labels == 2, (theirs == 2) | (mine == 2))
    assert (controller.session.store.state[mine == 2] == 2).all()
    controller.close()


# --- tools that need a model or classes -----------------------------------------------------------


def test_a_box_is_labelled_anew_and_corrections_in_it_stay(trained, tmp_path):
    folder = tmp_path / "t.cellseg"
    shutil.copytree(trained, folder)
    for picture in trained.parent.glob("*.npy"):
        shutil.copy(picture, tmp_path)
    controller = Controller(ViewerModel())
    controller.open_project(folder)
    store = controller.session.store
    box = (slice(20, 76), slice(30, 100))
    controller.actions.toggle_lock()
    controller.strokes.restore(0)  # nothing is labelled
    assert not store.labels.any()
    controller.actions.choose(over="all")
    controller.correct_along("polygon", np.array([(30.0, 40), (40, 40), (40, 50), (30, 50)]))
    mine = store.labels == store.labels[35, 45]
    controller.tools.choose("predict box")
    controller.correct_inside("predict box", (slice(1, 4), slice(1, 4)))
    assert "too small" in controller.session.problem.message
    controller.dismiss()
    controller.correct_inside("predict box", box)
    assert controller.session.problem is None, controller.session.problem
    spin(controller, lambda: not controller.busy)
    outside = np.ones(store.labels.shape, bool)
    outside[box] = False
    assert not store.labels[outside].any()
    assert (store.labels[box] > 0).sum() > mine.sum()
    assert (store.state[mine] == 1).all()
    assert len(np.unique(store.labels[mine])) == 1
    controller.close()


def test_classes_are_assigned_to_regions(tmp_path):
    classes = np.zeros((40, 60), np.uint32)
    classes[5:15, 5:20], classes[20:35, 30:50] = 1, 1
    np.save(tmp_path / "a.npy", classes.astype(np.float32))
    with Project.create(tmp_path / "p", "semantic", ("wall", "core")) as project:
        project.add_image(tmp_path / "a.npy", labels=classes, draft=True)
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "p.cellseg")
    controller.family.labels.selected_label = 2
    controller.correct_at("assign class", (10, 10))
    labels = controller.session.store.labels
    assert (labels[5:15, 5:20] == 2).all()
    assert (labels[20:35, 30:50] == 1).all()
    assert "core" in controller.session.status
    controller.correct_along("polygon", np.array([(36.0, 2), (39, 2), (39, 12), (36, 12)]))
    assert labels[38, 5] == 2
    controller.correct_at("delete", (25, 40))
    assert not labels[20:35, 30:50].any()
    for tool in ("merge", "split", "relabel"):
        controller.correct_at(tool, (10, 10))
        assert "for objects" in controller.session.problem.message
        controller.dismiss()
    controller.family.labels.selected_label = 7
    controller.dismiss()
    controller.correct_at("assign class", (10, 10))
    assert "no class 7" in controller.session.problem.message
    controller.close()
