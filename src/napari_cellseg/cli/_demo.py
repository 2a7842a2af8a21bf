"""``demo``: the whole loop on real nuclei images, leaving figures and numbers."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import time
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import images, samples
from ..engine import PredictJob, run
from ..errors import CellsegError
from ..events import Predicted, RoundScored
from ..experiments import Simulation, simulate
from ..files import write_text
from ..project import Project
from ..report import plot_before_after, plot_curve
from ._progress import Printer

POOL, TESTS = 24, 8
"""Images of the demo: enough for a curve, few enough for two cores."""


@dataclass(frozen=True)
class Specimen:
    """Where the demo's images come from."""

    about: str
    items: list[tuple[Path, NDArray[np.uint32], str]]


def demo(options: Namespace) -> int:
    """Run the loop with a perfect annotator and draw what happened."""
    out, start = Path(options.out), time.monotonic()
    if out.exists() and any(out.iterdir()) and not (out / "numbers.json").exists():
        raise CellsegError(f"{out} exists and is not a demo's folder.", "Give another one with --out.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    specimen = find_specimen(out, options.data)
    print(f"The demo uses {specimen.about}.", flush=True)
    with Project.create(out / "truth") as truth:
        for path, labels, split in specimen.items:
            truth.add_image(path, labels=labels, split=split)
        scores, pictures = [], Pictures(truth, out)
        plan = Simulation(options.rounds, options.objects, options.seconds)
        short = ["train.patch=160", "train.least=60", "train.extend=0"]  # minutes, not more
        config = truth.config.with_values([*short, *options.values])
        with Printer(options.events) as printer:
            for event in simulate(truth, plan, config, out / "loop", lambda job: run(job, printer.stopped)):
                printer.show(event)
                if isinstance(event, RoundScored):
                    scores.append(event)
                    if event.name.startswith("round"):
                        pictures.draw(out / "loop" / "truth.cellseg", event.round)
                if printer.stopped():
                    return 130
    plot_curve(scores, out / "curve.png")
    numbers = {
        "data": specimen.about, "plan": asdict(plan), "scores": [asdict(s) for s in scores],
        "seconds": time.monotonic() - start,
    }  # fmt: skip
    write_text(out / "numbers.json", json.dumps(numbers, indent=2))
    print(f"Left in {out}: {', '.join(sorted(p.name for p in out.iterdir()))}.")
    return _open(options, out / "loop" / "truth.cellseg")


class Pictures:
    """Draws the same test image after every round, beside the round before."""

    def __init__(self, truth: Project, out: Path) -> None:
        tests = truth.images("test")
        self.truth, self.out = truth, out
        self.id = max(tests, key=lambda r: _objects(truth, r.id)).id
        self.last = np.zeros(truth.image(self.id).shape, np.uint32)

    def draw(self, scratch: Path, number: int) -> None:
        """Predict with the current model and write ``round_N.png``; round 0 is only remembered."""
        with Project.open(scratch) as project:
            model = project.current_model or ""
        events = list(run(PredictJob(scratch, (self.id,), (model,))))
        labels = next(e.labels for e in events if isinstance(e, Predicted))
        image = self.truth.read_image(self.id).load().mean(0)
        truth = self.truth.load_labels(self.id)[0]
        if number:
            before = "before: the base model" if number == 1 else f"before round {number}"
            plot_before_after(
                [(before, image, self.last, truth), (f"after round {number} ({model})", image, labels, truth)],
                self.out / f"round_{number}.png",
            )
        self.last = labels


def find_specimen(out: Path, data: str | None = None) -> Specimen:
    """Real nuclei where they are to be had, a synthetic specimen otherwise."""
    folders = [Path(data)] if data else [Path("../shared/data/dsb2018"), Path("shared/data/dsb2018")]
    for folder in folders:
        if (folder / "index.csv").is_file():
            return _from_index(folder)
    if data:
        raise CellsegError(f"{data} holds no index.csv.", "Give a folder with index.csv, images/ and labels/.")
    try:
        archive = samples.download(samples.NUCLEI, _cache())
        found = samples.unpack_nuclei(archive, out / "downloaded")
        pool = [(p, images.read_labels(m), "train") for p, m, split in found if split == "train"][:POOL]
        tests = [(p, images.read_labels(m), "test") for p, m, split in found if split == "test"][:TESTS]
        return Specimen(f"{samples.NUCLEI.about}, downloaded", pool + tests)
    except CellsegError as error:
        print(f"Note: {error.message}", file=sys.stderr)
        return _synthetic(out / "synthetic")


def _from_index(folder: Path) -> Specimen:
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"].startswith("fluo")]
    rows.sort(key=lambda r: r["modality"] == "fluo_large")  # small ones first: they are quick
    pool = [r for r in rows if r["split"] != "test"][:POOL]
    tests = [r for r in rows if r["split"] == "test"][:TESTS]
    items = []
    for row in pool + tests:
        labels = images.read_labels(folder / "labels" / f"{row['name']}.tif")
        items.append((folder / "images" / f"{row['name']}.tif", labels, row["split"]))
    return Specimen("fluorescence images of the 2018 Data Science Bowl (BBBC038, CC0)", items)


def _synthetic(folder: Path) -> Specimen:
    folder.mkdir(parents=True)
    items = []
    for number in range(POOL + TESTS):
        image, labels = samples.synthetic_cells((256, 256), 30, seed=number)
        path = folder / f"cells_{number:02d}.npy"
        np.save(path, image)
        items.append((path, labels, "test" if number >= POOL else "train"))
    return Specimen("the synthetic specimen, since no real images could be had", items)


def _objects(project: Project, id: str) -> int:
    return len(np.unique(project.load_labels(id)[0]))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "napari-cellseg"


def _open(options: Namespace, project: Path) -> int:
    display = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if options.gui and display:
        from ..gui import launch

        launch(project)
    elif options.gui:
        print("There is no display, so napari was not opened.")
    return 0
