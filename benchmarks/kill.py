"""Kill the napari-side process or its child at random moments and look at what is left.

usage: python benchmarks/kill.py [--kills 50] [--seed 0] [--corrections]

A worker (the real controller with a viewer model and the real engine) paints strokes without pause while it predicts
and trains. After every stroke it notes it in a file of its own. It, or its child, is killed with SIGKILL at a random
moment; then the project is opened again: it must be readable and hold every noted stroke older than one second.

With --corrections the worker uses every tool of the step Correct in turn (and undo, redo, approve, review) on a
project that all kills share, and notes the number of the newest edit and a checksum of labels and state after each.
The log must hold every noted edit, and replaying it up to there must give the checksum.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIDE = 256
SETTINGS = [
    "model.weights=none",
    "model.width=4",
    "train.patch=64",
    "train.batch=2",
    "train.seconds=4",
    "train.checks=2",
]


def worker(folder: Path) -> None:
    """Paint, predict and train until killed."""
    from napari.components import ViewerModel

    from napari_cellseg.gui.app.controller import Controller

    controller = Controller(ViewerModel())
    controller.start()
    controller.open_project(folder / "k.cellseg")
    controller.configure(controller.session.config.with_values([*SETTINGS, "predict.tile=128"]))
    labels = controller.family.labels
    rng, turn = random.Random(os.getpid()), 0
    with (folder / "strokes.jsonl").open("a") as notes:
        while True:
            y, x, value = rng.randrange(SIDE - 12), rng.randrange(SIDE - 12), rng.randrange(1, 10**6)
            index = np.ix_(range(y, y + 12), range(x, x + 12))
            labels.data_setitem(tuple(i.ravel() for i in np.broadcast_arrays(*index)), value)
            note = {"time": time.time(), "y": y, "x": x, "value": value, "problem": str(controller.session.problem)}
            notes.write(json.dumps(note) + "\n")
            notes.flush()
            os.fsync(notes.fileno())
            for _ in range(4):
                controller.tick()
                time.sleep(0.005)
            if not controller.busy:
                turn += 1
                (controller.training.fine_tune if turn % 2 else controller.predict)()
            if turn % 3 == 0 and rng.random() < 0.05:
                controller.session.store.snapshot()


def corrector(folder: Path) -> None:
    """Correct with every tool until killed."""
    from napari.components import ViewerModel

    from napari_cellseg.gui.app.controller import Controller
    from napari_cellseg.gui.app.tools import BY_NAME, TOOLS

    controller = Controller(ViewerModel())
    controller.open_project(folder / "k.cellseg")
    store, rng = controller.session.store, np.random.default_rng(os.getpid())
    others = ("predict box", "assign class", "why")  # the engine is not there, classes are not, nothing is changed
    names = [t.name for t in TOOLS if t.name not in others and "volume" not in t.only]
    controller.actions.choose(smallest=6)

    def place() -> tuple[int, int]:
        found = np.argwhere(store.labels > 0)
        return tuple(int(v) for v in found[rng.integers(len(found))]) if len(found) else (0, 0)  # type: ignore[return-value]

    def something() -> None:
        verb = str(rng.choice([*names, "undo", "redo", "brush", "approve field", "restore"]))
        y, x = place()
        line = np.array([(y - 14, x - 3), (y, x), (y + 14, x + 2)], float)
        if verb in ("undo", "redo"):
            getattr(controller.strokes, verb)()
        elif verb == "brush":
            index = np.ix_(range(max(0, y - 4), min(SIDE, y + 4)), range(max(0, x - 4), min(SIDE, x + 4)))
            where = tuple(i.ravel() for i in np.broadcast_arrays(*index))
            controller.family.labels.data_setitem(where, int(rng.integers(1, 400)))
        elif verb == "approve field":
            controller.correct_at("approve", (y, x))
        elif verb == "restore":
            rows = store.rows()
            controller.strokes.restore(rows[-min(4, len(rows))].n)
        elif BY_NAME[verb].gesture in ("click or line", "line", "loop"):
            controller.correct_along(verb, line + rng.normal(0, 4, line.shape))
        elif BY_NAME[verb].gesture == "box":
            controller.correct_inside(verb, (slice(y, y + 20), slice(x, x + 20)))
        elif BY_NAME[verb].gesture == "now":
            controller.correct_now(verb)
        else:
            controller.family.labels.selected_label = int(rng.integers(1, 400))
            controller.correct_at(verb, (y, x))

    with (folder / "strokes.jsonl").open("a") as notes:
        while True:
            something()
            controller.tick()
            controller.dismiss()
            if rng.random() < 0.02:
                store.snapshot()
            note = {"time": time.time(), "n": store.n, "sum": checksum(store.labels, store.state)}
            notes.write(json.dumps(note) + "\n")
            notes.flush()
            os.fsync(notes.fileno())
            time.sleep(0.02)


def checksum(labels: np.ndarray, state: np.ndarray) -> int:
    """Of both arrays."""
    return zlib.crc32(state.tobytes(), zlib.crc32(labels.tobytes()))


def check_corrections(folder: Path) -> dict[str, object]:
    """Open the project again, replay what the log has more than at the last check, compare with the notes."""
    from napari_cellseg.project import Project

    noted = read_notes(folder / "strokes.jsonl")
    expected = {int(n["n"]): n["sum"] for n in noted}  # type: ignore[call-overload]
    memory, wrong = folder / "replayed.npz", 0
    with Project.open(folder / "k.cellseg") as project:
        store = project.store("painted")
        labels, state, until = np.zeros_like(store.labels), np.zeros_like(store.state), 0
        if memory.exists():
            kept = np.load(memory)
            labels, state, until = kept["labels"], kept["state"], int(kept["until"])
        rows = [row.n for row in store.rows()]
        for n in rows:
            if n > until:
                store.edit(n).write_to(labels, state)
                wrong += int(n in expected and checksum(labels, state) != expected[n])
        wrong += int((labels != store.labels).any() or (state != store.state).any())
        np.savez(memory, labels=labels, state=state, until=rows[-1])
    missing = len(set(expected) - set(rows))
    return {
        "strokes": len(noted),
        "rows": len(rows),
        "lost": wrong,
        "missing_rows": missing,
        "models": 0,
        "problems": 0,
    }


def in_a_fork(work: Callable[[], object]) -> int:
    """Run in a copy of this process, which has imported everything and started no thread; returns its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def correct_and_kill(folder: Path, rng: random.Random) -> dict[str, object]:
    """Let the corrector run for a while, kill it, check in another process; returns what was seen."""
    notes, answer = folder / "strokes.jsonl", folder / "answer.json"
    before = len(read_notes(notes))
    pid = in_a_fork(lambda: corrector(folder))
    while len(read_notes(notes)) <= before and os.waitpid(pid, os.WNOHANG) == (0, 0):
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 4.0))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    answer.unlink(missing_ok=True)
    _, status = os.waitpid(in_a_fork(lambda: answer.write_text(json.dumps(check_corrections(folder)))), 0)
    if status:
        return {"killed": "napari", "strokes": 0, "lost": 1, "missing_rows": 0, "unreadable": True}
    return {"killed": "napari", **json.loads(answer.read_text())}


