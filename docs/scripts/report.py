"""Make docs/images/report.png: the report of a simulated session on real nuclei, as a browser shows it.

usage: python docs/scripts/report.py        (needs ../shared/data and chromium; two short trainings)

A perfect annotator works through four fluorescence images: what the base model has right is approved, what is wrong is
mended, at the pace of a person (times are drawn, so that two hours pass in minutes). Two rounds.
"""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import napari_cellseg as cs
from napari_cellseg.images import read_labels
from napari_cellseg.project import Project, difference

DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"
OUT = Path(__file__).parents[1] / "images" / "report.png"
STEPS = int(os.environ.get("STEPS_TO_TRAIN", "40"))
RIGHT = 0.8
"""An object is approved where the model's overlaps it so well (IoU)."""


class Clock:
    """Time that passes as it does for a person."""

    def __init__(self) -> None:
        self.now, self._rng = 1.79e9, np.random.default_rng(0)
        time.time = lambda: self.now  # what the log writes down

    def pass_by(self) -> None:
        """Some seconds, and now and then a pause."""
        self.now += 60.0 if self._rng.random() < 0.08 else float(self._rng.gamma(3, 2.2))


def annotate(project: Project, image: str, truth: np.ndarray, clock: Clock) -> None:
    """Approve what is right, mend what is not."""
    store = project.store(image)
    everywhere = tuple(slice(0, n) for n in truth.shape)
    for id in np.unique(truth)[1:]:
        clock.pass_by()
        mask = truth == id
        found = int(np.bincount(store.labels[mask]).argmax())
        both, either = (mask & (store.labels == found)).sum(), (mask | (store.labels == found)).sum()
        if found and both / either > RIGHT:
            state = np.where(store.labels == found, 2, store.state).astype(np.uint8)
            store.apply(difference("approve object", store.labels, store.state, everywhere, store.labels.copy(), state))
        else:
            labels = np.where(mask, store.next_id(), store.labels).astype(np.uint32)
            state = np.where(mask, 1, store.state).astype(np.uint8)
            store.apply(difference("brush", store.labels, store.state, everywhere, labels, state))
    store.snapshot()


def session(folder: Path) -> Path:
    """Two rounds; returns the report."""
    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == "fluo_large"][:4]
    clock = Clock()
    with cs.new(folder / "nuclei") as project:
        added = project.add([DATA / "images" / f"{r['name']}.tif" for r in rows])
        ids = [id for picture in added.pictures for id in picture.ids]
        images = list(zip(ids, rows, strict=True))
        for pair in (images[:2], images[2:]):
            project.predict()
            for id, row in pair:
                annotate(project.project, id, read_labels(DATA / "labels" / f"{row['name']}.tif"), clock)
            project.train(settings={"train.steps": STEPS, "train.least": STEPS, "train.patch": 128})
        project.report(folder / "report.html", cases=3)
    return folder / "report.html"


def main() -> None:
    """Make the session, write its report, photograph it."""
    with tempfile.TemporaryDirectory() as folder:
        page = session(Path(folder))
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1040,1500",
             f"--screenshot={OUT}", f"file://{page}"],
            check=True, capture_output=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
