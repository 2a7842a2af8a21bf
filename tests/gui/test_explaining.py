"""Why the model says what it says, in the dock: the same as in Python. A real child process."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.explained import METHODS, ExplainState, MapWanted, Near
from napari_cellseg.gui.app.tools import BY_NAME
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers.overlays import EXPLANATION_COLOURS
from napari_cellseg.gui.qt.page_explain import ExplainPage
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture
def predicted(tmp_path, opened) -> Controller:
    image, _ = synthetic_cells((128, 160), 9, radius=13, seed=3)
    np.save(tmp_path / "a.npy", image)
    with cs.new(tmp_path / "p") as project:
        project.add(tmp_path / "a.npy")
        project.predict()
        store = project.project.store("a")
        field = (slice(0, 80), slice(0, 160))
        store.apply(edits.approve_box(edits.EditContext.on(store), field))
        store.snapshot()
    return opened(tmp_path / "p.cellseg")


def answered(controller: Controller, title: str) -> None:
    spin(controller, lambda: controller.session.problem is not None or title in controller.session.explained.title)
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None


def test_a_click_asks_why_and_the_answer_is_that_of_python(predicted):
    labels = predicted.store().labels.copy()
    state = predicted.store().state.copy()
    point = tuple(int(v) for v in np.argwhere(labels == 0)[2000])
    predicted.tools.choose("why")
    assert resolve(predicted.session).explain.pointing
    predicted.actions.at(BY_NAME["why"], point)
    answered(predicted, f"At {point[0]}, {point[1]}")
    shown = predicted.session.explained
    with cs.open(predicted.session.folder) as project:
        found = project.why("a", point)
    assert shown.lines == found.sentences
    assert shown.profile == pytest.approx(found.profile)
    assert shown.here == found.here
    assert [(n.image, n.object, n.centre) for n in shown.near] == [(n.image, n.object, n.centre) for n in found.nearest]
    assert not shown.mapped
    assert (predicted.store().labels == labels).all()
    assert (predicted.store().state == state).all()
    predicted.explaining.hide()
    assert not predicted.session.explained.title


def test_a_map_lies_over_the_image_and_goes_with_it(predicted):
    predicted.explaining.explain(MapWanted("gradcam", "everything"))
    answered(predicted, METHODS["gradcam"])
    layer = predicted.family.overlays.explanation
    with cs.open(predicted.session.folder) as project:
        found = project.explain("a", "gradcam").explanation
    box = tuple(slice(a, b) for a, b in found.box)
    np.testing.assert_array_equal(layer.data, found.map[box])
    low, high = layer.contrast_limits
    assert low == -high  # nothing is seen through
    assert predicted.viewer.layers.selection.active is predicted.family.labels
    assert f"{found.confidence:.2f}" in " ".join(predicted.session.explained.lines)
    id = int(np.unique(predicted.store().labels)[1])
    predicted.family.labels.selected_label = id
    predicted.explaining.explain(MapWanted("gradcam", "object"))
    answered(predicted, f"object {id}")
    assert layer not in predicted.viewer.layers  # there is one at a time
    second = predicted.family.overlays.explanation
    predicted.projects.close_image()
    assert second not in predicted.viewer.layers
    assert not predicted.session.explained.title


def test_what_cannot_be_explained_says_so(predicted):
    predicted.family.labels.selected_label = 9999
    predicted.explaining.explain(MapWanted("gradcam", "object"))
    assert "no object 9999" in predicted.session.problem.message
    predicted.session.update(problem=None, current_model=None)
    predicted.explaining.why((3, 3))
    assert "no model" in predicted.session.problem.message
    assert not resolve(predicted.session).explain.explain.enabled


def test_the_page_shows_it_and_leads_to_what_is_like_it(qtbot, monkeypatch):
    controller = Controller(ViewerModel())
    page = ExplainPage(controller)
    qtbot.addWidget(page)
    page.show_view(resolve(controller.session))
    assert not page.point.isEnabled()
    near = (Near("a", 3, (4, 5), 0.5),)
    found = ExplainState("At 4, 5, v1", ("One.", "Two & three."), True, (0.0, 0.4, 1.0), 1, 0.5, near)
    controller.session.update(explained=found)
    page.show_view(resolve(controller.session))
    assert "Two &amp; three." in page.answer.text()
    assert page.near.item(0).text() == "object 3 of a (0.50)"
    assert all(colour in page.legend.text() for colour in EXPLANATION_COLOURS)
    assert page.profile.isVisibleTo(page)
    page.profile.grab()
    gone_to = []
    monkeypatch.setattr(controller.explaining, "go_to", lambda *place: gone_to.append(place))
    monkeypatch.setattr(type(page), "view", property(lambda self: resolve(controller.session)))
    page.near.setCurrentRow(0)
    page.near.itemClicked.emit(page.near.item(0))
    assert gone_to == [("a", (4, 5))]
    page.hide_map.click()
    page.show_view(resolve(controller.session))
    assert not page.answer.isVisibleTo(page)
    assert not page.near.isVisibleTo(page)
    controller.close()


def test_the_dock_writes_what_the_command_line_writes(predicted, tmp_path):
    point = tuple(int(v) for v in np.argwhere(predicted.store().labels)[0])
    assert not resolve(predicted.session).explain.of["point"].enabled
    predicted.explaining.explain(MapWanted("gradcam", "point"))
    assert "No place of this image was pointed at" in predicted.session.problem.message
    predicted.dismiss()
    predicted.explaining.why(point)
    answered(predicted, f"At {point[0]}, {point[1]}")
    assert resolve(predicted.session).explain.of["point"].enabled
    predicted.explaining.explain(MapWanted("gradcam", "point", filters=1), tmp_path / "dock")
    answered(predicted, METHODS["gradcam"])
    assert "a_gradcam.tif" in predicted.session.status
    place = ",".join(map(str, point))
    words = ["--image", "a", "--point", place, "--filters", "1", "--out", str(tmp_path / "line")]
    assert main(["explain", str(predicted.session.folder), *words]) == 0
    names = sorted(p.name for p in (tmp_path / "line").iterdir())
    assert names == [
        "a_gradcam.json",
        "a_gradcam.png",
        "a_gradcam.tif",
        "a_gradcam_filters1.png",
        "a_gradcam_maps1.png",
    ]
    assert sorted(p.name for p in (tmp_path / "dock").iterdir()) == names
    for name in names:
        assert (tmp_path / "dock" / name).read_bytes() == (tmp_path / "line" / name).read_bytes(), name


def test_filters_are_shown_and_a_wrong_layer_is_said(qtbot, predicted):
    page = ExplainPage(predicted)
    qtbot.addWidget(page)
    page.filters.setValue(13)
    page.map.click()
    answered(predicted, METHODS["gradcam"])
    page.show_view(resolve(predicted.session))
    assert [name for name, _ in predicted.session.explained.grids] == [
        "Filters of convolution 13", "Feature maps of convolution 13",
    ]  # fmt: skip
    assert all(g.isVisibleTo(page) and not g.pixmap().isNull() for g in page.grids)
    page.layer.setText("no.such.layer")
    page.map.click()
    spin(predicted, lambda: predicted.session.problem is not None and not predicted.busy)
    assert "no.such.layer" in predicted.session.problem.message


def test_of_classes_a_class_is_explained(predicted):
    of = resolve(predicted.session).explain.of
    assert (of["object"].enabled, of["class"].enabled) == (True, False)
    predicted.explaining.explain(MapWanted("gradcam", "class"))
    assert "No class is chosen" in predicted.session.problem.message
