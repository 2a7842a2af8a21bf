"""An engine on another machine beside one here: seconds until the first tile and the whole, and strokes meanwhile.

usage: python benchmarks/remote.py [--delay 50] [--mbit 0] [--sshd FILE] [--netns] [--direct] [--json FILE]

The server runs in a process of its own, behind a real sshd on this machine: the window reaches it through `ssh -C -L`,
as a person would. What goes between ssh and sshd is held up by `--delay` milliseconds each way in a small proxy (the
kernel's netem would do the same and is not everywhere), and by `--mbit` where it is not 0. With `--netns` (root) server
and sshd live in a network namespace of their own, behind a pair of virtual cards. `--direct` leaves ssh out.

As root, sshd runs in a mount namespace with a user `sshd`, so that nothing of this machine is changed. The real
controller works with a viewer without a window. Labels of both engines must be the same up to their numbers; exit
status 1 where they are not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (768, 1024)
SPACE, HERE, THERE = "cellseg_bench", "10.77.0.1", "10.77.0.2"
PRIVATE = """set -e
cp /etc/passwd "$0/passwd"; echo 'sshd:x:65530:65534::/run/sshd:/usr/sbin/nologin' >> "$0/passwd"
sed 's/^root:[^:]*:/root:*:/' /etc/shadow > "$0/shadow"
mount --bind "$0/passwd" /etc/passwd; mount --bind "$0/shadow" /etc/shadow
mount -t tmpfs none /run; mkdir -m 755 /run/sshd
exec "$@"
"""


class SlowLine:
    """A proxy that hands everything on `delay` seconds later, at most so many bytes a second."""

    def __init__(self, to: tuple[str, int], delay: float, rate: float) -> None:
        self._to, self._delay, self._rate = to, delay, rate
        self.passed = [0, 0]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            here, _ = self._socket.accept()
            there = socket.create_connection(self._to)
            for k, (a, b) in enumerate(((here, there), (there, here))):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                on_its_way: queue.Queue[tuple[float, bytes]] = queue.Queue()
                threading.Thread(target=self._take, args=(a, on_its_way, k), daemon=True).start()
                threading.Thread(target=self._give, args=(b, on_its_way), daemon=True).start()

    def _take(self, end: socket.socket, on_its_way: queue.Queue[tuple[float, bytes]], way: int) -> None:
        free = 0.0
        data = b"."
        while data:
            with contextlib.suppress(OSError):
                data = b""
                data = end.recv(1 << 16)
            free = max(free, time.monotonic()) + (len(data) / self._rate if self._rate else 0)
            self.passed[way] += len(data)
            on_its_way.put((free + self._delay, data))

    def _give(self, end: socket.socket, on_its_way: queue.Queue[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = on_its_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    break
                end.sendall(data)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(command: list[str], until: str = "", **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process, from when it says something to the end of the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    try:
        for line in process.stdout or ():
            if until in line:
                process.said = line  # type: ignore[attr-defined]
                break
        else:
            raise SystemExit(f"{command[0]} ended: {process.poll()}")
        threading.Thread(target=(process.stdout or sys.stdin).read, daemon=True).start()
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def namespace(wanted: bool) -> Iterator[list[str]]:
    """How commands are begun there."""
    if not wanted:
        yield []
        return
    inside = ["ip", "netns", "exec", SPACE]
    for text in (
        f"netns add {SPACE}", "link add cs_here type veth peer name cs_there", f"link set cs_there netns {SPACE}",
        f"addr add {HERE}/24 dev cs_here", "link set cs_here up",
    ):  # fmt: skip
        subprocess.run(["ip", *text.split()], check=True)
    for text in (f"addr add {THERE}/24 dev cs_there", "link set cs_there up", "link set lo up"):
        subprocess.run([*inside, "ip", *text.split()], check=True)
    try:
        yield inside
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=False)


@contextlib.contextmanager
def tunnel(options: argparse.Namespace, inside: list[str], port: int, folder: Path) -> Iterator[tuple[int, SlowLine]]:
    """A port of this machine that leads to the server's, and the slow line on the way."""
    host, delay, rate = (THERE if inside else "127.0.0.1"), options.delay / 1e3, options.mbit * 125e3
    if options.direct:
        line = SlowLine((host, port), delay, rate)
        yield line.port, line
        return
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        at, local = one.getsockname()[1], other.getsockname()[1]
    for name in ("host", "me"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "me.pub", folder / "authorized")
    (folder / "conf").write_text(
        f"ListenAddress {host}\nPort {at}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile {folder}/pid\n"
    )
    private = ["unshare", "-m", "bash", "-c", PRIVATE, str(folder)] if os.getuid() == 0 else []
    daemon = [*inside, *private, options.sshd, "-D", "-e", "-f", str(folder / "conf")]
    user = os.environ.get("USER", "root") if private == [] else "root"
    quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"]
    with running(daemon, "listening"):
        line = SlowLine((host, at), delay, rate)
        client = ["ssh", "-v", "-C", "-N", "-i", str(folder / "me"), *quiet, "-p", str(line.port)]
        with running([*client, "-L", f"{local}:127.0.0.1:{port}", f"{user}@127.0.0.1"], "pledge: "):
            yield local, line


