"""Object size, fitted thresholds, old and new on the field, what is held out. No Qt; a real child process."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_cellseg.engine import TrainJob, open_round, record_round, run
from napari_cellseg.events import Judged
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers.overlays import _rectangles
from napari_cellseg.probabilities import kept_path
from napari_cellseg.project import Project, given_size, new_project
from napari_cellseg.samples import synthetic_cells

from .drawing import draw
from .waiting import spin


@pytest.fixture(scope="module")
def cells() -> tuple[np.ndarray, np.ndarray]:
    return synthetic_cells((256, 320), 30, radius=13, touching=0.3, seed=3)


@pytest.fixture
def controller(tmp_path, cells, opened) -> Controller:
    np.save(tmp_path / "cells.npy", cells[0])
    with new_project(tmp_path / "p") as project:
        project.add_image(tmp_path / "cells.npy")
        path = project.path
    made = opened(path)
    made.session.update(live=False)
    return made


def correct(controller: Controller, truth: np.ndarray, n: int) -> None:
    draw(controller, truth, np.unique(truth)[1 : n + 1])


def test_the_size_is_estimated_until_a_person_says_it(controller):
    spin(controller, lambda: controller.session.plan is not None)
    estimated = resolve(controller.session).object_size
    assert estimated == pytest.approx(26, rel=0.5)
    assert resolve(controller.session).given_size == 0
    controller.set_object_size(52)
    spin(controller, lambda: controller.session.plan.size == 52)
    assert resolve(controller.session).given_size == 52
    with Project.open(controller.session.project.path) as other:
        assert given_size(other, "cells") == 52
    controller.set_object_size(-3)
    assert "no diameter" in controller.session.problem.message
    controller.set_object_size(0)
    spin(controller, lambda: controller.session.plan.size == estimated)


def test_thresholds_are_fitted_to_corrections_and_applied_when_asked(controller, cells):
    view = resolve(controller.session)
    assert not view.fit.enabled
    controller.predict()
    spin(controller, lambda: not controller.busy and controller.session.kept)
    assert "Correct some" in resolve(controller.session).fit.reason
    correct(controller, cells[1], 12)
    spin(controller, lambda: resolve(controller.session).fit.enabled)
    controller.retarget(controller.session.own.model_copy(update={"threshold": 0.98}))
    before = controller.session.store.labels.copy()
    controller.fit_thresholds()
    spin(controller, lambda: controller.session.target.threshold < 0.9)
    np.testing.assert_array_equal(controller.session.store.labels, before)
    assert resolve(controller.session).reset.enabled
    controller.prediction.reset()
    assert controller.session.decoding == controller.session.own


def test_what_was_fitted_live_is_shown_and_can_be_taken_back(controller, cells):
    own = controller.session.own
    fitted = own.model_copy(update={"prominence": 0.45})
    controller.session.update(live=True, fitted=fitted)
    assert controller.session.decoding == fitted
    assert resolve(controller.session).fitted
    assert resolve(controller.session).reset.enabled
    controller.prediction.reset()
    assert controller.session.decoding == own
    assert not resolve(controller.session).fitted
    controller.session.update(target=None, live=False)
    assert controller.session.decoding == own


def test_a_forest_learns_from_corrections_and_drafts(controller, cells):
    view = resolve(controller.session)
    assert not view.forest.enabled
    assert "first" in view.forest.reason
    correct(controller, cells[1], 12)
    spin(controller, lambda: resolve(controller.session).forest.enabled)
    store = controller.session.store
    mine, before = store.state > 0, store.labels.copy()
    controller.draft("forest")
    spin(controller, lambda: not controller.busy and controller.session.progress is None)
    assert "random forest" in controller.session.status
    rest = (cells[1] > 0) & ~mine
    assert ((store.labels > 0) & rest).sum() > 0.7 * rest.sum()
    np.testing.assert_array_equal(store.labels[mine], before[mine])


@pytest.fixture(scope="module")
def waiting(tmp_path_factory, cells):
    """A project whose round waits: the base model, and one that was trained from it for a few steps."""
    folder = tmp_path_factory.mktemp("waiting")
    np.save(folder / "cells.npy", cells[0])
    with new_project(folder / "p") as project:
        project.add_image(folder / "cells.npy", labels=cells[1])
        open_round(project)
        config = project.model_config("cells").with_values(
            ["train.steps=2", "train.patch=64", "train.batch=2", "train.trial=never"]
        )
        (judged,) = (e for e in run(TrainJob(project.path, config)) if isinstance(e, Judged))
        record_round(project, judged)
        return project.path


@pytest.fixture
def undecided(waiting, tmp_path, opened):
    """A copy of it, open."""
    shutil.copytree(waiting.parent, tmp_path / "copy")
    return opened(tmp_path / "copy" / waiting.name)


def test_old_and_new_can_be_looked_at_before_deciding(undecided):
    control, session = undecided, undecided.session
    view = resolve(session)
    assert view.look_old.enabled
    assert view.look_new.enabled
    labels, kept = session.store.labels.copy(), session.kept
    control.look_with("old")
    spin(control, lambda: "cells finds" in session.side_text)
    assert [layer.name for layer in control.viewer.layers if "[old]" in layer.name] == ["cells [old]"]
    control.look_with("new")
    spin(control, lambda: "v1 finds" in session.side_text)
    assert resolve(session).side == "new"
    assert not any("[old]" in layer.name for layer in control.viewer.layers)
    control.look_with("old")  # seen before: at once
    assert "cells finds" in session.side_text
    control.look_with("")
    assert not any("[old]" in layer.name for layer in control.viewer.layers)
    np.testing.assert_array_equal(session.store.labels, labels)
    assert session.kept == kept  # looking leaves no probabilities behind
    assert not kept_path(session.project.path, "cells").exists()
    control.look_with("new")
    spin(control, lambda: "v1 finds" in session.side_text)
    control.training.keep()
    assert resolve(session).side == ""
    assert not resolve(session).look_new.enabled
    control.look_with("new")
    assert "no such model" in session.problem.message


def test_an_answer_nobody_waits_for_any_more_changes_nothing(undecided):
    """It must not be taken for a prediction either: labels would be written."""
    control, session = undecided, undecided.session
    labels = session.store.labels.copy()
    control.look_with("old")
    control.look_with("new")
    spin(control, lambda: not control.old_and_new._asked)
    assert "v1 finds" in session.side_text
    assert [layer.name for layer in control.viewer.layers if layer.name.endswith(("[old]", "[new]"))] == ["cells [new]"]
    control.old_and_new.clear()
    control.look_with("old")
    control.look_with("")
    spin(control, lambda: not control.old_and_new._asked)
    assert not any(layer.name.endswith(("[old]", "[new]")) for layer in control.viewer.layers)
    assert not control.writer.pieces
    np.testing.assert_array_equal(session.store.labels, labels)


def test_what_is_held_out_is_shown_as_boxes(undecided):
    control, session = undecided, undecided.session
    (holdout,) = session.project.db.holdouts().values()
    control.training.show_held_out(True)
    (layer,) = (x for x in control.viewer.layers if x.name == "cells [held out]")
    assert layer.nshapes == len(holdout.boxes)
    corners = layer.data[0]
    box = [(int(a), int(b) + 1) for a, b in zip(corners.min(0), corners.max(0), strict=True)]
    assert tuple(box) in holdout.boxes
    assert control.viewer.layers.selection.active is control.family.labels
    control.training.show_held_out(False)
    assert layer not in control.viewer.layers


def test_boxes_of_a_volume_are_in_every_slice():
    boxes = _rectangles(((2, 5), (10, 20), (30, 50)))
    assert [b[0, 0] for b in boxes] == [2, 3, 4]
    np.testing.assert_array_equal(boxes[0], [[2, 10, 30], [2, 10, 49], [2, 19, 49], [2, 19, 30]])
