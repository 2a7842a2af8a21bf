"""Time and memory of the engine on images that are generated chunk by chunk and never exist as a whole.

usage: python benchmarks/large.py [--json FILE] [--small]

Spheres (disks in 2D) of known number, a third of them touching a neighbour, are predicted, blended, decoded and
counted; results go to zarr. The network is one 1 x 1 x 1 convolution whose answer is the intensity, so that the
count can be exact and what is measured is the engine. Every size runs in a process of its own; peak memory is the
kernel's own figure for that process (VmHWM), with torch, numba and everything else in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PITCH = (16, 32, 32)
SIZES_2D = [(1, 1024, 1024), (1, 2048, 2048), (1, 4096, 4096), (1, 8192, 8192)]
SIZES_3D = [(64, 1024, 1024), (64, 2048, 2048), (64, 4096, 4096), (64, 8192, 8192)]


def specimen(shape: tuple[int, int, int]) -> tuple[object, int]:
    """A lazy uint8 volume of one hill per cell of a lattice, and how many there are."""
    import dask.array as da

    flat = shape[0] == 1
    chunks = (1, 512, 512) if flat else (16, 256, 256)

    def fill(block_info: dict | None = None) -> np.ndarray:
        spans = block_info[None]["array-location"]
        z, y, x = (np.arange(a, b, dtype=np.int32) for a, b in spans)
        cz, cy, cx = (v // p for v, p in zip((z, y, x), PITCH, strict=True))
        seed = cz[:, None, None] * 73856093 ^ cy[None, :, None] * 19349663 ^ cx[None, None, :] * 83492791
        # every third cell shifts towards its neighbour in X, so that the two touch
        shift = np.where(cx % 3 == 0, 5, 0)[None, None, :] + (np.abs(seed) % 3 - 1)
        dz = 0 if flat else ((z % PITCH[0]) - 7.5)[:, None, None] * 2
        dy = ((y % PITCH[1]) - 15.5)[None, :, None]
        dx = (x % PITCH[2])[None, None, :] - 13.5 - shift
        height = 1 - (dz**2 + dy**2 + dx**2) / 13.5**2
        return np.rint(255 * np.clip(height, 0, 1)).astype(np.uint8)

    image = da.map_blocks(
        fill, chunks=da.core.normalize_chunks(chunks, shape), dtype=np.uint8, meta=np.empty((0,) * 3, np.uint8)
    )
    count = int(np.prod([n // p for n, p in zip(shape[1:], PITCH[1:], strict=True)])) * (
        1 if flat else shape[0] // PITCH[0]
    )
    return (image[0] if flat else image), count


def measure(shape: tuple[int, int, int]) -> dict[str, float]:
    """Predict one specimen in this process."""
    import torch

    from napari_cellseg.config import Config, Predict
    from napari_cellseg.events import Predicted
    from napari_cellseg.images import Image
    from napari_cellseg.models import UNet3D
    from napari_cellseg.nets.device import choose
    from napari_cellseg.prediction import Predictor, Request, predict
    from napari_cellseg.preprocess import Recipe
    from napari_cellseg.project import ModelCard
    from napari_cellseg.targets import Distance

    flat = shape[0] == 1
    layer = torch.nn.Conv2d if flat else torch.nn.Conv3d
    network = layer(1, 2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([30.0, 6.0]).reshape(network.weight.shape))
        network.bias.copy_(torch.tensor([-6.0, -3.0]))
    config = Config(recipe=Recipe(steps=()), target=Distance(min_size=10, prominence=0.05, smooth=0))
    if not flat:
        config = config.model_copy(update={"model": UNet3D()})
    card = ModelCard("exact", None, 0.0, in_channels=1, out_channels=2, n_classes=1, edits_until=0)
    model = Predictor("exact", network.eval(), config, card, choose("fp32"))
    data, truth = specimen(shape)
    image = Image(data, "YX" if flat else "ZYX")
    small, _ = specimen((shape[0], 256, 256))
    with tempfile.TemporaryDirectory() as folder:  # compile kernels, load everything
        list(predict(Image(small, image.axes), model, request=Request(folder=Path(folder))))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for event in predict(image, model, request=Request(options=Predict(), folder=Path(folder), show=False)):
            if isinstance(event, Predicted):
                objects = event.objects
        seconds = time.perf_counter() - start
        disk = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    peak = int(status["VmHWM"].split()[0]) * 1024
    return {"shape": list(shape), "voxels": int(np.prod(shape, dtype=np.int64)), "seconds": seconds, "peak_bytes": peak,
            "disk_bytes": disk, "objects": objects, "truth": truth}  # fmt: skip


def slope(rows: list[dict[str, float]]) -> float:
    """Of log time against log voxels."""
    return float(np.polyfit(np.log([r["voxels"] for r in rows]), np.log([r["seconds"] for r in rows]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "large.json")
    parser.add_argument("--small", action="store_true", help="leave out the largest size of each kind")
    parser.add_argument("--only", choices=("2d", "3d"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print("RESULT " + json.dumps(measure(tuple(json.loads(options.one)))))
        return
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name, sizes in (("2d", SIZES_2D), ("3d", SIZES_3D)):
        if options.only not in (None, name):
            continue
        rows = []
        for shape in sizes[: -1 if options.small else None]:
            done = subprocess.run(
                [sys.executable, __file__, "--one", json.dumps(shape)], capture_output=True, text=True, check=True
            )
            rows.append(json.loads(done.stdout.rsplit("RESULT ", 1)[1]))
            r = rows[-1]
            print(
                f"{name} {'x'.join(map(str, shape)):>16}: {r['seconds']:8.1f} s, "
                f"{r['seconds'] / r['voxels'] * 1e9:6.1f} ns a voxel, "
                f"peak {r['peak_bytes'] / 1e9:.2f} GB, {r['objects']} of {r['truth']} objects", flush=True,
            )  # fmt: skip
        results[name] = {"rows": rows, "slope": slope(rows)}
        print(f"{name} slope {results[name]['slope']:.3f}", flush=True)
        options.json.parent.mkdir(exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
