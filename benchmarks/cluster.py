"""An image labelled by many processes: as fast as it should be, the same after 30 kills, and what a scheduler bears.

    python benchmarks/cluster.py speed   [--side 4096] [--json FILE]
    python benchmarks/cluster.py measure [--images 40] [--json FILE]
    python benchmarks/cluster.py kills   [--kills 30] [--seed 0] [--json FILE]
    python benchmarks/cluster.py blocks  [--blocks 100000] [--json FILE] [--figure FILE.png]

`speed`: one worker and two, one thread each, in one run, turn about; what counts is the ratio of the times from the
first block to the last. `measure`: the same for images that are measured. `kills`: at random moments, told by blocks
and not by a clock, one of the workers or the client is killed (SIGKILL); a killed client is started again. `blocks`:
blocks that do nothing, through dask.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tifffile

from napari_cellseg.api import measure_files
from napari_cellseg.config import Predict
from napari_cellseg.events import BlockDone, Predicted
from napari_cellseg.images import read
from napari_cellseg.parts import Spread, scheduler
from napari_cellseg.prediction import Elsewhere, ModelsAt, PictureAt, Request, predict, predict_elsewhere
from napari_cellseg.project import find_model
from napari_cellseg.samples import synthetic_cells

TILE = Predict(tile=512, overlap=64)


def main() -> None:
    """Run one of them."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("what", choices=("speed", "measure", "kills", "blocks", "client"))
    given.add_argument("--images", type=int, default=40)
    given.add_argument("--side", type=int, default=4096)
    given.add_argument("--rounds", type=int, default=2)
    given.add_argument("--kills", type=int, default=30)
    given.add_argument("--seed", type=int, default=0)
    given.add_argument("--blocks", type=int, default=100_000)
    given.add_argument("--scheduler", default="processes:2")
    given.add_argument("--folder", type=Path)
    given.add_argument("--json", type=Path)
    given.add_argument("--figure", type=Path)
    options = given.parse_args()
    ways = {"speed": speed, "measure": measured, "kills": kills, "blocks": blocks, "client": client}
    found = ways[options.what](options)
    if found is not None:
        print(json.dumps(found, indent=1))
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))


# --- speed ----------------------------------------------------------------------------------------


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds with one worker and with two, and how much faster two are."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture(folder / "p.npy", (options.side, options.side), 1)
        times: dict[int, list[float]] = {1: [], 2: []}
        for k in range(options.rounds):
            for workers in (1, 2):
                times[workers].append(once(folder, f"{workers}-{k}", workers))
        best = {n: min(seconds) for n, seconds in times.items()}
        return {"side": options.side, "seconds": times, "speed_up": best[1] / best[2], "load": os.getloadavg()[0]}


def once(folder: Path, name: str, workers: int) -> float:
    """Seconds from the end of the first block of each worker, when networks are loaded, to the result."""
    who = scheduler(f"local:{workers}", folder / "logs")
    try:
        way = Spread(folder / name, who, {}, voxels=1_000_000)
        job = Elsewhere(way, PictureAt(folder / "p.npy"), ModelsAt((find_model("cells"),)), folder / "x.ome.zarr")
        begin = time.monotonic()
        for event in predict_elsewhere("x", job, Request(TILE, size=22.0, show=False)):
            if isinstance(event, BlockDone) and event.stage == "network" and event.done == workers:
                begin = time.monotonic()
        return time.monotonic() - begin
    finally:
        who.close()


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds to measure images with one process and with two, from the first that is done to the last."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k in range(options.images):
            image, labels = synthetic_cells((1024, 1024), 500, radius=11, seed=k)
            tifffile.imwrite(folder / f"{k}.tif", image)
            tifffile.imwrite(folder / f"{k}_labels.tif", labels.astype(np.uint16))
        files = [[folder / f"{k}{end}.tif" for k in range(options.images)] for end in ("_labels", "")]
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(options.rounds):
            for workers in (1, 2):
                run = measure_files.events(*files, scheduler=f"processes:{workers}")
                marks = [time.monotonic() for _ in run]
                times[workers].append((marks[-1] - marks[workers - 1]) / (len(marks) - workers))
        best = {n: min(seconds) for n, seconds in times.items()}
        return {
            "images": options.images, "seconds_per_image": times, "speed_up": best[1] / best[2],
            "load": os.getloadavg()[0],
        }  # fmt: skip


# --- kills ----------------------------------------------------------------------------------------


