"""Predict all, export all and how far every image is, without Qt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from scipy import ndimage

from napari_cellseg import images
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.engine import Job, PredictJob
from napari_cellseg.events import Event, Planned, Predicted, Stopped, TileDone
from napari_cellseg.gui.app import predict_all
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.image_status import statuses
from napari_cellseg.gui.app.tally import Tally
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import ModelCard, Project, difference, write_model
from napari_cellseg.samples import synthetic_cells

from .engines import Here, Stop
from .waiting import LIMIT_S, settle, spin

IDS = ("c0", "c1", "c2", "c3")
NOTHING = np.zeros((0, 0), np.uint32)


def bright(job: Job, stop: Stop) -> Iterator[Event]:
    """Objects are what is bright: two tiles, then the labels, as the engine's jobs tell."""
    if not isinstance(job, PredictJob):
        return
    (image,) = job.images
    with Project.open(job.project) as project:
        pixels = project.read_image(image).load()[0]
    yield Planned(image, (1, 64, 64), 0, 1, "fp32", 2, 0.1, 1000)
    for done in (1, 2):
        if stop():
            yield Stopped("cancelled")
            return
        yield TileDone(image, ((0, 0), (0, 0)), NOTHING, done, 2, 0.1)
    labels = ndimage.label(pixels > pixels.mean())[0].astype(np.uint32)
    model, box = "+".join(job.models), tuple((0, n) for n in labels.shape)
    yield Predicted(image, model, labels, 0.2, box, int(labels.max()))


