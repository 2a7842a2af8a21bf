"""The controller with a viewer model and the real engine: no Qt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.session import Offer
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers.image_layers import INSIDE, MARGIN
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from ..conftest import SMALL
from .waiting import LIMIT_S, settle, spin


@pytest.fixture
def controller(project: Project) -> Iterator[Controller]:
    """A viewer with an open project of one image; the engine starts only if something is submitted."""
    path = project.path
    project.close()
    made = Controller(ViewerModel())
    made.open_project(path)
    yield made
    made.close()


def test_layers_form_a_named_family_with_the_images_geometry(tmp_path):
    image, _ = synthetic_cells((6, 40, 50), 3)
    np.save(tmp_path / "v.npy", image)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy", spacing_um=(2.0, 0.5, 0.5))
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "p.cellseg")
    names = [layer.name for layer in controller.viewer.layers]
    assert names == ["v", "v [labels]", "v [state]", "v [line]"]
    for layer in controller.viewer.layers:
        assert tuple(layer.scale) == (2.0, 0.5, 0.5)
        assert [str(u) for u in layer.units] == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
    controller.close()


def paint(controller: Controller, y: int, x: int, value: int, size: int = 8) -> None:
    labels = controller.family.labels
    labels.mode = "paint"
    labels.selected_label = value
    labels.brush_size = size
    labels.paint((y, x), value)


def test_a_brush_stroke_is_on_disk_at_once_and_undone_by_the_key(controller):
    paint(controller, 30, 40, 5)
    folder = controller.session.project.path
    with Project.open(folder) as other:
        assert other.store("cells").labels[30, 40] == 5
    assert controller.session.store.state[30, 40] == 1
    assert controller.family.overlay[30, 40] == INSIDE + 1
    assert controller.family.overlay[30, 49] == MARGIN
    controller.family.labels.undo()
    assert controller.family.labels.data[30, 40] == 0
    assert not controller.family.overlay.any()
    controller.family.labels.redo()
    assert controller.family.labels.data[30, 40] == 5
    assert controller.session.problem is None


@pytest.mark.parametrize("tool", ["fill", "polygon", "setitem", "erase"])
def test_every_napari_tool_is_logged(controller, tool):
    labels = controller.family.labels
    paint(controller, 30, 40, 5)
    if tool == "fill":
        labels.fill((30, 40), 9)
    elif tool == "polygon":
        labels.paint_polygon([(50, 50), (50, 70), (70, 60)], 9)
    elif tool == "setitem":
        labels.data_setitem((np.array([80, 81, 81]), np.array([90, 90, 90])), 9)
    else:
        labels.paint((30, 40), 0)
    live = labels.data.copy()
    store = controller.session.store
    replayed = np.zeros_like(live)
    state = np.zeros(live.shape, np.uint8)
    for row in store.rows():
        store.edit(row.n).write_to(replayed, state)
    np.testing.assert_array_equal(replayed, live)
    np.testing.assert_array_equal(state, store.state)
    controller.strokes.undo()
    controller.strokes.undo()
    assert not labels.data.any()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["paint", "erase", "fill", "polygon", "undo", "redo", "approve", "delete", "merge", "predict"]),
        st.integers(0, 127), st.integers(0, 159), st.integers(1, 6),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_random_sessions_leave_the_disk_equal_to_the_screen(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("session")
    np.save(folder / "a.npy", synthetic_cells((128, 160), 5)[0])
    with Project.create(folder / "p") as project:
        project.add_image(folder / "a.npy")
    controller = Controller(ViewerModel())
    controller.open_project(folder / "p.cellseg")
    labels = controller.family.labels
    for verb, y, x, value in steps:
        if verb in ("paint", "erase"):
            paint(controller, y, x, value if verb == "paint" else 0)
        elif verb == "fill":
            labels.fill((y, x), value)
        elif verb == "polygon":
            labels.paint_polygon([(y, x), (min(127, y + 20), x), (y, min(159, x + 20))], value)
        elif verb in ("undo", "redo"):
            getattr(labels, verb)()
        elif verb == "approve":
            controller.correct_at("approve", (y, x))
        elif verb == "delete":
            controller.correct_at("delete", (y, x))
        elif verb == "merge":
            controller.correct_at("merge", (y, x))
        else:
            box = (slice(y, min(128, y + 40)), slice(x, min(160, x + 40)))
            controller.writer.tile("a", box, np.full(labels.data[box].shape, value, np.uint32), "p")
            while controller.writer.pieces:
                controller.writer.step()
        controller.tick()  # the clock takes back what a stroke did to protected voxels
        controller.dismiss()
    live, state = labels.data.copy(), controller.session.store.state.copy()
    with Project.open(folder / "p.cellseg") as disk:
        np.testing.assert_array_equal(disk.store("a").labels, live)
        np.testing.assert_array_equal(disk.store("a").state, state)
    controller.close()
    with Project.open(folder / "p.cellseg") as disk:
        np.testing.assert_array_equal(disk.store("a").labels, live)


def test_a_full_disk_takes_the_stroke_back_and_says_so(controller, monkeypatch):
    from napari_cellseg.errors import CellsegError

    paint(controller, 30, 40, 5)
    before = controller.family.labels.data.copy()

    def full(*arguments: object) -> int:
        raise CellsegError("could not be saved: disk full", "Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(controller.session.project.db, "append", full)
        paint(controller, 80, 90, 6)
    controller.tick()
    np.testing.assert_array_equal(controller.family.labels.data, before)
    assert "taken back" in controller.session.problem.message
    controller.dismiss()
    paint(controller, 80, 90, 6)
    assert controller.session.problem is None


def test_a_draft_without_a_model_respects_the_person(controller):
    paint(controller, 30, 40, 5)
    store = controller.session.store
    mine = store.state > 0
    before = store.labels[mine].copy()
    controller.predict()
    spin(controller, lambda: not controller.busy)
    assert controller.session.status.startswith("Drafted")
    assert len(np.unique(store.labels)) > 4
    np.testing.assert_array_equal(store.labels[mine], before)
    controller.strokes.undo()
    assert set(np.unique(store.labels)) == {0, 5}


def test_keys_are_free_in_napari():
    from napari.layers import Labels

    from napari_cellseg.gui.app.tools import KEYS

    taken = {str(k) for k in Labels.class_keymap}
    assert not taken & set(KEYS)


def test_the_dock_says_why_a_control_is_off(controller):
    empty = resolve(Controller(ViewerModel()).session)
    for control in (empty.predict, empty.fine_tune, empty.correct, empty.decide, empty.cancel):
        assert not control.enabled
        assert control.reason
    view = resolve(controller.session)
    assert view.predict.enabled
    assert not view.fine_tune.enabled
    assert "Paint" in view.fine_tune.reason


def test_what_was_painted_in_one_image_can_be_learnt_while_another_is_open(controller, tmp_path):
    np.save(tmp_path / "second.npy", synthetic_cells((64, 64), 4)[0])
    controller.add_images([tmp_path / "second.npy"])
    settle(controller)
    assert controller.session.image == "second"
    assert not resolve(controller.session).fine_tune.enabled
    controller.select_image("cells")
    paint(controller, 30, 40, 5)
    controller.select_image("second")
    assert controller.session.counts.corrected == 0
    assert resolve(controller.session).fine_tune.enabled


def test_a_lost_picture_asks_where_it_is(controller, picture, tmp_path):
    picture[0].rename(tmp_path / "elsewhere.npy")
    controller.select_image("cells")
    assert controller.session.problem.offers == (Offer("locate", ("cells",)),)
    controller.relocate("cells", tmp_path / "elsewhere.npy")
    assert controller.session.problem is None
    assert controller.session.image == "cells"


def test_using_a_layer_without_a_file_keeps_its_pixels(tmp_path):
    controller = Controller(ViewerModel())
    pixels = synthetic_cells((64, 64), 5)[0]
    controller.viewer.add_image(pixels, name="cells_2d")
    assert resolve(controller.session).open_images == ("cells_2d",)
    controller.use_layer("cells_2d", tmp_path)
    settle(controller)
    assert controller.session.problem is None
    assert controller.session.image == "cells_2d"
    np.testing.assert_array_equal(controller.session.project.read_image("cells_2d").load()[0], pixels)
    controller.close()


def test_the_newest_preview_wins(controller):
    controller.show_preview(True)
    for low in (2.0, 5.0, 10.0):
        controller.configure(controller.session.config.with_values([f"recipe.steps.0.low={low}"]))
    spin(controller, lambda: not controller.busy)
    shown = controller.family.overlays.preview.data
    picture = controller.session.project.read_image("cells").load()
    np.testing.assert_array_equal(shown, controller.session.config.recipe(picture)[0])
    assert controller.session.config.recipe.steps[0].low == 10.0


def test_a_round_with_the_real_engine(controller, picture):
    truth: np.ndarray = picture[1]
    for id in range(1, 6):
        controller.family.labels.data_setitem(np.nonzero(truth == id), id)
    controller.actions.approve_image()
    config = controller.session.config.with_values([*SMALL, "train.steps=8", "predict.tile=64"])
    controller.configure(config)
    controller.training.fine_tune()
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None
    assert resolve(controller.session).decide.enabled
    assert len(controller.session.curve.training) == 8
    controller.training.keep()
    assert controller.session.current_model == "v1"
    before = controller.session.store.labels.copy()
    controller.predict()
    spin(controller, lambda: not controller.busy)
    np.testing.assert_array_equal(controller.session.store.labels, before)  # all of it is approved
    assert "v1 found" in controller.session.status
    assert "About" in resolve(controller.session).plan
    thresholds_act_on_the_field_at_once(controller)


def thresholds_act_on_the_field_at_once(controller):
    view = resolve(controller.session)
    assert view.thresholds.enabled
    assert not view.apply.enabled
    before = controller.session.store.labels.copy()
    target = controller.session.decoding.model_copy(update={"threshold": 0.05, "min_size": 1})
    controller.retarget(target.model_copy(update={"threshold": 0.9}))
    controller.retarget(target)  # the newest wish wins
    spin(controller, lambda: controller.session.decoded)
    spin(controller, lambda: controller.prediction._looking is None and not controller.prediction._wishes)
    outlines = controller.family.overlays.outlines
    assert outlines.data.shape == before.shape
    assert (outlines.data > 0).mean() > (before > 0).mean()
    np.testing.assert_array_equal(controller.session.store.labels, before)
    controller.apply_target()
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None
    np.testing.assert_array_equal(controller.session.store.labels, before)  # approved: nothing may change
    assert controller.family.overlays.outlines is None
    controller.prediction.reset()
    assert controller.session.target is None


def test_the_original_is_shown_left_of_the_line_and_while_the_key_is_held(controller):
    controller.session.update(split=0.5)
    controller.show_preview(True)
    spin(controller, lambda: not controller.busy)
    layer = controller.family.overlays.preview
    assert layer.data.shape == (128, 80)
    assert layer.translate[-1] == 80
    assert "ms" in controller.session.histogram.text
    assert len(controller.session.histogram.after) == 64
    held = controller.preview.held(controller.viewer)
    next(held)
    assert not layer.visible
    assert next(held, None) is None
    assert layer.visible
    controller.show_preview(False)
    assert not layer.visible
    assert controller.session.histogram.after == ()


def test_only_the_last_request_of_many_is_done(controller):
    """Requests that have not begun are replaced: never a queue of stale ones."""
    done = []
    latest = controller.preview.worker
    gate = threading.Event()
    latest.ask(lambda: gate.wait(LIMIT_S), lambda _: done.append("first"))
    for n in range(50):
        latest.ask(lambda n=n: n, done.append)
    gate.set()
    spin(controller, lambda: not latest.busy)
    assert done == ["first", 49]


def test_only_the_visible_field_is_predicted(controller, trained, monkeypatch):
    controller.family.visible_box = lambda: (slice(20, 70), slice(30, 90))
    controller.session.update(field_only=True)
    assert controller.prediction._region() == ((20, 70), (30, 90))


def test_open_strokes_hold_predictions_back(controller):
    labels = controller.family.labels
    labels._begin_stroke()
    controller.writer.cut("cells", (slice(0, 128), slice(0, 160)), np.full((128, 160), 3, np.uint32), "p")
    controller.tick()
    assert not labels.data.any()
    assert controller.busy
    labels._commit_stroke()
    controller.tick()
    assert labels.data.any()


def test_a_tick_without_time_still_brings_something_on(controller, monkeypatch):
    monkeypatch.setattr("napari_cellseg.gui.app.controller.BUDGET_S", 0.0)
    controller.writer.cut("cells", (slice(0, 128), slice(0, 160)), np.full((128, 160), 3, np.uint32), "p")
    pieces = len(controller.writer.pieces)
    controller.tick()
    assert len(controller.writer.pieces) < pieces
    assert controller.family.labels.data.any()


def test_ids_of_the_person_and_of_predictions_never_meet(controller):
    tile = np.zeros((60, 60), np.uint32)
    tile[5:20, 5:20] = 1
    controller.writer.tile("cells", (slice(0, 60), slice(0, 60)), tile, "p")
    controller.strokes.new_label()
    mine = controller.family.labels.selected_label
    controller.writer.tile("cells", (slice(60, 120), slice(0, 60)), tile, "p")
    controller.tick()
    whole = np.zeros((128, 160), np.uint32)
    whole[70:90, 70:90], whole[5:20, 5:20] = 1, 2
    controller.writer.whole("cells", (slice(0, 128), slice(0, 160)), whole, 0, "p")
    spin(controller, lambda: not controller.busy)
    assert mine not in np.unique(controller.session.store.labels)


def test_the_visible_plane_is_the_one_that_napari_shows(tmp_path):
    image, _ = synthetic_cells((9, 40, 50), 3)
    np.save(tmp_path / "v.npy", image)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy", spacing_um=(0.7, 0.5, 0.5))
    controller = Controller(ViewerModel())
    controller.open_project(tmp_path / "p.cellseg")
    for step in range(9):
        controller.viewer.dims.set_current_step(0, step)
        shown = controller.family.labels._slice.slice_input.world_slice.point[0] / 0.7
        assert controller.family.visible_box()[0] == slice(round(shown), round(shown) + 1)
    controller.close()


def test_a_volume_beside_a_plane_does_not_confuse_the_field(controller):
    controller.viewer.add_image(np.zeros((5, 128, 160)), name="stack")
    assert controller.family.visible_box() == (slice(0, 128), slice(0, 160))


def test_layers_of_the_same_name_keep_their_own_pixels(tmp_path):
    controller = Controller(ViewerModel())
    first, second = (synthetic_cells((64, 64), 5, seed=s)[0] for s in (1, 2))
    for pixels in (first, second):
        layer = controller.viewer.add_image(pixels, name="Image")
        controller.use_layer(layer.name, tmp_path)
        settle(controller)
    ids = [r.id for r in controller.session.images]
    assert len(ids) == 2
    for id, pixels in zip(ids, (first, second), strict=True):
        np.testing.assert_array_equal(controller.session.project.read_image(id).load()[0], pixels)
    controller.close()


def test_an_open_stroke_counts_when_the_image_is_closed(controller):
    labels = controller.family.labels
    labels._begin_stroke()
    labels.paint((30, 40), 5)
    folder = controller.session.project.path
    controller.close()
    with Project.open(folder) as project:
        assert project.store("cells").labels[30, 40] == 5
        assert project.store("cells").state[30, 40] == 1


def test_events_of_another_projects_job_are_dropped(controller, tmp_path, picture):
    from napari_cellseg.engine import Reply
    from napari_cellseg.events import Judged

    controller.workspace.job = 1
    controller.new_project(tmp_path / "other")
    controller.engine_events.handle(Reply(1, Judged("v1", "v2", {}, {}, True)))
    assert controller.session.project.db.rounds() == []


def test_the_curve_of_a_trial_begins_again(controller):
    from napari_cellseg.engine import Reply
    from napari_cellseg.events import StepDone, TrialStarted, Validated

    controller.workspace.job = 1
    for event in (StepDone(90, 0.5, 60.0, 1.0), Validated(90, 0.4, True), TrialStarted(0.6, 100)):
        controller.engine_events.handle(Reply(1, event))
    curve = controller.session.curve
    assert curve.training == curve.held_out == curve.learnt == ()
    assert "new weights are tried" in controller.session.status
    controller.engine_events.handle(Reply(1, StepDone(1, 0.7, 0.6, 60.0)))
    assert controller.session.curve.training == ((0.6, 0.7),)
    controller.workspace.job = None


def test_a_draft_can_be_cancelled(controller):
    controller.predict()
    controller.cancel()
    spin(controller, lambda: not controller.busy)
    assert controller.session.progress is None
    assert controller.session.problem is None
    assert not controller.session.store.labels.any()


def test_split_by_a_line_and_tools(controller):
    paint(controller, 60, 60, 3, size=30)
    controller.tools.choose("split")
    assert controller.session.tool == "split"
    assert controller.family.labels.mode == "pan_zoom"
    controller.correct_along("split", np.array([(30.0, 60), (90, 60)]))
    assert set(np.unique(controller.session.store.labels)) == {0, 3, 4}
    controller.family.labels.mode = "paint"
    assert controller.session.tool == ""
    controller.strokes.new_label()
    assert controller.family.labels.selected_label == 5


def test_a_damaged_project_is_a_message(tmp_path):
    bad = tmp_path / "b.cellseg"
    Project.create(bad).close()
    (bad / "project.db").write_bytes(b"x" * 5000)
    controller = Controller(ViewerModel())
    controller.open_project(bad)
    assert "damaged" in controller.session.problem.message
    controller.recover_project(bad)
    assert controller.session.project is not None
    controller.close()
    assert Path(bad / "project.db").exists()


TINY = [*SMALL, "model.kind=unet", "model.width=4", "model.levels=2", "train.seconds=1000", "train.checkpoint=0"]


def test_patches_and_network_are_shown_before_training(controller, picture):
    controller.session.project.approve_labels(controller.session.image, picture[1])
    controller.configure(controller.session.config.with_values([*TINY, "augmentation.kind=two_stage"]))
    assert resolve(controller.session).network == ""
    controller.training.show()
    spin(controller, lambda: controller.session.training is not None and not controller.busy)
    view = resolve(controller.session)
    assert view.network.startswith("U-Net (Gautam")
    assert "parameters" in view.network
    assert view.training.sheet.shape[2] == 3
    assert controller.session.models == ()


def test_a_preset_changes_what_is_trained_and_says_when_it_cannot_yet(controller):
    controller.training.choose_preset("tiling-2024-fineyogurt")
    config = controller.session.config
    assert (config.model.kind, config.target.kind, config.object_size) == ("unet3d", "boundary", 0)
    assert config.train.from_scratch
    assert controller.session.training is None
    controller.training.choose_preset("aziz-2026")
    assert "for classes" in controller.session.problem.message
    assert controller.session.config == config
    controller.training.choose_preset("nobody")
    assert "no preset" in controller.session.problem.message


def test_a_cancelled_training_goes_on_by_a_button(controller, picture):
    controller.session.project.approve_labels(controller.session.image, picture[1])
    controller.configure(controller.session.config.with_values([*TINY, "train.steps=4000"]))
    assert not resolve(controller.session).resume.enabled
    controller.training.fine_tune()
    spin(controller, lambda: len(controller.session.curve.training) > 5)
    controller.cancel()
    spin(controller, lambda: not controller.busy)
    first = controller.session.models[-1]
    view = resolve(controller.session)
    assert view.resume.enabled
    assert view.unfinished == first.id
    controller.training.resume()
    spin(controller, lambda: bool(controller.session.curve.training))
    assert controller.session.curve.training[0][0] >= first.seconds - 0.01  # not from the beginning
    controller.cancel()
    spin(controller, lambda: not controller.busy)
    second = controller.session.models[-1]
    assert second.id != first.id
    assert second.parent is None
    assert resolve(controller.session).unfinished == second.id  # and again
    controller.session.update(read_only=True)
    assert not resolve(controller.session).resume.enabled
