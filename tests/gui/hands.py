"""Twenty corrections of each kind by mouse and keys in a real viewer, then SIGKILL; run by test_hands.py.

usage: python hands.py PROJECT OUT.npz [XY|XZ|YZ]
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy.ndimage import distance_transform_edt

from napari_cellseg.gui.app.tools import BY_NAME

KEYS = {"Shift-": Qt.KeyboardModifier.ShiftModifier}
KINDS = (
    # first, and undone: a review asks about nothing that a person has corrected
    "review", "undo",
    # what makes objects comes before what uses them up
    "polygon", "convex polygon", "scribble", "brush", "erase", "grow", "shrink", "smooth", "fill holes", "keep largest",
    "remove small", "split", "merge", "relabel", "delete", "approve", "undo", "redo",
)  # fmt: skip
VOLUME = ("copy up", "copy down", "interpolate")
CLASSES = ("polygon", "brush", "erase", "grow", "smooth", "assign class", "undo", "redo")
"""In a project of classes."""
WANTED = int(os.environ.get("CELLSEG_HANDS", "20"))


def main(project: str, out: str, plane: str = "XY") -> None:
    """Correct, note, die."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 850)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control = dock.controller
    control.open_project(project)
    while control.session.store is None:
        settle(1)
    dock.open_step("Correct")
    viewer.reset_view()
    settle(20)
    control.plane.look_in(plane)
    settle(20)
    hands = Hands(viewer, control)
    counts = {}
    kinds = (
        *KINDS,
        *(VOLUME if hands.volume else ()),
        *(("predict box", "click") if control.session.current_model else ()),
    )
    for kind in kinds if control.workspace.instances else CLASSES:
        counts[kind] = hands.many(kind)
        print(kind, counts[kind], flush=True)
    store = control.store()
    settle(5)
    assert not control.strokes._unsaved
    np.savez(out + ".part.npz", labels=store.labels, state=store.state, n=store.n, **counts)
    Path(out + ".part.npz").rename(out)
    os.kill(os.getpid(), signal.SIGKILL)


def settle(times: int = 2) -> None:
    for _ in range(times):
        QApplication.processEvents()
        time.sleep(0.002)