class Window:
    """The real controller, without a window."""

    def __init__(self, project: Path, server: str, token: Path) -> None:
        from napari.components import ViewerModel

        from napari_cellseg.gui.app.controller import Controller
        from napari_cellseg.gui.app.session import Session

        self.control = Controller(ViewerModel(), Session())
        self.events: list[tuple[float, str]] = []
        take = self.control.take

        def noted(reply: Any) -> None:
            empty = getattr(getattr(reply.event, "labels", None), "size", 1) == 0
            self.events.append((time.perf_counter(), type(reply.event).__name__ + " without labels" * empty))
            take(reply)

        self.control.take = noted  # type: ignore[method-assign]
        if server:
            self.control.compute_on(server, token)
        else:
            self.control.start()
        self.control.open_project(project)
        self.until(lambda: self.control.session.plan is not None, 300)

    def until(self, done: Callable[[], bool], seconds: float = 600) -> None:
        """Let time pass as the window's clock does."""
        end = time.perf_counter() + seconds
        while not done():
            if time.perf_counter() > end:
                raise SystemExit(f"not in {seconds} s: {self.control.session.status} {self.control.session.problem}")
            self.control.tick()
            time.sleep(0.004)

    def predict(self, meanwhile: Callable[[], None] = lambda: None) -> tuple[float, float]:
        """Seconds until the first labels, and until everything is written."""
        self.events.clear()
        start = time.perf_counter()
        self.control.predict()

        def over() -> bool:
            meanwhile()
            return not self.control.busy

        self.until(over)
        first = next(t for t, name in self.events if name in ("TileDone", "Predicted"))
        return first - start, time.perf_counter() - start


def renumbered(labels: np.ndarray) -> np.ndarray:
    """Objects numbered in raster order: numbers also tell in which order tiles came."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first))
    return np.where(labels > 0, ranks[inverse].reshape(labels.shape) + 1, 0)


def measure(project: Path, server: str, token: Path) -> tuple[dict[str, Any], np.ndarray]:
    """All figures of one engine, and the labels that it gave."""
    start = time.perf_counter()
    window = Window(project, server, token)
    out: dict[str, Any] = {"ready_s": time.perf_counter() - start}
    runs = [window.predict() for _ in range(4)]
    labels = renumbered(window.control.store().labels)
    out |= {
        "first_tile_s": statistics.median(a for a, _ in runs[1:]), "whole_s": statistics.median(b for _, b in runs[1:]),
        "first_time_s": runs[0],
    }  # fmt: skip
    strokes: list[float] = []
    rng = np.random.default_rng(0)

    def stroke() -> None:
        y, x = (int(rng.integers(40, n - 40)) for n in SHAPE)
        index = tuple(i.ravel() for i in np.mgrid[y - 8 : y + 8, x - 8 : x + 8])
        began = time.perf_counter()
        window.control.family.labels.data_setitem(index, int(rng.integers(1, 400)))
        window.control.tick()
        strokes.append((time.perf_counter() - began) * 1e3)

    window.control.session.update(live=False)
    for _ in range(2):
        window.predict(stroke)
    middle, late = np.percentile(strokes, (50, 99)).tolist()
    out |= {"stroke_ms": middle, "stroke_99_ms": late, "strokes": len(strokes)}
    window.control.close()
    return out, labels


def main() -> int:
    """Measure both, print and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=50.0, help="milliseconds each way")
    parser.add_argument("--mbit", type=float, default=0.0, help="megabits a second each way; 0: as fast as it goes")
    parser.add_argument("--sshd", default=shutil.which("sshd") or "/usr/sbin/sshd")
    parser.add_argument("--netns", action="store_true")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    os.environ["CELLSEG_CONFIG"] = str(folder / "config")
    import napari_cellseg as cs
    from napari_cellseg.engine.remote.tokens import add_token, keep_token
    from napari_cellseg.samples import synthetic_cells

    np.save(folder / "cells.npy", synthetic_cells(SHAPE, 150, radius=14, seed=1)[0])
    for name in ("here", "there"):
        with cs.new(folder / name) as project:
            project.add([folder / "cells.npy"])
    keep_token(folder / "token", add_token(folder / "tokens", "anna"))
    found, labels = {}, {}
    found["here"], labels["here"] = measure(folder / "here.cellseg", "", folder / "token")
    with namespace(options.netns) as inside:
        listen = f"{THERE}:0" if options.direct and inside else "0"
        serve = [
            sys.executable,
            "-m",
            "napari_cellseg.cli",
            "engine",
            "--listen",
            listen,
            "--tokens",
            str(folder / "tokens"),
        ]
        with running([*inside, *serve, "--folder", str(folder / "scratch")], "Listening on") as server:
            port = int(server.said.split(",")[0].rpartition(":")[2])  # type: ignore[attr-defined]
            with tunnel(options, inside, port, folder) as (local, line):
                found["there"], labels["there"] = measure(
                    folder / "there.cellseg", f"127.0.0.1:{local}", folder / "token"
                )
                found["there"]["megabytes_there_and_back"] = [round(n / 1e6, 2) for n in line.passed]
    same = bool(np.array_equal(labels["here"], labels["there"]))
    way = "direct" if options.direct else "sshd"
    result = {
        "delay_ms": options.delay, "mbit": options.mbit, "netns": options.netns, "way": way, "same_labels": same,
        **found,
    }  # fmt: skip
    text = json.dumps(result, indent=2, default=lambda v: round(v, 4))
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
