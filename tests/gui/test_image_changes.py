"""The image box's menu: remove, restore, rename, another split."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QMenu

from napari_cellseg.cli import main
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .waiting import spin


@pytest.fixture
def controller(opened, project, picture, tmp_path) -> Controller:
    np.save(tmp_path / "other.npy", synthetic_cells((64, 64), 5, radius=8, seed=9)[0])
    project.add_image(tmp_path / "other.npy")
    project.draft_labels("cells", picture[1])
    project.close()
    return opened(project.path, engine=False)


def done(controller: Controller) -> None:
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None, controller.session.problem


def choose(controller: Controller, qtbot, id: str, text: str) -> str:
    """Choose the entry of an image's menu that begins so; returns all of its text."""
    from napari_cellseg.gui.qt.image_menu import ImageMenu

    button, menu = ImageMenu(controller), QMenu()
    qtbot.addWidget(button)
    qtbot.addWidget(menu)
    button.fill(menu, id)
    (entry,) = (e for e in menu.actions() if e.text().startswith(text))
    said = entry.text()
    entry.trigger()
    return said


def test_the_menu_removes_and_restores_and_the_next_image_is_shown(controller, qtbot, picture):
    controller.correct_at("delete", tuple(np.argwhere(picture[1])[0]))
    before = controller.store().labels.copy()
    said = choose(controller, qtbot, "cells", "Remove cells")
    assert "1 edit by hand" in said
    assert "corrected or approved" in said
    done(controller)
    assert controller.session.image == "other"
    assert [i.key for i in resolve(controller.session).images] == ["other"]
    choose(controller, qtbot, "other", "Restore cells")
    done(controller)
    assert controller.session.image == "cells"
    np.testing.assert_array_equal(controller.store().labels, before)
    controller.strokes.undo()
    assert controller.session.status.startswith("Undo: delete")


def test_the_menu_and_the_subcommand_do_the_same(controller, qtbot, tmp_path):
    path = controller.session.project.path
    choose(controller, qtbot, "cells", "Only measure")
    done(controller)
    controller.images.rename("cells", "day 3")
    spin(controller, lambda: not controller.busy)
    assert "cannot be called" in controller.session.problem.message
    assert controller.session.image == "cells"
    controller.dismiss()
    controller.images.rename("cells", "day_3")
    done(controller)
    assert controller.session.image == "day_3"
    controller.images.remove("other")
    done(controller)
    mine = [(r.id, r.split) for r in controller.project().images()]
    controller.projects.leave()
    assert main(["images", str(path), "--rename", "day_3", "cells"]) == 0
    assert main(["images", str(path), "--split", "train", "cells"]) == 0
    assert main(["images", str(path), "--restore", "other"]) == 0
    for change in (["--split", "test", "cells"], ["--rename", "cells", "day_3"], ["--remove", "other"]):
        assert main(["images", str(path), *change]) == 0
    with Project.open(path) as again:
        assert [(r.id, r.split) for r in again.images()] == mine


def test_the_last_image_can_go_and_nothing_changes_while_something_runs(controller):
    for id in ("cells", "other"):
        controller.images.remove(id)
        done(controller)
    assert controller.session.image == ""
    assert controller.family is None
    assert len(resolve(controller.session).removed) == 2
    controller.images.restore("cells")
    done(controller)
    controller.workspace.job = 5
    controller.images.remove("cells")
    assert "running already" in controller.session.problem.message
    controller.workspace.job = None
