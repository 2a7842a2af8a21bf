"""Damaged frames: each must be answered or end the stream, none may be executed, memory must stay bounded.

usage: python benchmarks/fuzz_frames.py [--count 10000] [--connections 2000] [--seed 0] [--json FILE]

Frames of every job and of many events are changed at random (bytes flipped, cut off, repeated, numbers of headers made
extreme, kinds and fields swapped for names of Python's), or are plain noise, and are read as the engine's child and the
window read them, with 1 GB of memory above what the program has at the start. An audit hook counts whatever would
start a process, open a file for writing, import or compile something. Exit status 1 where anything but a value of ours,
`BadFrame` or the end of the stream came. Then damaged first words are sent to a server, which must refuse or close
every connection, begin no session, and let the next one in that knows the token.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import resource
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_cellseg.config import Config, Predict
from napari_cellseg.engine import DecodeJob, EvaluateJob, LiveJob, PlanJob, PredictJob, Reply, TrainJob
from napari_cellseg.engine._frames import HEAD, MARK, BadFrame, Limits
from napari_cellseg.engine._messages import CODEC, Beat, Cancel, Look, Run
from napari_cellseg.engine.remote.server import FIRST_WORDS, Server
from napari_cellseg.engine.remote.tokens import proof
from napari_cellseg.engine.remote.words import VERSION, Login, Refused
from napari_cellseg.events import Failed, Judged, Predicted, Ready, TileDone, Validated
from napari_cellseg.targets import Distance

MEMORY = 1 << 30
EVIL = [*b"os.system Popen __reduce__ __class__ eval $ ../../etc/passwd stored Path".split()]
WATCHED = ("subprocess", "os.system", "os.exec", "os.posix_spawn", "compile", "exec", "pickle")
SMALL = Limits(1 << 20, 64 << 20)


def frames() -> list[bytes]:
    """One of every kind that goes through the pipe."""
    here, labels = Path("p.cellseg"), np.arange(48, dtype=np.uint32).reshape(6, 8)
    box = ((0, 6), (0, 8))
    values: list[Any] = [
        Run(1, PredictJob(here, ("a", "b"), ("v1",), Predict(), Distance(), (1.0, 2.0), box)),
        Run(2, TrainJob(here, Config())), Run(3, EvaluateJob(here, ("a",), "v1")), Run(4, PlanJob(here, "a", ("v1",))),
        Run(5, DecodeJob(here, "a", ("v1",), Distance(), box)),
        Run(6, LiveJob(here, "a", "v1", box, labels, labels.astype(np.uint8))), Cancel(1), Look(1, (1.0, 2.0)), Beat(),
        Reply(1, TileDone("a", box, labels, 1, 2, 0.1)), Reply(1, Predicted("a", "v1", labels, 1.0, box, 3)),
        Reply(0, Ready("cpu", "bf16", 0.1)), Reply(1, Failed("no", "yes")),
        Reply(1, Judged("v1", "v2", {"iou": 0.5}, {"iou": 0.6}, True)),
        Reply(1, Validated(1, 0.5, True, 0.5, {"f1": 1.0})),
    ]  # fmt: skip
    return [b"".join(CODEC.encode(value)) for value in values]


def changed(frame: bytes, rng: np.random.Generator) -> bytes:
    """A frame with some damage."""
    data = bytearray(frame)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, max(1, len(data))))
        match int(rng.integers(0, 8)):
            case 0:
                data[at : at + 1] = rng.bytes(1)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = data[at : at + int(rng.integers(1, 200))]
            case 3:
                data[4:16] = int(rng.integers(0, 1 << 32)).to_bytes(4, "little") + rng.bytes(8)
            case 4:
                data = bytearray(
                    re.sub(rb"\d+", lambda _: str(int(rng.integers(0, 1 << 62))).encode(), bytes(data), count=2)
                )
            case 5:
                data = bytearray(rng.bytes(int(rng.integers(0, 300))))
            case 6:
                names = re.findall(rb'"[A-Za-z_$]+"', bytes(data))
                if names:
                    new = b'"' + EVIL[int(rng.integers(0, len(EVIL)))] + b'"'
                    data = bytearray(bytes(data).replace(names[int(rng.integers(0, len(names)))], new))
            case _:
                text = rng.bytes(int(rng.integers(0, 100))).hex().encode()
                data = bytearray(HEAD.pack(MARK, len(text), 0) + text)
    return bytes(data)


def honest(data: bytes) -> bytes:
    """The same with the lengths that it has, so that more than the first look is tried."""
    end = data.find(b"}", 16)
    for _ in range(200):
        if end < 0 or data[:4] != MARK:
            break
        text = data[16 : end + 1]
        if text.count(b"{") == text.count(b"}"):
            return HEAD.pack(MARK, len(text), len(data) - end - 1) + data[16:]
        end = data.find(b"}", end + 1)
    return data


def knock(count: int, rng: np.random.Generator) -> tuple[Counter[str], int]:
    """How a server ends connections whose first words are damaged, and how many sessions it began."""
    token, ends = "a token that is known", Counter[str]()
    server = Server({"anna": token}, Path("never made"))
    host, port = server.bind("127.0.0.1", 0)
    threading.Thread(target=server.serve, daemon=True).start()
    for n in range(count + 1):
        with socket.create_connection((host, port), timeout=30) as connection:
            challenge = FIRST_WORDS.read(connection.recv_into)
            said = proof(token, "client", challenge.nonce, "n")
            version = VERSION if n < count else "0"  # the last one is only told of its version: it is who it says
            data = b"".join(FIRST_WORDS.encode(Login(version, "n", said, "", 0, "auto", "w")))
            if n < count:
                wrong = data.replace(said.encode(), said[::-1].encode())
                data = honest(changed(wrong, rng)) if n % 2 else changed(wrong, rng)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                answer = FIRST_WORDS.read(connection.recv_into)
                ends[answer.message.split(" of ")[0] if isinstance(answer, Refused) else type(answer).__name__] += 1
            except (OSError, EOFError):
                ends["closed"] += 1
    sessions = len(server._sessions)
    server.close()
    return ends, sessions


def main() -> int:
    """Read damaged frames, print how each ended."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--connections", type=int, default=2_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    rng, whole, ends, bad = np.random.default_rng(given.seed), frames(), Counter[str](), []
    for frame in whole:
        CODEC.read(io.BytesIO(frame).readinto)  # whatever is imported at first use is imported now
    knock(2, np.random.default_rng(0))
    before = psutil.Process().memory_info().rss
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + MEMORY,) * 2)
    ran: Counter[str] = Counter()
    sys.addaudithook(lambda event, _: ran.update([event]) if event.startswith(WATCHED) else None)
    start = time.monotonic()
    for n in range(given.count):
        data = changed(whole[n % len(whole)], rng)
        data = honest(data) if n % 2 else data
        try:
            value = CODEC.read(io.BytesIO(data).readinto, SMALL)
            ends["a value of ours"] += 1
            bad += [] if type(value) in CODEC.kinds.values() else [(n, repr(value)[:200])]
        except EOFError:
            ends["end of the stream"] += 1
        except BadFrame:
            ends["refused"] += 1
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            bad.append((n, repr(error)[:200]))
    refused, sessions = knock(given.connections, rng)
    bad += [] if sessions == 0 else [(-1, f"{sessions} sessions were begun")]
    grown = psutil.Process().memory_info().rss - before
    found = {
        "frames": given.count, "ends": dict(ends), "connections": given.connections, "server": dict(refused),
        "wrong": bad[:20], "ran": dict(ran), "memory_grown_mb": round(grown / 1e6, 1),
        "seconds": round(time.monotonic() - start, 1),
    }  # fmt: skip
    print(json.dumps(found, indent=2))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if bad or ran else 0


if __name__ == "__main__":
    sys.exit(main())
