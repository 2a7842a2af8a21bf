"""Classes of objects in the dock: the real buttons, colours that follow, the same tables as the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import Qt

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.qt.page_measure import MeasurePage
from napari_cellseg.project import said_classes
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project of two images."""
    with cs.new(tmp_path / "p", model="none") as project:
        for k in (1, 2):
            image, truth = synthetic_cells((160, 170), 25, radius=9, seed=k)
            tifffile.imwrite(tmp_path / f"c{k}.tif", image)
            project.add(tmp_path / f"c{k}.tif", truth)
        return project.path


@pytest.fixture
def controller(opened, folder) -> Controller:
    return opened(folder, engine=False)


@pytest.fixture
def page(controller, qtbot) -> MeasurePage:
    page = MeasurePage(controller)
    page.resize(380, 1400)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    page.classes.folded.expand()
    return page


def press(qtbot, controller, button) -> None:
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None, controller.session.problem


def add(qtbot, controller, page, *names) -> None:
    for name in names:
        page.classes.name.setText(name)
        press(qtbot, controller, page.classes.add)


def sizes(controller) -> dict[int, int]:
    ids, counts = np.unique(controller.store().labels, return_counts=True)
    return dict(zip(ids[1:].tolist(), counts[1:].tolist(), strict=True))


def say_sizes(qtbot, controller, page, n: int) -> dict[int, str]:
    """Say of the n smallest and largest objects that they are so."""
    order = sorted(sizes(controller), key=sizes(controller).get)
    said = {**dict.fromkeys(order[:n], "small"), **dict.fromkeys(order[-n:], "large")}
    for label, name in said.items():
        controller.measuring.choose_object(label)
        press(qtbot, controller, page.classes.list.lines[name].button)
    return said


def colours(controller) -> np.ndarray:
    return np.asarray(next(x for x in controller.viewer.layers if x.name.endswith("[classes]")).data)


def test_a_click_and_a_button_class_an_object_and_colour_all(controller, page, qtbot):
    add(qtbot, controller, page, "small", "large")
    assert not page.classes.list.lines["small"].button.isEnabled()  # nothing is chosen
    said = say_sizes(qtbot, controller, page, 5)
    state = controller.measuring.classes.state
    assert {s.word for s in said_classes(controller.project(), controller.session.image)} == {"small", "large"}
    labels = controller.store().labels
    for label, name in said.items():
        row = state.here.row(label)
        assert (state.classes[state.here.codes[row]].name, state.here.by[row]) == (name, "hand")
    expected = np.zeros(int(labels.max()) + 1, np.uint8)
    expected[state.here.labels] = state.here.codes + 1
    np.testing.assert_array_equal(colours(controller), expected[labels])
    assert (state.here.codes >= 0).all()  # the classifier decided the rest
    assert "right when left out" in page.classes.words.text()
    assert page.classes.list.lines["small"].here.text() == str(int((state.here.codes == 0).sum()))
    press(qtbot, controller, page.classes.colour)
    assert not [x for x in controller.viewer.layers if x.name.endswith("[classes]")]


def test_window_and_command_line_give_one_table(controller, page, qtbot, folder, tmp_path):
    add(qtbot, controller, page, "small", "large")
    say_sizes(qtbot, controller, page, 4)
    page.classes.rules.setPlainText("border: touches_border and area < 90\n")
    press(qtbot, controller, page.classes.use_rules)
    press(qtbot, controller, page.classes.count)
    state, image = controller.measuring.classes.state, controller.session.image
    assert main(["classify", str(folder), "--csv", str(tmp_path / "o.csv"), "--summary", str(tmp_path / "s.csv")]) == 0
    table = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)
    mine = table[table["image"] == image]
    names = [state.classes[c].name if c >= 0 else "" for c in state.here.codes]
    assert mine["label"].tolist() == state.here.labels.tolist()
    assert mine["class"].tolist() == names
    assert mine["decided_by"].tolist() == state.here.by.tolist()
    group = pd.read_csv(tmp_path / "s.csv").iloc[-1]
    assert [int(group[f"n_{c.name}"]) for c in state.classes] == list(state.everywhere[:-1])
    controller.measuring.measure_all(tmp_path / "m.csv")
    spin(controller, lambda: not controller.busy)
    both = pd.read_csv(tmp_path / "m.csv", keep_default_na=False)
    assert both["class"].tolist() == table["class"].tolist()


