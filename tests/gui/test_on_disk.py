"""The window with labels that do not fit into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.edits import _large
from napari_cellseg.gui.layers.image_layers import OUTLINE
from napari_cellseg.project import Project, adopt_model, is_mapped
from napari_cellseg.samples import synthetic_cells

from .waiting import settle, spin

SHAPE = (4, 96, 120)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one volume, whose labels are mapped."""
    monkeypatch.setenv("CELLSEG_LABELS_IN_MEMORY", "0")
    image, labels = synthetic_cells(SHAPE, 12, radius=9, seed=2)
    np.save(tmp_path / "a.npy", image)
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "a.npy", labels=labels, draft=True)
        return project.path


def test_states_are_drawn_slice_by_slice_as_they_come_into_view(large, opened):
    controller = opened(large, engine=False)
    family = controller.family
    assert is_mapped(family.store.labels)
    family.go_to_slice(1)
    spin(controller, lambda: family.undrawn is None)
    assert (family.overlay[1] == OUTLINE).any()
    assert not family.overlay[3].any()
    family.go_to_slice(3)
    spin(controller, lambda: family.undrawn is None)
    seen = np.array(family.overlay)
    whole = family._outlines(np.array(family.store.labels), np.array(family.store.state), None, *family.outlines)
    np.testing.assert_array_equal(seen[[1, 3]], whole[[1, 3]])


def test_a_volume_in_3d_shows_the_picture_without_its_labels(large, opened):
    controller = opened(large, engine=False)
    layers = controller.family.labels, controller.family.state
    controller.viewer.dims.ndisplay = 3
    assert not any(layer.visible for layer in layers)
    controller.tick()
    assert "slice by slice" in controller.session.status
    controller.viewer.dims.ndisplay = 2
    assert all(layer.visible for layer in layers)


def test_a_large_prediction_is_written_as_the_engine_says_it(large, opened, monkeypatch):
    """With the engine and all of a prediction larger than memory: what is there equals what the engine found."""
    monkeypatch.setattr(_large, "MOST", 1000)
    controller = opened(large)
    store = controller.session.store
    controller.correct_at("approve", tuple(int(n) for n in np.argwhere(store.labels == store.objects.ids()[0])[0]))
    settle(controller)
    state, before = np.array(store.state), np.array(store.labels)
    controller.predict()
    spin(controller, lambda: not controller.busy and not controller.writer.pieces)
    np.testing.assert_array_equal(store.labels[state > 0], before[state > 0])
    assert len(store.objects) > 3
    assert store.labels[state == 0].max() > before.max()
    kept = np.array(store.labels)
    with Project.open(large) as project:
        np.testing.assert_array_equal(project.load_labels("a")[0], kept)
    layer = controller.family.labels
    layer.undo()
    settle(controller)
    np.testing.assert_array_equal(store.labels, before)


def test_strokes_by_other_plugins_are_found(large, opened):
    controller = opened(large, engine=False)
    store = controller.session.store
    store.labels[2, 5:9, 5:9] = 700
    controller.external.look()
    spin(controller, lambda: "Another plugin" in controller.session.notice)
    assert (store.state[2, 5:9, 5:9] == 1).all()
    with Project.open(large) as project:
        assert (project.load_labels("a")[0][2, 5:9, 5:9] == 700).all()
