"""Make docs/images/volume_modes.png: one real 3D volume predicted in all three modes.

usage: python docs/scripts/volumes.py        (needs ../shared/data; two short trainings, some minutes on 2 cores)

A 2D network and a 3D network are trained on the annotated volume of `nuclei3d` (the training volume itself is shown:
the picture compares modes, it does not measure accuracy).
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "nuclei3d"
OUT = Path(__file__).parents[1] / "images" / "volume_modes.png"
SECONDS = float(os.environ.get("SECONDS_TO_TRAIN", "90"))


def main() -> None:
    """Train twice, predict three times, draw."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from skimage.segmentation import find_boundaries

    from napari_cellseg.config import Config, Predict
    from napari_cellseg.engine import PredictJob, TrainJob, decide, open_round, record_round, run
    from napari_cellseg.events import Judged, Predicted
    from napari_cellseg.images import read_labels
    from napari_cellseg.project import Project

    name = next(p.name for p in sorted((DATA / "labels").glob("*.tif")))
    rows = {r["name"]: r for r in csv.DictReader((DATA / "index.csv").open())} if (DATA / "index.csv").is_file() else {}
    print(name, rows.get(Path(name).stem, {}))
    truth = read_labels(DATA / "labels" / name)
    results = []
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "p") as project:
        (id,) = project.add_image(DATA / "images" / name, labels=truth)
        for kind, modes in (("smp", ("slices", "three axes")), ("unet3d", ("volume",))):
            config = Config().with_values(
                [f"model.kind={kind}", f"train.seconds={SECONDS}", "train.from_scratch=true", "train.depth=16",
                 "train.patch=96", "train.batch=4" if kind == "smp" else "train.batch=1"]
            )  # fmt: skip
            if kind == "smp":
                config = config.with_values(["model.weights=none"])
            open_round(project)
            for event in run(TrainJob(project.path, config)):
                if isinstance(event, Judged):
                    record_round(project, event)
                    decide(project, "keep")
            model = project.current_model
            for mode in modes:
                start = time.perf_counter()
                options = Predict(mode=mode if kind == "smp" else "auto")
                events = run(PredictJob(project.path, (id,), (model,), options))
                done = next(e for e in events if isinstance(e, Predicted))
                results.append((mode, np.asarray(done.labels), time.perf_counter() - start, done.objects))
                print(
                    mode,
                    f"{results[-1][2]:.1f} s, {done.objects} objects, {len(np.unique(truth)) - 1} annotated",
                    flush=True,
                )
        image = project.read_image(id).load()[0]
        spacing = project.image(id).spacing_um or (1.0, 1.0, 1.0)
    z, y = [int(np.median(w)) for w in np.nonzero(truth)[:2]]
    figure, axes = plt.subplots(2, 4, figsize=(13, 6.4), height_ratios=[1, 0.6])
    columns = [("annotation", truth), *((f"{m} ({s:.0f} s, {n} objects)", v) for m, v, s, n in results)]
    for column, (title, labels) in enumerate(columns):
        for row, at in enumerate(((z,), (slice(None), y))):
            plane, ids = image[at], labels[at]
            options = {"aspect": 1 if row == 0 else spacing[0] / spacing[2], "interpolation": "nearest"}
            colours = np.ma.masked_equal(np.where(ids > 0, ids % 19 + 1, 0), 0)
            outlines = np.ma.masked_equal(find_boundaries(ids), 0)
            axes[row, column].imshow(plane, cmap="gray", vmax=np.percentile(plane, 99.8), **options)
            axes[row, column].imshow(colours, cmap="tab20", alpha=0.45, **options)
            axes[row, column].imshow(outlines, cmap="Wistia", **options)
            axes[row, column].set_axis_off()
        axes[0, column].set_title(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(OUT, dpi=100)
    print(OUT)


if __name__ == "__main__":
    if not (DATA / "labels").is_dir():
        sys.exit("the 3D nuclei are not there: set CELLSEG_DATA")
    main()
