"""The parent's side of the engine: submit, cancel, poll; never blocks, survives the child's death."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import IO

from ..events import Failed, Finished, Notice, Ready
from ..processes import OURS
from ._frames import BadFrame
from ._jobs import Job
from ._messages import CODEC, Beat, Cancel, Look, Picture, Reply, Run
from ._pulse import Pulse

CALM = {"OPENBLAS_NUM_THREADS": "1"}
"""Unless the person says otherwise: a head's equations are small, and solved by two threads on a busy machine they took
4 s instead of 0.1, since OpenBLAS's threads wait spinning for each other. torch has threads of its own."""


Message = Run | Cancel | Look | Picture
CHILD, BRIDGE = "napari_cellseg.engine._child", "napari_cellseg.engine.remote.bridge"


class Engine:
    """One warm child process. All methods return at once and are called from one thread.

    Parameters
    ----------
    server
        ``HOST:PORT`` of an engine on another machine; the child then is the bridge to it (`engine.remote`). "": here.
    token
        The file with the token for it; None: where it is looked for (`engine.remote.tokens`).
    asks
        Whether the child asks for pictures (`PictureWanted`, `give_picture`), since they lie on another machine.

    A reader thread takes events off the pipe and `poll` hands them out; a writer thread puts jobs into the other, since
    a child that is stopped does not empty it. When the child dies, its jobs end with `Failed` and the next `submit`
    starts a new child.
    """

    def __init__(self, server: str = "", token: Path | None = None, *, asks: bool = False) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.Queue[tuple[int, Reply | None]] = queue.Queue()
        self._commands: queue.Queue[list[memoryview] | None] = queue.Queue()
        self._pulse: Pulse | None = None
        self._replacing = False
        self._held: list[Message] = []
        self._log: IO[bytes] | None = None
        self._next = 1
        self._generation = 0
        self._open: list[int] = []
        self.ready: Ready | None = None
        self.device = "auto"
        """Where a child that is started computes: "auto" or "cpu"."""
        self.server, self.token = server, token
        self._asks, self._window = asks, uuid.uuid4().hex

    def start(self) -> None:
        """Start the child in the background unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self._dispose()
        self.ready = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        environment = CALM | OURS | os.environ | {"PYTHONUNBUFFERED": "1"}
        if self.device != "auto":
            environment["CELLSEG_DEVICE"] = self.device
        if self.server:
            environment["CELLSEG_WINDOW"] = self._window
        if self._asks:
            environment["CELLSEG_PICTURES"] = "asked for"
        place = [self.server, str(self.token or "")] if self.server else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", BRIDGE if self.server else CHILD, *place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            bufsize=0,
        )
        self._generation += 1
        self._commands, self._pulse = queue.Queue(), Pulse(self._process.pid)
        reads = (self._process, self._pulse, self._generation)
        for target, args in ((self._read, reads), (_write, (self._process.stdin, self._commands))):
            threading.Thread(target=target, args=args, daemon=True).start()

    def submit(self, job: Job) -> int:
        """Queue a job; returns its number. Its events end with `Finished`."""
        number, self._next = self._next, self._next + 1
        if not self._replacing:
            self.start()
        self._open.append(number)
        self._send(Run(number, job))
        return number

    def cancel(self, number: int) -> None:
        """Ask a job to end; it does so within a tile or a step and keeps what it has."""
        self._send(Cancel(number))

    def look(self, number: int, centre: tuple[float, ...]) -> None:
        """Tell a running prediction where the person looks now; what is left is done in that order."""
        self._send(Look(number, centre))

    def give_picture(self, source: str, path: str, reason: str) -> None:
        """Tell a child that asks where a picture lies, or why there is none."""
        self._send(Picture(source, path, reason))

    def move(self, server: str, token: Path | None = None) -> None:
        """Compute elsewhere from now on ("": on this machine); what runs ends with `Failed` at a next `poll`."""
        self.server, self.token = server, token
        self.replace()

    def poll(self, limit: int = 64) -> list[Reply]:
        """Events that have arrived, oldest first, at most `limit`."""
        out: list[Reply] = []
        while len(out) < limit:
            try:
                generation, reply = self._replies.get_nowait()
            except queue.Empty:
                break
            if reply is not None:
                out.append(reply)
                if isinstance(reply.event, Ready):
                    self.ready = reply.event
                if isinstance(reply.event, Finished) and reply.job in self._open:
                    self._open.remove(reply.job)
            elif generation == self._generation:
                out += self._died()
        return out

    @property
    def busy(self) -> bool:
        """Whether a job is running or waiting."""
        return bool(self._open)

    @property
    def answers(self) -> bool:
        """Whether the child lives, as far as can be told; True where none is wanted. Ask about once a second."""
        return self._pulse is None or self._pulse.regular

    def replace(self) -> None:
        """End the child at once, whatever it does, and start a new one; its jobs end with `Failed` at a next `poll`."""
        if self._process is None:
            self.start()
        else:
            self._replacing, self.ready = True, None
            self._process.kill()  # the reader notices

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Close the pipe, which ends the child."""
        self._generation += 1
        self._open.clear()
        self._dispose()

    # --- inside ---------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        if self._replacing:
            self._held.append(message)  # for the one that comes
        elif self._process is not None:
            self._commands.put(CODEC.encode(message))

    def _read(self, process: subprocess.Popen[bytes], pulse: Pulse, generation: int) -> None:
        """In a thread of its own: move events from the pipe to the queue until the pipe ends."""
        assert isinstance(process.stdout, io.FileIO)
        with io.BufferedReader(process.stdout) as stream, contextlib.suppress(EOFError, OSError):
            try:
                while True:
                    message = CODEC.read(stream.readinto)
                    pulse.beat()
                    if not isinstance(message, Beat):
                        self._replies.put((generation, message))
            except BadFrame as error:
                process.kill()  # nothing after it can be understood
                self._replies.put((generation, Reply(0, Notice(str(error)))))
        self._replies.put((generation, None))

    def _died(self) -> list[Reply]:
        tail = self._tail()
        code = self._process.wait() if self._process else None
        self._dispose()
        self.ready = None
        text = f"The engine stopped unexpectedly (exit status {code})."
        hint = "Nothing you made is lost. It starts again with the next click; if it ran out of memory, lower the tile."
        ended, self._open = self._open or [0], []
        if self._replacing:
            self._replacing, held, self._held = False, self._held, []
            self._open = [message.number for message in held if isinstance(message, Run)]
            self.start()
            for message in held:
                self._send(message)
            text = "The engine was started again, and what it was doing is lost."
            hint = "Nothing you made is lost. Press the button again."
            ended = [job for job in ended if job and job not in self._open]
        replies = [Reply(job, Failed(text, hint, tail)) for job in ended]
        return replies + [Reply(job, Finished(job)) for job in ended if job]

    def _tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 4000))
        return self._log.read().decode(errors="replace")

    def _dispose(self) -> None:
        if self._process is not None:
            self._commands.put(None)  # the writer closes the pipe, and so the child leaves
            if not self.answers:
                self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = self._pulse = None
        if self._log is not None:
            self._log.close()
            self._log = None


def _write(pipe: io.FileIO, commands: queue.Queue[list[memoryview] | None]) -> None:
    """In a thread of its own: put commands into the pipe, however long that takes, and close it at the end."""
    with pipe, contextlib.suppress(OSError, ValueError):  # a dead child is reported by the reader
        while (frame := commands.get()) is not None:
            for rest in frame:
                while rest:
                    rest = rest[pipe.write(rest) :]