def kills(options: argparse.Namespace) -> dict[str, Any]:
    """Kill workers and clients until there were so many kills; then the labels are those of one process, or not."""
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder, killed, starts, images = Path(name), {"worker": 0, "client": 0}, 0, 0
        same = True
        while sum(killed.values()) < options.kills:
            images += 1
            own = folder / str(images)
            picture(own / "p.npy", (520, 640) if images % 2 else (10, 160, 200), images)
            request = request_of(read(own / "p.npy").spatial_axes)
            models = ModelsAt((find_model("cells"),))
            one = next(e for e in predict(read(own / "p.npy"), models(), request=request) if isinstance(e, Predicted))
            while not (own / "labels.npy").is_file():
                starts += 1
                left = options.kills - sum(killed.values())
                for victim in watched(own, options.scheduler, rng, left):
                    killed[victim] += 1
                print(f"start {starts}: {killed}", flush=True)
            same &= bool(np.array_equal(np.load(own / "labels.npy"), np.asarray(one.labels)))
            print(f"{killed}, {starts} starts, {images} images, identical: {same}", flush=True)
    return {"kills": killed, "starts": starts, "images": images, "identical": same, "scheduler": options.scheduler}


def watched(own: Path, who: str, rng: random.Random, left: int) -> list[str]:
    """Start a client, kill what chance wants, and say what; ends with the client."""
    command = [sys.executable, __file__, "client", "--folder", str(own), "--scheduler", who]
    victims: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        until = rng.randint(1, 12)
        for count, _ in enumerate(process.stdout or (), start=1):
            if count < until or len(victims) >= left:
                continue
            until = count + rng.randint(2, 12)
            if rng.random() < 0.4:
                process.kill()
                return [*victims, "client"]
            if workers := spawned(process.pid):
                rng.choice(workers).kill()
                victims.append("worker")
    return victims


def spawned(pid: int) -> list[psutil.Process]:
    """Workers of a client that live; one that was killed before may not be buried yet."""
    out = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a ZombieProcess, too
            if "spawn_main" in " ".join(process.cmdline()):
                out.append(process)
    return out


def client(options: argparse.Namespace) -> None:
    """Label one picture by blocks, and say every block; labels are written at the end."""
    own: Path = options.folder
    who = scheduler(options.scheduler, own / "logs")
    try:
        way = Spread(own / "job", who, {}, voxels=40_000, side=128)
        job = Elsewhere(way, PictureAt(own / "p.npy"), ModelsAt((find_model("cells"),)), own / "x.ome.zarr")
        for event in predict_elsewhere("x", job, request_of(read(own / "p.npy").spatial_axes)):
            if isinstance(event, BlockDone):
                print(event.stage, event.done, flush=True)
            elif isinstance(event, Predicted):
                np.save(own / "part.npy", event.labels[:])
                (own / "part.npy").rename(own / "labels.npy")
    finally:
        who.close()


def request_of(axes: str) -> Request:
    """Small tiles, so that there are many blocks; volumes slice by slice, joined."""
    return Request(Predict(tile=128, overlap=32, mode="slices" if "Z" in axes else "auto"), size=22.0, show=False)


# --- blocks that do nothing -----------------------------------------------------------------------


class Nothing:
    """A block that does nothing."""

    def __call__(self, number: int, item: Any) -> int:
        """Say which it was."""
        return number


def blocks(options: argparse.Namespace) -> dict[str, Any]:
    """Blocks per second through dask's scheduler, and what it takes of memory, as their number grows."""
    who = scheduler("local:2", Path(tempfile.gettempdir()))
    me, done, rows = psutil.Process(), 0, []
    try:
        for count in (c for c in (1_000, 10_000, options.blocks) if c <= options.blocks):
            begin, before = time.monotonic(), me.cpu_times()
            step, marks = max(1, count // 50), []
            for done, _ in enumerate(who.run(Nothing(), dict.fromkeys(range(count)), lambda: False), start=1):  # type: ignore[arg-type]
                if done % step == 0:
                    marks.append((done, time.monotonic() - begin, me.memory_info().rss / 1e6))
            seconds, after = time.monotonic() - begin, me.cpu_times()
            spent = after.user + after.system - before.user - before.system
            rows.append(
                {"blocks": count, "seconds": seconds, "per_second": count / seconds,
                 "cpu_ms_per_block": 1e3 * spent / count, "memory_mb": me.memory_info().rss / 1e6}
            )  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
            if options.figure and len(marks) > 10:
                figure(marks, options.figure)
    finally:
        who.close()
    if options.figure:
        figure(marks, options.figure)
    return {"rows": rows, "load": os.getloadavg()[0]}


def figure(marks: list[tuple[int, float, float]], path: Path) -> None:
    """Blocks over time, and the memory of client and scheduler."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    done, seconds, memory = np.array(marks).T
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    left.plot(seconds, done / 1000)
    left.set(xlabel="seconds", ylabel="thousand blocks done", xlim=(0, None), ylim=(0, None))
    right.plot(done / 1000, memory)
    right.set(xlabel="thousand blocks done", ylabel="memory of client and scheduler (MB)", ylim=(0, 1.2 * memory.max()))
    fig.savefig(path, dpi=110)


def picture(path: Path, shape: tuple[int, ...], seed: int) -> None:
    """Synthetic cells on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(
        path, synthetic_cells(shape, int(np.prod(shape) / 2500) if len(shape) == 2 else 120, radius=11, seed=seed)[0]
    )


if __name__ == "__main__":
    main()
