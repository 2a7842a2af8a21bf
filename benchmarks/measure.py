"""Time and memory of a table with all columns, and of the plain way with scikit-image.

usage: python benchmarks/measure.py [--json FILE] [--only NAME]

Touching disks or balls of known number, one channel of uint16 noise. Every size runs in a process of its own, with the
compiled loops on disk: the first measurement loads them, the second does not. Peak memory is the kernel's figure for
that process (VmHWM), with labels, image and all libraries in it. The plain way is one call of
``skimage.measure.regionprops_table`` for what it has of these columns (no neighbours, no densities, no surface area, no
percentiles but the median), in the same process right after, so that both are slowed down by the same neighbours; of
the larger sizes a sixteenth is measured with it and the time multiplied.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "plane": ((1536, 2048), 5_000), "volume": ((64, 1024, 1024), 5_000), "large plane": ((8192, 8192), 65_536),
    "large plane in zarr": ((8192, 8192), 65_536), "four times as large, in zarr": ((16_384, 16_384), 262_144),
}  # fmt: skip
PARTS = {"plane": 1, "volume": 16, "large plane": 16}
PLAIN = (
    "label", "num_pixels", "area", "bbox", "centroid", "equivalent_diameter_area", "feret_diameter_max",
    "axis_major_length", "axis_minor_length", "extent", "solidity", "intensity_mean", "intensity_std", "intensity_min",
    "intensity_max", "intensity_median",
)  # fmt: skip
PLANE = "perimeter_crofton", "eccentricity", "orientation"


def specimen(shape: tuple[int, ...], n: int, span: tuple[int, int] | None = None) -> np.ndarray:
    """About n disks or balls on a lattice, each touching the next, (Y, X) or (Z, Y, X) uint32; made row by row.

    Of `span`, only these rows or planes.
    """
    side = round((np.prod(shape) / n) ** (1 / len(shape)))
    start, stop = span or (0, shape[0])
    labels = np.empty((stop - start, *shape[1:]), np.uint32)
    for first in range(stop - start):
        places = np.indices((1, *shape[1:]), sparse=True, dtype=np.int32)
        places = (places[0] + start + first, *places[1:])
        squares = sum((p % side - side / 2 + 0.5) ** 2 for p in places)
        number = np.zeros((1,) * len(shape), np.int64)
        for p, length in zip(places, shape, strict=True):
            number = number * -(-length // side) + p // side
        labels[first] = np.where(squares <= (0.52 * side) ** 2, number + 1, 0)[0]
    return labels


def measure(name: str) -> dict[str, object]:
    """Measure one specimen in this process."""
    import napari_cellseg as cs

    shape, n = SIZES[name]
    with tempfile.TemporaryDirectory() as folder:
        labels, image = _arrays(shape, n, Path(folder) if "zarr" in name else None)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            table = cs.measure(labels, image, spacing_um=(0.5,) * len(shape))
            seconds.append(time.perf_counter() - start)
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1]
        found: dict[str, object] = {
            "shape": shape, "objects": len(table), "columns": len(table.columns), "first_s": seconds[0],
            "again_s": min(seconds[1:]), "peak_mb": int(peak) / 1024,
        }  # fmt: skip
        return found if name not in PARTS else found | _beside(labels, image, PARTS[name])


def _arrays(shape: tuple[int, ...], n: int, folder: Path | None) -> tuple[Any, Any]:
    """Labels and intensities in memory, or in zarr with chunks of 512 rows of 512."""
    noise = np.random.default_rng(0)
    if folder is None:
        return specimen(shape, n), noise.integers(0, 4096, shape, np.uint16)
    import zarr

    labels = zarr.create_array(folder / "labels.zarr", shape=shape, chunks=(512, 512), dtype="uint32")
    image = zarr.create_array(folder / "image.zarr", shape=shape, chunks=(512, 512), dtype="uint16")
    for start in range(0, shape[0], 512):
        labels[start : start + 512] = specimen(shape, n, (start, start + 512))
        image[start : start + 512] = noise.integers(0, 4096, (512, *shape[1:]), np.uint16)
    return labels, image


def _beside(labels: np.ndarray, image: np.ndarray, parts: int) -> dict[str, float | str]:
    """Seconds of both ways for a part of the specimen, one right after the other."""
    from skimage.measure import regionprops_table

    import napari_cellseg as cs

    cut, flat = int(parts**0.5), labels.ndim - 2
    part = tuple(slice(0, n // (cut if axis >= flat else 1)) for axis, n in enumerate(labels.shape))
    labels, image = np.ascontiguousarray(labels[part]), np.ascontiguousarray(image[part])
    spacing = (0.5,) * labels.ndim
    start = time.perf_counter()
    cs.measure(labels, image, spacing_um=spacing)
    own = time.perf_counter() - start
    names = (*PLAIN, *(PLANE if labels.ndim == 2 else ()))
    start = time.perf_counter()
    regionprops_table(labels.astype(np.int32), image, properties=names, spacing=spacing)
    plain = time.perf_counter() - start
    return {
        "part": f"1/{parts}", "part_s": own, "scikit_image_part_s": plain, "scikit_image_s": plain * parts,
        "ratio": plain / own,
    }  # fmt: skip


def main() -> None:
    """Every size in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", choices=SIZES)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only)))
        return
    found = {}
    for name in SIZES:
        done = subprocess.run([sys.executable, __file__, "--only", name], capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, found[name], flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
