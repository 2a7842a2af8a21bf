"""What a person sees and changes of a training before it begins. No Qt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project, difference

from .waiting import spin


@pytest.fixture
def controller(tmp_path, opened) -> Controller:
    """Four corrected squares."""
    truth = np.zeros((96, 96), np.uint32)
    for n, (y, x) in enumerate(np.ndindex(2, 2), 1):
        truth[y * 48 + 12 : y * 48 + 30, x * 48 + 12 : x * 48 + 30] = n
    np.save(tmp_path / "a.npy", (truth > 0).astype(np.uint8) * 200 + 20)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy")
        store, path = project.store("a"), Path(project.path)
        box, state = (slice(0, 96), slice(0, 96)), (truth > 0).astype(np.uint8)
        store.apply(difference("brush", store.labels, store.state, box, truth, state))
    return opened(path, engine=False)


def test_what_judges_is_said_in_the_list_and_can_be_changed(controller):
    def tip() -> str:
        return resolve(controller.session).images[0].tip

    spin(controller, lambda: bool(tip()))
    assert "judge" not in tip()
    controller.training.hold_out_field(True)
    assert "4 objects in view judge" in controller.session.status
    assert "4 parts of it judge" in tip()
    assert controller.session.held_shown
    controller.training.hold_out_field(False)
    assert "4 objects in view are learnt from" in controller.session.status
    assert "judge" not in tip()
    controller.training.hold_out_field(False)
    assert "Nothing is held out here" in controller.session.problem.message


def test_fine_tune_says_beforehand_what_it_will_take(controller):
    spin(controller, lambda: controller.session.forecast.objects > 0)
    text = resolve(controller.session).forecast
    assert text.startswith("Learns from about 3 objects in 1 image, 1 judge. At least 100 steps")
    controller.session.update(pace=3.0)  # a slow machine: the least steps take longer than the time that was set
    assert "About 5 min, 100 steps" in resolve(controller.session).forecast
    controller.session.update(pace=0.2)
    assert "About 60 s, 300 steps" in resolve(controller.session).forecast
    store = controller.session.store
    box = (slice(0, 96), slice(0, 96))
    nothing = np.zeros_like(store.labels)
    controller.workspace.apply(difference("delete", store.labels, store.state, box, nothing, store.state))
    spin(controller, lambda: controller.session.forecast.objects == 0)
    assert resolve(controller.session).forecast == ""
