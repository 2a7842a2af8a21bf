"""What a person does while predictions come: a number names one object, and user edits stay. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cc3d
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.engine import PredictJob, Reply
from napari_cellseg.events import Predicted
from napari_cellseg.gui.app import label_queue, label_writer
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.label_writer import PROVISIONAL
from napari_cellseg.images import write_labels
from napari_cellseg.project import Project
from napari_cellseg.targets import Distance

from .waiting import spin

SHAPE = (512, 600)
WHOLE = tuple(slice(0, n) for n in SHAPE)


def grid(step: int = 40, shift: int = 0) -> np.ndarray:
    """Squares, numbered from 1."""
    labels = np.zeros(SHAPE, np.uint32)
    corners = [(y, x) for y in range(10 + shift, 490, step) for x in range(10 + shift, 580, step)]
    for id, (y, x) in enumerate(corners, 1):
        labels[y : y + 16, x : x + 16] = id
    return labels


@pytest.fixture
def drafted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    """An image that is drafted; predictions are written into it as into one that is much larger."""
    monkeypatch.setattr(label_writer, "READY", 0)
    labels = grid()
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", (labels > 0) * 200.0)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy", labels=labels, draft=True)
        project.add_image(tmp_path / "b.npy")
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "p.cellseg")
    spin(controller, lambda: not controller.busy)
    yield controller
    controller.close()


def predict(controller: Controller, proposal: np.ndarray) -> None:
    """A whole prediction is numbered; its pieces wait."""
    controller.writer.begin()
    controller.writer.whole("a", WHOLE, proposal, 0, "predict-x")
    while not controller.writer.pieces:
        controller.helper.collect()


def written(controller: Controller) -> None:
    spin(controller, lambda: not controller.writer.pieces)


def split_up(labels: np.ndarray) -> list[int]:
    """Ids that name more than one thing."""
    pieces = cc3d.connected_components(labels)
    return [i for i in np.unique(labels).tolist() if i and len(np.unique(pieces[labels == i])) > 1]


MOVED = {"elsewhere": grid(44, 6), "hardly moved": np.roll(grid(), 3, axis=1)}


@pytest.mark.parametrize("proposal", MOVED.values(), ids=MOVED)
def test_a_correction_between_the_pieces_shares_its_number_with_nothing(drafted, proposal):
    store = drafted.session.store
    predict(drafted, proposal)
    y, x = 458, 218  # a place that is written late
    assert store.labels[y, x]
    id = int(store.labels[y, x])
    drafted.correct_at("grow", (y, x))
    written(drafted)
    assert split_up(store.labels) == []
    assert (store.state[store.labels == id] == 1).all()
    before = store.labels.copy()
    drafted.correct_at("delete", (y, x))
    assert set(np.unique(before[before != store.labels])) == {id}


def test_an_object_keeps_its_number_from_prediction_to_prediction(drafted):
    store = drafted.session.store
    before = store.labels.copy()
    moved = np.roll(before, 3, axis=1)
    moved[3:7, 3:7] = 7777
    predict(drafted, np.unique(moved, return_inverse=True)[1].reshape(SHAPE).astype(np.uint32)[:, ::1])
    written(drafted)
    np.testing.assert_array_equal(store.labels[moved != 7777], moved[moved != 7777])
    assert store.labels[5, 5] == before.max() + 1


def test_another_image_does_not_leave_half_of_a_prediction_behind(drafted):
    predict(drafted, MOVED["elsewhere"])
    drafted.writer.step()
    drafted.select_image("b")
    drafted.select_image("a")
    np.testing.assert_array_equal(drafted.session.store.labels > 0, MOVED["elsewhere"] > 0)


def test_a_correction_during_a_long_undo_leaves_no_number_twice(drafted, monkeypatch):
    predict(drafted, MOVED["elsewhere"])
    written(drafted)
    monkeypatch.setattr("napari_cellseg.gui.app.strokes.AT_ONCE_S", -1.0)
    monkeypatch.setattr("napari_cellseg.gui.app.controller.BUDGET_S", -1.0)
    drafted.strokes.undo()
    assert drafted.strokes.stepping
    drafted.correct_at("grow", tuple(np.argwhere(drafted.session.store.labels)[0]))
    spin(drafted, lambda: not drafted.strokes.stepping)
    labels = drafted.session.store.labels
    for id in split_up(labels):  # one that was cut at the border of a piece
        places = np.argwhere(labels == id)
        assert np.ptp(places, axis=0).max() < 20


def test_a_place_of_the_review_that_is_gone_is_not_called_approved(drafted):
    store = drafted.session.store
    drafted.start_review("reading")
    spin(drafted, lambda: drafted.session.place == 0)
    predict(drafted, MOVED["elsewhere"])
    while drafted.writer.pieces:
        drafted.writer.step()  # written, and the queue is not made again yet
    drafted.review.approve()
    assert not store.state.any()
    assert drafted.session.project.db.reviews()[-1].outcome == "gone"


def test_a_prediction_ends_a_comparison_with_what_it_replaces(drafted, tmp_path):
    drafted.compare(write_labels(tmp_path / "t.tif", np.roll(grid(), 9, axis=0)))
    spin(drafted, lambda: bool(drafted.session.compared))
    predict(drafted, MOVED["elsewhere"])
    assert not drafted.session.compared
    assert "Compare again" in drafted.session.notice
    drafted.accept("theirs")
    assert "Compare with other labels first" in drafted.session.problem.hint


def test_a_small_prediction_is_one_edit_made_ready_beforehand(drafted, monkeypatch):
    monkeypatch.setattr(label_writer, "READY", 1 << 20)
    store = drafted.session.store
    before, rows = store.labels.copy(), len(store.rows())
    made = []
    monkeypatch.setattr(label_writer, "predicted", lambda *a: made.append(a) or label_queue.predicted(*a))
    predict(drafted, MOVED["elsewhere"])
    written(drafted)
    assert not made, "nothing is computed where nobody may wait"
    assert len(store.rows()) == rows + 1
    np.testing.assert_array_equal(store.labels > 0, MOVED["elsewhere"] > 0)
    drafted.strokes.undo()
    spin(drafted, lambda: not drafted.busy)
    np.testing.assert_array_equal(store.labels, before)


@pytest.mark.parametrize("when", ["while it is numbered", "when it is ready"])
def test_a_correction_stands_whenever_it_comes_before_a_small_prediction(drafted, monkeypatch, when):
    monkeypatch.setattr(label_writer, "READY", 1 << 20)
    store, layer = drafted.session.store, drafted.family.labels
    places = np.array([2, 3]), np.array([2, 2])
    drafted.writer.begin()
    drafted.writer.whole("a", WHOLE, MOVED["elsewhere"], 0, "predict-x")
    if when == "while it is numbered":
        layer.data_setitem(places, 900)
    while not drafted.writer.pieces:
        drafted.helper.collect()
    if when == "when it is ready":
        layer.data_setitem(places, 900)
    written(drafted)
    assert (store.labels == 900).sum() == 2
    assert store.state[places].tolist() == [1, 1]
    rest = np.ones(SHAPE, bool)
    rest[places] = False
    np.testing.assert_array_equal((store.labels > 0)[rest], (MOVED["elsewhere"] > 0)[rest])
    assert split_up(store.labels) == []


def test_after_a_prediction_in_tiles_the_brush_has_a_number_near_those_of_the_image(drafted):
    drafted.workspace.job = 1_000
    drafted.writer.begin()
    box = (slice(200, 512), slice(300, 450))
    drafted.writer.tile("a", box, MOVED["elsewhere"][box], drafted.workspace.group)
    drafted.writer.suggest_id()  # as when the brush's number was used meanwhile
    written(drafted)
    assert drafted.family.labels.selected_label > PROVISIONAL
    drafted.writer.whole("a", WHOLE, MOVED["elsewhere"], 0, drafted.workspace.group)
    drafted.workspace.job = None
    spin(drafted, lambda: not drafted.busy)
    assert drafted.family.labels.selected_label < 1_000
    assert drafted.family.labels.selected_label not in drafted.store().objects


def test_undo_takes_back_a_persons_word_while_a_prediction_runs(drafted):
    store = drafted.session.store
    before = store.labels.copy()
    drafted.correct_at("delete", (18, 18))
    drafted.workspace.job = 1_000  # as if the engine were at it
    drafted.writer.begin()
    box = (slice(200, 512), slice(300, 600))
    for start in (300, 450):
        box = (slice(200, 512), slice(start, start + 150))
        drafted.writer.tile("a", box, MOVED["elsewhere"][box], drafted.workspace.group)
    assert drafted.writer.pieces
    drafted.strokes.undo()
    assert drafted.session.status.startswith("Undo: delete on object")
    spin(drafted, lambda: not drafted.writer.pieces)
    np.testing.assert_array_equal(store.labels[:200], before[:200])
    assert (store.labels[box] > 0).sum() == (MOVED["elsewhere"][box] > 0).sum()
    drafted.strokes.undo()  # the draft is what remains; the prediction is left alone
    assert drafted.session.status == "Undo: draft of the whole image"
    drafted.strokes.undo()
    assert "Cancel ends the prediction" in drafted.session.status
    drafted.strokes.redo()
    drafted.workspace.job = None


def test_undo_while_a_prediction_is_written_takes_back_a_persons_word(drafted):
    store = drafted.session.store
    predict(drafted, MOVED["elsewhere"])
    drafted.writer.step()
    y, x = 458, 218
    drafted.correct_at("delete", (y, x))
    drafted.strokes.undo()
    assert drafted.session.status.startswith("Undo: delete on object")
    written(drafted)
    assert store.labels[y, x] == grid()[y, x]  # as it was before the person deleted it
    assert store.act("redo")
    np.testing.assert_array_equal(store.labels[:400] > 0, MOVED["elsewhere"][:400] > 0)
    drafted.strokes.undo()  # now all of the prediction
    spin(drafted, lambda: not drafted.strokes.stepping)
    assert drafted.session.status == "Undo: prediction of the whole image"
    np.testing.assert_array_equal(store.labels, grid())


def test_the_redo_of_a_person_outlives_the_tiles_of_a_prediction(drafted):
    drafted.correct_at("delete", (18, 18))
    drafted.strokes.undo()
    predict(drafted, MOVED["elsewhere"])
    written(drafted)
    drafted.strokes.redo()
    assert drafted.session.status.startswith("Redo: delete on object")
    assert drafted.session.store.state[18, 18] == 1
    assert drafted.session.store.labels[18, 18] == 0


@pytest.mark.parametrize("when", ["before the whole", "while it is written"])
def test_numbers_that_napari_gives_meet_none_of_a_prediction(drafted, when):
    """Its key M and its spin box know nothing of what is on its way."""
    store, layer = drafted.session.store, drafted.family.labels
    drafted.writer.begin()
    taken = int(store.labels.max()) + 1
    if when == "before the whole":
        layer.data_setitem((np.array([0, 1]), np.array([0, 0])), taken)
    drafted.writer.whole("a", WHOLE, MOVED["elsewhere"], 0, "predict-x")
    while not drafted.writer.pieces:
        drafted.helper.collect()
    if when == "while it is written":
        taken = int(drafted.writer._whole.labels.max())  # of the last object, which is far away
        layer.data_setitem((np.array([0, 1]), np.array([0, 0])), taken)
    written(drafted)
    assert split_up(store.labels) == []
    assert (store.labels == taken).sum() == 2


def test_a_job_that_ends_without_a_prediction_keeps_no_numbers(drafted):
    drafted.writer.begin()
    drafted.writer.forget()
    assert drafted.writer._before is None
    theirs = np.zeros(SHAPE, np.uint32)
    theirs[300:316, 300:316] = 1
    drafted.writer.reserve_id()
    edit = drafted.session.project.draft_labels("a", theirs, first_id=drafted.writer.fresh_id())
    assert edit.new_labels.max() >= drafted.writer.reserved


def test_predictions_of_two_windows_are_undone_one_by_one(drafted):
    other = Controller(ViewerModel())
    for controller in (drafted, other):
        controller.workspace.job = 1
    assert drafted.workspace.group != other.workspace.group
    drafted.workspace.job = other.workspace.job = None
    other.close()


def test_masks_never_take_a_number_that_the_brush_was_promised(drafted, tmp_path):
    drafted.strokes.new_label()
    reserved = drafted.family.labels.selected_label
    theirs = np.zeros(SHAPE, np.uint32)
    theirs[300:316, 300:316] = reserved
    for approved in (False, True):
        drafted.masks.take(write_labels(tmp_path / "t.tif", theirs), approved=approved)
        spin(drafted, lambda: not drafted.helper.busy)
        assert drafted.session.problem is None
        assert drafted.family.labels.selected_label not in drafted.session.store.objects


def test_an_object_dealt_with_for_less_than_half_is_written_whole(drafted):
    store = drafted.session.store
    long = np.zeros(SHAPE, np.uint32)
    long[5:505, 100:140] = 1
    predict(drafted, long)
    drafted.writer.approve((slice(0, 200), slice(60, 200)), np.ones((200, 140), bool), "field")
    written(drafted)
    assert (store.state[:200, 60:200] == 2).all()
    free = store.state == 0
    np.testing.assert_array_equal(store.labels[free] > 0, long[free] > 0)


def test_classes_are_written_wherever_nobody_has_spoken(tmp_path):
    np.save(tmp_path / "c.npy", grid())
    with Project.create(tmp_path / "c", "semantic", ("wall", "core")) as project:
        project.add_image(tmp_path / "c.npy")
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "c.cellseg")
    predicted = np.full(SHAPE, 2, np.uint32)
    controller.writer.whole("c", WHOLE, predicted, 0, "predict-x")
    while not controller.writer.pieces:
        controller.helper.collect()
    controller.writer.approve((slice(0, 400), slice(0, 600)), np.ones((400, 600), bool), "field")
    written(controller)
    assert (controller.session.store.labels[400:] == 2).all()
    assert (controller.session.store.labels[:400] == 0).all()
    controller.close()


# --- approving what is large --------------------------------------------------------------------------


def test_a_large_part_is_approved_piece_by_piece_and_undone_at_once(drafted, monkeypatch):
    store = drafted.session.store
    drafted.actions.approve_image()
    assert (store.state == 2).all()  # not large
    drafted.strokes.undo()
    monkeypatch.setattr("napari_cellseg.gui.app.label_writer.AT_ONCE", 1_000)
    drafted.actions.approve_image()
    assert drafted.session.status == "Approving the image..."
    assert drafted.busy
    drafted.writer.step()
    assert 0 < (store.state == 2).mean() < 1
    spin(drafted, lambda: not drafted.busy)
    assert drafted.session.status == "Approved the image."
    assert (store.state == 2).all()
    drafted.strokes.undo()
    spin(drafted, lambda: not drafted.busy)
    assert not store.state.any()


@pytest.mark.parametrize("at_once", [1_000, 1 << 20])
def test_what_is_approved_is_what_was_seen_and_stays_after_cancel(drafted, monkeypatch, at_once):
    monkeypatch.setattr("napari_cellseg.gui.app.label_writer.AT_ONCE", at_once)
    store = drafted.session.store
    seen = store.labels.copy()
    predict(drafted, MOVED["elsewhere"])
    drafted.actions.approve_image()
    drafted.cancel()
    spin(drafted, lambda: not drafted.busy)
    assert (store.state == 2).all()
    np.testing.assert_array_equal(store.labels, seen)
    assert drafted.session.status == "Approved the image."


def test_a_large_approval_is_finished_before_another_image_opens(drafted, monkeypatch):
    monkeypatch.setattr("napari_cellseg.gui.app.label_writer.AT_ONCE", 1_000)
    drafted.actions.approve_image()
    drafted.select_image("b")
    drafted.select_image("a")
    assert (drafted.session.store.state == 2).all()


def test_a_field_approves_the_same_in_pieces(drafted, monkeypatch):
    box = (slice(30, 333), slice(18, 580))  # cuts some objects
    monkeypatch.setattr(drafted.family, "visible_box", lambda: box)
    drafted.actions.approve_field()
    at_once = drafted.session.store.state.copy()
    assert at_once.any()
    drafted.strokes.undo()
    monkeypatch.setattr("napari_cellseg.gui.app.label_writer.AT_ONCE", 1_000)
    drafted.actions.approve_field()
    spin(drafted, lambda: not drafted.busy)
    np.testing.assert_array_equal(drafted.session.store.state, at_once)


# --- other plugins and scripts ------------------------------------------------------------------------


def logged(controller: Controller) -> np.ndarray:
    with Project.open(controller.session.project.path) as project:
        return project.load_labels(controller.session.image)[0]


def test_another_array_in_the_layer_is_a_stroke(drafted):
    store, layer = drafted.session.store, drafted.family.labels
    before = store.labels.copy()
    other = before.astype(np.int64)
    other[300:310, 300:310] = 4_000
    layer.data = other
    assert layer.data is store.labels
    np.testing.assert_array_equal(store.labels, other)
    np.testing.assert_array_equal(logged(drafted), other)
    assert (store.state[300:310, 300:310] == 1).all()
    assert "100 voxels" in drafted.session.notice
    drafted.strokes.undo()
    np.testing.assert_array_equal(layer.data, before)
    for wrong in (other[:50], other * -1):
        layer.data = wrong
        assert "no label image" in drafted.session.problem.message
        drafted.dismiss()
        assert layer.data is store.labels
        np.testing.assert_array_equal(store.labels, before)


def test_what_is_written_behind_our_back_is_logged(drafted):
    store = drafted.session.store
    drafted.correct_at("delete", (18, 18))
    assert store.is_as_logged()
    before = store.labels.copy()
    store.labels[100:105, 100:105] += 7_000  # as a script may do with layer.data
    assert not store.is_as_logged()
    drafted.correct_at("grow", (58, 58))  # we go on, unaware
    drafted.external.look()
    spin(drafted, lambda: not drafted.helper.busy)
    assert "25 voxels" in drafted.session.notice
    assert store.is_as_logged()
    np.testing.assert_array_equal(logged(drafted), store.labels)
    assert (store.labels[100:105, 100:105] >= 7_000).all()
    drafted.strokes.undo()
    np.testing.assert_array_equal(store.labels[100:105, 100:105], before[100:105, 100:105])
    drafted.external.look()
    spin(drafted, lambda: not drafted.helper.busy)
    assert drafted.session.store.last_row().tool == "undo"


def test_what_is_written_while_we_look_is_found_the_next_time(drafted):
    store = drafted.session.store
    store.labels[0, :5] = 8_000
    drafted.external.look()
    while not drafted.helper._waiting[0][0].done():
        pass
    store.labels[1, :5] = 8_001  # after the comparison
    spin(drafted, lambda: not drafted.helper.busy)
    assert logged(drafted)[0, 0] == 8_000
    assert not store.is_as_logged()
    drafted.external.look()
    spin(drafted, lambda: not drafted.helper.busy)
    assert logged(drafted)[1, 4] == 8_001
    assert store.is_as_logged()


def test_numbers_too_large_for_us_are_refused(drafted):
    before = drafted.session.store.labels.copy()
    wrong = before.astype(np.uint64)
    wrong[0, 0] = 2**32
    drafted.family.labels.data = wrong
    assert drafted.session.problem is not None
    np.testing.assert_array_equal(drafted.session.store.labels, before)


def test_what_was_written_last_is_logged_when_the_image_closes(drafted):
    drafted.session.store.labels[0, :7] = 9_000
    drafted.select_image("b")
    drafted.select_image("a")
    assert (drafted.session.store.labels[0, :7] == 9_000).all()
    assert (drafted.session.store.state[0, :7] == 1).all()
    assert drafted.session.store.last_row().tool == "outside"


def test_the_clock_looks_by_itself_and_not_during_a_stroke(drafted, monkeypatch):
    monkeypatch.setattr("napari_cellseg.gui.app.external_edits.EVERY_S", 0.0)
    drafted.external._due = 0.0
    drafted.session.store.labels[0, 0] = 9_000
    monkeypatch.setattr(drafted.family, "stroke_open", lambda: True)
    drafted.tick()
    assert not drafted.helper.busy
    monkeypatch.undo()
    drafted.external._due = 0.0
    spin(drafted, lambda: "a voxel of" in drafted.session.notice)
    assert logged(drafted)[0, 0] == 9_000


# --- a volume seen in 3D --------------------------------------------------------------------------------


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Controller]:
    labels = np.zeros((12, 40, 40), np.uint32)
    labels[3:6, 10:20, 10:20], labels[7:10, 10:20, 10:20], labels[3:9, 25:35, 25:35] = 1, 2, 3
    np.save(tmp_path / "v.npy", (labels > 0) * 200.0)
    with Project.create(tmp_path / "v") as project:
        project.add_image(tmp_path / "v.npy", labels=labels, draft=True, spacing_um=(2.0, 1.0, 1.0))
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "v.cellseg")
    yield controller
    controller.close()


def look_from_above(controller: Controller, y: float, x: float) -> None:
    """A 3D view along Z, the mouse at a place."""
    controller.viewer.dims.ndisplay = 3
    controller.viewer.cursor._view_direction = np.array([1.0, 0.0, 0.0])
    controller.viewer.cursor.position = (-5.0, y, x)


def press(controller: Controller, name: str) -> None:
    from napari_cellseg.gui.app.tools import BY_NAME

    controller.tools._pressed(BY_NAME[name])


def test_object_tools_take_the_object_that_is_seen(volume):
    store = volume.session.store
    look_from_above(volume, 15, 15)
    press(volume, "delete")
    assert volume.session.problem is None
    assert np.unique(store.labels).tolist() == [0, 2, 3]  # 1 hid 2
    press(volume, "approve")
    assert (store.state[store.labels == 2] == 2).all()
    look_from_above(volume, 2, 2)
    press(volume, "delete")
    assert volume.session.problem is None
    assert "no object" in volume.session.status


@pytest.mark.parametrize("name", ["copy up", "interpolate"])
def test_tools_of_slices_say_that_a_3d_view_has_none(volume, name):
    look_from_above(volume, 15, 15)
    before = volume.session.store.n
    press(volume, name)
    assert "needs a slice" in volume.session.problem.message
    assert volume.session.store.n == before


def test_a_3d_view_approves_nothing_unseen(volume):
    volume.viewer.dims.ndisplay = 3
    for act in (volume.actions.approve_field, volume.actions.approve_slice, lambda: volume.correct_now("remove small")):
        volume.dismiss()
        act()
        assert "3D" in volume.session.problem.message
    assert not volume.session.store.state.any()
    volume.actions.choose(through=False)
    look_from_above(volume, 15, 15)
    press(volume, "delete")
    assert "needs a slice" in volume.session.problem.message


def test_a_review_moves_a_3d_view_too(volume):
    volume.viewer.dims.ndisplay = 3
    volume.start_review("reading")
    spin(volume, lambda: volume.session.place == 0)
    item = volume.session.queue[0]
    middle = [(a + b - 1) / 2 * s for (a, b), s in zip(item.box, (2.0, 1.0, 1.0), strict=True)]
    from napari_cellseg.gui.layers import _napari

    np.testing.assert_allclose(_napari.camera(volume.viewer).center, middle)


# --- comparing with the model ---------------------------------------------------------------------------


def answer(controller: Controller, labels: np.ndarray) -> None:
    """The engine's answer to the running job."""
    event = Predicted("a", "v1", labels, 0.1, tuple((0, n) for n in SHAPE))
    controller.take(Reply(controller.job, event))


def test_a_comparison_with_the_model_that_nobody_waits_for_changes_nothing(drafted, monkeypatch):
    before = drafted.session.store.labels.copy()
    asked = drafted.comparison._model
    drafted.workspace.job = asked._job = 5
    asked._then = drafted.comparison.show
    drafted.review.stop()  # something else was begun before the answer came
    answer(drafted, MOVED["elsewhere"])
    assert not drafted.helper.busy
    assert not drafted.writer.pieces
    drafted.workspace.job = 6  # a prediction
    session = drafted.session
    drafted.prediction._running = PredictJob(session.folder, (session.image,), (), session.config.predict, Distance())
    answer(drafted, MOVED["elsewhere"])
    spin(drafted, lambda: not drafted.helper.busy and not drafted.writer.pieces)
    assert (drafted.session.store.labels != before).any()
    drafted.workspace.job = asked._job = 7
    asked._then = drafted.comparison.show
    answer(drafted, before)
    spin(drafted, lambda: bool(drafted.session.compared))
    drafted.workspace.job = None
