"""One window's work on the server: its child process, its scratch copies, its conversation."""

from __future__ import annotations

import queue
import secrets
import socket
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...errors import CellsegError
from ...events import Event, Failed, Finished, PictureWanted, Ready, Saved
from ...files import full_disk
from .._client import Engine
from .._codec import Codec
from .._explain import ExplainJob
from .._frames import BadFrame
from .._jobs import Job
from .._messages import Cancel, Look, Reply, Run
from .._pulse import EVERY_S
from .channel import Channel, Reset
from .scratch import Scratch, checked_name, picture_tree, scratch_copies
from .words import (
    FROM_CLIENT,
    TO_CLIENT,
    TO_SERVER,
    Alive,
    Bye,
    Fetch,
    Fetched,
    Lacking,
    Login,
    NoPicture,
    Offer,
    Open,
    Opened,
    Pictures,
    Put,
    Taken,
)

Maps = tuple[tuple[str, Path], ...]
CODEC = Codec(dict.fromkeys((*TO_SERVER, *TO_CLIENT)), stored=lambda path: None)
"""No folder that a window names is opened here: its arrays come whole."""
MOMENT_S = 0.004
"""How long an idle session sleeps before it looks again."""


@dataclass(frozen=True)
class Limits:
    """How long things are kept, in seconds.

    Attributes
    ----------
    keep_s
        A session without a connection, unless a job runs.
    forget_s
        A scratch copy that nobody works with.
    """

    keep_s: float = 60.0
    forget_s: float = 30 * 86400.0


