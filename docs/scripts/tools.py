"""Make docs/images/tools.png and the pictures of the step Correct: every tool in use, on real images.

usage: python docs/scripts/tools.py       (starts Xvfb where there is no display)
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from screen import live, on_screen

IMAGES = Path(__file__).parents[1] / "images"
DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data"))
SIDE = 46
"""Pixels of the image that each panel shows."""


class Studio:
    """A viewer with one image, and panels cut out of its store."""

    def __init__(
        self, folder: Path, picture: Path, labels: np.ndarray, classes: tuple[str, ...] = (), **how: Any
    ) -> None:
        import napari

        from napari_cellseg.project import Project

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1280, 820)
        task = "semantic" if classes else "instance"
        with Project.create(folder / picture.stem, task, classes) as project:
            project.add_image(picture, labels=labels, draft=True, axes="ZYX" if labels.ndim == 3 else None, **how)
            path = project.path
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        self.control = self.dock.controller
        self.control.open_project(path)
        self.spin(60, lambda: not self.control.busy)
        self.dock.open_step("Correct")
        self.spin(0.5)

    def spin(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until, lambda: f"{self.control.session.status} {self.control.session.problem}")

    def look(self, point: tuple[float, ...]) -> None:
        """Centre on a point."""
        half = SIDE // 2
        box = [slice(int(p) - half, int(p) + half) for p in point[-2:]]
        if len(point) == 3:
            box = [slice(int(point[0]), int(point[0]) + 1), *box]
        self.control.family.look_at(tuple(box))
        from napari_cellseg.gui.layers import _napari

        _napari.camera(self.viewer).zoom *= 2.6
        self.spin(0.25)

    def panel(self) -> np.ndarray:
        """The middle of the store."""
        self.spin(0.25)
        shot = self.viewer.screenshot(canvas_only=True, flash=False)[..., :3]
        y, x = shot.shape[0] // 2, shot.shape[1] // 2
        half = min(y, x)
        return shot[y - half : y + half, x - half : x + half]

    def fold(self, title: str) -> Any:
        """Open a fold of the step and show the end of its page."""
        from qtpy.QtWidgets import QScrollArea
        from superqt import QCollapsible

        page = self.dock.page("Correct")
        found = next(f for f in page.findChildren(QCollapsible) if title in f.text())
        found.expand()
        self.spin(0.3)
        area = next(a for a in self.dock.findChildren(QScrollArea) if a.isAncestorOf(page))
        area.ensureWidgetVisible(found, 0, 0)
        return found

    def window(self, name: str) -> None:
        """The whole window."""
        self.spin(0.6)
        self.viewer.window.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)
        print(IMAGES / f"{name}.png")


def pairs(studio: Studio, names: list[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Before and after of tools on objects of the image."""
    control = studio.control
    store = control.store()
    found = []
    rng = np.random.default_rng(4)
    depth = store.labels.ndim == 3

    def objects() -> list[int]:
        ids = [i for i in store.objects.ids().tolist() if store.objects.count(i) > 60]
        return [ids[i] for i in rng.permutation(len(ids))]

    def touching(id: int) -> tuple[int, int] | None:
        """A voxel of a neighbour that touches."""
        box = store.objects.box(store.labels, id)
        wide = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        from scipy import ndimage as ndi

        near = ndi.binary_dilation(store.labels[wide] == id, iterations=1)
        others = near & (store.labels[wide] != id) & (store.labels[wide] > 0)
        places = np.argwhere(others)
        return None if not len(places) else tuple(int(v) for v in places[0] + [s.start for s in wide])

    for name in names:
        for id in objects():
            box = store.objects.box(store.labels, id)
            if any(s.start < 14 or s.stop > n - 14 for s, n in list(zip(box, store.labels.shape, strict=True))[-2:]):
                continue
            place = np.argwhere(store.labels[box] == id)
            point = tuple(int(v) for v in place[len(place) // 2] + [s.start for s in box])
            if depth and name in ("copy up", "interpolate"):
                point = next((tuple(int(v) for v in p + [s.start for s in box]) for p in place[::-1]), point)
                if box[0].stop >= store.labels.shape[0] - 1 or box[0].stop - box[0].start < 6:
                    continue
            other = touching(id) if name == "merge" else None
            if name == "merge" and other is None:
                continue
            start, kept = store.n, store.labels.copy()
            before, after = staged(studio, name, id, point, box, other)
            ok = control.session.problem is None and store.n > start
            control.dismiss()
            if ok:
                found.append((name, before, after))
            while (store.labels != kept).any() and store.act("undo") is not None:
                control.strokes.undo()
            if ok:
                break
    return found


def staged(studio: Studio, name: str, id: int, point: Any, box: Any, other: Any) -> tuple[np.ndarray, np.ndarray]:
    """Set the scene for a tool, take the picture, use the tool, take the other."""
    control = studio.control
    labels = control.family.labels
    control.actions.choose(through=name in ("interpolate",), over="all")
    y, x = point[-2:]
    front = point[:-2]

    def at(*points: tuple[float, float]) -> np.ndarray:
        return np.array([(*front, *p) for p in points], float)

    middle = [(s.start + s.stop) / 2 for s in box][-2:]
    radius = max((s.stop - s.start) / 2 for s in box[-2:]) + 3
    if name == "fill holes":
        control.correct_along("polygon", at((y - 1, x - 2), (y - 1, x + 2), (y + 2, x + 2), (y + 2, x - 2)))
        control.correct_at("delete", point)
        point = tuple(int(v) for v in np.argwhere(control.store().labels == id)[0])
    if name == "keep largest":
        control.correct_along(
            "polygon",
            at(
                (middle[0] - radius - 5, middle[1]),
                (middle[0] - radius - 1, middle[1]),
                (middle[0] - radius - 1, middle[1] + 5),
                (middle[0] - radius - 5, middle[1] + 5),
            ),
        )
        labels.selected_label = id
        control.correct_at("relabel", (*front, int(middle[0] - radius - 3), int(middle[1] + 2)))
    if name == "smooth":
        labels.selected_label = id
        labels.mode, labels.brush_size = "paint", 1
        for k in range(0, 12, 3):
            labels.paint((*front, int(middle[0] + radius - 3), int(middle[1] - 6 + k)), id)
        control.tick()
    if name == "remove small":
        for k in range(4):
            labels.selected_label, labels.mode, labels.brush_size = control.writer.reserve_id(), "paint", 2
            labels.paint((*front, int(middle[0] - radius - 4), int(middle[1] - 9 + 6 * k)), labels.selected_label)
        control.tick()
    if name in ("scribble", "polygon", "convex polygon"):
        control.correct_at("delete", point)
    if name == "interpolate":
        control.actions.choose(through=False)
        for z in range(point[0] - 3, point[0] - 1):
            control.correct_at("delete", (z, *point[1:]))
        control.dismiss()
        control.actions.choose(through=True)
        point = (point[0] - 2, *point[1:])
    studio.look((*point[:-2], *middle))
    line = {
        "split": at((middle[0] - radius, middle[1] + 1), (middle[0] + radius, middle[1] - 1)),
        "scribble": at((y - 2, x - 2), (y, x), (y + 1, x + 3)),
    }.get(name)
    ring = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    if name in ("polygon", "convex polygon"):
        line = at(*((middle[0] + (radius - 3) * np.sin(a), middle[1] + (radius - 4) * np.cos(a)) for a in ring))
    control.family.line.visible = line is not None
    control.family.show_line(
        None if line is None else (np.concatenate([line, line[:1]]) if "polygon" in name else line)
    )
    before = studio.panel()
    control.family.show_line(None)
    if name == "merge":
        control.correct_at("merge", point)
        control.correct_at("merge", other)
        control.actions.forget()
    elif line is not None:
        control.correct_along(name, line)
    elif name == "interpolate":
        control.correct_at(name, (point[0] + 2, *point[1:]))
    elif name == "relabel":
        labels.selected_label = 777
        control.correct_at(name, point)
    elif name == "remove small":
        control.actions.choose(smallest=20)
        control.correct_now(name)
    else:
        control.correct_at(name, point)
    return before, studio.panel()


def predicted_box(studio: Studio) -> tuple[str, np.ndarray, np.ndarray]:
    """A part of the image that lacks its objects is labelled again, by the base model."""
    from napari_cellseg import edits

    control = studio.control
    store = control.store()
    control.want(live=False)
    control.start_from("cells")
    studio.spin(300, lambda: control.engine.ready is not None and not control.busy)
    id = next(i for i in store.objects.ids().tolist()[60:] if store.objects.count(i) > 200)
    box = store.objects.box(store.labels, id)
    middle = [(s.start + s.stop) // 2 for s in box]
    wide = tuple(slice(m - 22, m + 22) for m in middle)
    nothing = np.zeros([s.stop - s.start for s in wide], np.uint32)
    control.workspace.apply(edits.predicted(store.labels, store.state, wide, nothing))
    studio.look(tuple(middle))
    corners = np.array([[wide[0].start, wide[1].start], [wide[0].start, wide[1].stop], [wide[0].stop, wide[1].stop],
                        [wide[0].stop, wide[1].start], [wide[0].start, wide[1].start]], float)  # fmt: skip
    control.family.line.visible = True
    control.family.show_line(corners)
    before = studio.panel()
    control.family.show_line(None)
    control.correct_inside("predict box", wide)
    studio.spin(300, lambda: not control.busy)
    return "predict box", before, studio.panel()


def assigned_class(studio: Studio) -> tuple[str, np.ndarray, np.ndarray]:
    """A region of an electron micrograph gets another class."""
    control = studio.control
    labels = control.store().labels
    place = np.argwhere(labels == 2)
    point = tuple(int(v) for v in place[len(place) // 2])
    control.family.labels.selected_label = 3
    studio.look(point)
    before = studio.panel()
    control.correct_at("assign class", point)
    return "assign class", before, studio.panel()


def sheet(found: list[tuple[str, np.ndarray, np.ndarray]], path: Path) -> None:
    """All pairs in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from napari_cellseg.gui.app.tools import BY_NAME

    columns = 4
    rows = -(-len(found) // columns)
    figure, axes = plt.subplots(rows, columns * 2, figsize=(13, 1.9 * rows), facecolor="#20232a")
    for axis in axes.ravel():
        axis.set_axis_off()
    for k, (name, before, after) in enumerate(found):
        row, column = divmod(k, columns)
        for offset, picture in enumerate((before, after)):
            axes[row, 2 * column + offset].imshow(picture)
        axes[row, 2 * column].set_title(
            f"{BY_NAME[name].title} ({BY_NAME[name].key})", color="white", fontsize=9, loc="left"
        )
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=90, facecolor=figure.get_facecolor())
    print(path)


def main() -> None:
    """All pictures."""
    from napari_cellseg.images import read_labels, write_labels

    rows = list(csv.DictReader((DATA / "dsb2018" / "index.csv").open()))
    name = max((r for r in rows if r["modality"] == "fluo_large"), key=lambda r: int(r["n_nuclei"]))["name"]
    flat, masks = (DATA / "dsb2018" / kind / f"{name}.tif" for kind in ("images", "labels"))
    volume = max((DATA / "nuclei3d").rglob("silver_labels/*.tif"), key=lambda p: p.stat().st_size)
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        studio = Studio(folder, flat, read_labels(masks))
        found = pairs(
            studio,
            ["merge", "split", "delete", "relabel", "approve", "fill holes", "smooth", "grow", "shrink", "keep largest",
             "remove small", "scribble", "polygon", "convex polygon"],
        )  # fmt: skip
        control = studio.control
        control.actions.choose(smallest=30)
        studio.viewer.reset_view()
        control.start_review("worth")
        studio.spin(300, lambda: control.session.place >= 0)
        for _ in range(3):
            control.review.approve()
        studio.window("step_review")
        control.review.stop()
        theirs = np.roll(control.store().labels, 2, axis=1)
        theirs[theirs % 7 == 0] = 0
        third = np.where(theirs % 5 == 0, 0, theirs)
        paths = [write_labels(folder / name, labels) for name, labels in (("anna.tif", theirs), ("ben.tif", third))]
        control.compare(*paths)
        studio.spin(300, lambda: bool(control.session.compared))
        fold = studio.fold("compare")
        studio.window("step_compare")
        fold.collapse()
        control.review.stop()
        found.insert(-3, predicted_box(studio))
        fold = studio.fold("history")
        studio.window("step_history")
        fold.collapse()
        control.close()
        studio.viewer.close()
        studio = Studio(folder, DATA / "nuclei3d" / "images" / volume.name, read_labels(volume, "ZYX"))
        found += pairs(studio, ["copy up", "interpolate"])
        store = studio.control.store()
        box = store.objects.box(store.labels, max(store.objects.ids().tolist(), key=store.objects.count))
        studio.look(tuple((s.start + s.stop) // 2 for s in box))
        studio.window("step_correct_volume")
        studio.control.close()
        studio.viewer.close()
        band = DATA / "hela_em" / "bands" / "slice130_image.tif"
        classes = ("envelope", "nucleus", "cell", "background")
        studio = Studio(folder, band, read_labels(band.with_name("slice130_labels_4class.tif")), classes)
        found.append(assigned_class(studio))
        studio.control.close()
        studio.viewer.close()
    sheet(found, IMAGES / "tools.png")


if __name__ == "__main__":
    if not (DATA / "dsb2018" / "index.csv").is_file():
        sys.exit("the real images are not there: set CELLSEG_DATA")
    on_screen()
    main()
