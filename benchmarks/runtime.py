"""Prediction in OpenVINO beside torch: speed, agreement, the first prediction of a process, what an export costs.

usage: python benchmarks/runtime.py [--side 1280] [--repeats 7] [--json FILE] [NETWORK ...]

Networks: lite0, resnet18, unet, unet3d. Both sides take turns in one process with the same threads and precision; the
ratio is the median of the turns' ratios, so that it holds on a busy machine. Weights are random.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

FIRST = """
import sys, time
start, busy = time.perf_counter(), time.process_time()
from pathlib import Path
import dask.array as da, numpy as np
from napari_cellseg.config import Predict
from napari_cellseg.images import Image
from napari_cellseg.prediction import Request, load_model, predict
pixels = np.random.default_rng(0).integers(0, 255, (512, 512)).astype("uint8")
options = Predict(runtime=sys.argv[2], tile=512)
(model,) = load_model(Path(sys.argv[1]))
model = model.plain if sys.argv[2] == "torch" else model
list(predict(Image(da.from_array(pixels), "YX"), model, request=Request(options=options, show=False)))
print(time.perf_counter() - start, time.process_time() - busy)
"""


def networks() -> dict[str, Any]:
    """What is measured."""
    from napari_cellseg.models import Smp, UNet, UNet3D

    return {
        "lite0": Smp(encoder="tu-tf_efficientnet_lite0", weights="none"),
        "resnet18": Smp(encoder="resnet18", weights="none"),
        "unet": UNet(),
        "unet3d": UNet3D(),
    }


def model_folder(path: Path, model: Any) -> Path:
    """A model folder with random weights."""
    from napari_cellseg.config import Config
    from napari_cellseg.models import save_weights
    from napari_cellseg.project import ModelCard, write_model

    network = model.build(1, 2).eval()
    card = ModelCard("bench", None, 0.0, in_channels=1, out_channels=2, n_classes=1, edits_until=0)
    return write_model(path, card, Config(model=model), lambda p: save_weights(p / "weights.safetensors", network))


def turns(repeats: int, **functions: Callable[[], Any]) -> dict[str, list[float]]:
    """Seconds of each function; they take turns, so that a busy moment of the machine hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def first(path: Path, runtime: str, repeats: int = 3) -> tuple[float, float]:
    """Wall and processor seconds from the start of a process to the labels of a first small image (medians)."""
    found = []
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-c", FIRST, path, runtime], capture_output=True, text=True, check=True)
        found.append([float(v) for v in done.stdout.split()])
    wall, busy = zip(*found, strict=True)
    return median(wall), median(busy)


def measure(name: str, folder: Path, side: int, repeats: int) -> dict[str, Any]:
    """All figures of a network."""
    from napari_cellseg.prediction import load_model

    model = networks()[name]
    path = model_folder(folder / name, model)
    shape = (1, 1, side, side) if model.dimensions == 2 else (1, 1, 32, side // 8, side // 8)
    pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    (predictor,) = load_model(path)
    predictor.plain.probabilities(pixels)
    start, busy = time.perf_counter(), time.process_time()
    runtime = predictor.runtime
    out: dict[str, Any] = {
        "precision": predictor.device.precision, "export_s": time.perf_counter() - start,
        "export_cpu_s": time.process_time() - busy,
    }  # fmt: skip
    if runtime is None:
        return out | {"reason": predictor.export.reason if predictor.export else "OpenVINO cannot predict here"}
    seconds = turns(
        repeats,
        torch=lambda: predictor.plain.probabilities(pixels),
        openvino=lambda: predictor.probabilities(pixels),
    )
    ratios = [t / o for t, o in zip(seconds["torch"], seconds["openvino"], strict=True)]
    out |= {
        "torch_s": min(seconds["torch"]), "openvino_s": min(seconds["openvino"]), "times_faster": median(ratios),
        "labels_differ_from_fp32": runtime.facts.differs, "bytes_per_voxel": runtime.facts.bytes_per_voxel,
    }  # fmt: skip
    if model.dimensions == 2:
        for which in ("torch", "openvino"):
            out[f"first_{which}_s"], out[f"first_{which}_cpu_s"] = first(path, which)
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["lite0", "resnet18"])
    parser.add_argument("--side", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for name in options.networks:
            out[name] = measure(name, Path(folder), options.side, options.repeats)
            print(name, {k: round(v, 4) if isinstance(v, float) else v for k, v in out[name].items()}, flush=True)
    if options.json:
        options.json.write_text(json.dumps(out, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
