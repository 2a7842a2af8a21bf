"""A volume is corrected from the side as it is from above: every tool, the brush, review, preview and the overlay."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.edits import Turn
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.gui.layers.image_layers import OUTLINE
from napari_cellseg.project import Project

from .hands import KINDS, VOLUME
from .test_correct import DO, boxes
from .test_correct import VOLUME as IN_VOLUMES
from .waiting import settle, spin

SIDES = pytest.mark.parametrize("plane", ["XZ", "YZ"])
SPACING = (3.0, 1.5, 1.0)
LABELS = np.pad(boxes(3), ((0, 4), (0, 0), (0, 0)))


def project(folder: Path, turn: Turn, **how: Any) -> Path:
    """The volume of the tests of tools, lying so that it looks from the side as that one does from above."""
    labels = LABELS
    pixels = (labels > 0) * 200.0 + np.random.default_rng(0).normal(20, 3, labels.shape)
    folder.mkdir(exist_ok=True)
    np.save(folder / "a.npy", turn.array_back(pixels))
    with Project.create(folder / "p") as made:
        made.add_image(folder / "a.npy", labels=np.ascontiguousarray(turn.array_back(labels)), draft=True, **how)
        return made.path


def turn_of(plane: str) -> Turn:
    return Turn(3, ("XY", "XZ", "YZ").index(plane))


@pytest.fixture
def open_from(tmp_path: Path) -> Iterator[Any]:
    made: list[Controller] = []

    def opened(plane: str, **how: Any) -> Controller:
        controller = Controller(ViewerModel())
        made.append(controller)
        controller.open_project(project(tmp_path / f"{plane}{len(made)}", turn_of(plane), **how))
        controller.plane.look_in(plane)
        controller.family.go_to_slice(2)
        return controller

    yield opened
    for controller in made:
        controller.close()


class FromTheSide:
    """A controller whose points, lines and boxes are those of the volume as it is seen."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._controller, name)

    def correct_at(self, tool: str, point: tuple[int, ...]) -> None:
        self._controller.correct_at(tool, self.family.turn.back(point))

    def correct_along(self, tool: str, line: np.ndarray) -> None:
        back = np.argsort(self.family.turn.order)
        self._controller.correct_along(tool, line[:, back])

    def correct_inside(self, tool: str, box: tuple[slice, ...]) -> None:
        self._controller.correct_inside(tool, self.family.turn.back(box))


@SIDES
@pytest.mark.parametrize("name", [*DO, *IN_VOLUMES])
def test_every_tool_does_from_the_side_what_it_does_from_above(open_from, plane, name):
    results = []
    for side in ("XY", plane):
        controller = open_from(side)
        before = controller.store().n
        {**DO, **IN_VOLUMES}[name](FromTheSide(controller))
        assert controller.session.problem is None, controller.session.problem
        store, turn = controller.store(), controller.family.turn
        results.append((turn.array(store.labels).copy(), turn.array(store.state).copy(), controller.session.status))
        for _ in range(sum(row.n > before for row in store.rows())):
            controller.strokes.undo()
        np.testing.assert_array_equal(turn.array(store.labels), LABELS)
        while store.act("redo"):
            controller.strokes.redo()
        np.testing.assert_array_equal(turn.array(store.labels), results[-1][0])
    for above, aside in zip(*results, strict=True):
        np.testing.assert_array_equal(above, aside)


@SIDES
def test_approving_the_slice_approves_the_plane_that_is_seen(open_from, plane):
    controller = open_from(plane)
    controller.actions.approve_slice()
    settle(controller)
    state = controller.family.turn.array(controller.store().state)
    assert (state[2] == 2).all()
    assert not np.delete(state, 2, axis=0).any()


def test_the_view_is_said_turned_and_followed(open_from):
    controller = open_from("XY")
    dims, family = controller.viewer.dims, controller.family
    assert resolve(controller.session).plane == "XY"
    seen = []
    for _ in range(3):
        controller.plane.turn()
        seen.append((resolve(controller.session).plane, family.across, tuple(dims.displayed)))
    assert seen == [("XZ", 1, (0, 2)), ("YZ", 2, (0, 1)), ("XY", 0, (1, 2))]
    dims.roll()  # napari's own key
    assert resolve(controller.session).plane == ("XY", "XZ", "YZ")[family.across] != "XY"
    dims.ndisplay = 3
    assert resolve(controller.session).plane == "3D"
    controller.plane.look_in("YZ")
    assert (dims.ndisplay, family.across) == (2, 2)
    controller.projects.close_image()
    assert resolve(controller.session).plane == ""


@SIDES
def test_the_seen_box_is_one_slice_across_and_turning_keeps_the_middle(open_from, plane):
    controller = open_from(plane, spacing_um=SPACING)
    family = controller.family
    box = family.visible_box()
    assert [s.stop - s.start == 1 for s in box] == [axis == family.across for axis in range(3)]
    assert box[family.across].start == 2
    assert tuple(family.labels.scale) == tuple(family.image.scale) == SPACING, "voxels keep their proportions"
    controller.plane.look_in("XY")
    middle = family.shape[0] // 2
    assert abs(family.visible_box()[0].start - middle) <= 1


