"""Kill `add`, `recover` and `compact` at random moments and look at what is left.

usage: python benchmarks/kill_log.py [--kills 40] [--seed 0]

Every command runs in a process of its own that is killed with SIGKILL at a random moment between its first step and the
time it needs. Then: after `add` the project has all pictures with their masks, or none, and the same command completes
it; after `recover` of a database whose header is overwritten, and after `compact`, labels and state are what they were
and the history is whole, if need be after the same command again.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from napari_cellseg.cli import main as command
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project, difference
from napari_cellseg.samples import synthetic_cells

STROKES, SIDE = 150, 256
CHILD = "import sys; from napari_cellseg.cli import main; print('go', flush=True); sys.exit(main(sys.argv[1:]))"
Check = Callable[..., bool]


def corrected(folder: Path) -> Path:
    """A project with strokes in its log, some of them in no snapshot."""
    np.save(folder / "cells.npy", synthetic_cells((SIDE, SIDE), 30, radius=12, seed=1)[0])
    rng = random.Random(1)
    with Project.create(folder / "p") as project:
        project.add_image(folder / "cells.npy")
        store = project.store("cells")
        for value in range(1, STROKES + 1):
            y, x = rng.randrange(SIDE - 9), rng.randrange(SIDE - 9)
            box, size = (slice(y, y + 9), slice(x, x + 9)), (9, 9)
            new, state = np.full(size, value, np.uint32), np.ones(size, np.uint8)
            store.apply(difference("brush", store.labels, store.state, box, new, state))
            if value == STROKES // 2:
                store.snapshot()
        project._stores.clear()  # as a kill leaves it: the second half is in the log alone
        return project.path


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """The command in a process of its own, from the moment on at which everything is imported."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL)  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    return child


def kill_often(make: Callable[[Path], list[str]], is_right: Check, kills: int, rng: random.Random) -> dict[str, int]:
    """Kill a command many times; how often it was done by then, and how often anything was lost."""
    with tempfile.TemporaryDirectory() as name:
        begun, child = time.perf_counter(), start(make(Path(name)))
        begun = time.perf_counter()
        child.wait()
        needed = time.perf_counter() - begun
    found = {"kills": 0, "too late": 0, "lost": 0, "wrong after the same command": 0}
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as name:
            arguments = make(Path(name))
            child = start(arguments)
            time.sleep(rng.uniform(0, needed))
            child.send_signal(signal.SIGKILL)
            found["too late" if child.wait() == 0 else "kills"] += 1
            found["lost"] += not is_right(Path(name))
            again = command(arguments)
            found["wrong after the same command"] += again != 0 or not is_right(Path(name), True)
    return found


def adding(folder: Path) -> list[str]:
    """`add` of eight pictures with masks to an empty project."""
    Project.create(folder / "p").close()
    names = []
    for k in range(8):
        image, labels = synthetic_cells((SIDE, SIDE), 20, radius=12, seed=k)
        tifffile.imwrite(folder / f"{k}.tif", image)
        tifffile.imwrite(folder / f"{k}_masks.tif", labels.astype(np.uint16))
        names.append(str(folder / f"{k}.tif"))
    return ["add", str(folder / "p.cellseg"), *names, "--labels", *(n.replace(".tif", "_masks.tif") for n in names)]


def all_or_none(folder: Path, all_of_them: bool = False) -> bool:
    """All eight pictures with all their masks, or nothing."""
    with Project.open(folder / "p.cellseg") as project:
        ids = [r.id for r in project.images()]
        if not ids and not all_of_them:
            return True
        right = [
            np.array_equal(project.load_labels(id)[0], tifffile.imread(folder / f"{id}_masks.tif"))
            and bool((project.load_labels(id)[1] == 2).all())
            for id in ids
        ]
        return len(ids) == 8 and all(right)


class Kept:
    """A command on a project with corrections, after which labels, state and history are what they were."""

    def __init__(self, verb: str, *options: str) -> None:
        self.verb, self.options = verb, options
        with tempfile.TemporaryDirectory() as name:
            self.template = Path(tempfile.mkdtemp())
            path = corrected(Path(name))
            with Project.open(path) as project:
                self.labels, self.state = project.load_labels("cells")
                self.rows = project.db.history("cells")
            shutil.copytree(name, self.template, dirs_exist_ok=True)
        if verb == "recover":
            with (self.template / "p.cellseg" / "project.db").open("r+b") as file:
                file.write(b"\xff" * 100)

    def make(self, folder: Path) -> list[str]:
        """A fresh copy, and the command."""
        shutil.copytree(self.template, folder, dirs_exist_ok=True)
        return [self.verb, str(folder / "p.cellseg"), *self.options]

    def is_right(self, folder: Path, again: bool = False) -> bool:
        """Whether nothing is lost; what cannot be opened must offer `recover`."""
        try:
            with Project.open(folder / "p.cellseg") as project:
                labels, state = project.load_labels("cells")
                same = np.array_equal(labels, self.labels) and np.array_equal(state, self.state)
                return same and project.db.history("cells") == self.rows
        except CellsegError as error:
            return "recover" in error.hint and not again


def main() -> int:
    """Kill, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    recovering, compacting = Kept("recover"), Kept("compact", "--keep", "20")
    rows = {
        "add": kill_often(adding, all_or_none, options.kills, rng),
        "recover": kill_often(recovering.make, recovering.is_right, options.kills, rng),
        "compact": kill_often(compacting.make, compacting.is_right, options.kills, rng),
    }
    print(f"| command | {' | '.join(rows['add'])} |\n|---|{'---|' * len(rows['add'])}")
    for verb, found in rows.items():
        print(f"| {verb} | {' | '.join(map(str, found.values()))} |")
    return int(any(found["lost"] or found["wrong after the same command"] for found in rows.values()))


if __name__ == "__main__":
    raise SystemExit(main())
