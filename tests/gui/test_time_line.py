"""A time series in the window: one entry, a slider, and what stays from frame to frame."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cellseg import samples
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.qt.time_slider import TimeSlider
from napari_cellseg.project import Project, time_series_in

from .waiting import spin


def done(controller):
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None, controller.session.problem


@pytest.fixture
def folder(tmp_path):
    """Four frames of cells that move right by two pixels each time, and an image beside them."""
    picture, labels = samples.synthetic_cells((96, 96), 8, radius=7, touching=0.0, seed=1)
    picture = np.round(200 * (picture - picture.min()) / np.ptp(picture)).astype(np.uint8)
    frames = np.stack([np.roll(picture, 2 * t, 1) for t in range(4)])
    tifffile.imwrite(tmp_path / "film.ome.tif", frames, ome=True, metadata={"axes": "TYX", "TimeIncrement": 60.0})
    np.save(tmp_path / "one.npy", picture)
    with Project.create(tmp_path / "p") as project:
        truth = np.stack([np.roll(labels, 2 * t, 1) for t in range(4)])
        project.add_image(tmp_path / "film.ome.tif", labels=truth, draft=True)
        project.add_image(tmp_path / "one.npy")
        return project.path


@pytest.fixture
def controller(opened, folder):
    return opened(folder, engine=False)


def test_a_series_is_one_line_with_its_frames(controller):
    view = resolve(controller.session)
    assert [(i.key, i.detail, i.mark) for i in view.images] == [
        ("film", "4 frames, 96 x 96", "predicted"), ("one", "96 x 96", "not begun"),
    ] or [i.mark for i in view.images] == ["", ""]  # fmt: skip
    assert (view.entry, view.image_position) == ("film", "1 / 2")
    assert (view.time.series, view.time.frame, view.time.frames, view.time.text) == ("film", 0, 4, "1 / 4, 0 s")
    controller.select_image("one")
    assert resolve(controller.session).time.series == ""


def test_going_through_frames_keeps_view_contrast_and_brush(controller):
    family, camera = controller.family, controller.viewer.camera
    family.channels.layers[0].contrast_limits = (10.0, 77.0)
    family.labels.brush_size, family.labels.contour, family.state.visible = 7, 1, False
    camera.zoom, camera.center = 3.5, (0.0, 20.0, 30.0)
    controller.time.step(1)
    done(controller)
    assert controller.session.image == "film_t0001"
    assert controller.family is not family
    assert (camera.zoom, camera.center[1:]) == (3.5, (20.0, 30.0))
    new = controller.family
    assert tuple(new.channels.layers[0].contrast_limits) == (10.0, 77.0)
    assert (new.labels.brush_size, new.labels.contour, new.state.visible) == (7, 1, False)
    assert new.labels.visible
    assert resolve(controller.session).time.text == "2 / 4, 60 s"
    controller.select_image("one")  # another image is looked at afresh
    done(controller)
    assert camera.zoom != 3.5
    controller.select_image("film")  # where it was
    assert controller.session.image == "film_t0001"


def test_the_ends_and_images_without_time_are_said(controller):
    controller.time.step(-1)
    assert "first frame of film" in controller.session.status
    controller.time.go(99)
    assert controller.session.image == "film_t0003"
    controller.time.step(1)
    assert "last frame of film" in controller.session.status
    controller.select_image("one")
    controller.time.step(1)
    assert "no frame of a time series" in controller.session.status


def test_arrows_go_from_line_to_line(controller):
    controller.time.go(2)
    controller.step_image(1)
    assert controller.session.image == "one"
    controller.step_image(1)
    assert controller.session.image == "film_t0002"


def test_the_menu_changes_the_series_as_one(controller):
    controller.time.go(1)
    controller.images.rename("film", "cells")
    done(controller)
    assert [i.key for i in resolve(controller.session).images] == ["cells", "one"]
    assert controller.session.image.startswith("cells_t")
    assert "4 frames" in controller.images.what_goes("cells")
    controller.images.remove("cells")
    done(controller)
    view = resolve(controller.session)
    assert (controller.session.image, [i.key for i in view.images]) == ("one", ["one"])
    controller.images.restore(view.removed[0].key)
    done(controller)
    assert resolve(controller.session).entry == "cells"


def test_export_all_writes_one_file_as_the_command_line_does(controller, folder, tmp_path):
    from napari_cellseg.cli import main

    controller.export_all(tmp_path / "dock", "tif")
    done(controller)
    assert main(["export", str(folder), "--out", str(tmp_path / "line")]) == 0
    names = ["film_labels.tif", "one_labels.tif"]
    for place in ("dock", "line"):
        assert sorted(p.name for p in (tmp_path / place).iterdir()) == names
    for name in names:
        np.testing.assert_array_equal(*(tifffile.imread(tmp_path / place / name) for place in ("dock", "line")))


def test_the_slider_opens_frames(controller, qtbot):
    from napari_cellseg.gui.qt.time_slider import TimeSlider

    slider = TimeSlider(controller)
    qtbot.addWidget(slider)
    controller.views.changed.connect(slider.show_view)
    slider.show_view(controller.views.newest)
    assert (slider.slider.maximum(), slider.text.text()) == (3, "1 / 4, 0 s")
    slider.slider.setValue(2)
    done(controller)
    assert controller.session.image == "film_t0002"
    assert slider.slider.value() == 2
    slider.forward.click()
    done(controller)
    assert (controller.session.image, slider.forward.isEnabled()) == ("film_t0003", False)
    controller.views.changed.disconnect(slider.show_view)


def test_images_whose_names_tell_time_are_joined_from_the_menu(opened, tmp_path, qtbot):
    from qtpy.QtWidgets import QMenu

    from napari_cellseg.gui.qt.image_menu import ImageMenu
    from napari_cellseg.project import time_series_in

    rng = np.random.default_rng(0)
    with Project.create(tmp_path / "j") as project:
        for name in ("run_t2", "run_t10", "run_t1", "other"):
            np.save(tmp_path / f"{name}.npy", rng.integers(0, 99, (48, 48)).astype(np.uint8))
            project.add_image(tmp_path / f"{name}.npy")
        path = project.path
    controller = opened(path, engine=False)
    button, menu = ImageMenu(controller), QMenu()
    for widget in (button, menu):
        qtbot.addWidget(widget)
    button.fill(menu, "other")
    assert not [e for e in menu.actions() if "time series" in e.text()]
    button.fill(menu, "run_t2")
    (entry,) = (e for e in menu.actions() if "time series" in e.text())
    assert entry.text() == "Make one time series: run (3 frames)"
    entry.trigger()
    done(controller)
    assert [i.key for i in resolve(controller.session).images] == ["run", "other"]
    (series,) = time_series_in(controller.project().images()).values()
    assert series.ids == ("run_t1", "run_t2", "run_t10")
    assert resolve(controller.session).time.frames == 3


@pytest.mark.parametrize(
    ("text", "seconds", "said"),
    [("15", 900, "15 min"), ("0.5 h", 1800, "30 min"), ("90 s", 90, "90 s"), ("1,5", 90, "90 s"), ("", None, "")],
)
def test_the_interval_is_said_in_the_window_and_holds_on_disk(controller, folder, text, seconds, said):
    before = resolve(controller.session).time
    assert (before.interval, before.change.enabled) == ("60 s", True)
    controller.time.set_interval(text)
    assert controller.session.problem is None
    view = resolve(controller.session).time
    assert (view.interval, view.frame, controller.session.image) == (said, before.frame, "film_t0000")
    with Project.open(folder) as project:
        assert time_series_in(project.images())["film"].interval_s == (
            None if seconds is None else pytest.approx(seconds)
        )


@pytest.mark.parametrize("text", ["soon", "-5", "0", "5 apples", "1.2.3"])
def test_what_is_no_interval_is_refused_and_nothing_is_written(controller, folder, text):
    controller.time.set_interval(text)
    assert "no time" in controller.session.problem.message
    with Project.open(folder) as project:
        assert time_series_in(project.images())["film"].interval_s == 60


def test_an_image_alone_has_no_interval(controller):
    controller.select_image("one")
    controller.time.set_interval("15")
    assert "time series" in controller.session.problem.message


def test_the_field_of_the_interval_is_written_into_and_says_what_holds(qapp, controller):
    slider = TimeSlider(controller)
    slider.show_view(resolve(controller.session))
    assert slider.interval.text() == "60 s"
    controller.views.changed.connect(slider.show_view)
    for written, shown in (("20", "20 min"), ("never", "20 min")):
        slider.interval.selectAll()
        QTest.keyClicks(slider.interval, written)
        QTest.keyClick(slider.interval, Qt.Key.Key_Return)
        assert slider.interval.text() == shown
    controller.views.changed.disconnect(slider.show_view)
    slider.deleteLater()
