"""The step Measure: the same table as the command line, linked with the picture, and nothing is changed by looking."""

from __future__ import annotations

import shlex
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.measured import Table, bins_of
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers import objects
from napari_cellseg.gui.layers.objects import LEVELS, UNKNOWN, Levels, level_colours
from napari_cellseg.gui.layers.units import spacing_um
from napari_cellseg.gui.qt.object_table import ObjectTable, ValuePlot
from napari_cellseg.gui.qt.page_measure import MeasurePage
from napari_cellseg.measurement import COLUMNS, Measured, measure_objects
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project of two images, the first of them half approved."""
    with cs.new(tmp_path / "p", model="none") as project:
        for k in (1, 2):
            image, labels = synthetic_cells((72, 90), 9, radius=9, seed=k)
            tifffile.imwrite(tmp_path / f"i{k}.tif", image)
            project.add(tmp_path / f"i{k}.tif", labels if k == 1 else None, spacing=(0.5, 0.25))
        project.put_labels("i2", labels, draft=True)
        return project.path


@pytest.fixture
def controller(opened, folder) -> Controller:
    return opened(folder, engine=False)


@pytest.fixture
def page(controller, qtbot) -> MeasurePage:
    page = MeasurePage(controller)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    return page


def measured(controller) -> Table:
    controller.measuring.measure()
    spin(controller, lambda: controller.session.progress is None)
    assert controller.session.problem is None
    assert controller.measuring.state.table is not None
    return controller.measuring.state.table


def test_button_command_and_python_give_the_same_table(controller, page, folder, tmp_path, monkeypatch):
    page.button.click()
    assert not page.button.isEnabled()
    spin(controller, lambda: controller.session.progress is None)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "pressed.csv"), ""))
    page.save.click()
    monkeypatch.chdir(tmp_path)
    call = controller.views.newest.calls["Measure"]
    controller.close()
    assert main(shlex.split(call.command)[1:]) == 0
    typed = (tmp_path / "i1.csv").read_text()
    (tmp_path / "i1.csv").unlink()
    exec(call.python, {})
    assert (tmp_path / "pressed.csv").read_text() == typed == (tmp_path / "i1.csv").read_text()
    assert len(typed.splitlines()) > 5


def test_all_images_are_what_the_command_writes(controller, page, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "all.csv"), ""))
    page.everything.click()
    spin(controller, lambda: controller.session.progress is None)
    assert "Measured 2 images" in controller.session.status
    controller.close()
    words = ["--csv", str(tmp_path / "b.csv"), "--summary", str(tmp_path / "b_summary.csv")]
    assert main(["measure", str(folder), *words]) == 0
    for name in ("{}.csv", "{}_summary.csv"):
        pressed, typed = ((tmp_path / name.format(k)).read_text() for k in ("all", "b"))
        assert pressed == typed


def test_a_name_without_an_ending_is_said(controller, tmp_path):
    measured(controller)
    controller.measuring.save(tmp_path / "table")
    assert "no name of a table" in controller.session.problem.message


def test_the_table_is_in_the_features_of_the_layer(controller):
    table = measured(controller)
    features = controller.family.labels.features
    assert features["index"].tolist() == table.labels.tolist()
    pd.testing.assert_frame_equal(features.drop(columns="index"), table.frame)


def test_the_summary_is_said(controller, page):
    table = measured(controller)
    n, area = len(table.labels), 72 * 90 * 0.125
    assert page.summary.text() == table.summary
    assert f"{n} objects" in table.summary
    assert f"{n / area * 1e6:,.4g} per mm²" in table.summary
    assert "µm²" in table.summary


def colours_of(controller):
    """The layer of colours; None where there is none."""
    return next((x for x in controller.viewer.layers if x.name == f"i1 [{controller.measuring.state.column}]"), None)


def test_colouring_touches_neither_data_nor_log(controller):
    table = measured(controller)
    store, layer = controller.store(), controller.family.labels
    before, n, own, names = store.labels.copy(), store.n, layer.colormap, [x.name for x in controller.viewer.layers]
    controller.measuring.choose_column("solidity")
    controller.measuring.colour(True)
    spin(controller, lambda: colours_of(controller) is not None)
    shown = colours_of(controller)
    order = np.argsort(table.values("solidity"))
    levels = [int(shown.data[before == table.labels[k]].max()) for k in order]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (1, LEVELS)
    assert ((shown.data > 0) == (before > 0)).all()
    controller.measuring.choose_column("area")
    spin(controller, lambda: colours_of(controller) is not None)
    assert shown not in controller.viewer.layers
    assert controller.viewer.layers.selection.active is layer
    controller.measuring.colour(False)
    assert [x.name for x in controller.viewer.layers] == names
    assert (store.n, layer.data is store.labels, layer.colormap is own) == (n, True, True)
    np.testing.assert_array_equal(store.labels, before)


def test_colours_follow_what_is_painted(controller):
    measured(controller)
    controller.measuring.colour(True)
    spin(controller, lambda: colours_of(controller) is not None)
    shown, layer = colours_of(controller), controller.family.labels
    layer.data_setitem((np.array([0, 1]), np.array([0, 1])), 900)
    assert shown.data[0, 0] == shown.data[1, 1] == UNKNOWN
    layer.data_setitem((np.array([0]), np.array([0])), 0)
    assert (shown.data[0, 0], shown.data[1, 1]) == (0, UNKNOWN)


def test_closing_the_image_takes_colours_and_table_away(controller):
    measured(controller)
    controller.measuring.colour(True)
    spin(controller, lambda: colours_of(controller) is not None)
    controller.select_image("i2")
    assert controller.measuring.state.table is None
    assert all(x.name.startswith("i2") for x in controller.viewer.layers)


def test_an_edit_makes_the_table_out_of_date_and_measuring_again_mends_it(controller, page):
    n = len(measured(controller).labels)
    assert not page.outdated.text()
    controller.family.labels.data_setitem((np.array([0, 0, 0]), np.array([0, 1, 2])), 900)
    assert "measure again" in page.outdated.text()
    table = measured(controller)
    assert not page.outdated.text()
    assert len(table.labels) == n + 1
    controller.strokes.undo()
    assert controller.measuring.state.stale


def test_an_edit_during_the_measurement_is_noticed(controller):
    controller.measuring.measure()
    controller.family.labels.data_setitem((np.array([0]), np.array([0])), 900)
    spin(controller, lambda: controller.session.progress is None)
    assert controller.measuring.state.stale


def test_cancel_measures_nothing(controller, monkeypatch):
    asked = []

    def slow(what, columns=(), *, stop):
        while not stop():
            asked.append(True)
        return measure_objects(what, columns, stop=stop)

    monkeypatch.setattr("napari_cellseg.gui.app.measuring.measure_objects", slow)
    controller.measuring.measure()
    spin(controller, lambda: bool(asked))
    assert controller.views.newest.cancel.enabled
    controller.cancel()
    spin(controller, lambda: controller.session.progress is None)
    assert controller.measuring.state.table is None
    assert controller.session.problem is None
    assert "Cancelled" in controller.session.status


def test_a_row_shows_its_object_and_a_click_finds_the_row(controller, page):
    table = measured(controller)
    row = len(table.labels) // 2
    page.table.selectRow(row)
    label = int(table.labels[row])
    assert controller.measuring.state.object == label
    middle = [(s.start + s.stop - 1) / 2 for s in table.box(label)]
    world = controller.family.labels.data_to_world(middle)
    assert controller.viewer.scene.camera.center[-2:] == pytest.approx(world)
    (line,) = [x for x in controller.viewer.layers if x.name == "i1 [object]"]
    assert len(line.data) > 8
    assert controller.viewer.layers.selection.active is controller.family.labels
    other = int(table.labels[0])
    click(controller, other)
    assert page.table.label == other == controller.measuring.state.object
    click(controller, 0)
    assert controller.measuring.state.object == page.table.label == 0


def click(controller, label, *, drag=False, mode="pan_zoom", place=None):
    """Press and release on an object as napari tells it."""
    layer = controller.family.labels
    layer.mode = mode
    place = np.argwhere(layer.data == label)[0] if place is None else place
    event = MagicMock(position=layer.data_to_world(place), view_direction=None, dims_displayed=[0, 1])
    event.type = "mouse_press"
    (callback,) = [c for c in controller.viewer.mouse_drag_callbacks if "ObjectView" in getattr(c, "__qualname__", "")]
    steps = callback(controller.viewer, event)
    next(steps)
    if drag:
        event.type = "mouse_move"
        next(steps)
    event.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(steps)


def test_a_drag_or_a_stroke_chooses_nothing(controller):
    table = measured(controller)
    click(controller, int(table.labels[0]), drag=True)
    assert controller.measuring.state.object == 0
    click(controller, int(table.labels[0]), mode="paint")
    assert controller.measuring.state.object == 0


def test_a_click_of_a_tool_is_the_tools(controller):
    table = measured(controller)
    controller.tools.choose("merge")
    click(controller, int(table.labels[0]))
    assert controller.measuring.state.object == 0


def test_a_click_counts_whatever_layer_is_active(controller):
    table = measured(controller)
    controller.viewer.layers.selection.active = controller.family.image
    click(controller, int(table.labels[0]))
    assert controller.measuring.state.object == table.labels[0]


def test_columns_are_explained_in_the_units_of_the_image(controller, page):
    table = measured(controller)
    assert table.meaning("area").endswith("Unit: µm².")
    assert table.meaning("local_density").endswith("Unit: per mm².")
    assert "darker" in table.meaning("intensity_p95_1")
    assert all(table.meaning(c) for c in table.frame.columns)
    assert page.what.text() == table.meaning("area")


def test_sorting_keeps_rows_and_objects_together(controller, page):
    table = measured(controller)
    area = list(table.frame.columns).index("area")
    for order, sign in ((Qt.SortOrder.AscendingOrder, 1), (Qt.SortOrder.DescendingOrder, -1)):
        before = page.table.label
        page.table.sortByColumn(area, order)
        assert page.table.label == before  # what is marked stays marked
        want = table.frame.sort_values("area", ascending=sign > 0)["area"].round(2).tolist()
        model = page.table.model()
        got = [float(model.data(model.index(n, area))) for n in range(model.rowCount())]
        np.testing.assert_allclose(got, want, rtol=1e-3)
        page.table.selectRow(0)
        chosen = table.frame.set_index("label").loc[page.table.label, "area"]
        assert chosen == (table.frame["area"].min() if sign > 0 else table.frame["area"].max())
        assert controller.measuring.state.object == page.table.label


def test_measuring_again_keeps_the_order_and_the_colours(controller, page):
    table = measured(controller)
    area = list(table.frame.columns).index("area")
    page.table.sortByColumn(area, Qt.SortOrder.DescendingOrder)
    controller.measuring.choose_column("area")
    controller.measuring.colour(True)
    spin(controller, lambda: colours_of(controller) is not None)
    before = colours_of(controller)
    controller.family.labels.data_setitem((np.array([0, 0, 0]), np.array([0, 1, 2])), 900)
    table = measured(controller)
    spin(controller, lambda: not controller.measuring.worker.busy)
    shown = colours_of(controller)
    assert before not in controller.viewer.layers
    assert 0 < shown.data[0, 0] < UNKNOWN
    model = page.table.model()
    areas = [float(model.data(model.index(n, area))) for n in range(model.rowCount())]
    assert areas == sorted(areas, reverse=True)
    assert len(areas) == len(table.labels)


def test_objects_without_a_value_come_last(qtbot):
    labels = np.zeros((9, 9), np.uint32)
    labels[0, 0], labels[3:5, 3:8] = 1, 2
    table = Table("t", measure_objects(Measured(labels, None)))
    view = ObjectTable()
    qtbot.addWidget(view)
    view.show_table(table)
    column = list(table.frame.columns).index("aspect_ratio")
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        view.sortByColumn(column, order)
        view.selectRow(1)
        assert view.label == 1


def test_the_chosen_column_and_object_are_in_view_together(controller, page, qtbot):
    table = measured(controller)
    page.resize(360, 700)
    page.show()
    qtbot.waitExposed(page)
    controller.measuring.choose_column(table.columns[-1])
    place = page.table.horizontalScrollBar().value()
    assert place > 0
    controller.measuring.choose_object(int(table.labels[-1]))
    assert page.table.horizontalScrollBar().value() > place / 2


def test_a_loop_round_points_chooses_their_objects(controller, page, qtbot):
    table = measured(controller)
    page.against.setCurrentText("perimeter")
    page.against.activated.emit(page.against.currentIndex())
    plot = page.scatter
    plot.resize(300, 190)
    areas, middle = table.values("area"), np.median(table.values("area"))
    x = 8 + (middle + 1e-6 - areas.min()) / np.ptp(areas) * (300 - 16)
    for place, step in (((x, 0), qtbot.mousePress), ((400, 0), None), ((400, 400), None), ((x, 400), None)):
        point = QPoint(int(np.ceil(place[0])), int(place[1]))
        (step or qtbot.mouseMove)(plot, *([Qt.MouseButton.LeftButton] if step else []), pos=point)
    qtbot.mouseRelease(plot, Qt.MouseButton.LeftButton)
    chosen = controller.measuring.state.chosen
    assert areas[chosen.marked].min() > areas[~chosen.marked].max()
    assert page.table.model().rowCount() == len(chosen) < len(areas)
    assert f"{len(chosen)} of {len(areas)} objects" in page.several.text()
    spin(controller, lambda: colours_of(controller) is not None)
    shown, labels = colours_of(controller).data, controller.store().labels
    grey = {int(shown[labels == label].max()) == UNKNOWN for label in table.labels[~chosen.marked]}
    assert grey == {True}
    page.everyone.click()
    assert controller.measuring.state.chosen is None
    assert page.table.model().rowCount() == len(areas)
    assert plot.inside(np.array([(0, 0), (400, 0), (400, 400), (0, 400)])).tolist() == list(range(len(areas)))
    assert plot.grab().toImage().size().height() == 190


def test_what_a_loop_chose_is_approved_or_deleted_as_one_edit(controller, page):
    controller.select_image("i2")
    spin(controller, lambda: not controller.busy)
    table = measured(controller)
    store, labels = controller.store(), table.labels
    rows = np.argsort(table.values("area"))
    controller.measuring.choose_rows(rows[:3])
    page.show_view(resolve(controller.session))
    assert page.approve.isEnabled()
    before, n = store.labels.copy(), store.n
    page.approve.click()
    spin(controller, lambda: not controller.busy)
    mine = np.isin(before, labels[rows[:3]])
    assert (store.state[mine] == 2).all()
    assert not store.state[~mine].any()
    assert "Approved the 3 objects" in controller.session.status
    page.show_view(resolve(controller.session))
    assert page.delete.isEnabled(), "numbers of objects are theirs, also where an edit came between"
    controller.measuring.choose_rows(rows[2:5])
    page.delete.click()
    assert controller.session.status == "Deleted 2 objects; 1 object stayed, being approved."
    np.testing.assert_array_equal(store.labels > 0, (before > 0) & ~np.isin(before, labels[rows[3:5]]))
    controller.strokes.undo()
    spin(controller, lambda: not controller.busy)
    np.testing.assert_array_equal(store.labels, before)
    controller.measuring.choose_rows(rows[:2])
    page.delete.click()
    assert "None of these objects may go" in controller.session.status, "all of them are approved"
    assert store.n > n


def test_the_histogram_counts_every_object(controller, page, qtbot):
    table = measured(controller)
    for column in table.columns:
        bins = bins_of(table, column)
        assert sum(bins.counts) == np.isfinite(table.values(column)).sum()
    plot = ValuePlot()
    qtbot.addWidget(plot)
    plot.resize(300, 104)
    pictures = []
    for coloured in (False, True):
        plot.show_bins(bins_of(table, "area"), coloured)
        pictures.append(plot.grab().toImage())
    assert pictures[0] != pictures[1]


def test_the_dock_chooses_among_the_declared_columns(controller, page):
    measured(controller)
    names = {page.column.itemText(n) for n in range(page.column.count())}
    declared = {c.name for c in COLUMNS if 2 in c.dims and c.group != "intensity"}
    assert {n for n in names if not n.startswith("intensity")} == declared - {
        "label",
        "unit",
        "class",
        "touches_border",
    }


def test_in_a_project_of_classes_rows_are_regions(opened, tmp_path):
    classes = np.zeros((40, 50), np.uint32)
    classes[5:15, 5:20], classes[20:30, 5:9], classes[20:35, 30:45] = 1, 1, 2
    tifffile.imwrite(tmp_path / "i1.tif", np.arange(2000, dtype=np.uint16).reshape(40, 50))
    with cs.new(tmp_path / "c", "semantic", ["nucleus", "debris"], model="none") as project:
        project.add(tmp_path / "i1.tif", classes)
        path = project.path
    controller = opened(path, engine=False)
    table = measured(controller)
    assert table.frame["class"].tolist() == [1, 1, 2]
    assert controller.family.labels.features.empty
    small = int(table.labels[table.values("pixels").argmin()])
    click(controller, 1, place=(25, 6))
    assert controller.measuring.state.object == small
    (line,) = [x for x in controller.viewer.layers if x.name == "i1 [object]"]
    assert line.data[:, 0, 0].min() > 18
    controller.measuring.colour(True)
    spin(controller, lambda: colours_of(controller) is not None)
    shown = colours_of(controller).data
    assert len({int(shown[10, 10]), int(shown[25, 6]), int(shown[30, 40])}) == 3
    controller.close()
    with cs.open(path) as project:
        pd.testing.assert_frame_equal(project.measure().table.drop(columns="image"), table.frame)


# --- layers that are not ours -----------------------------------------------------------------------


@pytest.fixture
def foreign(opened):
    """A controller without a project, and a labels layer of somebody else with its image."""
    controller = Controller(ViewerModel())
    image, labels = synthetic_cells((60, 70), 8, radius=8, seed=6)
    controller.viewer.add_image(image, name="picture")
    layer = controller.viewer.add_labels(labels.astype(np.int32), name="theirs", scale=(500, 500), units=("nm", "nm"))
    yield controller, layer, image
    controller.close()


def test_any_labels_layer_is_measured(foreign):
    controller, layer, image = foreign
    assert "theirs" in resolve(controller.session).measure.state.labels_there
    controller.measuring.measure_layer(layer)
    spin(controller, lambda: controller.session.progress is None)
    table = controller.measuring.state.table
    want = cs.measure(np.asarray(layer.data), image, spacing_um=(0.5, 0.5))
    pd.testing.assert_frame_equal(table.frame, want)
    assert controller.viewer.layers["theirs"].features["index"].tolist() == want["label"].tolist()
    assert "Measure" not in controller.views.newest.calls
    layer.data_setitem((np.array([0]), np.array([0])), 77)
    assert controller.measuring.state.stale
    controller.viewer.layers.remove(layer)
    assert controller.measuring.state.table is None
    assert controller.measuring.state.labels == ""


def test_another_image_layer_must_fit(foreign):
    controller, layer, _ = foreign
    controller.viewer.add_image(np.zeros((5, 5)), name="small")
    controller.measuring.choose_labels("theirs")
    controller.measuring.choose_pixels("small")
    controller.measuring.measure()
    assert "another shape" in controller.session.problem.message


def test_with_nothing_open_the_button_says_why(qtbot):
    controller = Controller(ViewerModel())
    page = MeasurePage(controller)
    qtbot.addWidget(page)
    page.show_view(controller.views.newest)
    assert not page.button.isEnabled()
    assert "Open an image" in page.button.toolTip()
    controller.measuring.measure()
    assert controller.session.problem is not None
    controller.close()


@pytest.mark.parametrize(
    ("units", "want"), [(("um", "um"), (2, 3)), (("nm", "nm"), (0.002, 0.003)), (("pixel", "pixel"), None), ((), None)]
)
def test_units_of_layers(units, want):
    assert spacing_um((1, 2, 3), units, 2) == (pytest.approx(want) if want else None)


def test_colours_go_from_the_first_to_the_last():
    labels, values = np.arange(1, 101), np.append(np.arange(99.0), np.nan)
    levels = Levels.by("x", labels, values, (0.0, 98.0))
    assert set(levels.levels) == {*range(1, LEVELS + 1), UNKNOWN}
    assert levels.levels[-1] == UNKNOWN
    for dtype in (np.uint8, np.int32, np.uint32, np.int64):
        shown = levels.of(np.array([[0, 1, 99, 100, 120]], dtype))
        assert shown.tolist() == [[0, 1, LEVELS, UNKNOWN, UNKNOWN]]
    layer = Labels(levels.of(np.arange(101).reshape(1, -1)), colormap=objects._colormap())
    for value in (1, LEVELS, UNKNOWN):
        np.testing.assert_allclose(layer.get_color(value), level_colours()[value], atol=0.01)
    assert layer.get_color(0) is None or not np.any(layer.get_color(0)[3:])


def test_a_volume_is_measured_and_looked_at(opened, tmp_path):
    image, labels = synthetic_cells((12, 48, 50), 6, radius=7, seed=3)
    tifffile.imwrite(tmp_path / "v.tif", image)
    with cs.new(tmp_path / "v", model="none") as project:
        project.add(tmp_path / "v.tif", labels, axes="ZYX", spacing=(2.0, 1.0, 1.0))
        path = project.path
    controller = opened(path, engine=False)
    table = measured(controller)
    assert {"volume", "surface_area"} <= set(table.columns)
    label = int(table.labels[-1])
    controller.measuring.choose_object(label, look=True)
    box = table.box(label)
    assert controller.viewer.dims.point[0] == pytest.approx(2.0 * round((box[0].start + box[0].stop - 1) / 2))
    (line,) = [x for x in controller.viewer.layers if x.name.endswith("[object]")]
    assert len(line.data) > 0