def add_model(project: Project, id: str) -> None:
    """A model that only `bright` can use."""
    card = ModelCard(id, None, 0.0, 1, 2, 1, 0)
    config = Config().with_values(["target.min_size=4"])
    write_model(project.models_folder, card, config, lambda part: (part / "weights.safetensors").touch())
    project.db.put_setting("current_model", id)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of four pictures with a model."""
    with Project.create(tmp_path / "p") as project:
        for seed, id in enumerate(IDS):
            np.save(tmp_path / f"{id}.npy", synthetic_cells((96, 128), 10, radius=9, seed=seed)[0])
            project.add_image(tmp_path / f"{id}.npy")
        add_model(project, "m1")
        return project.path


@pytest.fixture
def engine() -> Here:
    return Here(bright)


@pytest.fixture
def controller(folder: Path, engine: Here) -> Iterator[Controller]:
    made = Controller(ViewerModel(), engine=engine)
    made.open_project(folder)
    spin(made, lambda: not made.busy)
    yield made
    made.close()


def paint(controller: Controller, y: int, x: int, value: int) -> None:
    layer = controller.family.labels
    layer.mode, layer.selected_label, layer.brush_size = "paint", value, 8
    layer.paint((y, x), value)


def words(controller: Controller) -> list[str]:
    return [item.mark for item in resolve(controller.session).images]


def walk(controller: Controller, again: bool = False) -> None:
    controller.predict_all(again)
    spin(controller, lambda: not controller.busy)
    assert controller.session.progress is None


def expected(folder: Path, id: str) -> np.ndarray:
    with Project.open(folder) as project:
        pixels = project.read_image(id).load()[0]
    return pixels > pixels.mean()


# --- how far images are ---------------------------------------------------------------------------


def test_every_image_has_a_mark_that_follows_what_is_done(controller, folder):
    view = resolve(controller.session)
    assert words(controller) == ["not begun"] * 4
    assert view.summary == "4 images: 4 not begun"
    paint(controller, 30, 40, 5)
    spin(controller, lambda: words(controller)[0] == "corrected")
    controller.select_image("c1")
    controller.actions.approve_image()
    spin(controller, lambda: words(controller)[1] == "approved")
    controller.select_image("c2")
    assert words(controller) == ["corrected", "approved", "not begun", "not begun"]
    walk(controller)
    assert words(controller) == ["corrected", "approved", "predicted", "predicted"]
    view = resolve(controller.session)
    assert view.summary == "4 images: 1 approved, 1 corrected, 2 predicted"
    assert "m1 has predicted it" in view.images[3].tip
    assert "%" in view.images[0].tip
    controller.close()
    other = Controller(ViewerModel())
    other.open_project(folder)
    spin(other, lambda: not other.busy)
    assert resolve(other.session).images == view.images
    other.close()


def test_nothing_is_counted_while_nothing_changes(controller, monkeypatch):
    def not_now(*_: object) -> object:
        raise AssertionError("counted on a tick")

    for name in ("log_ends", "settings", "undone"):
        monkeypatch.setattr(type(controller.session.project.db), name, not_now)
    for _ in range(50):
        controller.tick()
        resolve(controller.session)
    controller.select_image("c1")
    assert words(controller) == ["not begun"] * 4


def test_new_images_are_counted_and_another_project_has_its_own(controller, tmp_path, folder):
    np.save(tmp_path / "new.npy", synthetic_cells((64, 64), 4)[0])
    controller.add_images([tmp_path / "new.npy"])
    settle(controller)
    spin(controller, lambda: not controller.busy)
    assert resolve(controller.session).summary == "5 images: 5 not begun"
    controller.new_project(tmp_path / "other")
    assert resolve(controller.session).summary == ""
    controller.add_images([tmp_path / "new.npy"])
    settle(controller)
    spin(controller, lambda: not controller.busy)
    assert set(statuses(controller.session)) == {"new"}


def test_buttons_say_why_they_are_off(controller, tmp_path):
    view = resolve(controller.session)
    assert view.predict_all.enabled
    assert view.export_all.enabled
    controller.predict_all()
    view = resolve(controller.session)
    assert "wait, or cancel" in view.predict_all.reason
    assert "wait, or cancel" in view.export_all.reason
    assert not view.predict.enabled
    spin(controller, lambda: not controller.busy)
    controller.session.project.db.put_setting("current_model", "")
    controller.projects.refresh()
    assert "no model" in resolve(controller.session).predict_all.reason
    controller.predict_all()
    assert "no model" in controller.session.problem.message
    controller.projects.use(Project.create(tmp_path / "empty"))
    view = resolve(controller.session)
    assert "Add images" in view.predict_all.reason
    assert "Add images" in view.export_all.reason
    nothing = resolve(Controller(ViewerModel()).session)
    assert "project" in nothing.predict_all.reason


# --- predict all ----------------------------------------------------------------------------------


def test_all_images_are_predicted_and_progress_tells_how_far(controller, folder, engine):
    seen: dict[str, float] = {}
    controller.session.changed.connect(
        lambda: seen.setdefault(p.text, p.done) if (p := controller.session.progress) else None
    )
    walk(controller)
    assert engine.asked == list(IDS)
    assert [t for t in seen if t.startswith("Predicting")] == [
        f"Predicting image {n} of 4: {id}" for n, id in enumerate(IDS, 1)
    ]
    assert list(seen.values()) == sorted(seen.values()), seen
    assert controller.session.status == "m1 has predicted 4 images."
    assert controller.session.notice == ""
    with Project.open(folder) as project:
        for id in IDS:
            labels, state = project.load_labels(id)
            assert not state.any()
            assert ((labels > 0) != expected(folder, id)).mean() < 0.01  # debris is left out
    np.testing.assert_array_equal(controller.family.labels.data, controller.session.store.labels)
    assert controller.family.labels.data.any()
    controller.strokes.undo()
    assert not controller.family.labels.data.any()  # as a whole


def test_the_time_left_goes_with_the_pixels():
    now = 0.0
    tally = Tally("k", "Predicting", {"a": 100, "b": 300, "c": 600}, clock=lambda: now)
    assert tally.progress("a").remaining is None
    now = 100.0  # the engine starts
    tally.begin()
    now = 110.0
    tally.end("a")
    half = tally.progress("b", 0.5)
    assert half.text == "Predicting image 2 of 3: b"
    assert half.done == pytest.approx(0.25)
    assert half.remaining == pytest.approx(30)


def test_a_missing_picture_is_left_out_and_named_and_the_rest_goes_on(controller, folder, engine):
    (folder.parent / "c1.npy").unlink()
    (folder.parent / "c2.npy").write_bytes(b"no picture")
    walk(controller)
    assert engine.asked == list(IDS)
    assert controller.session.problem is None
    assert controller.session.status == "m1 has predicted 2 images."
    assert controller.session.notice.startswith("2 images were left out")
    assert "c1: The picture of c1 is not at" in controller.session.notice
    assert "c2" in controller.session.notice
    assert words(controller) == ["predicted", "not begun", "not begun", "predicted"]
    engine.asked.clear()
    walk(controller)  # the others need not be done again
    assert engine.asked == ["c1", "c2"]


def test_cancel_keeps_what_is_finished_and_pressing_again_goes_on(controller, folder, engine):
    controller.predict_all()
    spin(controller, lambda: engine.asked == ["c0", "c1"])
    controller.cancel()
    spin(controller, lambda: not controller.busy)
    assert engine.asked == ["c0", "c1"]
    assert controller.session.progress is None
    assert "Predict all images goes on" in controller.session.status
    assert controller.session.problem is None
    done = [id for id, word in zip(IDS, words(controller), strict=True) if word == "predicted"]
    assert done in (["c0"], [])  # the open image may have been on its way
    engine.asked.clear()
    walk(controller)
    assert engine.asked == [id for id in IDS if id not in done]
    assert words(controller) == ["predicted"] * 4
    engine.asked.clear()
    walk(controller)
    assert engine.asked == []
    assert "already" in controller.session.status
    walk(controller, again=True)
    assert engine.asked == list(IDS)


def test_what_counts_as_predicted_already(controller, engine):
    controller.predict()
    spin(controller, lambda: not controller.busy)
    engine.asked.clear()
    walk(controller)
    assert engine.asked == ["c1", "c2", "c3"]  # Predict was as good
    engine.asked.clear()
    controller.strokes.undo()
    walk(controller)
    assert engine.asked == ["c0"]
    target = controller.session.decoding.model_copy(update={"min_size": 50})
    engine.asked.clear()
    controller.session.update(target=target)
    walk(controller)
    assert engine.asked == list(IDS)  # with other thresholds
    add_model(controller.session.project, "m2")
    controller.projects.refresh()
    engine.asked.clear()
    walk(controller)
    assert engine.asked == list(IDS)  # by another model
    assert statuses(controller.session)["c3"].predicted_by == "m2"


def test_what_a_person_said_stays_in_every_image(controller, folder):
    said = {}
    for id, (y, x) in zip(IDS, [(10, 10), (40, 60), (50, 100), (80, 20)], strict=True):
        controller.select_image(id)
        paint(controller, y, x, 7)
        mask = controller.session.store.state > 0
        said[id] = (mask.copy(), controller.session.store.labels[mask].copy())
    walk(controller)
    with Project.open(folder) as project:
        for id, (mask, labels) in said.items():
            found, state = project.load_labels(id)
            np.testing.assert_array_equal(found[mask], labels)
            np.testing.assert_array_equal(state > 0, mask)
            assert (found[~mask] > 0).any()


def test_the_open_image_is_never_written_during_a_stroke(controller, folder, engine):
    layer = controller.family.labels
    layer.mode, layer.selected_label, layer.brush_size = "paint", 9, 10
    layer._begin_stroke()
    layer.paint((48, 64), 9)
    controller.predict_all()
    spin(controller, lambda: engine.asked == list(IDS) and words(controller)[1:] == ["predicted"] * 3)
    for _ in range(20):
        controller.tick()
    assert set(np.unique(layer.data)) == {0, 9}
    assert controller.session.progress is not None
    layer.paint((48, 70), 9)
    painted = layer.data == 9
    layer._commit_stroke()
    spin(controller, lambda: not controller.busy)
    assert len(np.unique(layer.data)) > 3
    assert (layer.data[painted] == 9).all()
    assert (controller.session.store.state[painted] == 1).all()
    with Project.open(folder) as project:
        np.testing.assert_array_equal(project.load_labels("c0")[0], layer.data)


def test_the_arrays_of_the_open_image_are_written_in_the_main_thread_only(controller, engine, monkeypatch):
    import threading

    from napari_cellseg.project import LabelStore

    open_store, threads = controller.session.store, []
    write = LabelStore._write

    def noted(self: LabelStore, edit: object) -> None:
        threads.append((self is open_store, self.record.id, threading.current_thread() is threading.main_thread()))
        write(self, edit)

    monkeypatch.setattr(LabelStore, "_write", noted)
    walk(controller)
    assert {id for _, id, _ in threads} == set(IDS)
    for is_open, id, in_main in threads:
        assert in_main == is_open == (id == "c0")


@pytest.mark.parametrize("when", ["predicted", "numbered", "half written"])
def test_another_image_is_opened_meanwhile(controller, folder, engine, monkeypatch, when):
    """Whatever has been written of the image that is left, all of it is there in the end."""
    from napari_cellseg.gui.app import label_writer as writing

    monkeypatch.setattr(writing, "PIECE", 32)
    monkeypatch.setattr(writing, "READY", 0)
    monkeypatch.setattr("napari_cellseg.gui.app.controller.BUDGET_S", 0.0)  # of four pieces, one is written in a tick
    controller.predict_all()
    walker = controller.all_images.predict_all
    if when == "predicted":
        spin(controller, lambda: "c0" in walker._walk.ready or walker._walk.shown)
    elif when == "numbered":
        spin(controller, lambda: walker._walk.shown is not None)
    else:
        spin(controller, lambda: 0 < len(controller.writer.pieces) < 4)
    controller.select_image("c3")
    monkeypatch.setattr("napari_cellseg.gui.app.controller.BUDGET_S", 0.012)
    spin(controller, lambda: not controller.busy)
    assert controller.session.image == "c3"
    assert controller.session.notice == ""
    assert controller.session.status == "m1 has predicted 4 images."
    with Project.open(folder) as project:
        for id in IDS:
            assert ((project.load_labels(id)[0] > 0) != expected(folder, id)).mean() < 0.01
    assert words(controller) == ["predicted"] * 4


def test_an_image_that_is_being_written_opens_as_soon_as_that_is_done(controller, engine, monkeypatch):
    import threading

    gate = threading.Event()
    write = predict_all.write_prediction

    def slowly(project: Project, event: Predicted, job: PredictJob) -> object:
        gate.wait(LIMIT_S)
        return write(project, event, job)

    monkeypatch.setattr(predict_all, "write_prediction", slowly)
    controller.predict_all()
    spin(controller, lambda: (w := controller.all_images.predict_all._walk) is not None and w.hidden is not None)
    hidden = controller.all_images.predict_all._walk.hidden.image
    controller.select_image(hidden)
    assert controller.session.image == "c0"
    assert "as soon as" in controller.session.status
    controller.tick()
    gate.set()
    spin(controller, lambda: controller.session.image == hidden)
    assert controller.session.store.labels.any()
    spin(controller, lambda: not controller.busy)
    assert words(controller) == ["predicted"] * 4


def test_no_more_than_a_few_predictions_wait_to_be_written(controller, engine, monkeypatch):
    import threading

    gate = threading.Event()
    write = predict_all.write_prediction
    monkeypatch.setattr(predict_all, "write_prediction", lambda *a: (gate.wait(LIMIT_S), write(*a))[1])
    controller.select_image("c3")
    controller.predict_all()
    spin(controller, lambda: controller.all_images.predict_all._walk.waits >= predict_all.AHEAD)
    for _ in range(30):
        controller.tick()
    assert engine.asked == ["c0", "c1"]
    gate.set()
    spin(controller, lambda: not controller.busy)
    assert engine.asked == list(IDS)


def test_an_engine_that_dies_costs_one_image_or_none(controller, engine):
    engine.deaths = {"c1": 1, "c2": 9}
    walk(controller)
    assert engine.asked == ["c0", "c1", "c1", "c2", "c2", "c3"]
    assert words(controller) == ["predicted", "predicted", "not begun", "predicted"]
    assert "c2: The engine stopped" in controller.session.notice


def test_an_engine_that_always_dies_ends_it(controller, engine):
    engine.deaths = dict.fromkeys(IDS, 9)
    walk(controller)
    assert engine.asked == ["c0", "c0", "c1", "c1"]
    assert controller.session.status.startswith("Stopped after 0 of 4")
    assert "stopped unexpectedly" in controller.session.problem.message


def test_what_cannot_be_saved_is_left_out_and_not_taken_for_done(controller, engine, monkeypatch):
    from napari_cellseg.errors import CellsegError
    from napari_cellseg.project import LabelStore

    commit = LabelStore.commit

    def full(self: LabelStore, *arguments: object, **named: object) -> object:
        if self.record.id in ("c0", "c2"):  # the open one, and another
            raise CellsegError("could not be saved: disk full", "Free some space.")
        return commit(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(LabelStore, "commit", full)
        walk(controller)
    assert words(controller) == ["not begun", "predicted", "not begun", "predicted"]
    for id in ("c0", "c2"):
        assert f"{id}: could not be saved" in controller.session.notice
    engine.asked.clear()
    walk(controller)
    assert engine.asked == ["c0", "c2"]
    assert words(controller) == ["predicted"] * 4


def test_another_project_ends_it(controller, tmp_path, engine):
    controller.predict_all()
    spin(controller, lambda: len(engine.asked) == 2)
    controller.new_project(tmp_path / "other")
    assert controller.session.progress is None
    spin(controller, lambda: not controller.busy)
    assert controller.session.statuses == {}
    assert controller.session.problem is None


def test_closing_in_the_middle_loses_nothing(folder, engine):
    controller = Controller(ViewerModel(), engine=engine)
    controller.open_project(folder)
    paint(controller, 30, 40, 5)
    controller.predict_all()
    spin(controller, lambda: len(engine.asked) == 3)
    controller.close()
    with Project.open(folder) as project:
        labels, state = project.load_labels("c0")
        assert (labels[state > 0] == 5).all()
    other = Controller(ViewerModel(), engine=Here(bright))
    other.open_project(folder)
    walk(other)
    assert words(other) == ["corrected", "predicted", "predicted", "predicted"]
    other.close()


# --- export all -----------------------------------------------------------------------------------


def test_all_labels_are_exported_as_the_command_line_does(controller, folder, tmp_path):
    walk(controller)
    paint(controller, 30, 40, 5)
    controller.export_all(tmp_path / "dock", "ome.tif")
    spin(controller, lambda: not controller.busy)
    assert controller.session.status.startswith("Exported 4 images")
    assert controller.session.progress is None
    assert main(["export", str(folder), "--out", str(tmp_path / "line"), "--format", "ome.tif"]) == 0
    assert tifffile.imread(tmp_path / "dock" / "c0_labels.ome.tif")[30, 40] == 5
    for id in IDS:
        dock, line = (tifffile.imread(tmp_path / way / f"{id}_labels.ome.tif") for way in ("dock", "line"))
        np.testing.assert_array_equal(dock, line)
    controller.export_all(tmp_path / "known", known_only=True)
    spin(controller, lambda: not controller.busy)
    assert set(np.unique(tifffile.imread(tmp_path / "known" / "c0_labels.tif"))) == {0, 5}


def test_labels_are_written_into_the_images_as_the_command_line_does(controller, folder, tmp_path):
    """The fifth picture is an OME-Zarr; the others, which are none, are left out with the reason."""
    pixels = synthetic_cells((96, 128), 10, radius=9, seed=9)[0]
    image = images.write_map(tmp_path / "z.ome.zarr", pixels)
    controller.add_images([image])
    spin(controller, lambda: not controller.busy and controller.session.image == "z")
    paint(controller, 30, 40, 5)
    controller.export_inside("dock")
    spin(controller, lambda: not controller.busy)
    assert controller.session.status == "Exported 1 of 5 images to labels/dock of each."
    assert "c0.npy is no OME-Zarr image" in controller.session.notice
    assert main(["export", str(folder), "--inside", "line", "--image", "z"]) == 0
    dock, line = (images.read_labels(image / "labels" / way) for way in ("dock", "line"))
    assert dock[30, 40] == 5
    np.testing.assert_array_equal(dock, line)
    controller.export_inside("dock")
    spin(controller, lambda: not controller.busy)
    assert "called dock already" in controller.session.notice
    controller.export_inside("dock", replace=True)
    spin(controller, lambda: not controller.busy)
    assert controller.session.status.startswith("Exported 1 of 5")


def test_an_export_leaves_out_what_cannot_be_written_and_can_be_cancelled(controller, folder, tmp_path):
    walk(controller)
    with Project.open(folder) as project, project.db.transaction() as connection:
        connection.execute("UPDATE edits SET data = x'00' WHERE image = 'c2'")
    shutil.rmtree(folder / "images" / "c2")  # so the log has to tell
    controller.export_all(tmp_path / "out")
    spin(controller, lambda: not controller.busy)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{id}_labels.tif" for id in ("c0", "c1", "c3")}
    assert controller.session.status.startswith("Exported 3 of 4")
    assert "c2: " in controller.session.notice
    controller.export_all(tmp_path / "cancelled")
    controller.cancel()
    spin(controller, lambda: not controller.busy)
    assert controller.session.status.startswith("Cancelled. Exported 1 of 4")
    controller.export_all(tmp_path / "none", "doc")
    assert "no format" in controller.session.problem.message


def test_the_formats_of_the_dock_are_those_of_the_command_line():
    from napari_cellseg.cli._parser import FORMATS

    assert tuple(images.LABEL_FORMATS) == FORMATS


# --- the real engine ------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_dock_and_the_command_line_give_identical_labels(trained, tmp_path):
    """Three new images, one of them touched by a person and open, in two copies of one project."""
    folders = []
    for name in ("dock", "line"):
        shutil.copytree(trained.parent, tmp_path / name)
        folder = tmp_path / name / trained.name
        with Project.open(folder) as project:
            for seed in (5, 6, 7):
                np.save(folder.parent / f"new{seed}.npy", synthetic_cells((96, 128), 10, radius=11, seed=seed)[0])
                project.add_image(folder.parent / f"new{seed}.npy")
            store = project.store("new6")
            box = (slice(30, 50), slice(40, 60))
            mine = np.full((20, 20), 3, np.uint32), np.ones((20, 20), np.uint8)
            store.apply(difference("paint", store.labels, store.state, box, *mine))
        (folder.parent / "cells2.npy").unlink()
        folders.append(folder)
    dock, line = folders
    controller = Controller(ViewerModel())
    controller.open_project(dock)
    controller.select_image("new6")
    walk(controller)
    assert controller.session.problem is None
    assert controller.session.notice.startswith("An image was left out")
    assert resolve(controller.session).summary == "5 images: 2 approved, 1 corrected, 2 predicted"
    controller.close()
    assert main(["predict", str(line)]) == 2
    with Project.open(dock) as ours, Project.open(line) as theirs:
        for record in ours.images():
            for mine, other in zip(ours.load_labels(record.id), theirs.load_labels(record.id), strict=True):
                np.testing.assert_array_equal(mine, other)
        assert ours.load_labels("new5")[0].any()
    assert main(["predict", str(dock), "--resume"]) == 2  # what the dock has done counts; the lost picture is tried
