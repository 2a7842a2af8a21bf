"""Kill a training at random steps, go on, and compare the weights with those of an uninterrupted training.

usage: python benchmarks/kill_training.py [--kills 20] [--steps 60] [--seed 0]

Each training runs as `napari-cellseg train` in a process of its own, is killed with SIGKILL after a random step (some
twice), and goes on with `--resume`. On a processor the weights must be the same to the bit, the parent untouched.
Writes benchmarks/results/kill_training.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from napari_cellseg.project import Project, unfinished_runs
from napari_cellseg.samples import synthetic_cells

RESULTS = Path(__file__).parent / "results" / "kill_training.json"
SETTINGS = [
    "model.kind=unet", "model.width=8", "train.patch=64", "train.batch=4", "train.seconds=100000", "train.checks=5",
    "sampling.hard=0.3", "train.from_scratch=true", "train.checkpoint=0.2",
]  # fmt: skip


def train(project: Path, steps: int, kill_at: int = 0, resume: bool = False) -> int:
    """One process; returns the last step it told of before it ended or was killed."""
    command = [sys.executable, "-m", "napari_cellseg.cli", "train", str(project), "--events", "--keep", "no"]
    command += ["--resume"] if resume else []
    command += [x for value in [*SETTINGS, f"train.steps={steps}"] for x in ("--set", value)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = 0
    for line in process.stdout:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "StepDone":
            last = event["step"]
            if kill_at and last >= kill_at:
                process.send_signal(signal.SIGKILL)
                break
    process.stdout.close()
    errors = process.stderr.read() if process.stderr else ""
    code = process.wait()
    if not kill_at and code:
        raise SystemExit(f"the training failed: {errors[-2000:]}")
    return last


def digest(project: Project, model: str) -> str:
    return hashlib.sha256((project.model_path(model) / "weights.safetensors").read_bytes()).hexdigest()


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("kills", 20), ("steps", 60), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    rng, kills, rows = random.Random(options.seed), 0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "k"
        image, labels = synthetic_cells((160, 160), 25, radius=9)
        np.save(Path(folder) / "cells.npy", image)
        with Project.create(path) as project:
            project.add_image(Path(folder) / "cells.npy", labels=labels)
            path = project.path
        train(path, options.steps)
        with Project.open(path) as project:
            wanted = digest(project, project.models()[-1].id)
        while kills < options.kills:
            at = train(path, options.steps, kill_at=rng.randrange(2, options.steps - 1))
            steps = [at]
            with Project.open(path) as project:
                resumable = bool(unfinished_runs(project.runs_folder))
            if resumable and rng.random() < 0.3 and at < options.steps - 4 and kills + 1 < options.kills:
                steps.append(train(path, options.steps, kill_at=rng.randrange(at + 2, options.steps), resume=True))
            train(path, options.steps, resume=resumable)  # killed before its first checkpoint: from the beginning
            with Project.open(path) as project:
                same = digest(project, project.models()[-1].id) == wanted
            kills += len(steps)
            rows.append({"killed_after_steps": steps, "resumed": resumable, "same_weights": same})
            print(kills, rows[-1], flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(rows, indent=1))
    same = sum(row["same_weights"] for row in rows)
    print(f"{kills} kills in {len(rows)} trainings, {same} with the weights of the uninterrupted one")


if __name__ == "__main__":
    main()
