"""Is the network ever starved? Steps per second of a training beside the bare loop; and how soon the first event comes.

usage: python benchmarks/learn.py [--steps 40] [--only rate|start]

rate: forward, backward, clip and optimiser step on random tensors of the same shape, network and precision, in this
process; then the real training (patches cut and augmented in threads, running average, events). The ratio counts.
start: seconds from pressing Fine-tune to the first event of the training (what is learnt from) and to the first step,
with a cold child and with a warm one.
Writes benchmarks/results/learn.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_cellseg.config import Config
from napari_cellseg.engine import Engine, TrainJob, open_round
from napari_cellseg.events import Finished, StepDone
from napari_cellseg.nets.device import choose
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.train import train

RESULTS = Path(__file__).parent / "results" / "learn.json"
CASES = {
    "resnet18 U-Net, 8 x 192 x 192": ["train.patch=192", "train.batch=8"],
    "U-Net, 8 x 128 x 128": ["model.kind=unet", "train.patch=128", "train.batch=8"],
    "U-Net, 8 x 128 x 128, two stages": [
        "model.kind=unet", "train.patch=128", "train.batch=8", "augmentation.kind=two_stage",
    ],
    "multi-scale U-Net, 4 x 128 x 128": ["model.kind=msunet", "train.patch=128", "train.batch=4"],
    "3D U-Net, 2 x 16 x 64 x 64": ["model.kind=unet3d", "train.patch=64", "train.depth=16", "train.batch=2"],
}  # fmt: skip


def make(folder: Path, volume: bool) -> Project:
    project = Project.create(folder / ("v" if volume else "p"))
    for seed in range(1 if volume else 4):
        image, labels = synthetic_cells((24, 128, 128) if volume else (512, 512), 60, radius=10, seed=seed)
        path = folder / f"{'v' if volume else 'c'}{seed}.npy"
        np.save(path, image)
        project.add_image(path, labels=labels)
    open_round(project)
    return project


def bare(config: Config, steps: int) -> float:
    """Seconds per step on random tensors."""
    device = choose(config.precision)
    network = device.place(config.model.build(1, config.target.channels(1))).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loss = config.loss.build(exclusive=config.target.exclusive)
    side, n = config.train.patch, config.train.batch
    shape = (config.train.depth, side, side) if config.model.dimensions == 3 else (side, side)
    x, y = torch.rand(n, 1, *shape), (torch.rand(n, config.target.channels(1), *shape) > 0.5).float()
    x = x if len(shape) == 3 else x.contiguous(memory_format=torch.channels_last)
    known = torch.ones(n, 1, *shape)
    x, y, known = (t.to(device.torch) for t in (x, y, known))
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        with device.autocast():
            output = network(x)
        value = loss(output, y, known)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        float(value.detach())
        times.append(time.perf_counter() - start)
    return float(np.median(times[3:]))


def real(project: Project, config: Config) -> float:
    """Seconds per step of the training itself."""
    marks = [time.perf_counter() for e in train(project, config) if isinstance(e, StepDone)]
    return float(np.median(np.diff(marks)[3:]))


def rates(steps: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        projects = {volume: make(Path(folder), volume) for volume in (False, True)}
        for name, values in CASES.items():
            fixed = ["model.weights=none"] if not any(v.startswith("model.kind") for v in values) else []
            config = Config().with_values(
                [*values, *fixed, f"train.steps={steps}", "train.seconds=100000", "train.checks=1",
                 "train.from_scratch=true", "train.checkpoint=80000"]
            )  # fmt: skip
            project = projects[config.model.dimensions == 3]
            pairs = [(bare(config, steps), real(project, config)) for _ in range(2)]
            one, other = (float(min(p[k] for p in pairs)) for k in (0, 1))
            out[name] = {"bare_s": one, "training_s": other, "ratio": one / other}
            print(
                f"{name}: bare {one * 1e3:.0f} ms, training {other * 1e3:.0f} ms, ratio {one / other:.2f}", flush=True
            )
    return out


def starts() -> dict[str, dict[str, float]]:
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        with make(Path(folder), False) as project:
            path = project.path
        config = Config().with_values(["model.weights=none", "train.steps=2", "train.checks=1"])
        engine = Engine()
        for name in ("cold", "warm"):
            start, first, done = time.perf_counter(), {}, False
            number = engine.submit(TrainJob(path, config))
            while not done:
                for event in [reply.event for reply in engine.poll() if reply.job == number]:
                    first.setdefault(type(event).__name__, time.perf_counter() - start)
                    done = done or isinstance(event, Finished)
                time.sleep(0.005)
            out[name] = {"event_s": first["TrainStarted"], "step_s": first["StepDone"]}
            print(
                f"{name} child: first event {first['TrainStarted']:.2f} s, first step {first['StepDone']:.2f} s",
                flush=True,
            )
        engine.close()
    return out


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", choices=("rate", "start"))
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.only != "rate":
        found["start"] = starts()
    if options.only != "start":
        found["rate"] = rates(options.steps)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
