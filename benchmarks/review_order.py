"""What the review queue is worth: the loop without a person, in the queue's order and in random order, over seeds.

usage: python benchmarks/review_order.py [--seeds 5] [--rounds 3] [--objects 80] [--steps 150] [--only nuclei|em]

Both orders look at the same kind of places (predicted objects and doubtful background tiles), with the same number of
looks per round, the same first fields and the same number of training steps, from scratch every round, and every
model is kept: what differs are the labels. Nuclei: small fluorescence images of dsb2018. EM: a quarter (256 x 256) of
every slice of isbi2012, whose objects are the cells between membranes.
Writes benchmarks/results/review_order.json and docs/images/review_order.png (mean and 95 % confidence band of t).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.config import Config
from napari_cellseg.engine import run
from napari_cellseg.events import RoundScored
from napari_cellseg.experiments import Simulation, simulate
from napari_cellseg.images import read_labels
from napari_cellseg.project import Project

DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "review_order.json"
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "review_order.png"


def nuclei(folder: Path) -> Path:
    """A project of the small fluorescence images."""
    with Project.create(folder / "nuclei") as project:
        for row in csv.DictReader((DATA / "dsb2018" / "index.csv").open()):
            if row["modality"] == "fluo_small":
                labels = read_labels(DATA / "dsb2018" / "labels" / f"{row['name']}.tif")
                project.add_image(DATA / "dsb2018" / "images" / f"{row['name']}.tif", labels=labels, split=row["split"])
        return project.path


def em(folder: Path) -> Path:
    """A project of membrane slices: connected regions between membranes are the objects."""
    import cc3d
    import tifffile

    with Project.create(folder / "em") as project:
        for n, row in enumerate(csv.DictReader((DATA / "isbi2012" / "index.csv").open())):
            pixels, membrane = (_slice(kind, n, tifffile)[:256, :256] for kind in ("images", "labels"))
            cells = cc3d.dust(cc3d.connected_components(membrane == 0, connectivity=4), 50)
            np.save(folder / f"em_{n:02d}.npy", pixels)
            project.add_image(folder / f"em_{n:02d}.npy", labels=cells.astype(np.uint32), split=row["split"])
        return project.path


def _slice(kind: str, n: int, tifffile: Any) -> np.ndarray:
    files = sorted((DATA / "isbi2012").rglob(f"*{kind[:-1]}*.tif"))
    if len(files) == 1:
        return tifffile.imread(files[0], key=n)
    return tifffile.imread(files[n])


def curve(source: Path, order: str, seed: int, options: argparse.Namespace) -> list[dict[str, float]]:
    """Scores after every round."""
    with Project.open(source) as project, tempfile.TemporaryDirectory() as folder:
        config: Config = project.config.with_values(
            [
                "model.weights=none",
                "model.encoder=timm-mobilenetv3_small_minimal_100",
                "model.detail=8",
                "train.patch=96",
                "train.batch=4",
                f"train.steps={options.steps}",
                "train.checks=1",
                "train.averaging=0.95",
                "train.from_scratch=true",
            ]
        )
        plan = Simulation(options.rounds, options.objects, 1e5, order, seed, baselines=False, keep="always")  # type: ignore[arg-type]
        found = []
        for event in simulate(project, plan, config, Path(folder), run):
            if isinstance(event, RoundScored) and event.round:
                found.append({"round": event.round, "objects": event.objects, **event.metrics})
        return found


def draw(results: dict[str, Any]) -> None:
    """Accuracy against objects looked at, mean and 95 % band over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from scipy import stats

    figure, axes = plt.subplots(1, len(results), figsize=(5.2 * len(results), 3.8), squeeze=False)
    for axis, (name, orders) in zip(axes[0], results.items(), strict=True):
        for order, colour in (("queue", "#3b8ee0"), ("random", "#d1495b")):
            runs = list(orders.get(order, {}).values())
            if not runs:
                continue
            values = np.array([[r["ap50"] for r in run] for run in runs])
            objects = np.array([[r["objects"] for r in run] for run in runs]).mean(0)
            mean = values.mean(0)
            axis.plot(objects, mean, "o-", color=colour, label=f"{order} ({len(runs)} seeds)")
            if len(runs) > 1:
                half = stats.t.ppf(0.975, len(runs) - 1) * values.std(0, ddof=1) / np.sqrt(len(runs))
                axis.fill_between(objects, mean - half, mean + half, color=colour, alpha=0.2, lw=0)
        axis.set(title=name, xlabel="objects looked at", ylabel="AP@0.5 on test images")
        axis.legend(frameon=False)
    figure.tight_layout()
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    """Run what is not in the results yet, seed by seed, so that an interrupted run can go on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("seeds", 5), ("rounds", 3), ("objects", 80), ("steps", 150)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=("nuclei", "em"))
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        sources = {k: f(Path(folder)) for k, f in (("nuclei", nuclei), ("em", em)) if options.only in (None, k)}
        for seed in range(options.seeds):
            for name, source in sources.items():
                for order in ("queue", "random"):
                    done = results.setdefault(name, {}).setdefault(order, {})
                    if str(seed) in done:
                        continue
                    done[str(seed)] = curve(source, order, seed, options)
                    last = done[str(seed)][-1]
                    print(f"{name} {order} seed {seed}: {last['objects']} objects, AP {last['ap50']:.3f}", flush=True)
                    RESULTS.parent.mkdir(exist_ok=True)
                    RESULTS.write_text(json.dumps(results, indent=1))
                    draw(results)


if __name__ == "__main__":
    main()
