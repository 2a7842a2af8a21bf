"""The spot check in the viewer: keys, clicks, images that change, what is kept, what is said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.layers.spot_marks import SpotMarks
from napari_cellseg.gui.qt.page_rounds import RoundsPage
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.trust import said

from .test_keys import press
from .waiting import spin


@pytest.fixture
def folder(tmp_path):
    """Two images with labels that nobody has touched."""
    with Project.create(tmp_path / "p") as project:
        for k in range(2):
            pixels, labels = synthetic_cells((192, 224), 40, radius=9, seed=k)
            np.save(tmp_path / f"cells{k}.npy", pixels)
            (id,) = project.add_image(tmp_path / f"cells{k}.npy")
            project.draft_labels(id, labels, tool="predict")
        return project.path


@pytest.fixture
def controller(opened, folder) -> Controller:
    return opened(folder, engine=False)


def begin(controller: Controller, objects: int = 12, fields: int = 2) -> None:
    controller.spot.begin(objects, fields)
    spin(controller, lambda: controller.session.spot.place is not None)


def click(controller: Controller, voxel: tuple[int, ...], *, drag: bool = False) -> None:
    """As napari does it: the callback of the viewer is a generator."""
    event = SimpleNamespace(position=voxel, type="mouse_press", button=1)
    ours = [c for c in controller.viewer.mouse_drag_callbacks if isinstance(getattr(c, "__self__", None), SpotMarks)]
    for callback in ours:
        work = callback(controller.viewer, event)
        next(work)
        event.type = "mouse_move" if drag else "mouse_release"
        for _ in work:
            event.type = "mouse_release"


def names(controller: Controller) -> list[str]:
    return [layer.name for layer in controller.viewer.layers]


def test_one_key_each_goes_through_all_images_and_says_what_python_says(controller, folder):
    begin(controller)
    answers = {}
    images = set()
    keys = {"right": "0", "wrong": "R", "unsure": "9"}
    while (place := controller.session.spot.place) is not None and place.kind == "object":
        images.add(controller.session.image)
        assert controller.session.image == place.image
        assert f"{place.image} [spot check]" in names(controller)
        word = ("right", "right", "wrong", "unsure")[place.number % 4]
        answers[place.number] = word
        press(controller, keys[word])
    assert images == {"cells0", "cells1"}
    while (place := controller.session.spot.place) is not None:
        for n in range(place.number % 3 + 1):
            click(controller, (place.box[0][0] + 5, place.box[1][0] + 3 + 20 * n))
        answers[place.number] = place.number % 3 + 1
        assert controller.session.spot.missed == answers[place.number]
        press(controller, "0")
    spin(controller, lambda: bool(controller.session.spot.said) and not controller.busy)
    assert not any("[spot check]" in name or "[missed]" in name for name in names(controller))
    assert controller.session.status == "The spot check is done."
    shown = controller.session.spot.said
    controller.close()
    with cs.open(folder) as project:
        assert tuple(said(project.spot_checks[-1])) == shown
        check = project.spot_checks[-1].check
        assert all(0 <= a.seconds < 1000 for a in check.answers.values())
        assert project.draw_spot_check(12, 2, seed=0).check.places == check.places  # the dock draws what Python draws
        again = project.answer_spot_check(answers)
        assert tuple(said(again)) == shown


def test_labels_stay_and_keys_do_what_they_did_before(controller):
    before = controller.store().labels.copy(), controller.store().n
    begin(controller)
    press(controller, "0")
    press(controller, "R")
    controller.spot.stop()
    assert (controller.store().labels == before[0]).all()
    assert controller.store().n == before[1]
    press(controller, "0")  # no review runs: a mistake, not an answer
    assert controller.session.problem is not None
    assert len(controller.spot._check.answers) == 2


def test_every_answer_and_click_is_on_disk_at_once_and_it_goes_on_there(opened, controller, folder):
    begin(controller, 12, 1)
    for _ in range(12):
        press(controller, "0")
    place = controller.session.spot.place
    assert place.kind == "field"
    y, x = (a + 10 for a, _ in place.box)
    click(controller, (y, x))
    click(controller, (y + 30, x))
    click(controller, (y + 30, x + 30), drag=True)  # moving the view is no answer
    click(controller, (place.box[0][1] + 5, x))  # outside
    with Project.open(folder) as other:  # as after a kill
        kept = cs.OpenProject(other).spot_checks[-1]
        assert kept.right == 12
        assert kept.check.answers[place.number].points == ((y, x), (y + 30, x))
        assert kept.fields_open == 1
    controller.close()
    second = opened(folder, engine=False)
    spin(second, lambda: second.session.spot.check == 1)
    assert second.session.spot.open == 1
    second.spot.go_on()
    spin(second, lambda: second.session.spot.place is not None)
    assert second.session.spot.missed == 2
    click(second, (y + 2, x + 2))  # near the first one: taken back
    assert second.session.spot.missed == 1
    press(second, "R")  # and the other
    assert second.session.spot.missed == 0
    press(second, "0")
    spin(second, lambda: "0 missed" in " ".join(second.session.spot.said))


def test_back_lets_an_answer_be_changed(controller):
    begin(controller)
    first = controller.session.spot.place
    press(controller, "0")
    press(controller, "8")
    assert controller.session.spot.place == first
    assert controller.session.spot.first
    press(controller, "8")  # there is none before it
    press(controller, "R")
    assert controller.spot._check.answers[first.number].answer == "wrong"
    assert controller.session.spot.place.number == first.number + 1


def test_an_object_that_was_changed_is_passed_over(controller):
    begin(controller)
    check = controller.spot._check
    second = check.places[1]
    store = controller.project().store(second.image)
    context = edits.EditContext.on(store)
    controller.workspace.apply(edits.approve_object(context, context.piece(second.object)))
    press(controller, "0")
    assert controller.session.spot.place.number == check.places[2].number
    assert controller.spot._check.answers[second.number].answer == "gone"


def test_another_image_or_project_ends_it(controller, tmp_path):
    begin(controller)
    other = next(r.id for r in controller.session.images if r.id != controller.session.image)
    controller.select_image(other)
    assert controller.session.spot.place is None
    assert not any("[spot check]" in name for name in names(controller))
    controller.spot.go_on()
    spin(controller, lambda: controller.session.spot.place is not None)
    controller.new_project(tmp_path / "q")
    assert controller.session.spot.place is None
    assert controller.session.spot.check == 0
    controller.spot.go_on()
    assert "no open spot check" in controller.session.problem.message


def test_the_panel_asks_and_answers(controller, qtbot):
    page = RoundsPage(controller)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    page.show_view(controller.views.newest)
    panel = page.spot
    panel.fields.setValue(1)
    panel.objects.setValue(12)
    assert panel.start.isEnabled()
    panel.start.click()
    spin(controller, lambda: controller.session.spot.place is not None)
    assert "Object 1 of 12" in panel.question.text()
    assert not panel.back.isEnabled()
    for _ in range(12):
        panel.right.click()
    assert panel.right.text() == "Done  0"
    assert "none clicked yet" in panel.question.text()
    panel.end.click()
    spin(controller, lambda: bool(controller.session.spot.said))
    assert "12 of 12 objects are right" in panel.said.text()
    assert panel.resume.isVisibleTo(page)
    panel.resume.click()
    assert controller.session.spot.place.kind == "field"


def test_a_draw_can_be_cancelled(controller):
    controller.spot.begin(20, 8)
    assert not controller.views.newest.spot.begin.enabled  # one at a time
    controller.cancel()
    spin(controller, lambda: controller.session.progress is None)
    assert controller.session.problem is None
    if controller.session.spot.place is None:  # else it was done before that
        assert controller.session.status == "Cancelled."
        assert controller.session.spot.check == 0


def test_classes_and_empty_projects_say_why_not(opened, tmp_path, picture):
    with Project.create(tmp_path / "s", "semantic", ("a",)) as project:
        project.add_image(picture[0])
    controller = opened(project.path, engine=False)
    assert "classes" in controller.views.newest.spot.begin.reason
    controller.spot.begin(20, 8)
    spin(controller, lambda: controller.session.problem is not None)
    assert "classes" in controller.session.problem.message


def test_in_a_volume_objects_are_whole_and_fields_lie_in_a_slice(opened, tmp_path):
    labels = np.zeros((6, 96, 96), np.uint32)
    for n, (y, x) in enumerate([(y, x) for y in range(6, 90, 16) for x in range(6, 90, 16)], 1):
        labels[1:5, y : y + 9, x : x + 9] = n
    np.save(tmp_path / "v.npy", (labels > 0).astype(np.uint8) * 200)
    with Project.create(tmp_path / "v") as project:
        (id,) = project.add_image(tmp_path / "v.npy", axes="ZYX", spacing_um=(2.0, 0.5, 0.5))
        project.draft_labels(id, labels, tool="predict")
    controller = opened(project.path, engine=False)
    controller.viewer.dims.ndisplay = 3
    begin(controller, 12, 2)
    assert controller.viewer.dims.ndisplay == 2
    outlined = controller.viewer.layers[f"{id} [spot check]"]
    assert outlined.data.ndim == 3
    place = controller.session.spot.place
    world = outlined.data_to_world(np.argwhere(outlined.data)[0])
    assert labels[controller.family.voxel(world)] == place.object  # it lies where the object is
    for _ in range(12):
        press(controller, "0")
    place = controller.session.spot.place
    (z, _), (y, _), (x, _) = place.box
    assert controller.family.slice_box()[0].start == z
    click(controller, tuple(controller.family.labels.data_to_world((z, y + 4, x + 4))))
    assert controller.session.spot.missed == 1
    other = 0 if z else 1
    click(controller, tuple(controller.family.labels.data_to_world((other, y + 30, x + 30))))
    assert controller.session.spot.missed == 1  # another slice