def prepare(folder: Path, drafted: bool = False) -> None:
    """A project with two images and some approved truth to train on."""
    from napari_cellseg.project import Project
    from napari_cellseg.samples import synthetic_cells

    with Project.create(folder / "k") as project:
        for seed, name in enumerate(("painted", "truth")):
            image, labels = synthetic_cells((SIDE, SIDE), 20, radius=11, seed=seed)
            np.save(folder / f"{name}.npy", image)
            project.add_image(
                folder / f"{name}.npy", labels=labels if name == "truth" or drafted else None, draft=name != "truth"
            )


def kill_once(folder: Path, rng: random.Random) -> dict[str, object]:
    """Let the worker run for a while, kill it or its child, check; returns what was seen."""
    process = subprocess.Popen([sys.executable, __file__, "--worker", str(folder)], stderr=subprocess.DEVNULL)
    notes = folder / "strokes.jsonl"
    before = len(read_notes(notes))
    while len(read_notes(notes)) <= before and process.poll() is None:
        time.sleep(0.05)
    time.sleep(rng.uniform(0.2, 14.0))
    target = "napari"
    children = child_pids(process.pid)
    if children and rng.random() < 0.5:
        target = "child"
        os.kill(children[0], signal.SIGKILL)
        time.sleep(rng.uniform(0.5, 2.0))  # the session must go on
        alive = process.poll() is None
    else:
        alive = True
    now = time.time()
    process.send_signal(signal.SIGKILL)
    process.wait()
    return {"killed": target, "survived_child": alive, **check(folder, now)}