def test_least_sure_brings_the_next_object_and_keys_class_it(controller, page, qtbot):
    add(qtbot, controller, page, "small", "large")
    say_sizes(qtbot, controller, page, 3)
    unsure = controller.measuring.classes.state.unsure
    press(qtbot, controller, page.classes.next)
    assert controller.measuring.state.object == unsure[0]
    press(qtbot, controller, page.classes.next)
    assert controller.measuring.state.object == unsure[1]
    keys = controller.family.labels.keymap
    pressed = {str(k): v for k, v in keys.items()}
    pressed["Ctrl+2"](controller.family.labels)
    spin(controller, lambda: not controller.busy)
    assert unsure[1] not in controller.measuring.classes.state.unsure
    state = controller.measuring.classes.state
    assert state.here.by[state.here.row(unsure[1])] == "hand"
    pressed["Ctrl+0"](controller.family.labels)
    spin(controller, lambda: not controller.busy)
    assert controller.measuring.classes.state.here.by[state.here.row(unsure[1])] == "classifier"
    pressed["Ctrl+L"](controller.family.labels)
    assert controller.measuring.state.object


def test_several_are_classed_at_once(controller, page, qtbot):
    add(qtbot, controller, page, "a")
    controller.measuring.measure()
    spin(controller, lambda: not controller.busy)
    controller.measuring.choose_rows(np.arange(4))
    spin(controller, lambda: not controller.busy)
    assert "4 objects are chosen" in page.classes.object.text()
    press(qtbot, controller, page.classes.list.lines["a"].button)
    assert len(said_classes(controller.project(), controller.session.image)) == 4


def test_classes_are_renamed_moved_and_removed(controller, page, qtbot):
    add(qtbot, controller, page, "a", "b")
    controller.measuring.choose_object(next(iter(sizes(controller))))
    controller.measuring.classes.say([controller.measuring.state.object], "a")
    spin(controller, lambda: not controller.busy)
    page.classes.name.setText("alive")
    press(qtbot, controller, page.classes.list.lines["a"].rename)
    assert [s.word for s in said_classes(controller.project(), controller.session.image)] == ["alive"]
    press(qtbot, controller, page.classes.list.lines["b"].up)
    assert [c.name for c in controller.measuring.classes.state.classes] == ["b", "alive"]
    press(qtbot, controller, page.classes.list.lines["alive"].remove)
    assert list(page.classes.list.lines) == ["b"]
    add(qtbot, controller, page, "alive")
    assert len(said_classes(controller.project(), controller.session.image)) == 1  # it came back with its class


def test_a_rule_that_cannot_be_read_is_said_and_kept_nowhere(controller, page, qtbot):
    add(qtbot, controller, page, "a")
    page.classes.rules.setPlainText("a: area <")
    qtbot.mouseClick(page.classes.use_rules, Qt.MouseButton.LeftButton)
    assert "something is missing" in controller.session.problem.message
    assert controller.measuring.classes.state.rules == ()


def test_another_image_has_its_own_classes_of_the_same_words(controller, page, qtbot):
    add(qtbot, controller, page, "small", "large")
    say_sizes(qtbot, controller, page, 4)
    other = next(r.id for r in controller.session.images if r.id != controller.session.image)
    controller.select_image(other)
    spin(controller, lambda: controller.measuring.classes.state.here is not None and not controller.busy)
    state = controller.measuring.classes.state
    assert set(state.here.by.tolist()) == {"classifier"}
    assert colours(controller).shape == controller.store().labels.shape


def test_masks_with_classes_are_written_and_taken(controller, page, qtbot, tmp_path):
    add(qtbot, controller, page, "small", "large")
    said = say_sizes(qtbot, controller, page, 4)
    names = ["small", "large"]
    state = controller.measuring.classes.state
    told = {int(n): names[c] for n, c in zip(state.here.labels, state.here.codes, strict=True)}
    controller.masks.write(tmp_path / "m.geojson")
    spin(controller, lambda: not controller.busy)
    for label in said:
        controller.measuring.classes.say([label], "")
    spin(controller, lambda: not controller.busy)
    assert said_classes(controller.project(), controller.session.image) == ()
    controller.session.update(choices=replace(controller.session.choices, locked=False))
    controller.masks.take(tmp_path / "m.geojson", approved=True)
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None
    state = controller.measuring.classes.state
    assert {int(n): names[c] for n, c in zip(state.here.labels, state.here.codes, strict=True)} == told
    assert set(state.here.by.tolist()) == {"hand"}
