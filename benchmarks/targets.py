"""What the targets of objects are worth beside each other: `study` over target.kind, and how long coding takes.

usage: python benchmarks/targets.py [--seeds 2] [--steps 200] [--only learn|time] [--loss cross_entropy]
           [--kinds flows/rays]

Fluorescent nuclei of dsb2018 (needs ../shared/data): a dozen images of the splits train and val are learnt, the test
images measure. Same small U-Net from random weights, same patches and number of steps for all. Times are of exact
labels: patches to learn from, and a picture of 1024 x 1024 with a thousand objects. Writes
benchmarks/results/targets.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from first_masks import HERE, items

from napari_cellseg import images
from napari_cellseg.cli import main as command
from napari_cellseg.config import default_config
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, Flows, Rays, decode

TARGETS = (Distance(), Boundary(), Flows(), Rays())
POOL = 12
RESULTS = HERE / "results" / "targets.json"
PATCHES = {"160 x 160": ((160, 160), 25, 14.0), "32 x 96 x 96": ((32, 96, 96), 30, 12.0)}


def learnt(options: argparse.Namespace) -> dict[str, Any]:
    """Scores of every target, by seed."""
    with tempfile.TemporaryDirectory() as folder:
        with Project.create(Path(folder) / "p") as project:
            for image, labels in items(("train", "val"))["fluorescence"][:POOL]:
                project.add_image(image, labels=images.read_labels(labels))
            for image, labels in items(("test",))["fluorescence"]:
                project.add_image(image, labels=images.read_labels(labels), split="test")
            project.save_config(default_config())
            path = str(project.path)
        values = {"train.steps": options.steps, "train.seconds": 100_000, "train.checks": 1, "train.extend": 0}
        values |= {"train.batch": 4, "train.patch": 128, "train.averaging": 0.95, "loss.kind": options.loss}
        values |= {"model.kind": "unet", "model.width": options.width}
        kinds = options.kinds or "/".join(t.kind for t in TARGETS)
        arguments = ["study", path, "--factors", f"target.kind={kinds}", "--repeats", str(options.seeds)]
        for name, value in values.items():
            arguments += ["--set", f"{name}={value}"]
        found = Path(folder) / "study.json"
        if command([*arguments, "--json", str(found)]):
            raise SystemExit("the study failed")
        return {
            "steps": options.steps,
            "width": options.width,
            "loss": options.loss,
            "study": json.loads(found.read_text()),
        }


def fastest(work: Callable[[], Any]) -> float:
    """Seconds of the best of three, after one that compiles."""
    work()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def timed() -> dict[str, Any]:
    """Milliseconds per patch, and seconds per picture."""
    out: dict[str, Any] = {}
    labels = synthetic_cells((1024, 1024), 1400, radius=11.0, touching=0.5)[1]
    for target in TARGETS:
        row: dict[str, Any] = {"objects": int(len(np.unique(labels)) - 1)}
        for name, (shape, n, radius) in PATCHES.items():
            patch = synthetic_cells(shape, n, radius=radius, touching=0.5)[1]
            row[f"encode {name} (ms)"] = round(1000 * fastest(lambda p=patch, t=target: t.encode(p)), 1)
        encoded = target.encode(labels)
        row["decode (s)"] = round(fastest(lambda t=target, e=encoded: decode(t, e)), 3)
        out[target.kind] = row
    for row in out.values():
        row["decode, beside distance"] = round(row["decode (s)"] / out["distance"]["decode (s)"], 2)
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--kinds", default="", help="some of the targets, with / between them")
    parser.add_argument("--loss", default="dice_focal")
    parser.add_argument("--only", choices=("learn", "time"))
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if options.only != "learn":
        results["time"] = timed()
    if options.only != "time":
        results[f"nuclei, {options.loss}{options.kinds and ', '}{options.kinds}"] = learnt(options)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
