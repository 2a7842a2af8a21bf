"""The server: listens, knows its people by their tokens, gives each a session with a child process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import CellsegError
from .._codec import Codec
from .._frames import BadFrame
from .session import Limits, Session
from .tokens import owner, proof
from .words import FIRST, HANDSHAKE, VERSION, Challenge, Login, Refused, Welcome

FIRST_S = 10.0
"""So long may both sides take to know each other."""
END_S = 5.0
"""So long a new session waits for the end of the one whose place it takes."""
AT_ONCE = 8
"""Connections that have not said who they are; more are closed."""
FIRST_WORDS = Codec(HANDSHAKE)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def say(connection: socket.socket, message: object) -> None:
    """One of the first words, in whole."""
    connection.sendall(b"".join(FIRST_WORDS.encode(message)))


@dataclass
class Server:
    """Serves until it is closed.

    Attributes
    ----------
    tokens
        By name of their people.
    folder
        Where scratch copies lie; everything in it can be made again.
    maps
        (where the window is, here): pictures under the first are read under the second and never sent.
    limits
        How long sessions and scratch copies are kept.
    tell
        Gets a line for the log.
    """

    tokens: dict[str, str]
    folder: Path
    maps: tuple[tuple[str, Path], ...] = ()
    limits: Limits = field(default_factory=Limits)
    tell: Callable[[str], None] = lambda line: None
    _sessions: dict[str, Session] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    _socket: socket.socket | None = None

    def bind(self, host: str, port: int) -> tuple[str, int]:
        """Take an address; returns it with the port that was found for 0.

        Raises
        ------
        CellsegError
            When it cannot be had.
        """
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise CellsegError(f"{host}:{port} cannot be listened on: {error}.", "Choose another port.") from error
        address = self._socket.getsockname()
        return str(address[0]), int(address[1])

    def serve(self) -> None:
        """Take connections until `close`."""
        assert self._socket is not None
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                if not self._waiting.acquire(blocking=False):
                    connection.close()
                    continue
                threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections and end all sessions."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        with self._lock:
            for session in list(self._sessions.values()):
                session.close()

    # --- inside ---------------------------------------------------------------------------------

    def _meet(self, connection: socket.socket) -> None:
        """In a thread of its own: find out who it is, then follow the connection to its end."""
        where, session = "", None
        enough = threading.Timer(FIRST_S, _end, (connection,))  # a byte now and then is no conversation
        enough.daemon = True
        enough.start()
        try:
            where = connection.getpeername()[0]
            session = self._known(connection)
        except (OSError, EOFError, BadFrame) as error:
            self.tell(f"{where}: no words of ours ({type(error).__name__})")
        finally:
            enough.cancel()
            self._waiting.release()
        if session is None:
            connection.close()
            return
        self.tell(f"{where}: {session.user} is here")
        session.follow(connection)
        self.tell(f"{where}: {session.user} is away")

    def _known(self, connection: socket.socket) -> Session | None:
        """The session that a connection belongs to, None where it was refused."""
        connection.settimeout(FIRST_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        nonce = secrets.token_hex(16)
        say(connection, Challenge(VERSION, nonce))
        login = FIRST_WORDS.read(connection.recv_into, FIRST)
        if not isinstance(login, Login):
            raise EOFError
        user = owner(self.tokens, login.proof, "client", nonce, login.nonce)
        if user is None:
            say(connection, Refused("The token is not one of this server's.", "Ask who runs it for yours."))
            return None
        if login.version != VERSION:
            text = f"The server has version {VERSION} of napari-cellseg, this window {login.version[:20]}."
            say(connection, Refused(text, "Install the same version on both machines."))
            return None
        session = self._session(user, login)
        answer = proof(self.tokens[user], "server", nonce, login.nonce)
        say(connection, Welcome(answer, user, session.key, session.channel.heard))
        session.channel.attach(connection, login.heard if session.key == login.session else 0)
        return session

    def _session(self, user: str, login: Login) -> Session:
        """The one that was left, or a new one; those that this person left without work end now."""
        with self._lock:
            self._sessions = {key: s for key, s in self._sessions.items() if not s.ended}
            old = self._sessions.get(login.session)
            if old is not None and old.user == user:
                old.pause()
                return old
            for left in [s for s in self._sessions.values() if s.user == user]:
                if left.window == login.window or not (left.channel.connected or left.busy):
                    left.close()
                    left.gone.wait(END_S)  # its scratch copy is free then
            new = Session(user, self._home(user), self.maps, self.limits, login)
            self._sessions[new.key] = new
            threading.Thread(target=new.run, daemon=True).start()
            return new

    def _home(self, user: str) -> Path:
        """A folder of the person's own, which nobody else may look into."""
        name = f"{user}-{hashlib.blake2b(user.encode(), digest_size=4).hexdigest()}"  # names may differ in case only
        home = self.folder / name
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return home