@SIDES
def test_a_review_goes_to_the_slice_of_an_object_and_to_a_flat_place_in_its_own_plane(open_from, plane):
    controller = open_from(plane, spacing_um=SPACING)
    family, store = controller.family, controller.store()
    box = store.objects.box(store.labels, 4)
    family.look_at(box)
    seen = family.slice_box()[family.across].start
    assert seen == round((box[family.across].start + box[family.across].stop - 1) / 2)
    world = family.labels.data_to_world([(s.start + s.stop - 1) / 2 for s in box])
    shown = [world[axis] for axis in controller.viewer.dims.displayed]
    np.testing.assert_allclose(controller.viewer.camera.center[-2:], shown)
    assert family.across
    family.look_at((slice(1, 2), slice(0, 9), slice(0, 9)))
    assert family.across == 0
    assert family.visible_box()[0] == slice(1, 2)


@SIDES
def test_outlines_are_those_of_the_plane_that_is_seen(open_from, plane):
    above, aside = open_from("XY"), open_from(plane)
    spin(aside, lambda: aside.family.outlines[1] == aside.family.across)
    turn = aside.family.turn
    spin(aside, lambda: aside.family.outlines[0] == above.family.outlines[0])
    np.testing.assert_array_equal(turn.array(aside.family.overlay), above.family.overlay)
    for controller in (above, aside):  # and of what is edited from then on
        FromTheSide(controller).correct_at("grow", (2, 40, 55))
    np.testing.assert_array_equal(turn.array(aside.family.overlay) > OUTLINE, above.family.overlay > OUTLINE)


@SIDES
def test_a_stroke_from_the_side_is_logged_undone_and_is_of_the_seen_plane(open_from, plane):
    controller = open_from(plane)
    layer, store, turn = controller.family.labels, controller.store(), controller.family.turn
    before = store.labels.copy()
    layer.brush_size, layer.mode, layer.selected_label = 3, "paint", 9
    with layer.block_history():
        for column in range(40, 46):
            layer.paint(turn.back((2, 30, column)), 9)
    assert controller.session.problem is None
    seen = turn.array(store.labels)
    assert np.flatnonzero((seen == 9).any(axis=(1, 2))).tolist() == [2]
    assert (turn.array(store.state)[2][seen[2] == 9] == 1).all()
    controller.strokes.undo()
    np.testing.assert_array_equal(store.labels, before)
    controller.strokes.redo()
    assert (store.labels == 9).any()


@SIDES
def test_a_preview_lies_in_the_plane_that_is_seen(open_from, plane):
    controller = open_from(plane, spacing_um=SPACING)
    controller.session.update(split=0.5)
    controller.preview.show(True)
    spin(controller, lambda: controller.family.overlays.preview is not None)
    layer, family = controller.family.overlays.preview, controller.family
    shape = [n if axis != family.across else 1 for axis, n in enumerate(family.shape)]
    wide = family.turn.order[-1]
    shape[wide] -= shape[wide] // 2
    assert list(layer.data.shape) == shape
    start = np.asarray(layer.translate) / SPACING
    assert start[family.across] == 2
    assert start[wide] == family.shape[wide] // 2


def test_from_the_side_a_network_is_asked_for_a_slab(open_from):
    controller = open_from("XZ")
    family = controller.family
    box = family.field_to_label()
    assert box[1].start == 0
    assert box[1].stop == min(family.shape[1], 2 + 49)
    assert [box[0], box[2]] == [family.visible_box()[0], family.visible_box()[2]]
    controller.plane.look_in("XY")
    assert family.field_to_label() == family.visible_box()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plane", ["XZ", pytest.param("YZ", marks=pytest.mark.long)])
def test_real_keys_and_mouse_from_the_side(tmp_path, plane, qapp):
    """In a real window; see `hands.py`."""
    rng = np.random.default_rng(0)
    labels = np.zeros((48, 60, 64), np.uint32)
    for id, corner in enumerate(np.ndindex(2, 3, 3), 1):
        z, y, x = np.array(corner) * (22, 18, 20) + (4, 6, 5) + rng.integers(0, 3, 3)
        labels[z : z + 15, y : y + 12, x : x + 14] = id
    np.save(tmp_path / "a.npy", (labels > 0) * 200.0 + rng.normal(20, 3, labels.shape))
    with Project.create(tmp_path / "p") as made:
        made.add_image(tmp_path / "a.npy", labels=labels, draft=True, spacing_um=(2.0, 1.0, 1.0))
        path = made.path
    out = tmp_path / "seen.npz"
    script = Path(__file__).with_name("hands.py")
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(out), plane], capture_output=True, text=True, timeout=880,
        env={**os.environ, "CELLSEG_HANDS": "1"},
    )  # fmt: skip
    assert done.returncode == -9, done.stdout[-2000:] + done.stderr[-4000:]
    seen = np.load(out)
    for kind in {*KINDS, *VOLUME} - {"copy up", "copy down"}:  # at random places there may be nothing to copy
        assert seen[kind] >= 1, f"{kind}: {done.stdout}"
    with Project.open(path) as reopened:
        store = reopened.store("a")
        np.testing.assert_array_equal(store.labels, seen["labels"])
        np.testing.assert_array_equal(store.state, seen["state"])
