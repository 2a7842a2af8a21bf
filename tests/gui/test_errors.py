"""What was found, false and missed as a layer: the same as `evaluate` tells. A real child process."""

from __future__ import annotations

import re

import numpy as np
import pytest

import napari_cellseg as cs
from napari_cellseg.evaluation import FN, FP, TP, error_map
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.images import write_labels
from napari_cellseg.project import Holdout, Project, new_project
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


def boxes(ndim: int) -> np.ndarray:
    labels = np.zeros((60, 80), np.uint32)
    labels[10:22, 10:22], labels[10:22, 22:34] = 1, 2
    labels[35:50, 10:25], labels[35:50, 50:65] = 3, 4
    return labels if ndim == 2 else np.stack([labels * (z in (1, 2, 3)) for z in range(5)])


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def drafted(request, tmp_path, opened) -> Controller:
    labels = boxes(request.param)
    np.save(tmp_path / "a.npy", (labels > 0) * 200.0 + np.random.default_rng(0).normal(20, 3, labels.shape))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy")
        project.draft_labels("a", labels)
        path = project.path
    return opened(path, engine=False)


def test_these_labels_against_a_file_of_masks(drafted, tmp_path):
    found, truth = boxes(drafted.store().labels.ndim), boxes(drafted.store().labels.ndim)
    truth[truth == 2] = 0
    truth[..., 3:9, 60:70] = 9
    truth[..., 35:50, 50:53] = 0
    drafted.errors.against_file(write_labels(tmp_path / "truth.tif", truth))
    spin(drafted, lambda: bool(drafted.session.errors) or drafted.session.problem is not None)
    layer = drafted.family.overlays.errors
    np.testing.assert_array_equal(layer.data, error_map(truth, found))
    assert set(np.unique(layer.data)) == {0, TP, FP, FN}
    figures = cs.evaluate(truth, found)
    assert (
        f"Dice {figures['dice']:.3f}, AP@0.5 {figures['ap50']:.3f}; 3 found, 1 false, 1 missed"
        in drafted.session.errors
    )
    assert drafted.viewer.layers.selection.active is drafted.family.labels
    drafted.errors.hide()
    assert drafted.session.errors == ""
    assert layer not in drafted.viewer.layers


def test_what_is_shown_says_when_labels_have_changed_and_goes_with_the_image(drafted, tmp_path):
    drafted.errors.against_file(write_labels(tmp_path / "truth.tif", boxes(drafted.store().labels.ndim)))
    spin(drafted, lambda: bool(drafted.session.errors))
    point = (2, 40, 15) if drafted.store().labels.ndim == 3 else (40, 15)
    drafted.correct_at("delete", point)
    drafted.correct_at("delete", (*point[:-2], 40, 55))
    assert drafted.session.errors.count("changed since") == 1
    layer = drafted.family.overlays.errors
    drafted.projects.close_image()
    assert drafted.session.errors == ""
    assert layer not in drafted.viewer.layers


def test_masks_of_another_image_say_so(drafted, tmp_path):
    drafted.errors.against_file(write_labels(tmp_path / "small.tif", np.ones((5, 5), np.uint32)))
    spin(drafted, lambda: drafted.session.problem is not None)
    assert drafted.session.errors == ""
    assert not resolve(drafted.session).errors_of_model.enabled
    drafted.errors.of_model()
    assert "Press Predict first" in drafted.session.problem.hint


def test_the_model_against_what_is_approved_as_evaluate_measures_it(tmp_path, opened):
    image, truth = synthetic_cells((160, 200), 14, radius=13, touching=0.2, seed=3)
    np.save(tmp_path / "cells.npy", image)
    with new_project(tmp_path / "p") as project:
        project.add_image(tmp_path / "cells.npy")
        path = project.path
    controller = opened(path)
    controller.session.update(live=False)
    controller.predict()
    spin(controller, lambda: not controller.busy and controller.session.kept)
    controller.errors.of_model()
    spin(controller, lambda: controller.session.problem is not None)
    assert "Nothing of this image is known" in controller.session.problem.message
    controller.dismiss()
    controller.masks.take(write_labels(tmp_path / "truth.tif", truth), approved=True)
    spin(controller, lambda: bool((controller.store().state == 2).all()) and not controller.busy)
    controller.errors.of_model()
    spin(controller, lambda: bool(controller.session.errors))
    with cs.open(path) as project:
        done = project.evaluate("train", figures=tmp_path / "strips")
        model = project.predict("cells", out=tmp_path / "out").models
        found = cs.read_labels(tmp_path / "out" / "cells_labels.tif")
    row = done.tables.images[0]
    assert model == ("cells",)
    said = controller.session.errors
    assert f"Dice {row['dice']:.3f}, AP@0.5 {row['ap50']:.3f}" in said
    assert [int(n) for n in re.findall(r"(\d+) (?:found|false|missed)", said)] == [
        row["objects_tp"], row["objects_fp"], row["objects_fn"],
    ]  # fmt: skip
    assert found.shape == truth.shape
    shown = controller.family.overlays.errors.data
    assert int((shown == TP).sum()) > 0
    assert ((shown == TP) <= (truth > 0)).all()
    controller.errors.of_model("held out")
    spin(controller, lambda: controller.session.problem is not None)
    assert "held out" in controller.session.problem.message
    controller.project().db.put_holdout(Holdout("cells", (((0, 80), (0, 200)),)))
    controller.dismiss()
    controller.errors.of_model("held out")
    spin(controller, lambda: "held out" in controller.session.errors)
    assert not controller.family.overlays.errors.data[80:].any()