class Hands:
    """A mouse and a keyboard over the store."""

    def __init__(self, viewer: napari.Viewer, control: object) -> None:
        self.viewer, self.control = viewer, control
        self.canvas = viewer.window._qt_viewer.canvas
        self.rng = np.random.default_rng(7)
        self.volume = control.store().labels.ndim == 3

    @property
    def plane(self) -> np.ndarray:
        labels = self.lying
        return labels[self.z] if self.volume else labels

    @property
    def lying(self) -> np.ndarray:
        """The labels with the axis first along which slices follow each other."""
        return self.control.family.turn.array(self.control.store().labels)

    @property
    def z(self) -> int:
        return self.control.family.slice_box()[self.control.family.across].start if self.volume else 0

    def many(self, kind: str) -> int:
        """Do it until twenty edits were logged (or it becomes clear that this image has no more)."""
        done = 0
        self.viewer.reset_view()  # a review zooms in, and no mouse reaches what is out of view
        for _ in range(8 * WANTED):
            if self.volume:
                depth = self.lying.shape[0]
                self.control.family.go_to_slice(int(self.rng.integers(2, depth - 3)))
                settle(1)
            before = self.control.store().n
            self.once(kind)
            self.control.dismiss()
            row = self.control.store().last_row()
            # what prepares a chance (a hole, a gap) does not count
            prepared = kind in ("fill holes", "interpolate", "keep largest", "remove small") and row.tool != kind
            done += int(self.control.store().n > before and not prepared)
            if done >= WANTED:
                break
        return done

    def once(self, kind: str) -> None:
        ids = self.ids_here()
        if kind == "interpolate":  # only what goes on below and above
            labels = self.lying
            ids = ids[np.isin(ids, labels[self.z - 1]) & np.isin(ids, labels[self.z + 1])]
        if not ids.size:
            return
        y, x = self.inside(int(self.rng.choice(ids)))
        layer = self.control.family.labels
        if kind in ("brush", "erase"):
            self.key("N")  # chooses the brush
            layer.brush_size = 5
            layer.mode = "paint" if kind == "brush" else "erase"
            self.drag([(y, x), (y + 3, x + 4), (y + 5, x + 8)])
            return
        if kind in ("undo", "redo"):
            if kind == "redo":
                QTest.keyClick(self.canvas.native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
            both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
            modifier = Qt.KeyboardModifier.ControlModifier if kind == "undo" else both
            QTest.keyClick(self.canvas.native, Qt.Key.Key_Z, modifier)
            settle()
            return
        if kind == "review":
            if self.control.session.place < 0:
                self.control.start_review("random")
                while self.control.busy:
                    settle()
            self.key("0")
            return
        if kind == "fill holes":  # nobody left a hole: make one
            self.control.actions.choose(through=False)
            layer.mode, layer.brush_size = "erase", 1
            id = int(self.plane[y, x])
            self.drag([(y, x), (y, x)])
            rest = np.argwhere(self.plane == id)
            if not len(rest):
                return
            y, x = (int(v) for v in rest[0])
        if kind in ("keep largest", "remove small"):  # a speck: of the object, or of its own
            self.control.actions.choose(smallest=5)
            fresh = self.control.store().next_id()
            layer.selected_label = int((self.plane[y, x] or ids[0]) if kind == "keep largest" else fresh)
            layer.mode, layer.brush_size = "paint", 1
            free = np.argwhere(self.plane[2:-2, 2:-2] == 0)
            where = free[self.rng.integers(len(free))] + 2
            self.drag([tuple(where), tuple(where)])
        if kind == "interpolate":  # make a gap, then fill it from the slice below
            id, z = int(self.plane[y, x]), self.z
            self.control.actions.choose(through=False)
            self.move((y, x))
            self.key("D")
            self.control.actions.choose(through=True)
            self.control.family.go_to_slice(z - 1)
            settle()
            y, x = self.inside(id)
        tool = BY_NAME[kind]
        if tool.gesture == "object":
            if kind == "relabel":
                layer.selected_label = int(self.control.store().next_id())
            if kind == "assign class":
                layer.selected_label = int(self.plane[y, x]) % len(self.control.project().classes) + 1
            self.move((y, x))
            self.key(tool.key)
            return
        if not self.control.workspace.instances:
            layer.selected_label = int(self.rng.integers(1, len(self.control.project().classes) + 1))
        self.key(tool.key)
        if tool.gesture == "now":
            return
        # of a volume from the side, planes may be as low as it has slices
        top, left = (int(self.rng.integers(min(12, n // 6), n - (30 if n > 60 else 12))) for n in self.plane.shape)
        if kind == "split":
            self.drag([(y - 12, x), (y, x), (y + 12, x)])
        elif kind == "merge":
            other = self.inside(int(self.rng.choice(self.ids_here())))  # live learning may have changed them since
            self.drag([(y, x), (y, x)])
            self.drag([other, other])
        elif kind == "predict box":
            self.drag([(y - 20, x - 20), (y, x), (y + 20, x + 20)])
            while self.control.busy:
                settle()
        elif kind == "click":  # an object, or a box; then what is missing and what is too much
            self.drag([(y, x), (y, x)] if self.rng.random() < 0.5 else [(y - 12, x - 12), (y, x), (y + 12, x + 12)])
            self.drag([(y + 2, x + 2)] * 2, Qt.KeyboardModifier.ShiftModifier)
            self.drag([(y + 14, x + 14)] * 2, Qt.KeyboardModifier.ControlModifier)
            while self.control.clicks.expects:
                settle()
        elif kind == "scribble":
            self.drag([(top, left), (top + 2, left + 4), (top + 3, left + 8)])
        else:
            self.drag([(top, left), (top, left + 12), (top + 9, left + 14), (top + 8, left + 1)])

    def ids_here(self) -> np.ndarray:
        """Objects in this slice, without those that only its border has."""
        ids = np.unique(self.plane[4:-4, 4:-4])
        return ids[ids > 0]

    def inside(self, id: int) -> tuple[int, int]:
        """The voxel that is deepest in it: a hole made there is one."""
        places = np.argwhere(self.plane == id)
        start = places.min(0)
        piece = self.plane[tuple(slice(a, b + 1) for a, b in zip(start, places.max(0), strict=True))] == id
        deep = distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
        y, x = start + np.unravel_index(deep.argmax(), deep.shape)
        return int(y), int(x)

    def pixel(self, point: tuple[float, float]) -> QPoint:
        node = self.canvas.layer_to_visual[self.control.family.labels].node
        x, y, _, w = node.transforms.get_transform("visual", "canvas").map([point[1] + 0.5, point[0] + 0.5, 0, 1])
        return QPoint(round(x / w), round(y / w))

    def move(self, point: tuple[float, float]) -> None:
        QTest.mouseMove(self.canvas.native, self.pixel(point))
        settle()

    def drag(
        self,
        points: list[tuple[float, float]],
        keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        native, left = self.canvas.native, Qt.MouseButton.LeftButton
        self.move(points[0])
        QTest.mousePress(native, left, keys, self.pixel(points[0]))
        for point in points[1:]:
            self.move(point)
        QTest.mouseRelease(native, left, keys, self.pixel(points[-1]))
        settle()

    def key(self, name: str) -> None:
        self.viewer.layers.selection.active = self.control.family.labels
        letter = name.removeprefix("Shift-")
        modifier = Qt.KeyboardModifier.ShiftModifier if name.startswith("Shift-") else Qt.KeyboardModifier.NoModifier
        QTest.keyClick(self.canvas.native, getattr(Qt.Key, f"Key_{letter}"), modifier)
        settle()


if __name__ == "__main__":
    main(*sys.argv[1:])
