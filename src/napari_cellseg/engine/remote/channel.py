"""Messages over connections that may break: each is counted, and what was not heard is sent again over the next one."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from ...errors import CellsegError
from .._codec import Codec
from .._frames import Limits
from .words import SILENCE_S, Alive

UNHEARD = 256 << 20
"""So many bytes may be on their way; who sends more waits."""


CHUNK = 1 << 18
"""So many bytes are written at once: each may take as long as a connection may be silent."""
PATIENCE_S = 60.0
"""Who waits to send something gives up when nothing was heard for so long."""


class Reset(CellsegError):
    """The other side has forgotten this conversation; what was sent in it is lost."""


class Channel:
    """One side of a conversation that outlives its connections; methods may be called in any thread.

    Attributes
    ----------
    heard, heard_at
        How many messages of the other side came, and when the last bytes did (`time.monotonic`).
    """

    def __init__(self, codec: Codec, limits: Limits) -> None:
        self._codec, self._limits = codec, limits
        self._unheard: deque[list[memoryview]] = deque()
        self._bytes = self._dropped = self._era = self.heard = 0
        self.heard_at = time.monotonic()
        self._socket: socket.socket | None = None
        self._lock = threading.Condition(threading.RLock())

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._socket is not None

    def attach(self, connection: socket.socket, heard: int) -> None:
        """Go on over a new connection, on which the other side has said how much it heard."""
        with self._lock:
            self.detach()
            connection.settimeout(SILENCE_S)
            self._forget(heard)
            self._socket = connection
            for frame in list(self._unheard):
                self._write(frame)

    def detach(self, connection: socket.socket | None = None) -> None:
        """Close the connection (if it still is the given one); messages wait for the next."""
        with self._lock:
            if self._socket is not None and connection in (None, self._socket):
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                self._socket.close()
                self._socket = None

    def reset(self) -> None:
        """Begin a new conversation: whoever still wants to send something in the old one gets `Reset`."""
        with self._lock:
            self._unheard.clear()
            self._bytes = self._dropped = self.heard = 0
            self._era += 1
            self._lock.notify_all()

    def send(self, message: Any) -> None:
        """Send a message now, or when there is a connection; waits while too much is on its way.

        Raises
        ------
        Reset
            When the conversation is begun anew while this waits, or nothing is heard any more.
        """
        frame = self._codec.encode(message)
        size = sum(len(part) for part in frame)
        with self._lock:
            era = self._era
            while self._bytes > UNHEARD and era == self._era:
                if not self._lock.wait(PATIENCE_S):
                    raise Reset("The other side takes nothing any more.")
            if era != self._era:
                raise Reset("The connection was begun anew.")
            self._unheard.append(frame)
            self._bytes += size
            self._write(frame)

    def alive(self) -> None:
        """Tell how much was heard."""
        with self._lock:
            self._write(self._codec.encode(Alive(self.heard)))

    def receive(self, connection: socket.socket) -> Iterator[Any]:
        """Messages of a connection as they come, signs of life among them, until it ends or is silent for too long.

        Raises
        ------
        BadFrame
            When something else comes.
        """

        def read(buffer: memoryview) -> int:
            n = connection.recv_into(buffer)
            self.heard_at = time.monotonic()
            return n

        with contextlib.suppress(OSError, EOFError):
            while True:
                message = self._codec.read(read, self._limits)
                if isinstance(message, Alive):
                    with self._lock:
                        self._forget(message.heard)
                else:
                    self.heard += 1
                yield message

    def _forget(self, heard: int) -> None:
        while self._unheard and self._dropped < heard:
            self._bytes -= sum(len(part) for part in self._unheard.popleft())
            self._dropped += 1
        self._lock.notify_all()

    def _write(self, frame: list[memoryview]) -> None:
        if self._socket is None:
            return
        try:
            for part in frame:
                for start in range(0, len(part), CHUNK):
                    self._socket.sendall(part[start : start + CHUNK])
        except OSError:
            self.detach()
