"""The real docks in a real napari viewer, pressed as a person presses them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QModelIndex, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton

from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.preprocess import Clahe, TVDenoise
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from ..conftest import SMALL
from .waiting import wait

SET = [*SMALL, "train.steps=6", "train.extend=0", "predict.tile=128", "predict.runtime=torch"]


@pytest.fixture
def viewer(qtbot) -> Iterator[object]:
    import napari

    made = napari.Viewer(show=True)
    made.window.resize(1280, 800)
    yield made
    made.close()
    QApplication.processEvents()


def spin(until: Callable[[], bool]) -> None:
    assert wait(QApplication.processEvents, until, pause=0.002)


def press(dock: object, step: str, name: str) -> None:
    """Click a button of a step, if it is enabled."""
    dock.open_step(step)
    QApplication.processEvents()
    button = next(b for b in dock.page(step).findChildren(QPushButton) if b.objectName() == name)
    assert wait(QApplication.processEvents, button.isEnabled), button.toolTip()  # counts come when the hand rests
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def drag(viewer: object, start: tuple[int, int], stop: tuple[int, int]) -> None:
    """Drag the left button over the canvas between two data points."""
    canvas = viewer.window._qt_viewer.canvas
    native = canvas.native
    transform = viewer.window._qt_viewer.canvas.layer_to_visual[viewer.layers[0]].node.transforms

    def pixel(point: tuple[int, int]) -> QPoint:
        x, y, _, w = transform.get_transform("visual", "canvas").map([point[1], point[0], 0, 1])
        return QPoint(round(x / w), round(y / w))

    QTest.mouseMove(native, pixel(start))
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=pixel(start))
    for share in np.linspace(0.1, 1, 8):
        middle = tuple(a + share * (b - a) for a, b in zip(start, stop, strict=True))
        QTest.mouseMove(native, pixel(middle))
        QApplication.processEvents()
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=pixel(stop))
    QApplication.processEvents()


def test_opening_the_workbench_loads_no_torch(viewer):
    loaded = "torch" in sys.modules  # an earlier test of this process may have
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    assert loaded or "torch" not in sys.modules
    assert 330 <= dock.sizeHint().width() <= 420


def test_every_step_has_a_dock_of_its_own_that_shares_the_session(viewer):
    _, bench = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    for name in ("1 Image", "2 Preprocess", "3 Predict", "4 Correct", "5 Fine-tune", "6 Rounds", "Guidelines"):
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", name)
        assert dock.controller is bench.controller


def test_every_control_has_a_tooltip(viewer):
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    for page in dock.pages:
        for button in page.findChildren(QPushButton):
            if type(button).__module__.startswith("napari_cellseg") or button.isCheckable():
                assert button.toolTip() or button.text().strip().startswith(("More", "Settings")), button.text()


def test_a_dragged_brush_is_on_disk(viewer, project):
    path = project.path
    project.close()
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    dock.controller.open_project(path)
    spin(lambda: not dock.controller.busy)
    viewer.reset_view()
    spin(lambda: dock.controller.family is not None)
    press(dock, "Correct", "New label  (N)")
    drag(viewer, (40, 40), (60, 90))
    with Project.open(path) as other:
        labels = other.store("cells").labels
    assert labels[40, 40] == 1
    assert labels[58:62, 88:92].any()
    np.testing.assert_array_equal(labels, dock.controller.family.labels.data)
    family, drawn = dock.controller.family, viewer.window._qt_viewer.canvas._layer_overlay_to_visual
    tools = [type(tool).__name__ for tool in drawn[family.labels]]
    assert tools == ["LabelsPolygonOverlay", "LabelsBrushStrokeOverlay"]
    assert drawn[family.state] == {}, "it is not edited, so no tool is drawn for it"
    press(dock, "Correct", "Undo")
    assert not dock.controller.family.labels.data.any()


def correct_by_hand(
    canvas_of: Callable[[], object], truth: np.ndarray, paint: Callable[[int, np.ndarray], None]
) -> None:
    """The same corrections for both ways: draw every third object with an id of its own."""
    for id in range(1, int(truth.max()) + 1, 3):
        paint(1000 + id, np.flatnonzero(truth == id))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(7200)
def test_two_rounds_in_the_docks_and_on_the_command_line_give_the_same_labels(viewer, nuclei, tmp_path, qtbot):
    by_hand, by_line = tmp_path / "hand", tmp_path / "line"
    for folder in (by_hand, by_line):
        folder.mkdir()
        for path, _ in nuclei[:2]:
            shutil.copy(path, folder)
    pictures = [path.name for path, _ in nuclei[:2]]
    ids = [Path(name).stem for name in pictures]
    truths = {id: truth for id, (_, truth) in zip(ids, nuclei, strict=False)}

    # in the docks
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control = dock.controller
    viewer.open(str(by_hand / pictures[0]), plugin="napari")
    spin(lambda: bool(control.session.open_images))
    press(dock, "Image", "Use this image")
    spin(lambda: not control.busy)
    assert control.session.problem is None, control.session.problem
    control.session.update(live=False)  # the command line's annotator does not see what is labelled live
    control.add_images([by_hand / pictures[1]])
    spin(lambda: not control.busy)
    control.configure(control.session.config.with_values(SET))
    for number in (1, 2):
        control.select_image(ids[0])
        spin(lambda: not control.busy)
        if number == 2:
            press(dock, "Predict", "Predict")
            spin(lambda: not control.busy)
        labels = control.family.labels
        correct_by_hand(
            lambda: None,
            truths[ids[0]],
            lambda id, index, ls=labels: ls.data_setitem(np.unravel_index(index, ls.data.shape), id),
        )
        viewer.reset_view()
        QApplication.processEvents()
        control.correct_at("approve", tuple(int(v[0]) for v in np.nonzero(truths[ids[0]] == 4)))
        press(dock, "Correct", "Image")
        press(dock, "Fine-tune", "Fine-tune")
        spin(lambda: not control.busy)
        assert control.session.problem is None, control.session.problem
        press(dock, "Rounds", "Keep")
    control.select_image(ids[1])
    spin(lambda: not control.busy)
    press(dock, "Predict", "Predict")
    spin(lambda: not control.busy)
    shown = control.family.labels.data.copy()
    hand = control.session.project.path

    # on the command line
    line = by_line / "p.cellseg"
    values = [part for value in SET for part in ("--set", value)]
    # as in the docks: near the seams of tiles a network sees less
    tiles = ["--set", "predict.tile=128", "--set", "predict.runtime=torch"]
    assert main(["new", str(line)]) == 0
    assert main(["add", str(line), *[str(by_line / name) for name in pictures]]) == 0
    for number in (1, 2):
        if number == 2:
            assert main(["predict", str(line), "--image", ids[0], *tiles]) == 0
        with Project.open(line) as project:
            store = project.store(ids[0])
            correct_by_hand(
                lambda: None,
                truths[ids[0]],
                lambda id, index, c=store: c.apply(edits.paint(edits.EditContext.on(c), index, id)),
            )
            point = tuple(int(v[0]) for v in np.nonzero(truths[ids[0]] == 4))
            context = edits.EditContext.on(store)
            store.apply(edits.approve_object(context, context.pick(point)))
            whole = tuple(slice(0, n) for n in store.labels.shape)
            store.apply(edits.approve_box(edits.EditContext.on(store), whole))
        assert main(["train", str(line), *values, "--keep", "yes"]) == 0
    assert main(["predict", str(line), "--image", ids[1], *tiles]) == 0
    with Project.open(line) as project:
        np.testing.assert_array_equal(project.load_labels(ids[1])[0], shown)
        np.testing.assert_array_equal(project.load_labels(ids[0])[0], Project.open(hand).load_labels(ids[0])[0])
        assert project.current_model == control.session.current_model == "v2"
    assert len(np.unique(shown)) > 3


def test_steps_are_added_ordered_switched_off_saved_and_seen_live(viewer, picture, tmp_path):
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control = dock.controller
    control.new_project(tmp_path / "p")
    control.add_images([picture[0]])
    spin(lambda: not control.busy)
    viewer.reset_view()
    dock.open_step("Preprocess")
    page = dock.page("Preprocess")
    page.add_step(Clahe())
    page.add_step(TVDenoise())
    assert [s.kind for s in control.session.config.recipe.steps] == ["percentile", "clahe", "tv"]
    page.preview.setChecked(True)
    spin(lambda: control.family.overlays.preview is not None and not control.busy)
    first = control.family.overlays.preview.data.copy()
    page.steps.setCurrentRow(2)
    page._form._widgets["weight"].value = 0.4  # what turning the spin box does
    spin(lambda: not control.busy and control.family.overlays.preview.data.tobytes() != first.tobytes())
    assert control.session.config.recipe.steps[2].weight == pytest.approx(0.4)
    page.steps.item(2).setCheckState(Qt.CheckState.Unchecked)
    assert not control.session.config.recipe.steps[2].on
    assert page.steps.model().moveRow(QModelIndex(), 2, QModelIndex(), 0)  # what dragging does
    spin(lambda: [s.kind for s in control.session.config.recipe.steps] == ["tv", "percentile", "clahe"])
    page.save(tmp_path / "recipe.toml")
    kept = control.session.config.recipe
    press(dock, "Preprocess", "Remove step")
    assert len(control.session.config.recipe.steps) == 2
    page.load(tmp_path / "recipe.toml")
    assert control.session.config.recipe == kept
    page.presets.activated.emit(2)
    assert [s.kind for s in control.session.config.recipe.steps] == ["clahe", "tv"]
    assert "Aziz" in page.source.text()
    assert control.session.problem is None


def test_thresholds_show_outlines_live_and_apply_on_request(viewer, trained, tmp_path):
    shutil.copytree(trained.parent, tmp_path / "own")
    np.save(tmp_path / "fresh.npy", synthetic_cells((128, 160), 14, radius=11, seed=7)[0])
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control = dock.controller
    control.open_project(tmp_path / "own" / trained.name)
    spin(lambda: not control.busy)
    control.add_images([tmp_path / "fresh.npy"])
    spin(lambda: not control.busy)
    viewer.reset_view()
    dock.open_step("Predict")
    page = dock.page("Predict")
    assert not page.apply.isEnabled()
    page.doubt.setChecked(True)
    press(dock, "Predict", "Predict")
    spin(lambda: control.session.kept and not control.busy)
    assert "fresh [uncertainty]" in viewer.layers
    before = control.session.store.labels.copy()
    page._target._widgets["threshold"].value = 0.05
    page._target._widgets["min_size"].value = 1
    spin(lambda: "objects in view" in control.session.decoded)
    assert "fresh [thresholds]" in viewer.layers
    np.testing.assert_array_equal(control.session.store.labels, before)
    assert page.apply.isEnabled()
    press(dock, "Predict", "Apply to the image")
    spin(lambda: not control.busy)
    assert (control.session.store.labels > 0).sum() > (before > 0).sum()
    assert "fresh [thresholds]" not in viewer.layers
    press(dock, "Predict", "Reset")
    assert page._target.value().threshold == 0.5
    assert control.session.problem is None


def test_all_images_are_predicted_and_exported_by_the_real_buttons(viewer, trained, tmp_path, monkeypatch):
    shutil.copytree(trained.parent, tmp_path / "own")
    folder = tmp_path / "own" / trained.name
    with Project.open(folder) as project:
        for seed in (5, 6, 7):
            np.save(folder.parent / f"new{seed}.npy", synthetic_cells((96, 128), 10, radius=11, seed=seed)[0])
            project.add_image(folder.parent / f"new{seed}.npy")
    (folder.parent / "new6.npy").unlink()
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control, page = dock.controller, dock.page("Image")
    control.open_project(folder)
    spin(lambda: not control.busy)
    assert resolve(control.session).summary == "5 images: 2 approved, 3 not begun"
    assert "2&nbsp;approved" in page.summary.text()
    press(dock, "Image", "Predict all images")
    assert "wait, or cancel" in page.export_all.toolTip()
    assert not page.predict_all.isEnabled()
    spin(lambda: control.engine.ready is not None and control.session.progress.done > 0)
    QTest.mouseClick(dock.status.cancel, Qt.MouseButton.LeftButton)
    spin(lambda: control.session.progress is None)
    press(dock, "Image", "Predict all images")
    spin(lambda: control.session.progress is None)
    assert "new6: The picture" in dock.status._message.text()
    assert resolve(control.session).summary == "5 images: 2 approved, 2 predicted, 1 not begun"
    tips = [page.list.item(n).toolTip() for n in range(5)]
    assert "Approved as a whole. v1 has predicted it." in tips[0]
    assert tips[3] == "Not begun: no labels yet."
    images = [page.list.item(n).icon().pixmap(16).toImage() for n in range(5)]
    assert images[0] == images[1] != images[2] == images[4] != images[3]
    monkeypatch.setattr(
        "napari_cellseg.gui.qt.page_image.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path / "x")
    )
    page.exports.format.setCurrentIndex(page.exports.format.findData("ome.tif"))
    press(dock, "Image", "Export all...")
    spin(lambda: control.session.progress is None)
    assert len(list((tmp_path / "x").glob("*_labels.ome.tif"))) == 5
