"""The five published trainings, end to end on ../shared/data: metrics on test images, seconds, memory, parameters.

usage: python benchmarks/presets.py [--seconds 120] [--only NAME]

Every row runs in a process of its own (its peak memory is in the table): a project of the data set with its own split,
`train` with the preset for so many seconds from random weights (no model hub is reachable where this was written), then
`evaluate` on the test images. das-2025 trains every encoder and network for a third of the time, and joins the best
three. Published lengths (epochs) give way to the seconds.
tiling-2024 has one volume with real instance labels: what is held out of it judges.
Writes benchmarks/results/presets.json and prints the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from napari_cellseg.engine import EvaluateJob, TrainJob, open_round, run
from napari_cellseg.evaluation import mean_scores
from napari_cellseg.events import Evaluated, Judged, Notice, Saved, StepDone
from napari_cellseg.images import read, read_labels
from napari_cellseg.preprocess import Recipe, recipe
from napari_cellseg.presets import preset
from napari_cellseg.project import Project, save_ensemble

DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "presets.json"
ENCODERS = ("densenet121", "inceptionv3", "vgg16", "mobilenetv2", "resnet50", "efficientnetb0")
MODELS = ("model-1-focal", "model-2-focal", "model-3-focal")


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / name / "index.csv").open()))


def foreground(
    folder: Path, name: str, title: str, keep: Callable[[dict[str, str]], bool] = lambda row: True
) -> Project:
    """The instance labels of a data set as one class."""
    project = Project.create(folder / name, "semantic", (title,))
    for row in filter(keep, rows(name)):
        labels = read_labels(DATA / name / "labels" / f"{row['name']}.tif")
        picture = DATA / name / "images" / f"{row['name']}.tif"
        project.add_image(picture, labels=np.minimum(labels, 1), split=row["split"])
    return project


def phase_contrast(folder: Path) -> Project:
    return foreground(folder, "phase_contrast", "cell")


def nuclei(folder: Path) -> Project:
    return foreground(folder, "dsb2018", "nucleus", lambda row: row["modality"] == "fluo_small")


def bright_field(folder: Path) -> Project:
    """The colour pictures, their upper left quarter."""
    project = Project.create(folder / "bright", "semantic", ("cell",))
    for row in rows("bright_field"):
        if row["channels"] == "3":
            pixels = np.moveaxis(read(DATA / "bright_field" / row["image"]).load(), 0, -1)[:768, :1024]
            path = folder / f"{row['name']}.tif"
            tifffile.imwrite(path, pixels, photometric="rgb")
            labels = read_labels(DATA / "bright_field" / row["mask"])[:768, :1024]
            project.add_image(path, labels=np.ascontiguousarray(np.minimum(labels, 1)), split=row["split"])
    return project


def hela(folder: Path) -> Project:
    project = Project.create(folder / "hela", "semantic", ("envelope", "nucleus", "cell", "background"))
    pixels = tifffile.imread(DATA / "hela_em" / "patches_images.tif")
    labels = tifffile.imread(DATA / "hela_em" / "patches_labels_4class.tif")
    splits = np.array([row["split"] for row in rows("hela_em")])
    for split in ("train", "val", "test"):
        chosen = np.flatnonzero(splits == split)[::2]
        np.save(folder / f"{split}.npy", pixels[chosen])
        truth = labels[chosen].astype(np.uint32)
        project.add_image(folder / f"{split}.npy", axes="TYX", labels=truth, split=split)
    return project


def nuclei3d(folder: Path) -> Project:
    project = Project.create(folder / "nuclei3d")
    name = "qcanet_8_cell_stage.tif"
    labels = read_labels(DATA / "nuclei3d" / "labels" / name, "ZYX")
    project.add_image(DATA / "nuclei3d" / "images" / name, axes="ZYX", spacing_um=(1.75, 0.8, 0.8), labels=labels)
    return project


class Case(NamedTuple):
    """A paper's trainings: data that stand for its own; of every one title, preset and what is made smaller."""

    images: str
    make: Callable[[Path], Project]
    variants: list[tuple[str, str, list[str]]]


