"""FUCCI in the dock: states of all images, lines that are dragged, colours that follow, states that a person says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.qt.page_measure import MeasurePage
from napari_cellseg.measurement import FUCCI_STATES, STATE_NAMES
from napari_cellseg.project import fucci_setup, said_states
from napari_cellseg.samples import synthetic_spheroid

from .waiting import spin


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project of two images with three channels each."""
    with cs.new(tmp_path / "p", model="none") as project:
        for k in (1, 2):
            image, labels, _ = synthetic_spheroid((140, 150), 60, radius=8, seed=k)
            tifffile.imwrite(tmp_path / f"s_t{k}.tif", image, imagej=True, metadata={"axes": "CYX"})
            project.add(tmp_path / f"s_t{k}.tif", labels)
        return project.path


@pytest.fixture
def controller(opened, folder) -> Controller:
    controller = opened(folder, engine=False)
    spin(controller, lambda: bool(controller.measuring.fucci.state.channels))
    return controller


@pytest.fixture
def page(controller, qtbot) -> MeasurePage:
    page = MeasurePage(controller)
    page.resize(380, 1400)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    page.cycle.expand()
    return page


def told(controller):
    """The states of all nuclei, after Tell states."""
    fucci = controller.measuring.fucci
    for role, channel in (("red", "1"), ("green", "2")):
        fucci.choose_channel(role, channel)
    fucci.tell()
    spin(controller, lambda: fucci.state.points is not None and not controller.busy)
    assert controller.session.problem is None
    return fucci


def shown(controller):
    """The state under every pixel, a number from 1; 0 of background."""
    spin(controller, lambda: not controller.busy)
    layer = next(x for x in controller.viewer.layers if x.name.endswith("[FUCCI]"))
    return np.asarray(layer.data)


def expected(controller):
    """The same, worked out from the points."""
    points = controller.measuring.fucci.state.points
    labels = controller.store().labels
    of = np.zeros(int(labels.max()) + 1, np.uint8)
    of[points.labels[points.mine]] = points.states[points.mine] + 1
    return of[labels]


def test_channels_are_asked_for_first(controller, page):
    assert page.cycle.isVisibleTo(page)
    assert not page.fucci.tell.isEnabled()
    box = page.fucci.channels["red"]
    assert [box.itemText(n) for n in range(box.count())] == ["(choose)", "channel 1", "channel 2", "channel 3"]
    for role, n in (("red", 1), ("green", 2)):
        page.fucci.channels[role].setCurrentIndex(n)
        page.fucci.channels[role].activated.emit(n)
    assert page.fucci.tell.isEnabled()
    assert (fucci_setup(controller.session.project).red, fucci_setup(controller.session.project).green) == ("1", "2")


def test_an_image_of_one_channel_has_no_fucci(opened, project):
    controller = opened(project.path, engine=False)
    spin(controller, lambda: not controller.busy)
    assert not controller.views.newest.measure.fucci.there


def test_the_dock_saves_what_the_command_writes(controller, page, folder, tmp_path, monkeypatch):
    told(controller)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a.csv"), ""))
    page.fucci.save.click()
    controller.close()
    assert main(["fucci", str(folder), "--csv", str(tmp_path / "b.csv"), "--summary", str(tmp_path / "b_s.csv")]) == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    assert (tmp_path / "a_summary.csv").read_text() == (tmp_path / "b_s.csv").read_text()


def test_nuclei_have_the_colours_of_their_states(controller, page):
    fucci = told(controller)
    np.testing.assert_array_equal(shown(controller), expected(controller))
    page.fucci.colour.click()
    assert not [x for x in controller.viewer.layers if "FUCCI" in x.name]
    page.fucci.colour.click()
    np.testing.assert_array_equal(shown(controller), expected(controller))
    assert fucci.state.coloured


