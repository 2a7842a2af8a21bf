"""Which network is worth most after a minute? Several, from new weights, on the same labelled images.

usage: python benchmarks/networks.py [--seconds 60] [--seeds 0 1] [--json FILE]

Fluorescence images of dsb2018 (needs ../shared/data): two dozen of the splits train and val are approved, the test
images measure. Only the network differs; ImageNet weights where they are to be had, since a user would have them, too.
By the clock, so on a quiet machine only.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from first_masks import HERE, items

from napari_cellseg import images
from napari_cellseg.config import default_config
from napari_cellseg.engine import PredictJob, TrainJob, open_round, run
from napari_cellseg.evaluation import mean_scores, score_image
from napari_cellseg.events import Predicted, Saved, StepDone
from napari_cellseg.project import Project

NETWORKS = {
    "EfficientNet-Lite0, ImageNet": ["model.encoder=tu-tf_efficientnet_lite0", "model.weights=imagenet"],
    "ResNet-18": ["model.encoder=resnet18", "model.weights=none"],
    "MobileNetV3-small": ["model.encoder=tu-mobilenetv3_small_100", "model.weights=none"],
    "U-Net, width 16": ["model.kind=unet", "model.width=16"],
}
POOL = 24


def one(values: list[str], seconds: float, seed: int) -> dict[str, Any]:
    """Train once, measure on the test images."""
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "p") as project:
        for image, labels in items(("train", "val"))["fluorescence"][:POOL]:
            project.add_image(image, labels=images.read_labels(labels))
        tests = {}
        for image, labels in items(("test",))["fluorescence"]:
            tests[project.add_image(image, split="test")[0]] = images.read_labels(labels)
        own = [f"train.seconds={seconds}", "train.least=1", "train.extend=0", f"train.seed={seed}", "train.patch=160"]
        config = default_config().with_values([*values, *own])
        open_round(project)
        steps, model = 0, ""
        for event in run(TrainJob(project.path, config)):
            if isinstance(event, StepDone):
                steps = event.step
            elif isinstance(event, Saved):
                model = event.model
        found = run(PredictJob(project.path, tuple(tests), (model,), show=False))
        scores = [score_image(tests[e.image], np.asarray(e.labels)) for e in found if isinstance(e, Predicted)]
    mean = mean_scores(scores)
    return {"steps": steps, "iou": round(mean["iou"], 3), "ap50": round(mean["ap50"], 3)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path, default=HERE / "results" / "networks.json")
    options = parser.parse_args()
    table: dict[str, Any] = {"seconds": options.seconds}
    for name, values in NETWORKS.items():
        table[name] = [one(values, options.seconds, seed) for seed in options.seeds]
        print(name, table[name], flush=True)
    options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