SMALL = ["train.batch=2", "train.patch=128"]
CASES = {
    "aziz-2026": Case(
        "phase contrast", phase_contrast, [("multi-scale U-Net", "aziz-2026", [])]
    ),
    "gautam-2025": Case("nuclei", nuclei, [("residual U-Net", "gautam-2025", ["train.batch=4"])]),
    "das-2025": Case(
        "bright field, upper left quarters",
        bright_field,
        [(name, f"das-2025-{name}", SMALL) for name in (*ENCODERS, *MODELS)],
    ),
    "karabag-2023": Case(
        "HeLa, every second patch", hela,
        [("U-Net of depth 3, 64 features", "karabag-2023", ["train.patch=64", "train.batch=16", "sampling.slices=[]"])],
    ),
    "tiling-2024": Case(
        "one volume of 8 nuclei; what is held out of it judges",
        nuclei3d,
        [(
            "3D U-Net, 16 features", "tiling-2024-fineyogurt",
            ["model.width=16", "train.depth=16", "train.patch=64", "train.batch=2", "sampling.places=anywhere"],
        )],
    ),
}  # fmt: skip


def recipe_of(case: Case) -> Recipe:
    """The published preprocessing."""
    return recipe(preset(case.variants[0][1]).recipe or "any")


def one(name: str, seconds: float) -> list[dict[str, Any]]:
    """All rows of a preset, in this process."""
    case, found = CASES[name], []
    with tempfile.TemporaryDirectory() as folder, case.make(Path(folder)) as project:
        project.save_config(project.config.model_copy(update={"recipe": recipe_of(case)}))
        share = seconds / (3 if len(case.variants) > 1 else 1)
        open_round(project)
        for title, training, values in case.variants:
            found.append(trained(project, training, title, [*values, "train.epochs=0", f"train.seconds={share}"]))
        if len(found) > 2:
            best = sorted(found, key=lambda row: -row["metrics"].get("iou", 0))[:3]
            start = time.monotonic()
            id = save_ensemble(project, [row["model"] for row in best])
            metrics = tested(project, id)
            title = "ensemble of " + ", ".join(row["network"] for row in best)
            total = sum(row["parameters"] for row in best)
            found.append(
                {"preset": name, "network": title, "model": id, "metrics": metrics, "steps": 0, "trained_s": 0.0,
                 "tested_s": time.monotonic() - start, "parameters": total, "notice": "", "peak_gb": peak()}
            )  # fmt: skip
    return found


def trained(project: Project, name: str, title: str, values: list[str]) -> dict[str, Any]:
    config = preset(name).apply(project.config).with_values([*values, "train.checks=4"])
    notice, steps, model, judged, elapsed = "", 0, "", {}, 0.0
    for event in run(TrainJob(project.path, config)):
        if isinstance(event, Notice):
            notice = event.text
        elif isinstance(event, StepDone):
            steps, elapsed = event.step, event.elapsed
        elif isinstance(event, Saved):
            model = event.model
        elif isinstance(event, Judged):
            judged = event.after
    network = config.model.build(1, 2)
    start = time.monotonic()
    metrics = tested(project, model) or judged
    return {
        "preset": name, "network": title, "model": model, "metrics": metrics, "steps": steps, "trained_s": elapsed,
        "tested_s": time.monotonic() - start, "parameters": sum(p.numel() for p in network.parameters()),
        "notice": notice, "peak_gb": peak(),
    }  # fmt: skip


def tested(project: Project, model: str) -> dict[str, Any]:
    ids = tuple(r.id for r in project.images("test"))
    if not ids:
        return {}
    return mean_scores([e.metrics for e in run(EvaluateJob(project.path, ids, model)) if isinstance(e, Evaluated)])


def peak() -> float:
    """GB of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def table(found: list[dict[str, Any]]) -> str:
    lines = [
        "| preset, images | network | parameters | trained | steps | test images | IoU | Dice | test (s) | peak |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        m = row["metrics"]
        cells = (
            f"{row['preset']}: {CASES[row['preset']].images}", row["network"], f"{row['parameters'] / 1e6:.1f} M",
            f"{row['trained_s']:.0f} s" if row["steps"] else "", row["steps"] or "", m.get("images", 0),
            f"{m.get('iou', 0):.3f}", f"{m.get('dice', 0):.3f}", f"{row['tested_s']:.0f}", f"{row['peak_gb']:.1f} GB",
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what was asked for, each preset in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--only", choices=tuple(CASES))
    parser.add_argument("--here", action="store_true", help="in this process, JSON to stdout (used by itself)")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(one(options.only, options.seconds)))
        return
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in [options.only] if options.only else list(CASES):
        command = [sys.executable, __file__, "--here", "--only", name, "--seconds", str(options.seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        found[name] = json.loads(done.stdout.splitlines()[-1])
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1))
        print(table(found[name]), flush=True)


if __name__ == "__main__":
    main()
