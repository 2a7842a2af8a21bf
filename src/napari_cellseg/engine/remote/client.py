"""The connection of a bridge to its server: made, proved, made again when it is lost."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import CellsegError
from ...events import Connection, Failed, Ready
from .._codec import Codec
from .._frames import BadFrame
from .._messages import Cancel, Look, Reply
from .channel import Channel, Reset
from .tokens import owner, proof, read_token
from .words import (
    FIRST,
    FROM_SERVER,
    HANDSHAKE,
    SILENCE_S,
    TO_CLIENT,
    TO_SERVER,
    VERSION,
    Alive,
    Challenge,
    Login,
    Refused,
    Welcome,
)

PAUSE_S = 2.0
"""Between two tries to connect."""
PATIENCE_S = 30.0
"""A job waits so long for a connection that was lost, or is not there yet."""
QUIET_S = 3.0
"""A server that says nothing for longer gives no sign of life."""
FIRST_WORDS = Codec(HANDSHAKE)


class Away:
    """Labels that lie in a folder of the server."""

    def __init__(self, path: str) -> None:
        _, _, self.path = path.replace("\\", "/").rpartition("/project.cellseg/")


CODEC = Codec(dict.fromkeys((*TO_SERVER, *TO_CLIENT)), stored=Away)


class Lost(CellsegError):
    """The server cannot be reached, or has forgotten what it was doing."""


class Client:
    """Keeps the conversation with a server.

    Attributes
    ----------
    inbox
        What the server says, in order.
    era
        How many conversations were begun; whoever does something that belongs to one remembers it.
    """

    def __init__(
        self, address: str, token: Path, device: str, tell: Callable[[Ready | Connection | Failed], None]
    ) -> None:
        self._address, self._token, self._device, self._tell = address, token, device, tell
        self.channel = Channel(CODEC, FROM_SERVER)
        self.inbox: queue.Queue[Any] = queue.Queue()
        self.era = 0
        self._window = os.environ.get("CELLSEG_WINDOW") or secrets.token_hex(8)
        self._session, self._why = "", "it is being connected"
        self._lost_at = time.monotonic()
        self._said = ""
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._send_soon, daemon=True).start()

    @property
    def lives(self) -> bool:
        """Whether the window need not worry: the server gave a sign of life, or it is known to be away."""
        return not self.channel.connected or time.monotonic() - self.channel.heard_at < QUIET_S

    def send_soon(self, message: Cancel | Look) -> None:
        """Send from a thread that must not wait."""
        self._outbox.put(message)

    def _send_soon(self) -> None:
        while True:
            with contextlib.suppress(Reset):
                self.channel.send(self._outbox.get())

    def next(self, era: int) -> Any:
        """What the server says next in a conversation.

        Raises
        ------
        Lost
            When it was begun anew meanwhile, or there is no connection for too long.
        """
        while True:
            try:
                return self.inbox.get(timeout=0.1)
            except queue.Empty:
                self.check(era)

    def check(self, era: int) -> None:
        """Raise where a conversation is over."""
        if era != self.era:
            raise Lost(
                f"The engine on {self._address} was started again, and what it was doing is lost.",
                "Nothing you made is lost. Press the button again.",
            )
        if not self.channel.connected and time.monotonic() - self._lost_at > PATIENCE_S:
            self._session = ""  # what still comes of it is not waited for any more
            raise self._away()

    def connected(self) -> int:
        """Wait for a connection; returns the number of its conversation.

        Raises
        ------
        Lost
            When there is none for too long.
        """
        end = time.monotonic() + PATIENCE_S
        while not (self.channel.connected and self.era):
            if time.monotonic() > end or self._said.startswith("refused"):
                raise self._away()
            time.sleep(0.05)
        return self.era

    def _away(self) -> Lost:
        return Lost(
            f"The engine on {self._address} cannot be reached: {self._why}.",
            "It is tried again and again. Or choose This computer in the step Predict, under More: where it runs.",
        )

    # --- the connection ---------------------------------------------------------------------------

    def keep_connected(self) -> None:
        """In a thread of its own: connect, take what comes, connect again."""
        threading.Thread(target=self._say_alive, daemon=True).start()
        while True:
            connection = None
            try:
                connection = self._connect()
                for message in self.channel.receive(connection):
                    self._take(message)
                self._lose("lost", "the connection was lost")
            except (CellsegError, OSError, EOFError) as error:
                reason = error.message.rstrip(".") if isinstance(error, CellsegError) else str(error) or "no answer"
                self._lose("refused" if isinstance(error, CellsegError) else "away", reason)
            self.channel.detach()
            time.sleep(PAUSE_S)

    def _take(self, message: Any) -> None:
        if isinstance(message, Reply) and message.job == 0 and isinstance(message.event, Ready | Failed):
            self._tell(message.event)
        elif not isinstance(message, Alive):
            self.inbox.put(message)

    def _lose(self, kind: str, reason: str) -> None:
        if self._said != f"{kind}: {reason}":
            self._said, self._why = f"{kind}: {reason}", reason
            self._tell(Connection(False, f"{self._address}: {reason}"))
        if kind == "lost":
            self._lost_at = time.monotonic()

    def _say_alive(self) -> None:
        while True:
            time.sleep(1)
            self.channel.alive()

    def _connect(self) -> socket.socket:
        """A connection on which both sides have proved who they are."""
        token = read_token(self._token)
        host, _, port = self._address.rpartition(":")
        connection = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout=10)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._prove(connection, token)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prove(self, connection: socket.socket, token: str) -> None:
        challenge, nonce = _first(connection, Challenge), secrets.token_hex(16)
        said = proof(token, "client", challenge.nonce, nonce)
        login = Login(VERSION, nonce, said, self._session, self.channel.heard, self._device, self._window)
        connection.sendall(b"".join(FIRST_WORDS.encode(login)))
        welcome = _first(connection, Welcome)
        if owner({"server": token}, welcome.proof, "server", challenge.nonce, nonce) is None:
            raise CellsegError("What answers there does not know the token.", "Look whether the address is right.")
        if welcome.session != self._session:
            self._session = welcome.session
            self.channel.reset()
            while not self.inbox.empty():
                self.inbox.get()
            self.era += 1
        self.channel.heard_at, self._said = time.monotonic(), ""
        self.channel.attach(connection, welcome.heard)
        self._tell(Connection(True, f"{self._address} as {welcome.user}"))


def _first(connection: socket.socket, kind: type[Any]) -> Any:
    """One of the first words."""
    connection.settimeout(SILENCE_S)
    try:
        said = FIRST_WORDS.read(connection.recv_into, FIRST)
    except BadFrame as error:
        raise CellsegError("What answers there is no engine of napari-cellseg.", error.message) from error
    if isinstance(said, Refused):
        raise CellsegError(said.message, said.hint)
    if not isinstance(said, kind):
        raise CellsegError("What answers there says something else than an engine.", "Look at the address.")
    return said