def test_errors_of_a_class(tmp_path, opened):
    truth = np.kron([[0, 1], [2, 2]], np.ones((20, 20))).astype(np.uint32)
    found = np.kron([[0, 1], [1, 2]], np.ones((20, 20))).astype(np.uint32)
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(20, 3, truth.shape))
    with Project.create(tmp_path / "p", task="semantic", classes=("cell", "nucleus")) as project:
        project.add_image(tmp_path / "a.npy")
        project.draft_labels("a", found)
        path = project.path
    controller = opened(path, engine=False)
    file = write_labels(tmp_path / "truth.tif", truth)
    controller.family.labels.selected_label = 2
    controller.errors.against_file(file)
    spin(controller, lambda: bool(controller.session.errors))
    assert "nucleus: Dice 0.667, IoU 0.500" in controller.session.errors
    shown = controller.family.overlays.errors.data
    assert [int(shown[y, x]) for y, x in ((0, 0), (0, 30), (30, 0), (30, 30))] == [4, 4, FN, TP]
    colours = resolve(controller.session).error_colours
    assert colours == ("#d3d3d3", "#000000", "#ffffff")


def test_the_buttons_of_the_step_rounds(qtbot, drafted, tmp_path, monkeypatch):
    from napari_cellseg.gui.qt import page_rounds, panel_errors

    step = page_rounds.RoundsPage(drafted)
    qtbot.addWidget(step)
    page = step.wrong
    step.show_view(resolve(drafted.session))
    assert not page.look.isEnabled()
    assert "Press Predict first" in page.look.toolTip()
    page.against.setCurrentIndex(2)
    assert page.look.isEnabled()
    file = write_labels(tmp_path / "truth.tif", boxes(drafted.store().labels.ndim))
    monkeypatch.setattr(panel_errors.QFileDialog, "getOpenFileName", lambda *a: (str(file), ""))
    page.look.click()
    spin(drafted, lambda: bool(drafted.session.errors))
    step.show_view(resolve(drafted.session))
    assert "Dice 1.000" in page.errors.text()
    assert not page.hide_errors.isHidden()
    page.hide_errors.click()
    step.show_view(resolve(drafted.session))
    assert page.errors.isHidden()
    assert drafted.family.overlays.errors is None


def test_a_line_of_the_list_shows_its_error(qtbot, drafted, tmp_path):
    from napari_cellseg.gui.qt.page_rounds import RoundsPage

    step = RoundsPage(drafted)
    qtbot.addWidget(step)
    truth = boxes(drafted.store().labels.ndim)
    truth[truth == 2] = 0
    truth[..., 3:9, 60:70] = 9
    drafted.errors.against_file(write_labels(tmp_path / "truth.tif", truth))
    spin(drafted, lambda: bool(drafted.session.errors))
    step.show_view(resolve(drafted.session))
    lines = [step.wrong.list.item(n).text() for n in range(step.wrong.list.count())]
    size = {2: "px", 3: "voxels"}[truth.ndim]
    assert sorted(line.split(",")[0] for line in lines) == ["false: object 2", "missed: object 9"]
    assert all(line.endswith(size) for line in lines)
    false = next(n for n, line in enumerate(lines) if line.startswith("false"))
    step.wrong.list.setCurrentRow(false)
    middle = drafted.viewer.camera.center[-2:]
    assert np.abs(np.subtract(middle, (15.5, 27.5))).max() <= 1
    assert drafted.family.labels.selected_label == 2, "it can be mended at once"
    step.wrong.list.setCurrentRow(1 - false)
    assert np.abs(np.subtract(drafted.viewer.camera.center[-2:], (5.5, 64.5))).max() <= 1
    drafted.errors.hide()
    step.show_view(resolve(drafted.session))
    assert step.wrong.list.isHidden()