def check(folder: Path, killed_at: float) -> dict[str, object]:
    """Open the project again and compare with the notes."""
    from napari_cellseg.project import Project

    noted = read_notes(folder / "strokes.jsonl")
    with Project.open(folder / "k.cellseg") as project:
        store = project.store("painted")
        labels, state = store.labels.copy(), store.state.copy()
        rows = [r for r in store.rows() if r.tool not in ("predict", "draft")]
        models = [m.id for m in project.models() if (project.model_path(m.id) / "weights.safetensors").is_file()]
    old = [n for n in noted if n["time"] <= killed_at - 1]
    expected = np.zeros((SIDE, SIDE), np.uint32)
    for note in noted:
        expected[note["y"] : note["y"] + 12, note["x"] : note["x"] + 12] = note["value"]
    # a stroke may be committed just before its note is: such a one shows a value that was never noted. A lost stroke
    # shows as nothing, as an older noted value, or as a voxel that is not corrected any more.
    different = (expected > 0) & ((labels != expected) | (state == 0))
    values = [n["value"] for n in noted]
    lost = int(((labels == 0) | (state == 0) | np.isin(labels, values))[different].sum())
    return {"strokes": len(old), "rows": len(rows), "lost": lost, "missing_rows": max(0, len(old) - len(rows)),
            "models": len(models), "problems": len({n["problem"] for n in noted} - {"None"})}  # fmt: skip


def read_notes(path: Path) -> list[dict[str, object]]:
    """Notes that were written whole."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def child_pids(pid: int) -> list[int]:
    """Children of a process (Linux)."""
    found = []
    for item in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = item.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(item.parent.name))
    return found


def orphans() -> int:
    """Children of dead workers that are still there."""
    time.sleep(2)
    count = 0
    for item in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += (
                b"napari_cellseg.engine._child" in item.read_bytes()
                and int((item.parent / "stat").read_text().rpartition(")")[2].split()[1]) == 1
            )
        except OSError:
            continue
    return count


def kill_many(kills: int, seed: int, corrections: bool = False) -> list[dict[str, object]]:
    """Kill many times, always in the same project, which therefore has to survive all of it."""
    rng, results = random.Random(seed), []
    with tempfile.TemporaryDirectory() as name:
        if corrections:
            os.waitpid(in_a_fork(lambda: prepare(Path(name), drafted=True)), 0)
        else:
            prepare(Path(name))
        for number in range(kills):
            results.append((correct_and_kill if corrections else kill_once)(Path(name), rng))
            print(f"{number + 1:3d} {results[-1]}", flush=True)
    return results


def main() -> int:
    """Run, count, say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corrections", action="store_true", help="every tool of the step Correct instead")
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        worker(Path(options.worker))
    results = kill_many(options.kills, options.seed, options.corrections)
    lost = sum(int(r["lost"]) + int(r["missing_rows"]) for r in results)
    sides = {side: sum(r["killed"] == side for r in results) for side in ("napari", "child")}
    strokes = results[-1]["strokes"]
    print(f"{len(results)} kills {sides}: {strokes} strokes noted, {lost} lost, {orphans()} orphans left.")
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
