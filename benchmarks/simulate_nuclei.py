"""The loop on real nuclei, without a person, beside two classical baselines: the curve of docs/benchmarks.md.

usage: python benchmarks/simulate_nuclei.py [--data ../shared/data/dsb2018] [--seconds 600] [--seed 0] [--out DIR]

Pool: the fluorescence images that the index calls train (learnt from) and val (judge). Test: those called test.
No pretrained weights. Training time is the sum over the rounds.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

from napari_cellseg.cli import main as command
from napari_cellseg.images import read_labels
from napari_cellseg.project import Project


def build(folder: Path, data: Path) -> Path:
    """A project with the approved labels of all fluorescence images."""
    with Project.create(folder / "dsb2018") as project:
        for row in csv.DictReader((data / "index.csv").open()):
            if row["modality"].startswith("fluo"):
                labels = read_labels(data / "labels" / f"{row['name']}.tif")
                project.add_image(data / "images" / f"{row['name']}.tif", labels=labels, split=row["split"])
        return project.path


def main() -> int:
    """Build the project and run the subcommand that everybody has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data/dsb2018")
    parser.add_argument("--seconds", default="600")
    parser.add_argument("--rounds", default="3")
    parser.add_argument("--objects", default="1200")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--order", default="worst")
    parser.add_argument("--out", default="benchmarks/results")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    name = f"simulate_nuclei_{options.order}_{options.seed}"
    with tempfile.TemporaryDirectory() as folder:
        project = build(Path(folder), Path(options.data))
        arguments = ["simulate", str(project), "--seconds", options.seconds, "--rounds", options.rounds]
        arguments += ["--objects", options.objects, "--seed", options.seed, "--order", options.order]
        arguments += ["--set", "model.weights=none", "--set", "predict.flips=true"]
        arguments += ["--json", str(out / f"{name}.json"), "--figure", str(out / f"{name}.png")]
        return command(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
