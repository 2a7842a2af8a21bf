"""Make docs/images/loop.gif: the loop once through, in a real window, on real nuclei (or the synthetic specimen).

usage: python docs/scripts/loop.py       (starts Xvfb where there is no display; some minutes)

Open an image, predict, paint two dim nuclei that were missed and merge one that was split, see the answer change,
fine-tune, keep. Strokes are those of the mouse: napari's own brush along the nucleus, and a click of the tool Merge.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from screen import live, on_screen
from screenshots import DATA, IMAGES
from screenshots import correct as worst

NAME = "dsb_f728de042672"
"""Of the 2018 Data Science Bowl (BBBC038, CC0): bright nuclei, and dim ones that the base model misses."""
WIDTH, COLOURS = 900, 255
"""Of the GIF, so that it stays below 2 MB."""
BAR = 34
MORE = 12
"""Objects that are corrected off the screen, the worst first: something to learn from, and to judge by."""


class Film:
    """A real window and the frames that were taken of it."""

    def __init__(self) -> None:
        import napari

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1240, 780)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        self.control = self.dock.controller
        self.viewer.window._qt_window._qt_viewer.dockLayerControls.hide()
        self.viewer.window._qt_window._qt_viewer.dockLayerList.hide()
        self.frames: list[Image.Image] = []
        self.seconds: list[float] = []

    def spin(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Let the viewer live for a while, or until something is true, which must come true in time."""
        live(seconds, until, lambda: f"{self.control.session.status} {self.control.session.problem}")

    def idle(self) -> None:
        """Until nothing runs and no answer is due."""
        self.spin(1.0)  # the clock must have seen what was done last
        self.spin(600, lambda: not self.control.busy and not self.control.live.expects)

    def shoot(self, words: str, seconds: float, hand: tuple[float, float] | None = None) -> None:
        """A frame with words under it, and the hand at a pixel of the image."""
        self.spin(0.3)
        shot = Image.fromarray(self.viewer.window.screenshot(canvas_only=False, flash=False)[..., :3])
        if hand is not None:
            x, y = self._on_screen(hand)
            pen = ImageDraw.Draw(shot)
            pen.ellipse((x - 9, y - 9, x + 9, y + 9), outline="white", width=3)
            pen.ellipse((x - 6, y - 6, x + 6, y + 6), outline="black", width=1)
        height = round(shot.height * WIDTH / shot.width)
        frame = Image.new("RGB", (WIDTH, height + BAR), "#15181d")
        frame.paste(shot.resize((WIDTH, height), Image.Resampling.LANCZOS), (0, 0))
        font = ImageFont.load_default(size=17)
        ImageDraw.Draw(frame).text((14, height + BAR / 2), words, fill="white", font=font, anchor="lm")
        self.frames.append(frame)
        self.seconds.append(seconds)
        print(len(self.frames), words, flush=True)

    def _on_screen(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a pixel of the image is in the picture of the window."""
        canvas = self.viewer.window._qt_viewer.canvas
        node = canvas.layer_to_visual[self.control.family.labels].node
        x, y, _, w = node.transforms.get_transform("visual", "canvas").map([point[1] + 0.5, point[0] + 0.5, 0, 1])
        corner = canvas.native.mapTo(self.viewer.window._qt_window, canvas.native.rect().topLeft())
        return corner.x() + x / w, corner.y() + y / w

    def look(self, point: tuple[float, float], zoom: float) -> None:
        """Put a pixel of the image into the middle."""
        from napari_cellseg.gui.layers import _napari

        camera = _napari.camera(self.viewer)
        camera.center, camera.zoom = (0.0, *point), zoom
        self.spin(0.4)

    def paint(self, mask: np.ndarray, words: str) -> None:
        """Paint a nucleus, row by row, as one stroke."""
        layer = self.control.family.labels
        self.control.strokes.new_label()
        layer.brush_size = 6
        rows = np.flatnonzero(mask.any(1))[2:-2:4]
        paths = [(int(r), *(int(v) for v in np.flatnonzero(mask[r])[[0, -1]])) for r in rows]
        marks = {len(paths) // 3, 2 * len(paths) // 3}
        with layer.block_history():
            for n, (row, left, right) in enumerate(paths):
                for column in range(left + 3, max(left + 4, right - 2)):
                    layer.paint((row, column), layer.selected_label)
                if n in marks:
                    self.shoot(words, 0.3, (row, right - 3))
        self.shoot(words, 0.5, paths[-1][:2])

    def save(self, path: Path) -> None:
        """As a GIF whose frames share their colours."""
        some = np.concatenate([np.asarray(f.reduce(2)) for f in self.frames])
        palette = Image.fromarray(some).quantize(COLOURS, Image.Quantize.MEDIANCUT)
        few = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in self.frames]
        times = [round(1000 * s) for s in self.seconds]
        few[0].save(path, save_all=True, append_images=few[1:], duration=times, loop=0, optimize=True)
        print(path, f"{path.stat().st_size / 1e6:.2f} MB, {len(few)} frames")


def specimen(folder: Path) -> tuple[Path, np.ndarray]:
    """A picture and its true labels."""
    from napari_cellseg.images import read_labels
    from napari_cellseg.samples import synthetic_cells

    if (DATA / "images" / f"{NAME}.tif").is_file():
        shutil.copy(DATA / "images" / f"{NAME}.tif", folder / "nuclei.tif")
        return folder / "nuclei.tif", read_labels(DATA / "labels" / f"{NAME}.tif")
    image, labels = synthetic_cells((256, 256), 40, seed=1)
    np.save(folder / "nuclei.npy", image)
    return folder / "nuclei.npy", labels


def missed(truth: np.ndarray, labels: np.ndarray) -> list[int]:
    """True nuclei that no label covers."""
    ids = np.unique(truth[truth > 0])
    return [int(t) for t in ids if (truth == t).sum() > 60 and (labels[truth == t] > 0).mean() < 0.15]


def parted(truth: np.ndarray, labels: np.ndarray) -> tuple[int, int] | None:
    """Two labels that are one true nucleus."""
    for t in np.unique(truth[truth > 0]):
        ids, counts = np.unique(labels[truth == t], return_counts=True)
        mine = [int(i) for i, n in zip(ids, counts, strict=True) if i and n > 0.15 * (truth == t).sum()]
        if len(mine) > 1:
            return mine[0], mine[1]
    return None


def middle(mask: np.ndarray) -> tuple[float, float]:
    """The middle of a mask."""
    y, x = (float(v.mean()) for v in np.nonzero(mask))
    return y, x


def open_and_predict(film: Film, picture: Path) -> None:
    """From an empty window to the first masks."""
    control, dock = film.control, film.dock
    film.shoot("1  Open images, or drop them on the window", 1.4)
    control.open_images([picture])
    film.spin(60, lambda: control.session.store is not None and not control.busy)
    film.viewer.reset_view()
    film.shoot("1  Open images, or drop them on the window", 1.2)
    dock.open_step("Predict")
    film.spin(120, lambda: control.engine.ready is not None)
    film.shoot("2  Predict: a base model comes with the package", 1.2)
    control.predict()
    film.idle()
    film.shoot(f"2  Predict: {len(control.store().objects)} objects; the dim ones are missing", 2.0)


def merge(film: Film, truth: np.ndarray) -> None:
    """Merge a nucleus that was split, where there is one."""
    control = film.control
    pair = parted(truth, control.store().labels)
    if pair is None:
        return
    places = [middle(control.store().labels == id) for id in pair]
    film.look(places[0], 5.0)
    words = "3  Correct: two labels are one nucleus. Merge (G), click both"
    film.shoot(words, 1.0, places[0])
    for place in places:
        control.correct_at("merge", tuple(round(v) for v in place))
        film.shoot(words, 0.8, place)
    control.tools.leave()
    film.idle()


def correct(film: Film, truth: np.ndarray) -> None:
    """Merge, paint two missed nuclei, and see what Live makes of it."""
    control, store = film.control, film.control.store()
    film.dock.open_step("Correct")
    merge(film, truth)
    for nth, words in enumerate(("paint one that was missed", "one more", "and one more")):
        gone = missed(truth, store.labels)
        if not gone:
            break
        mask = truth == gone[0]
        if nth == 0:
            film.look(middle(mask), 3.0)
        else:
            film.viewer.reset_view()  # Live labels what is in view
        before = len(store.objects)
        film.shoot(f"3  Correct: {words}", 0.7)
        film.paint(mask, f"3  Correct: {words}")
        film.idle()
        print(control.session.live_learnt, len(store.objects), len(gone), len(missed(truth, store.labels)), flush=True)
        if len(missed(truth, store.labels)) < len(gone) - 3:
            break  # Live has found others
    film.viewer.reset_view()
    words = f"4  Live: after a correction the view is labelled again: {before} objects before, {len(store.objects)} now"
    film.shoot(words, 2.6)
    control.family.labels.mode = "pan_zoom"
    worst(control, truth, MORE)
    film.idle()
    film.shoot(
        f"4  And so on, until it is right: {control.session.counts.corrected_objects} objects are corrected now", 1.4
    )


def learn(film: Film) -> None:
    """Fine-tune, compare, keep, predict again."""
    control, dock = film.control, film.dock
    control.configure(control.session.config.with_values(["train.seconds=45", "train.extend=0", "train.least=30"]))
    dock.open_step("Fine-tune")
    film.shoot("5  Fine-tune: the network learns from what you corrected", 1.0)
    control.training.fine_tune()
    for share in (0.15, 0.4, 0.65, 0.9):
        film.spin(900, lambda at=share: bool(control.session.progress and control.session.progress.done > at))
        film.shoot("5  Fine-tune: a minute, in the background", 0.7)
    film.spin(900, lambda: not control.busy)
    dock.open_step("Rounds")
    film.spin(3)
    better = control.session.rounds[-1].child == control.session.current_model
    film.shoot("6  The new model against the old one, on corrections that neither has learnt from", 2.2)
    (control.training.keep if better else control.training.roll_back)()
    film.shoot(
        "6  It is better: keep it" if better else "6  It is no better yet: roll back, and correct some more", 1.2
    )
    dock.open_step("Predict")
    control.predict()
    film.idle()
    film.shoot(f"7  Predict again: {len(control.store().objects)} objects. Corrections stay as they are", 2.6)


def main() -> None:
    """Go through the loop once."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELLSEG_CONFIG"] = folder  # what was open before on this machine is nobody's business
        picture, truth = specimen(Path(folder))
        film: Any = Film()
        open_and_predict(film, picture)
        correct(film, truth)
        learn(film)
        film.save(IMAGES / "loop.gif")
        film.viewer.close()
        film.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()
