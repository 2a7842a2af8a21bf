"""The window's child when another machine computes: ``python -m napari_cellseg.engine.remote.bridge HOST:PORT [FILE]``.

It speaks with the window as any child does, so the window keeps its promises: it never waits, a bridge that dies costs
a message, and closing the pipe ends it. Jobs are done one after another; what is slow (looking what is lacking,
sending, fetching, waiting for a connection) happens here.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import tempfile
import threading
from pathlib import Path

from ...errors import CellsegError
from ...events import Connection, Failed, Finished, Ready
from .._frames import BadFrame
from .._jobs import Job
from .._messages import CODEC, Cancel, Look, Reply, Run
from .._streams import Speaker, beat, take_streams
from .client import Client
from .courier import Courier
from .tokens import client_file
from .words import Bye


def main() -> None:
    """Serve the window until its pipe closes."""
    address = sys.argv[1]
    token = Path(sys.argv[2]) if sys.argv[2:] and sys.argv[2] else client_file()
    commands, send = take_streams()

    def tell(event: Ready | Connection | Failed) -> None:
        if isinstance(event, Ready):
            event = Ready(f"{event.device} on {address}", event.precision, event.seconds)
        send(Reply(0, event))

    client = Client(address, token, os.environ.get("CELLSEG_DEVICE", "auto"), tell)
    jobs: queue.Queue[tuple[int, Job]] = queue.Queue()
    courier = Courier(client, lambda number, event: send(Reply(number, event)), Path(tempfile.mkdtemp()))
    threading.Thread(target=beat, args=(send, lambda: client.lives), daemon=True).start()
    threading.Thread(target=client.keep_connected, daemon=True).start()
    threading.Thread(target=_listen, args=(commands, jobs, client, courier), daemon=True).start()
    while True:
        number, job = jobs.get()
        _do(number, job, courier, send)


def _do(number: int, job: Job, courier: Courier, send: Speaker) -> None:
    try:
        courier.do(number, job)
    except CellsegError as error:
        send(Reply(number, Failed(error.message, error.hint)))
    except OSError as error:
        send(Reply(number, Failed(f"A file of the project cannot be read or written: {error}.", "Look at the disk.")))
    send(Reply(number, Finished(number)))


def _listen(commands: io.BufferedReader, jobs: queue.Queue[tuple[int, Job]], client: Client, courier: Courier) -> None:
    try:
        while True:
            match message := CODEC.read(commands.readinto):
                case Run(number, job):
                    jobs.put((number, job))
                case Cancel(number):
                    courier.cancelled.add(number)
                    client.send_soon(message)
                case Look():
                    client.send_soon(message)
    except (EOFError, OSError, BadFrame):
        with contextlib.suppress(Exception):
            client.channel.send(Bye())
            client.channel.detach()
        os._exit(0)  # the window is gone


if __name__ == "__main__":
    main()
