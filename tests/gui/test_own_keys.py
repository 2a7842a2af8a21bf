"""Keys that a person has chosen for tools."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.errors import CellsegError
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.own_keys import read_keys
from napari_cellseg.gui.app.preferences import Preferences
from napari_cellseg.gui.app.tools import OTHER_KEYS, TOOLS
from napari_cellseg.gui.qt.page_correct import CorrectPage
from napari_cellseg.project import Project

from .engines import Here

DEFAULTS = {t.name: (t.title, t.key) for t in TOOLS}


def read(text: str) -> dict[str, str]:
    return read_keys(text, DEFAULTS, [*OTHER_KEYS])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}), ("  \n, ", {}), ("Merge=Control-M", {"merge": "Control-M"}), ("merge = G", {}),
        ("merge=S; split=G", {"merge": "S", "split": "G"}), ("Keep largest=Control-K", {"keep largest": "Control-K"}),
        ("DEBRIS=shift-x\nBox=shift-b", {"remove small": "shift-x", "predict box": "shift-b"}),
    ],
)  # fmt: skip
def test_text_becomes_keys(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Foo=J", "'Foo'"), ("Merge", "'' is no key"), ("Merge=Hyper-Q-Q", "no key that napari knows"),
        ("Merge=1", "napari's own"), ("Merge=S", "two things"), ("Merge=N", "two things"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(text, says):
    with pytest.raises(CellsegError, match=says):
        read(text)


@pytest.fixture
def opened(tmp_path, picture):
    path, labels = picture
    with Project.create(tmp_path / "q") as project:
        id = project.add_image(path)[0]
        project.draft_labels(id, labels)
        folder = project.path

    def begin(keys: str) -> Controller:
        controller = Controller(ViewerModel(), engine=Here(lambda job, stop: iter(())))
        controller.start(Preferences(keys=keys, live=False))
        controller.open_project(folder)
        made.append(controller)
        return controller

    made: list[Controller] = []
    yield begin
    for controller in made:
        controller.close()


def test_the_chosen_key_does_it_the_old_one_does_not_and_the_button_says_so(opened, qtbot):
    controller = opened("Delete=Control-M")
    labels = controller.family.labels
    point = np.argwhere(labels.data > 0)[0]
    controller.viewer.cursor.position = tuple(float(v) for v in point)
    id = int(labels.data[tuple(point)])
    from napari.utils.key_bindings import coerce_keybinding as key

    assert key("D") not in labels.keymap
    labels.keymap[key("Control-M")](labels)
    assert not (controller.store().labels == id).any()
    page = CorrectPage(controller)
    qtbot.addWidget(page)
    page.show_view(controller.views.newest)
    assert page._buttons["delete"].text() == "Delete  ^M"
    assert "Key: Control-M" in page._buttons["delete"].toolTip()
    assert page._buttons["merge"].text() == "Merge  G"


def test_a_mistake_in_the_preferences_is_told_and_ours_stay():
    controller = Controller(ViewerModel(), engine=Here(lambda job, stop: iter(())))
    controller.start(Preferences(keys="Foo=J"))
    assert "'Foo'" in controller.session.problem.message
    assert controller.session.keys == {}
    controller.close()
