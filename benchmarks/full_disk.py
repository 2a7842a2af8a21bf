"""Fill a disk under a project and look at what is accepted, refused and left behind.

usage: python benchmarks/full_disk.py [--strokes 3] [--seed 0] [--only strokes|add|...]

The disk is a real one of 24 MB (a tmpfs of its own, for which the script must run as root); where none can be mounted,
the process may write no file beyond a limit (`RLIMIT_FSIZE`), which fails alike and says less. On it:

- strokes are painted until nothing fits, at several amounts of room: each is in the log or refused with a message
  before it counted, closing ends, and after some space is freed everything that was accepted is there;
- every command that writes is run with so little room that it stops at another place each time: it says so with a hint
  and exit status 2, the project is what it was, nothing is left behind, and the same command works once there is room.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile

from napari_cellseg.cli import main as command
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import LabelStore, Project, begin_with, difference, save_elsewhere
from napari_cellseg.samples import synthetic_cells

SIZE_MB, SIDE = 24, 384
ROOMS_KB = (0, 4, 16, 48, 88, 100, 200, 400, 800, 1600)
"""Kilobytes that are left when a command begins."""
BESIDE = ("project.db-wal", "project.db-shm")
"""What SQLite may leave when it could not write everything into one file."""
STAY = ("window.lock", "map.tif", "guidelines.md")
"""A lock is empty and stays; of several files that were asked for, those before the full disk are whole."""


class Disk:
    """A place that can be full: of its own file system, or with a limit on the size of files."""

    def __init__(self, path: Path, mounted: bool) -> None:
        self.path, self.mounted = path, mounted
        self._ballast = path / "ballast"

    def fill(self, room_kb: int) -> None:
        """Leave so much room."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room_kb * 1024, resource.RLIM_INFINITY))
            return
        free = shutil.disk_usage(self.path).free - room_kb * 1024
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(4096, free // 4096 * 4096))

    def free(self) -> None:
        """Make room again."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk() -> Iterator[Disk]:
    """A disk of `SIZE_MB` for as long as it is needed."""
    with tempfile.TemporaryDirectory() as name:
        options = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", name]
        try:
            mounted = subprocess.run(options, capture_output=True, check=False).returncode == 0
        except OSError:
            mounted = False
        disk = Disk(Path(name), mounted)
        if not mounted:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            yield disk
        finally:
            disk.free()
            if mounted:
                subprocess.run(["umount", "-l", name], check=True)


# --- strokes ------------------------------------------------------------------------------------------


def stroke(store: LabelStore, value: int, side: int, rng: random.Random) -> None:
    """A square of noise, which no compression makes small."""
    y, x = rng.randrange(SIDE - side), rng.randrange(SIDE - side)
    box = (slice(y, y + side), slice(x, x + side))
    new = np.random.default_rng(value).integers(1, 1 << 30, (side, side)).astype(np.uint32)
    store.apply(difference("brush", store.labels, store.state, box, new, np.ones((side, side), np.uint8)))


def paint_until_full(disk: Disk, pictures: Path, room_kb: int, rng: random.Random) -> dict[str, int]:
    """Strokes, snapshots in between, closing on the full disk, opening again."""
    found = dict.fromkeys(
        ("accepted", "refused", "badly said", "counted though refused", "closings that raised", "lost", "left"), 0
    )
    path = new_project(disk.path, pictures)
    project = Project.open(path)
    store = project.store("a")
    mine, states, rows = store.labels.copy(), store.state.copy(), len(store.rows())
    disk.fill(room_kb)
    misses, value = 0, 0
    while misses < 40:
        value += 1
        try:
            stroke(store, value, rng.choice((1, 3, 9, 30, 90)), rng)
            mine, states, misses = store.labels.copy(), store.state.copy(), 0
            found["accepted"] += 1
        except CellsegError as error:
            misses += 1
            found["refused"] += 1
            found["badly said"] += not error.hint or "full" not in str(error)
            same = np.array_equal(store.labels, mine) and np.array_equal(store.state, states)
            found["counted though refused"] += not same
        if value % 25 == 0:
            with contextlib.suppress(CellsegError):
                store.snapshot()
    for _ in range(3):
        try:
            project.close()
        except CellsegError as error:
            found["badly said"] += not error.hint
            found["closings that raised"] += 1
    disk.free()
    with Project.open(path) as project:
        again = project.store("a")
        found["lost"] = int((again.labels != mine).sum() + (again.state != states).sum())
        found["lost"] += abs(len(again.rows()) - rows - found["accepted"])
        stroke(again, 7, 30, rng)  # and on it goes
    found["left"] = len([p for p in listed(path) if ".part" in p or ".old" in p or "journal" in p])
    shutil.rmtree(path)
    return found


# --- commands -----------------------------------------------------------------------------------------


def new_project(folder: Path, pictures: Path) -> Path:
    """A project of one picture with masks, some strokes in the log and a snapshot in the middle of them."""
    path = folder / "p.cellseg"
    run("new", path, "--model", "none")
    run("add", path, pictures / "a.tif", "--labels", pictures / "a_masks.tif")
    rng = random.Random(0)
    with Project.open(path) as project:
        store = project.store("a")
        for value in range(1, 61):
            stroke(store, value, 12, rng)
            if value == 30:
                store.snapshot()
    return path


def run(*arguments: object) -> tuple[int, str]:
    """A command or function: its exit status and what it said to stderr; -1 and the traceback where it broke."""
    said, verb = io.StringIO(), arguments[0]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            if callable(verb):
                verb(*arguments[1:])
                return 0, ""
            return command([str(a) for a in arguments]), said.getvalue()
        except CellsegError as error:
            return 2, str(error)
        except Exception:  # noqa: BLE001 - what is looked for
            return -1, traceback.format_exc()


def listed(path: Path) -> list[str]:
    """All files, but those that SQLite keeps beside its own."""
    every = (str(p.relative_to(path)) for p in path.rglob("*") if p.is_file() and p.name not in (*BESIDE, *STAY))
    return sorted(name for name in every if name != "ballast" and not name.startswith("p.cellseg/cache"))


def held(path: Path) -> dict[str, object]:
    """What a project knows: labels, states and history of every image, settings of the person."""
    with Project.open(path) as project:
        known: dict[str, object] = {"splits": [(r.id, r.split) for r in project.images()]}
        for record in project.images():
            labels, state = project.load_labels(record.id)
            known[record.id] = (labels.tobytes(), state.tobytes(), len(project.db.history(record.id)))
        return known


def elsewhere(path: Path, target: Path) -> None:
    """What the dock offers when a project is gone."""
    with Project.open(path) as project:
        save_elsewhere(project, target)


def settle(path: Path) -> None:
    """What the docks write beside labels: rules, and the configuration."""
    with Project.open(path) as project:
        project.save_guidelines("Outline every nucleus. " * 4000)
        project.save_config(project.config.with_values(["train.steps=77"]))


Make = Callable[[Path, Path], tuple[object, ...]]
COMMANDS: dict[str, Make] = {
    "new": lambda disk, _: ("new", disk / "q.cellseg", "--model", "none"),
    "new with a model": lambda disk, _: ("new", disk / "r.cellseg", "--model", "base"),
    "add": lambda disk, pictures: (
        "add", disk / "p.cellseg", pictures / "b.tif", pictures / "c.tif",
        "--labels", pictures / "b_masks.tif", pictures / "c_masks.tif",
    ),
    "draft": lambda disk, _: ("draft", disk / "p.cellseg", "--image", "a"),
    "split": lambda disk, _: ("split", disk / "p.cellseg", "--by", "random", "--val", "0.5", "--test", "0"),
    "history --csv": lambda disk, _: ("history", disk / "p.cellseg", "--csv", disk / "history.csv"),
    "history --restore": lambda disk, _: ("history", disk / "p.cellseg", "--image", "a", "--restore", 20),
    "compact": lambda disk, _: ("compact", disk / "p.cellseg", "--keep", 5),
    "recover": lambda disk, _: ("recover", disk / "p.cellseg"),
    "save elsewhere": lambda disk, _: (elsewhere, disk / "p.cellseg", disk / "s.cellseg"),
    "guidelines, configuration": lambda disk, _: (settle, disk / "p.cellseg"),
    "predict": lambda disk, _: (
        "predict", disk / "p.cellseg", "--out", disk / "out", "--probabilities",
    ),
    "compare": lambda disk, pictures: (
        "compare", disk / "p.cellseg", "--image", "a", "--labels", pictures / "a_masks.tif", "--map", disk / "map.tif",
        "--consensus", disk / "both.tif", "--json", disk / "agree.json",
    ),
    **{
        f"export {kind}": lambda disk, _, kind=kind: (  # type: ignore[misc]
            "export", disk / "p.cellseg", "--out", disk / "out", "--format", kind,
        )
        for kind in ("tif", "ome.tif", "ome.zarr", "npy", "png", "roi.zip", "coco.json", "geojson")
    },
}  # fmt: skip


def prepare(path: Path, pictures: Path, verb: str) -> None:
    """What some commands need."""
    if verb == "split":
        run("add", path, pictures / "b.tif")
    with Project.open(path) as project:
        if verb == "predict":
            begin_with(project, "base")
        if verb == "export":  # objects, not noise
            project.approve_labels("a", tifffile.imread(pictures / "a_masks.tif").astype(np.uint32))


def on_a_full_disk(disk: Disk, pictures: Path, make: Make, room_kb: int) -> tuple[str, str]:
    """One command with so little room: "done", "refused" or what was wrong, and what it said."""
    for left in disk.path.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    path, arguments = new_project(disk.path, pictures), make(disk.path, pictures)
    prepare(path, pictures, str(arguments[0]))
    before = held(path)
    if arguments[0] == "recover":
        with (path / "project.db").open("r+b") as file:
            file.write(b"\xff" * 100)
    files = listed(disk.path)
    disk.fill(room_kb)
    status, said = run(*arguments)
    disk.free()
    if status == 0:
        return "done", ""
    if status != 2 or len(said.strip().splitlines()) < 2:
        return "no message with a hint", said
    if listed(disk.path) != files:
        return "left behind: " + ", ".join(set(listed(disk.path)) ^ set(files)), said
    if arguments[0] != "recover" and held(path) != before:
        return "half done", said
    status, again = run(*arguments)
    if status != 0:
        return "did not work with room", again
    if arguments[0] == "recover" and held(path) != before:
        return "lost", said
    return "refused", said


def main() -> int:
    """Fill, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=3, help="fillings by strokes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[], choices=("strokes", *COMMANDS))
    options = parser.parse_args()
    wanted, wrong = options.only or ("strokes", *COMMANDS), 0
    with small_disk() as disk, tempfile.TemporaryDirectory() as name:
        pictures = some_pictures(Path(name))
        kind = f"a tmpfs of {SIZE_MB} MB" if disk.mounted else "a limit on the size of files: no disk could be mounted"
        print(f"Disk: {kind}.\n", flush=True)
        if "strokes" in wanted:
            wrong += strokes(disk, pictures, options.strokes, random.Random(options.seed))
        print("\n| command | done | refused, whole | wrong |\n|---|---|---|---|")
        for verb in (v for v in COMMANDS if v in wanted):
            ends = [on_a_full_disk(disk, pictures, COMMANDS[verb], room) for room in ROOMS_KB]
            bad = [(room, *end) for room, end in zip(ROOMS_KB, ends, strict=True) if end[0] not in ("done", "refused")]
            count = [sum(end[0] == word for end in ends) for word in ("done", "refused")]
            print(f"| {verb} | {count[0]} | {count[1]} | {len(bad)} |", flush=True)
            for room, what, said in bad:
                print(f"  with {room} KB: {what}\n{said}", file=sys.stderr, flush=True)
            wrong += len(bad)
    return int(wrong > 0)


def some_pictures(folder: Path) -> Path:
    """Three pictures with masks, beside the disk."""
    for k, name in enumerate("abc"):
        image, labels = synthetic_cells((SIDE, SIDE), 40, radius=12, seed=k)
        tifffile.imwrite(folder / f"{name}.tif", image)
        tifffile.imwrite(folder / f"{name}_masks.tif", labels.astype(np.uint16))
    return folder


def strokes(disk: Disk, pictures: Path, count: int, rng: random.Random) -> int:
    """The first table; returns how many fillings went wrong."""
    rooms = [rng.randrange(0, 4000) for _ in range(count)]
    results = [paint_until_full(disk, pictures, room, rng) for room in rooms]
    print(f"| room | {' | '.join(results[0])} |\n|---|{'---|' * len(results[0])}")
    for room, found in zip(rooms, results, strict=True):
        print(f"| {room} KB | {' | '.join(map(str, found.values()))} |", flush=True)
    faults = ("badly said", "counted though refused", "lost", "left")
    return sum(any(f[name] for name in faults) or f["closings that raised"] > 1 for f in results)


if __name__ == "__main__":
    raise SystemExit(main())
