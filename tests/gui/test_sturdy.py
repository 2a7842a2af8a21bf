"""What the window survives: odd pictures, broken folders, full disks, layers taken away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source

from napari_cellseg.base import DEFAULT, base_models
from napari_cellseg.engine import Engine, open_round
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.session import Curve, Offer, Progress
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.app.view_updates import Part
from napari_cellseg.project import CHECKPOINT, Project, difference
from napari_cellseg.samples import synthetic_cells

from .conftest import Opening
from .waiting import settle, spin


@pytest.fixture
def controller(project: Project, opened: Opening) -> Controller:
    """A viewer with an open project of one image and no engine."""
    path = project.path
    project.close()
    return opened(path, engine=False)


# --- odd pictures ---------------------------------------------------------------------------------


def test_a_picture_of_one_bit_opens_and_can_be_drafted(tmp_path, opened):
    bits = synthetic_cells((64, 64), 5)[1] > 0
    tifffile.imwrite(tmp_path / "bits.tif", bits)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "bits.tif")
    controller = opened(tmp_path / "p.cellseg", engine=False)
    assert controller.session.problem is None
    np.testing.assert_array_equal(controller.family.image.data, bits)
    layer = controller.viewer.add_image(bits[::2], name="of no file")
    controller.use_layer(layer.name)
    settle(controller)
    assert controller.session.problem is None
    np.testing.assert_array_equal(controller.family.image.data, bits[::2])


def test_after_the_largest_id_the_next_one_is_free(controller):
    labels = controller.family.labels
    labels.mode = "paint"
    labels.selected_label = 2**32 - 1
    labels.paint((20, 20), 2**32 - 1)
    controller.strokes.new_label()
    assert controller.session.problem is None
    assert labels.selected_label not in (0, *np.unique(controller.store().labels))


@pytest.fixture
def alone(opened: Opening) -> Controller:
    """A viewer without a project."""
    return Controller(ViewerModel())


def test_files_opened_as_one_stack_are_all_used(tmp_path, alone):
    slices = synthetic_cells((4, 40, 50), 5)[0]
    for n, plane in enumerate(slices):
        tifffile.imwrite(tmp_path / f"z{n}.tif", plane)
    with layer_source(path=str(tmp_path / "z0.tif")):  # as napari does when it opens files as one stack
        layer = alone.viewer.add_image(slices)
    alone.use_layer(layer.name, tmp_path)
    settle(alone)
    assert alone.session.problem is None
    assert [r.shape for r in alone.session.images] == [(4, 40, 50)]
    np.testing.assert_array_equal(alone.project().read_image(alone.session.image).load()[0], slices)
    alone.close()


def test_one_file_is_used_as_it_is(tmp_path, alone):
    slices = synthetic_cells((4, 40, 50), 5)[0]
    tifffile.imwrite(tmp_path / "v.tif", slices)
    with layer_source(path=str(tmp_path / "v.tif")):
        layer = alone.viewer.add_image(slices)
    alone.use_layer(layer.name, tmp_path)
    settle(alone)
    assert alone.project().source(alone.session.images[0]) == tmp_path / "v.tif"
    alone.close()


def test_of_a_pyramid_the_finest_level_is_used(tmp_path, alone):
    pixels = synthetic_cells((96, 128), 9)[0]
    layer = alone.viewer.add_image([pixels, pixels[::2, ::2], pixels[::4, ::4]], name="pyramid", scale=(0.5, 0.5))
    alone.use_layer(layer.name, tmp_path)
    settle(alone)
    assert alone.session.problem is None
    np.testing.assert_array_equal(alone.project().read_image(alone.session.image).load()[0], pixels)
    assert alone.session.record.spacing_um == (0.5, 0.5)
    alone.close()


def test_a_stack_too_large_to_keep_is_refused_with_the_way_out(tmp_path, alone, monkeypatch):
    monkeypatch.setattr("napari_cellseg.gui.layers.save_pixels.MOST_BYTES", 1000)
    layer = alone.viewer.add_image(synthetic_cells((64, 64), 5)[0], name="big")
    alone.use_layer(layer.name, tmp_path)
    settle(alone)
    assert "OME-Zarr" in alone.session.problem.hint
    assert not alone.session.images
    alone.close()


# --- broken, newer and foreign folders --------------------------------------------------------------


def with_models(path: Path, *ids: str) -> Path:
    """A project with copies of the base model under several names; the last one is in use."""
    with Project.open(path) as project:
        for id in ids:
            folder = project.models_folder / id
            shutil.copytree(base_models()[DEFAULT], folder)
            card = json.loads((folder / "card.json").read_text())
            (folder / "card.json").write_text(json.dumps(card | {"id": id, "parent": None}))
        if ids:
            project.db.put_setting("current_model", ids[-1])
    return path


BREAKING = {
    "a key of a newer version": lambda f: (f / "config.toml").write_text(
        "future = 1\n" + (f / "config.toml").read_text()
    ),
    "a card that is no JSON": lambda f: (f / "card.json").write_text("{"),
    "a card that is a list": lambda f: (f / "card.json").write_text("[]"),
    "a card of a newer version": lambda f: (f / "card.json").write_text('{"id": "v2", "mood": "good"}'),
    "no card": lambda f: (f / "card.json").unlink(),
    "no weights": lambda f: (f / "weights.safetensors").unlink(),
    "a configuration in another encoding": lambda f: (f / "config.toml").write_bytes(b"\xff\xfe\x00"),
    "a copy": lambda f: f.rename(f.with_name("v2 - Copy")),
}


@pytest.mark.parametrize("breaking", BREAKING.values(), ids=list(BREAKING))
@pytest.mark.parametrize("in_use", [True, False], ids=["in use", "not in use"])
def test_a_model_that_cannot_be_used_is_listed_with_the_reason(project, opened, breaking, in_use):
    path = project.path
    project.close()
    with_models(path, *(("v1", "v2") if in_use else ("v2", "v1")))
    breaking(path / "models" / "v2")
    controller = opened(path, engine=False)
    assert controller.session.problem is None
    assert controller.session.image == "cells"
    assert [m.id for m in controller.session.models] == ["v1"]
    assert controller.session.current_model == (None if in_use else "v1")
    (off,) = (item for item in resolve(controller.session).models if item.off)
    assert off.key.startswith("v2")
    assert f"{off.key} cannot be used: {off.off}" in controller.session.notice
    with Project.open(path) as other:
        assert other.db.new_model_id(None) not in [p.name for p in other.models_folder.iterdir()]


def test_folders_that_tools_have_dropped_are_no_reason_to_refuse(project, opened):
    path = project.path
    project.close()
    controller = opened(path, engine=False)
    controller.family.labels.paint((30, 40), 7)
    controller.close()
    for name in ("models", "images", "cache", "runs"):
        shutil.rmtree(path / name, ignore_errors=True)
    controller = opened(path, engine=False)
    assert controller.session.problem is None
    assert controller.store().labels[30, 40] == 7, "the log has it"
    controller.close()
    assert controller.session.notice == ""
    with Project.open(path) as other:
        assert other.load_labels("cells")[0][30, 40] == 7
        shutil.rmtree(path / "images")
        other.close()
    (path / "project.db").write_bytes(b"broken" * 1000)
    with Project.recover(path) as other:
        assert other.images() == []


def test_a_copied_run_is_left_out_and_said(project, opened):
    path = project.path
    project.close()
    for name in ("v3", "v3 - Copy"):
        (path / "runs" / name).mkdir(parents=True)
        (path / "runs" / name / CHECKPOINT).write_bytes(b"")
    controller = opened(path, engine=False)
    assert controller.session.problem is None
    assert controller.session.unfinished == "v3"
    assert "v3 - Copy" in controller.session.notice


def test_two_projects_are_never_mixed(project, tmp_path, opened):
    first = with_models(project.path, "v1")
    project.close()
    with Project.create(tmp_path / "second") as second:
        pass
    controller = opened(first, engine=False)
    seen = []

    def look() -> None:
        view = resolve(controller.session)
        seen.append((view.project, len(view.images), view.current_model, view.decoding is not None))

    controller.session.changed.connect(look)
    controller.open_project(second.path)
    controller.open_project(first)
    assert set(seen) <= {("p", 1, "v1", True), ("second", 0, "", False)}
    assert controller.session.problem is None


def test_what_cannot_be_opened_leaves_the_open_project_as_it_is(controller, tmp_path):
    before = resolve(controller.session)
    controller.open_project(tmp_path / "nothing.cellseg")
    assert controller.session.problem is not None
    controller.dismiss()
    assert resolve(controller.session) == before


def test_a_model_without_its_round_is_judged_on_request(project, opened):
    path = project.path
    store = project.store("cells")
    store.apply(
        difference(
            "paint",
            store.labels,
            store.state,
            (slice(0, 40), slice(0, 40)),
            np.full((40, 40), 3, np.uint32),
            np.ones((40, 40), np.uint8),
        )
    )
    open_round(project)
    project.close()
    with_models(path, "v1")
    card = path / "models" / "v1" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"steps": 20, "metrics": {}}))
    controller = opened(path)
    assert "not judged" in controller.session.notice
    assert resolve(controller.session).unjudged == "v1"
    controller.training.judge("v1")
    spin(controller, lambda: controller.job is None)
    assert controller.session.problem is None
    assert [r.child for r in controller.session.rounds] == ["v1"]
    assert controller.session.unjudged == ()


# --- layers taken away, brushes, disks, engines -----------------------------------------------------


@pytest.mark.parametrize("ending", ["", " [labels]", " [state]", " [line]"])
def test_a_removed_layer_comes_back_to_its_place(controller, ending):
    layers, folder = controller.viewer.layers, controller.session.project.path
    names = [layer.name for layer in layers]
    layers.remove(layers[f"cells{ending}"])
    controller.tick()
    assert [layer.name for layer in layers] == names
    assert layers.selection.active is controller.family.labels
    assert "came back" in controller.session.status
    controller.family.labels.paint((30, 40), 9)
    controller.family.labels.undo()
    controller.family.labels.redo()
    with Project.open(folder) as other:
        assert other.load_labels("cells")[0][30, 40] == 9


def test_without_image_and_labels_the_image_is_closed_and_can_be_opened_again(controller):
    layers = controller.viewer.layers
    controller.family.labels._begin_stroke()
    controller.family.labels.paint((30, 40), 9)
    for name in ("cells", "cells [labels]"):
        layers.remove(layers[name])
    controller.tick()
    assert list(layers) == []
    assert controller.session.store is None
    assert "Closed cells" in controller.session.status
    controller.actions.approve_field()
    assert "No image is open" in controller.session.problem.message
    controller.select_image("cells")
    assert len(layers) == 4
    assert controller.store().labels[30, 40] == 9


def test_nothing_invisible_is_approved(controller):
    controller.family.labels.paint((30, 40), 9)
    controller.viewer.layers.clear()
    controller.actions.approve_image()
    assert controller.session.store is None
    controller.select_image("cells")
    assert (controller.store().state < 2).all()


def test_the_brush_begins_with_a_free_number(controller, opened):
    labels, path = controller.family.labels, controller.session.project.path
    labels.paint((30, 40), 1)
    controller.select_image("cells")
    assert controller.family.labels.selected_label == 2
    controller.close()
    again = opened(path, engine=False)
    assert again.family.labels.selected_label == 2


def unwritable(path: Path) -> None:
    """A place where no snapshot can be written, also not by an administrator."""
    shutil.rmtree(path / "images" / "cells")
    (path / "images" / "cells").write_text("in the way")


@pytest.mark.parametrize("way", ["close", "other image", "other project"])
def test_a_snapshot_that_cannot_be_written_holds_up_nothing(project, tmp_path, opened, way):
    path = project.path
    np.save(tmp_path / "more.npy", synthetic_cells((64, 64), 5)[0])
    project.add_image(tmp_path / "more.npy")
    project.close()
    Project.create(tmp_path / "second").close()
    controller = opened(path, engine=False)
    controller.family.labels.paint((30, 40), 9)
    unwritable(path)
    if way == "close":
        controller.close()
        assert controller.session.project is None
    elif way == "other image":
        controller.select_image("more")
        assert controller.session.image == "more"
        assert controller.family.labels.data.shape == (64, 64)
    else:
        controller.open_project(tmp_path / "second.cellseg")
        assert controller.session.project.name == "second"
        assert controller.session.problem is None
    assert "every edit is in the log" in controller.session.notice
    controller.close()
    controller.close()
    (path / "images" / "cells").unlink()
    with Project.open(path) as other:
        assert other.load_labels("cells")[0][30, 40] == 9


def test_an_engine_that_does_not_answer_is_told_and_replaced(controller, monkeypatch):
    answering = False
    monkeypatch.setattr(Engine, "answers", property(lambda engine: answering))
    replaced = []
    monkeypatch.setattr(Engine, "replace", lambda engine: replaced.append(engine))
    controller.pulse.look()
    assert "not answered" in resolve(controller.session).silent
    answering = True
    controller.pulse.look()
    assert resolve(controller.session).silent == ""
    answering = False
    controller.pulse.look()
    controller.restart_engine()
    assert replaced == [controller.engine]
    assert resolve(controller.session).silent == ""


@pytest.fixture
def large(tmp_path: Path, opened: Opening) -> Controller:
    """A volume whose draft is written in hundreds of pieces."""
    np.save(tmp_path / "v.npy", np.stack([synthetic_cells((512, 512), 60, radius=12, seed=1)[0]] * 40))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy")
    return opened(tmp_path / "p.cellseg", engine=False)


def writing(controller: Controller) -> bool:
    progress = controller.session.progress
    return progress is not None and progress.text.startswith("Writing")


def test_a_draft_is_said_to_be_there_when_it_is(large):
    said = []
    large.session.changed.connect(lambda: said.append((large.session.status, len(large.writer.pieces))))
    large.draft()
    spin(large, lambda: writing(large))
    assert resolve(large.session).cancel.enabled
    assert "Drafted" not in large.session.status
    spin(large, lambda: not large.busy)
    assert "Drafted" in large.session.status
    assert all(left == 0 for status, left in said if "Drafted" in status)
    assert large.session.progress is None
    assert len(large.store().objects) > 20


def test_writing_a_draft_can_be_cancelled_and_undone(large):
    large.draft()
    spin(large, lambda: writing(large) and large.store().n > 0)
    large.cancel()
    assert large.session.progress is None
    assert "Cancelled" in large.session.status
    spin(large, lambda: not large.busy)
    assert not large.store().labels.all()
    large.strokes.undo()
    spin(large, lambda: not large.busy)
    assert not large.store().labels.any()


# --- views ------------------------------------------------------------------------------------------


def test_a_tick_tells_views_once(controller):
    told = []
    controller.views.changed.connect(told.append)
    with controller.session.told_once():
        controller.session.update(status="one")
        controller.session.update(status="two", notice="three")
        assert not told
    assert [view.status for view in told] == ["two"]


def test_only_parts_that_look_at_what_has_changed_are_shown_anew(controller):
    shown = []
    part = Part(lambda view: shown.append(view.progress.text if view.progress else view.engine))
    part(controller.views.newest)
    controller.session.update(curve=Curve(((0.0, 1.0),)))
    part(controller.views.newest)
    assert len(shown) == 1
    controller.session.update(progress=Progress("train", "step 1"))
    part(controller.views.newest)
    controller.session.update(engine="engine: ready")
    part(controller.views.newest)
    assert shown[1:] == ["step 1"], "with a progress it does not look at the engine"
    controller.session.update(status="refused")
    part(controller.views.newest)
    assert len(shown) == 3, "after an answer everything is shown"


def test_the_brush_leaves_its_number_to_others_until_it_is_used(controller):
    labels, store = controller.family.labels, controller.store()
    assert labels.selected_label == 1
    controller.correct_along("polygon", np.array([(10.0, 10), (30, 10), (30, 30), (10, 30)]))
    assert store.labels[20, 20] == 1, "as on the command line"
    assert labels.selected_label == 2
    labels.paint((60, 60), 2)
    assert labels.selected_label == 2, "the person goes on with this object"
    controller.strokes.new_label()
    assert labels.selected_label == 3


# --- folders and databases that change under the window -------------------------------------------


def paint(controller: Controller, y: int, x: int, value: int) -> None:
    """A stroke by the brush, and the tick that settles it."""
    controller.family.labels.data_setitem((np.array([y, y]), np.array([x, x + 1])), value)
    controller.tick()


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_project_that_goes_away_is_told_at_once_and_saved_elsewhere(controller, tmp_path, how):
    paint(controller, 20, 20, 7)
    path = controller.project().path
    if how == "moved":
        path.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(path)
    spin(controller, lambda: controller.session.gone)  # without a stroke
    assert controller.session.problem.offers == (Offer("save"),)
    assert "not at" in controller.session.problem.message
    assert resolve(controller.session).saved == "not saved"
    paint(controller, 40, 40, 8)  # refused and taken back, not swallowed
    assert controller.store().labels[40, 40] == 0
    assert controller.family.labels.data[40, 40] == 0
    controller.save_elsewhere(tmp_path / "rescued")
    assert controller.session.problem is None
    assert not controller.session.gone
    assert resolve(controller.session).saved == "saved ✓"
    assert controller.project().path == tmp_path / "rescued.cellseg"
    assert controller.store().labels[20, 20] == 7
    paint(controller, 40, 40, 8)
    assert controller.store().labels[40, 40] == 8
    assert not path.exists()


def test_a_project_that_comes_back_is_gone_on_with(controller, tmp_path):
    path = controller.project().path
    path.rename(tmp_path / "elsewhere")
    spin(controller, lambda: controller.session.gone)
    (tmp_path / "elsewhere").rename(path)
    spin(controller, lambda: not controller.session.gone)
    assert controller.session.problem is None
    paint(controller, 40, 40, 8)
    assert controller.store().labels[40, 40] == 8


def test_an_older_database_is_told_and_loses_nothing(project, tmp_path, opened):
    path = project.path
    project.close()
    shutil.copyfile(path / "project.db", tmp_path / "older.db")
    first = opened(path, engine=False)
    for n in range(5):
        paint(first, 10 * n, 20, n + 1)
    labels = first.store().labels.copy()
    first.close()
    shutil.copyfile(tmp_path / "older.db", path / "project.db")
    second = opened(path, engine=False)
    assert "newer than project.db" in second.session.notice
    np.testing.assert_array_equal(second.store().labels, labels)
    paint(second, 70, 70, 9)
    labels = second.store().labels.copy()
    second.close()
    np.testing.assert_array_equal(opened(path, engine=False).store().labels, labels)


def test_a_damaged_project_offers_recovery_and_loses_nothing(controller, opened):
    for n in range(4):
        paint(controller, 10 * n + 5, 20, n + 1)
    labels, path = controller.store().labels.copy(), controller.project().path
    controller.close()
    with (path / "project.db").open("r+b") as file:
        file.write(b"\xff" * 100)
    other = Controller(ViewerModel())
    other.open_project(path)
    (offer,) = other.session.problem.offers
    assert offer == Offer("recover", (str(path),))
    assert other.session.project is None
    other.recover_project(offer.of[0])
    assert other.session.problem is None
    assert "Put together 4 edits" in other.session.notice
    np.testing.assert_array_equal(other.store().labels, labels)
    paint(other, 70, 70, 9)
    other.close()
    again = opened(path, engine=False)
    assert again.store().labels[70, 70] == 9


def test_an_open_project_is_let_go_of_before_it_is_recovered(controller):
    paint(controller, 20, 20, 7)
    path = controller.project().path
    controller.recover_project(path)
    assert controller.session.problem is None
    assert controller.store().labels[20, 20] == 7
    paint(controller, 40, 40, 8)
    with Project.open(path) as project:
        assert project.load_labels(controller.session.image)[0][40, 40] == 8