def drag(qtbot, plot, marker, share):
    """Take a line and let it go elsewhere: so much of the plot's size to the right, or downwards."""
    x, y = int(plot.place("red")), int(plot.place("green"))
    start = QPoint(x, 40) if marker == "red" else QPoint(plot.width() - 40, y)
    end = start + (QPoint(int(share * plot.width()), 0) if marker == "red" else QPoint(0, int(share * plot.height())))
    qtbot.mousePress(plot, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(plot, start + (end - start) / 2)
    qtbot.mouseMove(plot, end)
    qtbot.mouseRelease(plot, Qt.MouseButton.LeftButton, pos=end)


@pytest.mark.parametrize(("marker", "by"), [("red", 0.4), ("green", 0.3)])
def test_a_dragged_line_recolours_and_is_kept(controller, page, qtbot, marker, by):
    fucci = told(controller)
    first, before = fucci.state.values, shown(controller).copy()
    layer = next(x for x in controller.viewer.layers if x.name.endswith("[FUCCI]"))
    drag(qtbot, page.fucci.plot, marker, by)
    k = 0 if marker == "red" else 1
    assert (fucci.state.values[k] > first[k]) == (marker == "red")  # upwards is less in the window
    assert fucci.state.values[1 - k] == first[1 - k]
    np.testing.assert_array_equal(shown(controller), expected(controller))
    assert (shown(controller) != before).any()
    assert layer in controller.viewer.layers  # in place: a layer that came and went would flicker
    kept = fucci_setup(controller.session.project)
    assert (kept.red_threshold, kept.green_threshold)[k] == pytest.approx(fucci.state.values[k])
    page.fucci.propose.click()
    assert fucci.state.values == first
    assert fucci_setup(controller.session.project).red_threshold is None


def test_a_number_moves_the_line(controller, page):
    fucci = told(controller)
    page.fucci.above["red"].setValue(2500)
    assert fucci.state.values[0] == 2500
    assert fucci_setup(controller.session.project).red_threshold == 2500


def test_counts_are_said(controller, page):
    points = told(controller).state.points
    for n, state in enumerate(FUCCI_STATES):
        assert state.name in page.fucci.counts.text()
        assert f">{points.counts(False)[n]:,} (" in page.fucci.counts.text()
    assert sum(points.counts(True)) == int(points.mine.sum())


def test_a_state_that_is_said_is_kept_and_exported(controller, page, folder):
    fucci = told(controller)
    points = fucci.state.points
    assert not page.fucci.states["G1"].isEnabled()
    row = int(np.flatnonzero(points.mine & (points.states == 2))[0])
    label = int(points.labels[row])
    controller.measuring.choose_object(label)
    assert f"Nucleus {label}: S/G2/M (by the thresholds)" in page.fucci.object.text()
    page.fucci.states["G1"].click()
    assert f"Nucleus {label}: G1 (you said so)" in page.fucci.object.text()
    np.testing.assert_array_equal(shown(controller), expected(controller))
    image = controller.session.image
    assert [s.word for s in said_states(controller.session.project, image)] == ["G1"]
    controller.close()
    with cs.open(folder) as project:
        table = project.fucci().table
    said = table[table["decided_by"] == "hand"]
    assert (said["image"].tolist(), said["label"].tolist(), said["state"].tolist()) == ([image], [label], ["G1"])


def test_what_was_said_is_taken_back(controller, page):
    fucci = told(controller)
    label = int(fucci.state.points.labels[fucci.state.points.mine][0])
    before = expected(controller)
    controller.measuring.choose_object(label)
    page.fucci.states["M to G1"].click()
    page.fucci.states["G1 to S"].click()
    page.fucci.back.click()
    np.testing.assert_array_equal(shown(controller), before)
    assert said_states(controller.session.project, controller.session.image) == ()


def test_a_point_that_is_clicked_on_chooses_its_nucleus(controller, page, qtbot):
    points = told(controller).state.points
    plot = page.fucci.plot
    places, lines = plot._places(), np.array([plot.place("red"), plot.place("green")])
    far = points.mine & (np.abs(places - lines) > 12).all(axis=1)
    row = int(np.flatnonzero(far)[0])
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(*(int(round(v)) for v in places[row])))
    chosen = controller.measuring.state.object
    other = points.mine & (points.labels == chosen)
    assert np.hypot(*(places[other][0] - places[row])) <= 6


def test_the_other_image_has_its_own_colours(controller, page):
    told(controller)
    controller.step_image(1)
    spin(controller, lambda: controller.session.image == "s_t2" and not controller.busy)
    np.testing.assert_array_equal(shown(controller), expected(controller))
    assert [x.name for x in controller.viewer.layers if "FUCCI" in x.name] == ["s_t2 [FUCCI]"]


def test_another_channel_makes_states_worthless(controller, page):
    fucci = told(controller)
    fucci.set_threshold("red", 2000.0)
    fucci.choose_channel("red", "3")
    assert fucci.state.points is None
    assert fucci_setup(controller.session.project).red_threshold is None
    assert not [x for x in controller.viewer.layers if "FUCCI" in x.name]
    fucci.choose_channel("red", "2")
    assert "both red and green" in controller.session.problem.message


def test_the_table_and_the_states_do_not_mix_colours(controller, page):
    told(controller)
    controller.measuring.measure()
    spin(controller, lambda: controller.session.progress is None and not controller.busy)
    controller.measuring.colour(True)
    spin(controller, lambda: not controller.busy)
    names = [x.name for x in controller.viewer.layers]
    assert "s_t1 [area]" in names
    assert "s_t1 [FUCCI]" not in names
    page.fucci.colour.click()
    spin(controller, lambda: not controller.busy)
    names = [x.name for x in controller.viewer.layers]
    assert "s_t1 [FUCCI]" in names
    assert "s_t1 [area]" not in names
    assert not page.colour.isChecked()


def test_another_layer_is_measured_without_states(controller, page):
    told(controller)
    controller.viewer.add_labels(np.asarray(controller.store().labels).copy(), name="theirs")
    controller.measuring.choose_labels("theirs")
    assert not controller.measuring.fucci.state.coloured
    assert not [x for x in controller.viewer.layers if "FUCCI" in x.name]
    page.fucci.colour.click()  # the open image's nuclei are meant again
    np.testing.assert_array_equal(shown(controller), expected(controller))
    assert controller.measuring.state.labels == ""


def test_a_nucleus_of_the_next_image_can_be_spoken_of(controller, page):
    fucci = told(controller)
    page.fucci.colour.click()
    controller.step_image(1)
    spin(controller, lambda: controller.session.image == "s_t2" and not controller.busy)
    label = int(fucci.state.points.labels[fucci.state.points.mine][3])
    controller.measuring._view._clicked(label)
    page.fucci.states["G1 to S"].click()
    assert [s.word for s in said_states(controller.session.project, "s_t2")] == ["G1 to S"]
    assert said_states(controller.session.project, "s_t1") == ()


def test_edited_labels_are_said(controller, page):
    told(controller)
    assert "edited" not in page.fucci.doubt.text()
    y, x = (axis[:1] for axis in np.nonzero(controller.store().labels == 0))
    controller.family.labels.data_setitem((y, x), 500)
    assert "Labels were edited" in page.fucci.doubt.text()


def test_states_by_name_are_those_of_the_core():
    assert list(STATE_NAMES) == [s.name for s in FUCCI_STATES]
    assert pd.Series(STATE_NAMES).is_unique