class Session:
    """Lives on while its connection is lost: until the window says goodbye, or stays away.

    Attributes
    ----------
    key
        What a window that comes back calls it by; nobody can guess it.
    window
        What the window calls itself; a second session of it takes the place of the first.
    ended, gone
        Whether it is over, and whether everything of it has ended.
    """

    def __init__(self, user: str, home: Path, maps: Maps, limits: Limits, login: Login) -> None:
        self.user, self.window, self._home, self._maps, self._limits = user, login.window, home, maps, limits
        self.key, self.ended = secrets.token_hex(16), False
        self.channel = Channel(CODEC, FROM_CLIENT)
        self._engine = Engine(asks=True)
        self._engine.device = login.device if login.device == "cpu" else "auto"
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._numbers: dict[int, int] = {}
        self._scratch: Scratch | None = None
        self._trouble: Failed | None = None
        self._left = time.monotonic()
        self.gone, self._following = threading.Event(), threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._engine.busy

    def follow(self, connection: socket.socket) -> None:
        """In the connection's thread: take what the window says until the connection ends."""
        with self._following:
            try:
                for message in self.channel.receive(connection):
                    if not isinstance(message, Alive):
                        self._inbox.put(message)
            except BadFrame:
                self.close()  # what a window of ours never says
            self.channel.detach(connection)

    def pause(self) -> None:
        """Let go of the connection; what it has brought counts as heard then."""
        self.channel.detach()
        with self._following:
            pass

    def close(self) -> None:
        """End it soon."""
        self._inbox.put(Bye())
        self.channel.reset()  # whoever waits to send something need not

    def run(self) -> None:
        """In a thread of its own, to the end: commands of the window, events of the child."""
        self._engine.start()
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            while not self.ended:
                done = self._commands() + self._events()
                self._look_after()
                if not done:
                    time.sleep(MOMENT_S)
        finally:
            self.ended = True
            self.channel.detach()
            self._engine.close()
            if self._scratch is not None:
                _IN_USE.discard(self._scratch.project)
            self.gone.set()

    # --- inside ---------------------------------------------------------------------------------

    def _look_after(self) -> None:
        """The end where the window stays away."""
        now = time.monotonic()
        if self.channel.connected:
            self._left = now
        elif now - self._left > (self._limits.keep_s if not self.busy else 15 * self._limits.keep_s):
            self.ended = True

    def _beat(self) -> None:
        """In a thread of its own: a sign of life every second, where the child gives one."""
        while not self.gone.wait(EVERY_S):
            if self._engine.answers:
                self.channel.alive()

    def _commands(self) -> int:
        n = 0
        while not self._inbox.empty():
            message, n = self._inbox.get(), n + 1
            try:
                self._do(message)
            except Reset:
                self.ended = True
            except CellsegError as error:
                self._answer_trouble(message, Failed(error.message, error.hint))
            except OSError as error:
                said = full_disk(error) or CellsegError(
                    f"The server cannot write or read: {error}.", "Ask who runs it."
                )
                self._answer_trouble(message, Failed(said.message, said.hint))
        return n

    def _answer_trouble(self, message: Any, failed: Failed) -> None:
        """What waits for an answer gets one; of what does not, the next job tells."""
        if isinstance(message, Fetch):
            self.channel.send(Fetched(message.path, 0, failed.message))
            return
        self._trouble = failed
        if isinstance(message, Offer) and len(message.digests):
            self.channel.send(Lacking(message.tree, np.zeros(0, np.int64)))
        elif isinstance(message, Run):
            self._refuse(message.number)

    def _do(self, message: Any) -> None:
        match message:
            case Bye():
                self.ended = True
            case Cancel(number) | Look(number, _):
                self._pass_on(number, message)
            case Open(project, home):
                scratch = self._opened(project, home)
                self.channel.send(Opened((*scratch.waiting, *["runs"] * scratch.unfinished)))
            case Run(number, job):
                self._run(number, job)
            case NoPicture(source, reason):
                self._engine.give_picture(source, "", reason)
            case _:
                self._of_files(message, self._files())

    def _of_files(self, message: Any, scratch: Scratch) -> None:
        match message:
            case Offer(tree):
                lacking = scratch.offer(message)
                if len(message.digests):
                    self.channel.send(Lacking(tree, lacking))
            case Put():
                scratch.put(message)
            case Pictures(sources):
                for source in sources:
                    self._engine.give_picture(source, str(scratch.place(picture_tree(source))), "")
            case Fetch(path):
                n = 0
                for part in scratch.parts(path):
                    n += part.offset == 0
                    self.channel.send(part)
                self.channel.send(Fetched(path, n, ""))
            case Taken(path):
                scratch.taken(path)

    def _files(self) -> Scratch:
        if self._scratch is None:
            raise CellsegError("No project was opened in this session.", "Use the program's own windows.")
        return self._scratch

    def _opened(self, project: str, home: str) -> Scratch:
        """The scratch copy of a project; another one where another session of this person has it."""
        if self._scratch is not None:
            _IN_USE.discard(self._scratch.project)
        name, n = checked_name(project), 1
        scratch = Scratch(self._home / name, home)
        while not _take(scratch.project):
            n += 1
            scratch = Scratch(self._home / f"{name}-{n}", home)
        self._scratch = scratch
        scratch.use()
        self._tidy()
        return scratch

    def _tidy(self) -> None:
        """Delete this person's copies of projects that nobody has worked on for long."""
        for copy in scratch_copies(self._home):
            if copy.unused_for(self._limits.forget_s) and _take(copy.project):
                copy.forget()
                _IN_USE.discard(copy.project)

    def _run(self, number: int, job: Job) -> None:
        if self._trouble is not None:
            self._refuse(number)
            return
        scratch = self._files()
        scratch.prepare()
        job = replace(job, project=scratch.project)
        if isinstance(job, ExplainJob):
            job = replace(job, asking=replace(job.asking, out=None))
        self._numbers[self._engine.submit(job)] = number

    def _refuse(self, number: int) -> None:
        failed, self._trouble = self._trouble or Failed("It cannot be done.", ""), None
        self.channel.send(Reply(number, failed))
        self.channel.send(Reply(number, Finished(number)))

    def _pass_on(self, number: int, message: Cancel | Look) -> None:
        for ours, theirs in self._numbers.items():
            if theirs == number and isinstance(message, Look):
                self._engine.look(ours, message.centre)
            elif theirs == number:
                self._engine.cancel(ours)

    def _events(self) -> int:
        replies = self._engine.poll()
        for reply in replies:
            try:
                self._heard(reply, self._numbers.get(reply.job, 0))
            except Reset:
                self.ended = True
        return len(replies)

    def _heard(self, reply: Reply, number: int) -> None:
        event: Event = reply.event
        if isinstance(event, PictureWanted) and self._mapped(event.source):
            return
        if self._scratch is not None and isinstance(event, Saved):
            self._scratch.keep(f"models/{event.model}")
        if isinstance(event, Finished):
            self._numbers.pop(reply.job, None)
            event = Finished(number)
        if number or isinstance(event, Ready | Failed):
            self.channel.send(Reply(number, event))

    def _mapped(self, source: str) -> bool:
        """Whether a picture lies on a disk that both machines have."""
        given = source if source.startswith("/") or source[1:2] == ":" else f"{self._files().home}/{source}"
        for there, here in self._maps:
            whole = PurePosixPath(given.replace("\\", "/"))
            if not whole.is_relative_to(there):
                continue
            path = (here / whole.relative_to(there)).resolve()
            if path.is_relative_to(here.resolve()) and path.exists():
                self._engine.give_picture(source, str(path), "")
                return True
        return False


_IN_USE: set[Path] = set()
_TAKING = threading.Lock()


def _take(project: Path) -> bool:
    with _TAKING:
        free = project not in _IN_USE
        _IN_USE.add(project)
    return free
