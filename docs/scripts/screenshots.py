"""Make docs/images/*.png: the real docks in a real napari, on real nuclei (or the synthetic specimen).

usage: python docs/scripts/screenshots.py [--quick]      (starts Xvfb where there is no display)

``--quick`` leaves out what needs a training: the pictures of Fine-tune and Rounds stay as they are.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from screen import live, on_screen

IMAGES = Path(__file__).parents[1] / "images"
DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"


def specimen(folder: Path) -> list[tuple[Path, np.ndarray]]:
    """Two pictures and their true labels."""
    from napari_cellseg.images import read_labels
    from napari_cellseg.samples import synthetic_cells

    found = []
    if (DATA / "index.csv").is_file():
        rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_small"]
        rows.sort(key=lambda r: -int(r["n_nuclei"]))
        for row, name in zip(rows[:2], ("nuclei_01", "nuclei_02"), strict=True):
            path = folder / f"{name}.tif"
            shutil.copy(DATA / "images" / f"{row['name']}.tif", path)
            found.append((path, read_labels(DATA / "labels" / f"{row['name']}.tif")))
        return found
    for seed in (1, 2):
        image, labels = synthetic_cells((256, 256), 40, seed=seed)
        np.save(folder / f"nuclei_{seed:02d}.npy", image)
        found.append((folder / f"nuclei_{seed:02d}.npy", labels))
    return found


def main(quick: bool) -> None:
    """Go through the loop once and take a picture of every step."""
    import napari

    from napari_cellseg.preprocess import Clahe, Recipe, TVDenoise

    IMAGES.mkdir(exist_ok=True)

    def spin(seconds: float, until: Callable[[], bool] | None = None) -> None:
        live(seconds, until, lambda: f"{control.session.status} {control.session.problem}")

    def shot(name: str) -> None:
        spin(0.8)
        viewer.window.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False)
        print(IMAGES / f"{name}.png")

    with tempfile.TemporaryDirectory() as name:
        os.environ["CELLSEG_CONFIG"] = name  # what was open before on this machine is nobody's business
        pictures = specimen(Path(name))
        viewer = napari.Viewer(show=True)
        viewer.window.resize(1280, 800)
        start = time.perf_counter()
        _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
        print(f"the dock opened in {time.perf_counter() - start:.2f} s; torch loaded: {'torch' in sys.modules}")
        control = dock.controller
        shot("first_start")
        viewer.open(str(pictures[0][0]), plugin="napari")
        shot("use_image")
        control.use_layer(viewer.layers[0].name)
        spin(60, lambda: not control.busy)
        control.add_images([pictures[1][0]])
        spin(60, lambda: not control.busy)
        control.select_image(control.session.images[0].id)
        spin(60, lambda: not control.busy)
        dock.open_step("Image")
        shot("step_image")
        dock.open_step("Preprocess")
        plain = control.session.config
        control.configure(plain.model_copy(update={"recipe": Recipe(steps=(Clahe(clip_limit=4.0), TVDenoise()))}))
        dock.page("Preprocess").steps.setCurrentRow(1)
        control.session.update(split=0.5)
        control.show_preview(True)
        spin(1200, lambda: not control.busy and bool(control.session.histogram.after))
        shot("step_preprocess")
        control.show_preview(False)
        control.configure(plain)
        dock.open_step("Predict")
        control.predict()
        spin(1200, lambda: not control.busy)
        shot("step_predict")
        correct(control, pictures[0][1])
        dock.open_step("Correct")
        control.actions.approve_image()
        control.configure(control.session.config.with_values(["train.seconds=40", "train.extend=0", "train.least=30"]))
        dock.open_step("Fine-tune")
        show_patches(dock, spin)
        shot("step_finetune_patches")
        fold(dock).collapse()
        if not quick:
            control.training.fine_tune()
            spin(1200, lambda: bool(control.session.progress and control.session.progress.done > 0.6))
            shot("step_finetune")
            spin(1200, lambda: not control.busy)
            control.training.keep()
        control.configure(control.session.config.with_values(["predict.uncertainty=true"]))
        dock.open_step("Predict")
        control.select_image(control.session.images[1].id)
        spin(60, lambda: not control.busy)
        control.predict()
        spin(1200, lambda: not control.busy)
        control.retarget(control.session.decoding.model_copy(update={"threshold": 0.42}))
        spin(1200, lambda: bool(control.session.decoded))
        shot("step_predict_live")
        control.prediction.reset()
        control.select_image(control.session.images[0].id)
        spin(60, lambda: not control.busy)
        control.configure(
            control.session.config.with_values(["train.seconds=20", "train.least=20", "predict.uncertainty=false"])
        )
        if not quick:
            control.training.fine_tune()
            spin(1200, lambda: not control.busy)
            dock.open_step("Rounds")
            shot("step_rounds")
            control.training.keep()
        control.select_image(control.session.images[1].id)
        spin(60, lambda: not control.busy)
        control.predict()
        spin(1200, lambda: not control.busy)
        viewer.reset_view()
        correct(control, pictures[1][1], 2)
        dock.open_step("Correct")
        shot("workbench")
        path = control.project().path
        path.rename(path.with_name("taken_away"))
        spin(10, lambda: control.session.gone)
        shot("gone")
        path.with_name("taken_away").rename(path)
        spin(10, lambda: not control.session.gone)
        print(control.session.status, control.session.problem)
        viewer.close()
        spin(0.5)


def show_patches(dock: Any, spin: Callable[..., None]) -> None:
    """Open the fold of patches and network, and let the engine fill it."""
    control = dock.controller
    fold(dock).expand()
    plain = control.session.config
    control.configure(plain.with_values(["augmentation.kind=two_stage", "train.patch=128"]))
    control.training.show()
    spin(1200, lambda: control.session.training is not None and not control.busy)
    control.configure(plain)


def fold(dock: Any) -> Any:
    """The fold of patches and network."""
    from superqt import QCollapsible

    return dock.page("Fine-tune").findChildren(QCollapsible)[0]


def correct(control: Any, truth: np.ndarray, n: int = 3) -> None:
    """Draw the true outline of the objects that the labels get most wrong."""
    from napari_cellseg.evaluation import worst_objects

    labels = control.family.labels
    for _, true_id, _ in [w for w in worst_objects(truth, labels.data) if w[1]][:n]:
        labels.data_setitem(np.nonzero(truth == true_id), control.session.store.next_id())


if __name__ == "__main__":
    on_screen()
    main(quick="--quick" in sys.argv[1:])
